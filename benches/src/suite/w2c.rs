//! The Yahoo streaming benchmark on binary events: views per campaign and window of ten seconds.

use std::hint::black_box;
use std::sync::Arc;

use millstream::io::Generator;
use millstream::prelude::*;

use crate::every_thousand::EveryThousand;
use crate::suite::events::{Event, VIEW};
use crate::suite::generators::{Kind, h3, id64};
use crate::suite::lookup::Numbers;
use crate::suite::report::{Parameters, Report};
use crate::suite::tally::Tally;

pub(crate) fn run(parameters: &Parameters) -> Result<Report, String> {
    let records = parameters.number("records", 50_000_000)?;
    let campaigns = parameters.campaigns()?;
    let ads = campaigns.ads();
    let ads_of_campaigns = 0..usize::try_from(ads).map_err(|_| format!("{ads} ads are too many"))?;
    let campaign_of = |ad| (id64(Kind::Ad, ad as u64), id64(Kind::Campaign, campaigns.of_ad(ad as u64)));
    let campaign_of = Arc::new(Numbers::of(ads_of_campaigns.map(campaign_of)));
    let hash = |(campaign, start, views): &(u64, Timestamp, u64)| h3(*campaign, start.as_millis() as u64, *views);
    let (tally, total) = Tally::of(hash);
    let topology = Topology::new("w2c");
    topology
        .source("events", Generator::new(records, move |g| Event::of(g, ads)))
        .inspect(|event| {
            black_box((event.user, event.page, event.ad_type, event.ip));
        })
        .event_time(Watermarks::custom(EveryThousand::default), |event| event.millis)
        .filter(|event| event.event_type == VIEW)
        .flat_map(move |event| campaign_of.get(event.ad))
        .key_by(|campaign| *campaign)
        .window("views", Tumbling::of(10.seconds()))
        .aggregate_with(Count, |campaign, window, views| Some((*campaign, window.start(), views)))
        .sink("checksum", tally);
    Report::of("w2c", records, parameters, &topology, &total)
}
