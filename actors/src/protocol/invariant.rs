//! Numbers the laws that no run may break, and checks them: one macro for code, one grammar for channels.

use std::fmt;

use thiserror::Error;

use crate::ids::CheckpointId;
use crate::time::Timestamp;

/// A law of the protocol, named once; `CP` laws are about checkpoints, `CH` about channels, `WM` about watermarks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Invariant {
    /// CP-1: a subtask takes the snapshot of a checkpoint at most once.
    SnapshotOnce,
    /// CP-2: a checkpoint is announced only after its manifest is durable.
    AnnounceAfterPublish,
    /// CP-3: a snapshot is taken only when its barrier has arrived on every open channel.
    SnapshotWhenAligned,
    /// CP-4: a channel is not drained between its barrier and the end of that barrier's alignment.
    BlockedWhileAligning,
    /// CP-5: an answer of an earlier attempt changes nothing.
    AttemptIsCurrent,
    /// CP-6: announced checkpoints strictly increase.
    AnnouncementsIncrease,
    /// CP-7: no other round opens once a stop round has opened.
    NothingOpensAfterStop,
    /// CH-1: nothing follows the end of a channel.
    NothingFollowsEnd,
    /// CH-2: the barriers of a channel strictly increase.
    BarriersIncrease,
    /// WM-1: the watermark of a channel never goes back.
    WatermarkNeverGoesBack,
    /// WM-2: a watermark is a point in event time, never the absence of one.
    WatermarkIsATime,
}

impl Invariant {
    /// Every law, in the order of its number.
    pub const ALL: [Self; 11] = [
        Self::SnapshotOnce,
        Self::AnnounceAfterPublish,
        Self::SnapshotWhenAligned,
        Self::BlockedWhileAligning,
        Self::AttemptIsCurrent,
        Self::AnnouncementsIncrease,
        Self::NothingOpensAfterStop,
        Self::NothingFollowsEnd,
        Self::BarriersIncrease,
        Self::WatermarkNeverGoesBack,
        Self::WatermarkIsATime,
    ];

    /// The number of the law, as documentation and tests cite it.
    #[must_use]
    pub const fn number(self) -> &'static str {
        self.text().0
    }

    /// The law in one sentence.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        self.text().1
    }

    const fn text(self) -> (&'static str, &'static str) {
        match self {
            Self::SnapshotOnce => ("CP-1", "a subtask takes the snapshot of a checkpoint at most once"),
            Self::AnnounceAfterPublish => ("CP-2", "a checkpoint is announced only after its manifest is durable"),
            Self::SnapshotWhenAligned => {
                ("CP-3", "a snapshot is taken only when its barrier has arrived on every open channel")
            }
            Self::BlockedWhileAligning => {
                ("CP-4", "a channel is not drained between its barrier and the end of that barrier's alignment")
            }
            Self::AttemptIsCurrent => ("CP-5", "an answer of an earlier attempt changes nothing"),
            Self::AnnouncementsIncrease => ("CP-6", "announced checkpoints strictly increase"),
            Self::NothingOpensAfterStop => ("CP-7", "no other round opens once a stop round has opened"),
            Self::NothingFollowsEnd => ("CH-1", "nothing follows the end of a channel"),
            Self::BarriersIncrease => ("CH-2", "the barriers of a channel strictly increase"),
            Self::WatermarkNeverGoesBack => ("WM-1", "the watermark of a channel never goes back"),
            Self::WatermarkIsATime => ("WM-2", "a watermark is a point in event time, never the absence of one"),
        }
    }
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.number(), self.sentence())
    }
}

/// Panics where an [`Invariant`] does not hold, naming it. Costs and does nothing in release builds.
///
/// # Example
/// ```
/// use millstream_actors::protocol::{Invariant, check};
///
/// let (previous, barrier) = (3, 4);
/// check!(Invariant::BarriersIncrease, previous < barrier, "barrier {barrier} after {previous}");
/// ```
#[macro_export]
macro_rules! check {
    ($invariant:expr, $condition:expr, $($details:tt)+) => {
        if cfg!(debug_assertions) {
            let holds: bool = $condition;
            if !holds {
                $crate::protocol::invariant::broken($invariant, ::std::format_args!($($details)+));
            }
        }
    };
}

pub use crate::check;

/// Ends the thread's work because `invariant` does not hold; [`check!`](crate::check) calls it.
///
/// # Panics
/// Always.
#[cold]
#[track_caller]
pub fn broken(invariant: Invariant, details: fmt::Arguments<'_>) -> ! {
    panic!("{invariant} is broken: {details}")
}

/// One element of a channel, as far as the grammar tells elements apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Symbol {
    /// A batch of records.
    Batch,
    /// No record at or before this time is still to come.
    Watermark(Timestamp),
    /// The channel stops holding back watermarks.
    Idle,
    /// The channel holds back watermarks again.
    Active,
    /// The place of a checkpoint among the records.
    Barrier(CheckpointId),
    /// The last element.
    End,
}

/// A law that a channel broke, and how.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{invariant} is broken: {details}")]
pub struct Violation {
    /// The law.
    pub invariant: Invariant,
    /// The elements that broke it.
    pub details: String,
}

/// Follows one channel of one attempt and refuses what its grammar does not allow.
///
/// The grammar is `((Batch | Watermark | Idle | Active | Barrier)* End)`; barriers strictly increase and watermarks
/// never go back.
///
/// # Example
/// ```
/// use millstream_actors::protocol::{Grammar, Invariant, Symbol};
///
/// let mut channel = Grammar::default();
/// assert!(channel.admit(Symbol::Batch).is_ok());
/// assert!(channel.admit(Symbol::End).is_ok());
/// let refused = channel.admit(Symbol::Batch).unwrap_err();
/// assert_eq!(refused.invariant, Invariant::NothingFollowsEnd);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Grammar {
    watermark: Option<Timestamp>,
    barrier: Option<CheckpointId>,
    ended: bool,
}

impl Grammar {
    /// Takes the next element of the channel; a refused element leaves the checker as it was.
    ///
    /// # Errors
    /// The first law, in the order CH-1, CH-2, WM-2, WM-1, that `symbol` breaks at this place.
    pub fn admit(&mut self, symbol: Symbol) -> Result<(), Violation> {
        if self.ended {
            return Err(refuse(Invariant::NothingFollowsEnd, format!("{symbol:?} after the end")));
        }
        match symbol {
            Symbol::Batch | Symbol::Idle | Symbol::Active => {}
            Symbol::Barrier(next) => {
                if let Some(last) = self.barrier.filter(|last| next <= *last) {
                    return Err(refuse(Invariant::BarriersIncrease, format!("barrier {next} after barrier {last}")));
                }
                self.barrier = Some(next);
            }
            Symbol::Watermark(next) if !next.is_some() => {
                return Err(refuse(Invariant::WatermarkIsATime, "a watermark without a time".to_owned()));
            }
            Symbol::Watermark(next) => {
                if let Some(last) = self.watermark.filter(|last| next < *last) {
                    let details = format!("watermark {next} after watermark {last}");
                    return Err(refuse(Invariant::WatermarkNeverGoesBack, details));
                }
                self.watermark = Some(next);
            }
            Symbol::End => self.ended = true,
        }
        Ok(())
    }
}

fn refuse(invariant: Invariant, details: String) -> Violation {
    Violation { invariant, details }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn wm(millis: i64) -> Symbol {
        Symbol::Watermark(Timestamp::from_millis(millis))
    }

    fn barrier(n: u64) -> Symbol {
        Symbol::Barrier(CheckpointId(n))
    }

    fn first_refusal(symbols: &[Symbol]) -> Option<(usize, Invariant)> {
        let mut grammar = Grammar::default();
        symbols
            .iter()
            .enumerate()
            .find_map(|(at, symbol)| grammar.admit(*symbol).err().map(|violation| (at, violation.invariant)))
    }

    #[test]
    fn numbers_and_sentences_are_unique() {
        let numbers: BTreeSet<_> = Invariant::ALL.iter().map(|law| law.number()).collect();
        let sentences: BTreeSet<_> = Invariant::ALL.iter().map(|law| law.sentence()).collect();
        assert_eq!((numbers.len(), sentences.len()), (Invariant::ALL.len(), Invariant::ALL.len()));
    }

    #[test]
    fn channel_admits_what_its_grammar_allows_and_nothing_else() {
        use Invariant::*;
        use Symbol::*;
        type Refusal = Option<(usize, Invariant)>;
        let table: [(&str, &[Symbol], Refusal); 9] = [
            ("a whole life", &[Batch, wm(1), Idle, Active, barrier(1), Batch, wm(1), barrier(2), wm(5), End], None),
            ("an empty life", &[End], None),
            ("a batch after the end", &[End, Batch], Some((1, NothingFollowsEnd))),
            ("two ends", &[End, End], Some((1, NothingFollowsEnd))),
            ("a watermark that goes back", &[wm(5), wm(4)], Some((1, WatermarkNeverGoesBack))),
            ("a watermark without a time", &[Watermark(Timestamp::NONE)], Some((0, WatermarkIsATime))),
            ("the same barrier twice", &[barrier(3), Batch, barrier(3)], Some((2, BarriersIncrease))),
            ("an older barrier", &[barrier(3), barrier(2)], Some((1, BarriersIncrease))),
            ("rounds left out", &[barrier(3), barrier(7)], None),
        ];
        for (case, symbols, expected) in table {
            assert_eq!(first_refusal(symbols), expected, "{case}");
        }
    }

    #[test]
    fn broken_law_is_named_with_its_number_and_details() {
        let mut grammar = Grammar::default();
        grammar.admit(barrier(4)).unwrap();
        let violation = grammar.admit(barrier(2)).unwrap_err();
        assert_eq!(
            violation.to_string(),
            "CH-2 (the barriers of a channel strictly increase) is broken: barrier 2 after barrier 4"
        );
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "CP-2 (a checkpoint is announced only after its manifest is durable) is broken: round 7")]
    fn check_panics_with_the_law_it_found_broken() {
        check!(Invariant::AnnounceAfterPublish, 1 > 2, "round {}", 7);
    }

    fn symbols() -> impl Strategy<Value = Symbol> {
        prop_oneof![
            4 => Just(Symbol::Batch),
            4 => (-3i64..20).prop_map(wm),
            1 => Just(Symbol::Watermark(Timestamp::NONE)),
            2 => Just(Symbol::Idle),
            2 => Just(Symbol::Active),
            4 => (0u64..9).prop_map(barrier),
            1 => Just(Symbol::End),
        ]
    }

    proptest! {
        /// The model looks at the whole sequence of admitted elements each time and remembers nothing.
        #[test]
        fn grammar_equals_a_search_through_everything_admitted(sequence in prop::collection::vec(symbols(), 0..40)) {
            let mut grammar = Grammar::default();
            let mut admitted: Vec<Symbol> = Vec::new();
            for symbol in sequence {
                let legal = admitted.iter().all(|earlier| match (*earlier, symbol) {
                    (Symbol::End, _) => false,
                    (Symbol::Barrier(a), Symbol::Barrier(b)) => a < b,
                    (Symbol::Watermark(a), Symbol::Watermark(b)) => a <= b,
                    _ => true,
                }) && symbol != Symbol::Watermark(Timestamp::NONE);
                prop_assert_eq!(grammar.admit(symbol).is_ok(), legal, "{:?} after {:?}", symbol, admitted);
                if legal {
                    admitted.push(symbol);
                }
            }
        }
    }
}
