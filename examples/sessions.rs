//! Cuts the clicks of visitors into visits: a visit is over when nothing was clicked for a while.
//!
//! How long that while is follows from the click: whoever is paying is given more time. Clicks come out of order, and one
//! that comes late joins two visits that were apart until then.
//!
//! Prints each visit with its pages.

use millstream::prelude::*;
use serde::{Deserialize, Serialize};

/// Who clicked what, and when: in seconds of the day.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Click {
    visitor: String,
    page: String,
    at: i64,
}

fn clicks() -> Vec<Click> {
    let click = |visitor: &str, page: &str, at| Click { visitor: visitor.to_owned(), page: page.to_owned(), at };
    vec![
        click("ann", "home", 0),
        click("ann", "shoes", 8),
        click("bob", "home", 10),
        click("ann", "checkout", 25), // more than ten seconds behind the shoes: so far, another visit
        click("ann", "size", 16),     // reported late: it belongs to both, and makes them one
        click("ann", "thanks", 70),   // paying takes its time
        click("bob", "hats", 60),     // a new visit
    ]
}

/// How long a visit goes on behind a click.
fn patience(click: &Click) -> Timespan {
    if click.page == "checkout" { 60.seconds() } else { 10.seconds() }
}

fn main() -> Result<()> {
    let topology = Topology::new("sessions");
    let visits = topology
        .source("clicks", Collection::of(clicks()))
        .event_time(Watermarks::bounded_out_of_order(20.seconds()), |click| click.at * 1_000)
        .key_by(|click| click.visitor.clone())
        .window("visits", Session::dynamic(patience))
        .apply(|visitor, visit, clicks| {
            // Clicks are in the order in which they came; people read them in the order of time.
            let mut pages = clicks.iter().map(|click| (click.time, click.value.page.as_str())).collect::<Vec<_>>();
            pages.sort_unstable();
            let pages = pages.into_iter().map(|(_, page)| page).collect::<Vec<_>>();
            let (from, until) = (visit.start().as_millis() / 1_000, visit.end().as_millis() / 1_000);
            [format!("{visitor} {from}..{until}: {}", pages.join(", "))]
        })
        .collect("results");
    topology.start(JobOptions::new().parallelism(1))?.wait()?;

    let mut visits = visits.take();
    visits.sort_unstable();
    visits.iter().for_each(|visit| println!("{visit}"));
    assert_eq!(visits, ["ann 0..85: home, shoes, size, checkout, thanks", "bob 10..20: home", "bob 60..70: hats"]);
    Ok(())
}
