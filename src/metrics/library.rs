//! The counters of the library: THE place where a new one is declared.

use super::name::CounterName;

/// Makes of each line a constant and an entry of the list.
macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $constant:ident = $name:literal;)+) => {
        $($(#[doc = $doc])+ pub const $constant: CounterName = CounterName::new($name, concat!($($doc),+).trim_ascii());)+

        /// All counters of the library.
        pub const COUNTERS: &[CounterName] = &[$($constant),+];
    };
}

counters! {
    /// Records that sources handed to the topology.
    RECORDS_IN = "records.in";
    /// Records written to sinks.
    RECORDS_OUT = "records.out";
    /// Records that a filter held back, and those that lie between windows.
    FILTERED = "records.filtered";
    /// Records dropped, or put aside, for being late.
    LATE = "records.late";
    /// Input that could not be decoded, and was skipped or put aside.
    FAILED = "input.failed";
    /// How far a source has come, in the units of `SplitEnumerator::total`.
    PROGRESS = "input.progress";
    /// Windows of keys that waited for the clock when the input ended.
    UNFIRED = "windows.unfired";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_plain_words_and_different() {
        let names = COUNTERS.iter().map(|counter| counter.name()).collect::<BTreeSet<_>>();
        assert_eq!(names.len(), COUNTERS.len());
        let is_plain = |name: &&str| name.chars().all(|c| c.is_ascii_lowercase() || c == '.');
        assert!(names.iter().all(is_plain), "{names:?}");
    }

    #[test]
    fn every_counter_is_in_the_guide() {
        let guide = include_str!("../../docs/observing.md");
        for counter in COUNTERS {
            let line = format!("| `{}` | {} |", counter.name(), counter.doc().trim_end_matches('.'));
            assert!(guide.contains(&line), "docs/observing.md lacks the line {line}");
        }
    }
}
