//! The Yahoo streaming benchmark on lines of JSON: views per campaign and window of ten seconds.

use std::sync::Arc;

use millstream::io::Generator;
use millstream::prelude::*;
use serde::Deserialize;

use crate::every_thousand::EveryThousand;
use crate::suite::events::JsonLines;
use crate::suite::generators::{Kind, Uuid, fnv1a, h3, uuid};
use crate::suite::lookup::Lookup;
use crate::suite::report::{Parameters, Report};
use crate::suite::tally::Tally;

/// All members of an event.
#[derive(Deserialize)]
struct Event<'a> {
    user_id: &'a str,
    page_id: &'a str,
    ad_id: &'a str,
    ad_type: &'a str,
    event_type: &'a str,
    event_time: &'a str,
    ip_address: &'a str,
}

/// What is used of an event.
struct Seen {
    ad: Uuid,
    millis: i64,
    is_view: bool,
}

fn parse(line: &str) -> Result<Seen, Box<dyn std::error::Error + Send + Sync>> {
    let event: Event<'_> = sonic_rs::from_str(line)?;
    std::hint::black_box((event.user_id, event.page_id, event.ad_type, event.ip_address));
    let ad = event.ad_id.as_bytes().try_into()?;
    Ok(Seen { ad, millis: event.event_time.parse()?, is_view: event.event_type == "view" })
}

pub(crate) fn run(parameters: &Parameters) -> Result<Report, String> {
    let records = parameters.number("records", 15_000_000)?;
    let campaigns = parameters.campaigns()?;
    let campaign_of = |ad| (uuid(Kind::Ad, ad), campaigns.of_ad(ad) as u32);
    let campaign_of = Arc::new((0..campaigns.ads()).map(campaign_of).collect::<Lookup<Uuid, u32>>());
    let names = (0..campaigns.count).map(|campaign| fnv1a(&uuid(Kind::Campaign, campaign))).collect::<Arc<[u64]>>();
    let hash = move |(campaign, start, views): &(u32, Timestamp, u64)| {
        h3(names[*campaign as usize], start.as_millis() as u64, *views)
    };
    let (tally, total) = Tally::of(hash);
    let lines = Arc::new(JsonLines::about(campaigns.ads()));
    let topology = Topology::new("w2j");
    topology
        .source("lines", Generator::new(records, move |g| lines.line(g)))
        .try_map(|line| parse(&line))
        .event_time(Watermarks::custom(EveryThousand::default), |seen| seen.millis)
        .filter(|seen| seen.is_view)
        .flat_map(move |seen| campaign_of.get(&seen.ad).copied())
        .key_by(|campaign| *campaign)
        .window("views", Tumbling::of(10.seconds()))
        .aggregate_with(Count, |campaign, window, views| Some((*campaign, window.start(), views)))
        .sink("checksum", tally);
    Report::of("w2j", records, parameters, &topology, &total)
}
