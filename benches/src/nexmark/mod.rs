//! What a query of Nexmark is, and which ones there are.

mod bids_of_a_day;
pub mod check;
mod events;
mod greatest;
mod item;
pub mod measure;
mod q0;
mod q1;
mod q11;
mod q12;
mod q13;
mod q14;
mod q15;
mod q16;
mod q17;
mod q18;
mod q19;
mod q2;
mod q20;
mod q3;
mod q4;
mod q5;
mod q7;
mod q8;
mod q9;
mod update;
mod winning;

use std::fmt::Debug;
use std::hash::Hash;

use millstream::model::{Data, hash_key};
use millstream::prelude::*;
use nexmark::event::Event;

pub use events::{Nexmark, events_of};

/// A query: what it means as a topology, and what it means in loops over vectors.
pub trait Query: 'static {
    /// How the benchmark calls it.
    const NAME: &'static str;
    /// What it gives.
    type Out: Data + Clone + Ord + Hash + Debug;

    /// The topology between the source of all events and the sink.
    fn topology(events: Stream<impl Chain<Out = Event>>) -> Stream<impl Chain<Out = Self::Out>>;

    /// The results for these events, in any order.
    fn reference(events: &[Event]) -> Vec<Self::Out>;

    /// What results amount to: equal for any two runs over the same events.
    fn settle(results: Vec<Self::Out>) -> Vec<Self::Out> {
        results
    }

    /// The hash of a result. The sum of all of them is equal for any two runs over the same events.
    fn hash(result: &Self::Out) -> u64 {
        hash_key(result).0
    }
}

/// Something that is done with a query, whichever it is.
pub trait Visit {
    /// What comes of it.
    type Outcome;

    /// Does it with `Q`.
    fn visit<Q: Query>(&mut self) -> Self::Outcome;
}

/// Writes down which queries there are.
macro_rules! queries {
    ($($module:ident $query:ident),*) => {
        /// The names of all queries.
        pub const NAMES: &[&str] = &[$($module::$query::NAME),*];

        /// Lets `visit` do its work with the query that is called `name`; `None` if there is none.
        pub fn with_query<V: Visit>(name: &str, visit: &mut V) -> Option<V::Outcome> {
            $(
                if name == $module::$query::NAME {
                    return Some(visit.visit::<$module::$query>());
                }
            )*
            None
        }
    };
}

queries! {
    q0 Q0, q1 Q1, q2 Q2, q3 Q3, q4 Q4, q5 Q5, q7 Q7, q8 Q8, q9 Q9, q11 Q11, q12 Q12, q13 Q13, q14 Q14, q15 Q15, q16 Q16,
    q17 Q17, q18 Q18, q19 Q19, q20 Q20
}

/// The topology of `Q` up to its results: `source` is read, its events have their own times, and watermarks are four
/// seconds behind.
pub(crate) fn results<Q: Query>(source: Nexmark) -> (Topology, Stream<impl Chain<Out = Q::Out>>) {
    let topology = Topology::new(Q::NAME);
    let events = topology
        .source("events", source)
        .event_time(Watermarks::bounded_out_of_order(4.seconds()), |event: &Event| event.timestamp());
    (topology, Q::topology(events))
}
