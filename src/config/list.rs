//! The one list of options: whatever a user may set about a job, and nothing else, has its line here.

use std::path::PathBuf;
use std::time::Duration;

use super::field::{DefaultValue as Default, Field, Key, Kind};
use super::restart::Restarts;

/// What names of options begin with: `(group, heading)`.
pub(super) const GROUPS: &[(&str, &str)] = &[
    ("checkpoint", "Checkpoints"),
    ("restart", "Restarts"),
    ("runtime", "Threads, batches and slices"),
    ("state", "The state directory"),
    ("memory", "Memory"),
    ("observe", "What is watched"),
];

const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
const ANY_TIME: Kind = Kind::Time { least: Duration::ZERO, most: YEAR };
const SOME_TIME: Kind = Kind::Time { least: Duration::from_millis(1), most: YEAR };
const ANY_COUNT: Kind = Kind::Count { least: 0, most: u32::MAX as u64 };
const ANY_BYTES: Kind = Kind::Bytes { least: 0, most: 1 << 40 };

/// One to `most` of something.
const fn up_to(most: u64) -> Kind {
    Kind::Count { least: 1, most }
}

const fn seconds(seconds: u64) -> Default {
    Default::Time(Duration::from_secs(seconds))
}

/// Makes of each line a key of its own and an entry of the list.
macro_rules! options {
    ($($(#[doc = $doc:literal])+ $key:ident: $type:ty = $field:expr;)+) => {
        $(
            $(#[doc = $doc])+
            pub(crate) const $key: Key<$type> = {
                static FIELD: Field = $field.documented(concat!($($doc),+));
                Key::new(&FIELD)
            };
        )+

        /// All options, by group.
        pub static FIELDS: &[&Field] = &[$($key.field()),+];

        /// Whether the default, and the ends of the range, of each option are values of the type of its key.
        #[cfg(test)]
        fn misfits() -> Vec<&'static str> {
            let fits = [$((stringify!($key), tests::fits($key))),+];
            fits.into_iter().filter_map(|(key, fits)| (!fits).then_some(key)).collect()
        }
    };
}

options! {
    /// The time between the starts of two checkpoints. With `off` there is only the last one, at the end of the input or
    /// at a stop.
    CHECKPOINT_INTERVAL: Option<Duration> =
        Field::new("checkpoint.interval", SOME_TIME, seconds(10), "checkpoint_interval")
            .or("off")
            .flag_named("checkpoint-interval");

    /// The least time between the end of a checkpoint and the start of the next.
    CHECKPOINT_PAUSE: Duration = Field::new("checkpoint.pause", ANY_TIME, seconds(0), "checkpoint_pause");

    /// The time after which a checkpoint that is not complete is abandoned.
    CHECKPOINT_TIMEOUT: Duration = Field::new("checkpoint.timeout", SOME_TIME, seconds(600), "checkpoint_timeout");

    /// How many checkpoints in a row may fail before the attempt does.
    CHECKPOINT_FAILURES: u32 =
        Field::new("checkpoint.failures", ANY_COUNT, Default::Number(0), "tolerable_failures").of("checkpoints");

    /// How many complete checkpoints are kept.
    CHECKPOINT_RETAINED: usize =
        Field::new("checkpoint.retained", up_to(1024), Default::Number(1), "retained_checkpoints").of("checkpoints");

    /// What follows a failure. `none`: the job fails. `fixed`: it restarts after the same delay each time. `rate`: the
    /// same, until failures come too fast. `exponential`: the delays grow, and start over once the job has run for long
    /// enough.
    RESTART_POLICY: Restarts = Field::new(
        "restart.policy",
        Kind::Choice { words: Restarts::WORDS },
        Default::Word("exponential"),
        "restart",
    );

    /// The time before each restart. With the policy `exponential`, the shortest delay, and the first that grows.
    RESTART_DELAY: Duration = Field::new("restart.delay", ANY_TIME, seconds(1), "restart");

    /// How many restarts there are: with the policy `fixed` in all, with `exponential` before the delays start over.
    RESTART_ATTEMPTS: Option<u32> =
        Field::new("restart.attempts", ANY_COUNT, Default::Nothing, "restart").or("unlimited").of("restarts");

    /// With the policy `rate`: how many failures within `restart.within` are survived. One more is final.
    RESTART_FAILURES: u32 =
        Field::new("restart.failures", ANY_COUNT, Default::Number(3), "restart").of("failures");

    /// With the policy `rate`: the time in which failures are counted.
    RESTART_WITHIN: Duration = Field::new("restart.within", ANY_TIME, seconds(300), "restart");

    /// With the policy `exponential`: the longest delay.
    RESTART_LIMIT: Duration = Field::new("restart.limit", ANY_TIME, seconds(60), "restart");

    /// With the policy `exponential`: the factor from one delay to the next.
    RESTART_GROWTH: f64 = Field::new(
        "restart.growth",
        Kind::Decimal { least: 1.0, most: f64::INFINITY },
        Default::Decimal(1.5),
        "restart",
    );

    /// With the policy `exponential`: the largest part of a delay that chance adds to it or takes from it.
    RESTART_JITTER: f64 = Field::new(
        "restart.jitter",
        Kind::Decimal { least: 0.0, most: 1.0 },
        Default::Decimal(0.1),
        "restart",
    );

    /// With the policy `exponential`: how long after its last restart the job must have run for the delays to start over.
    RESTART_RESET: Duration = Field::new("restart.reset", ANY_TIME, seconds(3600), "restart");

    /// With the policy `exponential`: whether the first restart, and the first after the delays started over, waits for
    /// nothing. The one after it then waits for `restart.delay`.
    RESTART_IMMEDIATE: bool = Field::new("restart.immediate", Kind::Switch, Default::Switch(true), "restart");

    /// Subtasks of each block that sets no number of its own.
    RUNTIME_PARALLELISM: u32 = Field::new("runtime.parallelism", up_to(32_768), Default::Cores, "parallelism")
        .of("subtasks")
        .flag_named("parallelism");

    /// Threads that subtasks run on.
    RUNTIME_WORKERS: usize =
        Field::new("runtime.workers", up_to(1024), Default::Cores, "workers").of("threads");

    /// Records per batch.
    RUNTIME_BATCH: usize =
        Field::new("runtime.batch", up_to(1 << 20), Default::Number(1024), "batch_records").of("records");

    /// Batches in flight towards a subtask, shared by its input channels, each of which has at least 2. With
    /// `runtime.batch` it bounds the memory of records in flight, and the time that a barrier waits for the records
    /// before it.
    RUNTIME_CREDITS: usize =
        Field::new("runtime.credits", up_to(1 << 16), Default::Number(16), "credits").of("batches");

    /// How long a subtask works before the others of its thread have their turn and it receives barriers again; an eighth
    /// of it while it has no input from where event time is held back. Subtasks look at the clock after each chunk of
    /// records, at most 512 and fewer where they are slow, so that a slice ends a little later than this. Shorter slices
    /// bring results and checkpoints sooner where a thread has many subtasks, longer ones save a few instructions per
    /// record. With `unlimited` no clock ends a slice: a subtask works until it has no input, or its outputs have no
    /// room. That is for measurements: a source that always has more to read, with no exchange downstream, then receives
    /// no checkpoint or stop before its input ends; it can only be killed.
    RUNTIME_SLICE: Option<Duration> =
        Field::new("runtime.slice", ANY_TIME, Default::Time(Duration::from_micros(500)), "run_slice").or("unlimited");

    /// The seed of what is random: the jitter of restart delays.
    RUNTIME_SEED: u64 =
        Field::new("runtime.seed", Kind::Count { least: 0, most: u64::MAX }, Default::Number(0), "seed");

    /// Where checkpoints are kept. A start with a directory that holds a complete checkpoint resumes from it. With
    /// `temporary`, the job uses a directory of its own and removes it at its end.
    STATE_DIRECTORY: Option<PathBuf> =
        Field::new("state.directory", Kind::Path, Default::Nothing, "state_dir").or("temporary").flag_named("state-dir");

    /// Discards what the state directory holds, and starts from nothing.
    STATE_FRESH: bool = Field::new("state.fresh", Kind::Switch, Default::Switch(false), "fresh").flag_named("fresh");

    /// The size up to which a file of the state is read and checked as a whole when the process opens it. In a larger
    /// one, damage to pages that index others may go unnoticed: what they led to looks as if it had never been. The check
    /// takes about a second per GiB.
    STATE_VERIFY: u64 = Field::new("state.verify", ANY_BYTES, Default::Number(256 << 20), "set");

    /// Memory for the rows of one subtask's keyed state. The state may be far larger.
    MEMORY_STATE: usize = Field::new("memory.state", ANY_BYTES, Default::Number(512 << 20), "state_memory");

    /// Memory for the pages of one subtask's state file.
    MEMORY_CACHE: usize = Field::new("memory.cache", ANY_BYTES, Default::Number(16 << 20), "set");

    /// For how long the watermark at an end of the topology stands still before a warning in the log explains why, once
    /// per standstill. It is the explanation that `JobWatch::explain_watermark` gives. With `never` there is none.
    OBSERVE_STANDSTILL: Option<Duration> = Field::new(
        "observe.standstill",
        Kind::Time { least: Duration::from_millis(1), most: YEAR },
        seconds(60),
        "warn_when_time_stands_still",
    )
    .or("never");
}

/// The option of this name.
pub(crate) fn find(name: &str) -> Option<&'static Field> {
    FIELDS.iter().copied().find(|field| field.name() == name)
}

/// The name that is most like `name`: what people mean who write a flag, a variable or a word of it.
pub(crate) fn nearest(name: &str) -> &'static str {
    let plain = name.to_lowercase().replace(['_', '-'], ".");
    let likeness = |field: &&&Field| {
        let last = field.name().rsplit('.').next().unwrap_or_default();
        let by_last_word = if plain == last { 0.99 } else { strsim::jaro_winkler(last, &plain) - 0.1 };
        let by_flag = field.flag().map_or(0.0, |flag| strsim::jaro_winkler(&flag.replace('-', "."), &plain));
        strsim::jaro_winkler(field.name(), &plain).max(by_last_word).max(by_flag)
    };
    let nearest = FIELDS.iter().max_by(|one, other| likeness(one).total_cmp(&likeness(other)));
    nearest.map_or("", |field| field.name())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::config::value::{Typed, Value};

    pub(super) fn fits<T: Typed>(key: Key<T>) -> bool {
        let ends = match key.field().kind() {
            Kind::Count { least, most } | Kind::Bytes { least, most } => [Value::Number(least), Value::Number(most)],
            Kind::Decimal { least, most } => [Value::Decimal(least), Value::Decimal(most)],
            Kind::Time { least, most } => [Value::Time(least), Value::Time(most)],
            Kind::Switch => [Value::Switch(false), Value::Switch(true)],
            Kind::Path => [Value::Path("a".into()), Value::Path("b".into())],
            Kind::Choice { words } => [Value::Word(words[0]), Value::Word(words[words.len() - 1])],
        };
        // A value of another width than the key's would not come back.
        ends.iter()
            .chain([&key.field().default_value()])
            .all(|value| T::from_value(value).is_some_and(|typed| typed.into_value() == *value))
    }

    #[test]
    fn every_key_has_the_type_of_its_option() {
        assert_eq!(misfits(), [""; 0]);
    }

    #[test]
    fn every_default_lies_in_its_range_and_can_be_written() {
        for field in FIELDS {
            let default = field.default_value();
            field.check(&default).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(field.read(&field.write(&default)), Ok(default), "{}", field.name());
        }
    }

    #[test]
    fn names_are_plain_words_with_a_group_and_none_leads_through_another() {
        let names = FIELDS.iter().map(|field| field.name()).collect::<BTreeSet<_>>();
        assert_eq!(names.len(), FIELDS.len());
        for field in FIELDS {
            let (name, words) = (field.name(), field.name().split('.').collect::<Vec<_>>());
            assert!(words.len() >= 2, "{name} has no group");
            let is_plain = |word: &&str| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase());
            assert!(words.iter().all(is_plain), "{name}: words of small letters with dots between them");
            assert!(GROUPS.iter().any(|(group, _)| *group == field.group()), "{name}: its group has no heading");
            // In a file, a name cannot be a value and a section.
            let inside = names.iter().find(|other| other.starts_with(&format!("{name}.")));
            assert_eq!(inside, None, "{name} is a value");
        }
    }

    #[test]
    fn options_of_a_group_stand_together() {
        let mut groups = FIELDS.iter().map(|field| field.group()).collect::<Vec<_>>();
        groups.dedup();
        assert_eq!(groups, GROUPS.iter().map(|(group, _)| *group).collect::<Vec<_>>());
    }

    #[test]
    fn nearest_name_is_what_was_meant() {
        for (given, meant) in [
            ("checkpoint.intervall", "checkpoint.interval"),
            ("checkpoint_interval", "checkpoint.interval"),
            ("checkpoint-interval", "checkpoint.interval"),
            ("interval", "checkpoint.interval"),
            ("state-dir", "state.directory"),
            ("STATE_DIRECTORY", "state.directory"),
            ("parallelism", "runtime.parallelism"),
            ("parallelizm", "runtime.parallelism"),
            ("memory.sate", "memory.state"),
            ("restart.delays", "restart.delay"),
        ] {
            assert_eq!(nearest(given), meant, "{given}");
        }
    }
}
