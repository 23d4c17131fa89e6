//! The values of options: their types in code, and how each is written and read as text.

use std::path::PathBuf;
use std::time::Duration;

use super::field::Kind;
use super::restart::Restarts;

/// A value of an option.
#[derive(Debug, Clone, PartialEq, PartialOrd)]
pub(crate) enum Value {
    /// No value, where the option has a word for that.
    Nothing,
    /// A number of something, bytes among it.
    Number(u64),
    /// A factor or a part.
    Decimal(f64),
    /// A time.
    Time(Duration),
    /// Yes or no.
    Switch(bool),
    /// A file or directory.
    Path(PathBuf),
    /// One of the words of the option.
    Word(&'static str),
}

/// The units of a time, from the longest to the shortest, in nanoseconds.
const TIMES: [(&str, u64); 7] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("min", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// The units in which bytes are written, from the largest to the smallest.
const BINARY: [(&str, u64); 5] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// The units in which bytes may be given as well.
const DECIMAL: [(&str, u64); 4] = [("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000)];

impl Value {
    /// Reads a value of `kind`; nothing if `text` is not of its form.
    pub(crate) fn read(kind: &Kind, text: &str) -> Option<Self> {
        let text = text.trim();
        match kind {
            Kind::Count { .. } => digits(text).map(Self::Number),
            Kind::Bytes { .. } => read_bytes(text).map(Self::Number),
            Kind::Decimal { .. } => text.parse().ok().filter(|number: &f64| number.is_finite()).map(Self::Decimal),
            Kind::Time { .. } => humantime::parse_duration(text).ok().map(Self::Time),
            Kind::Switch => text.parse().ok().map(Self::Switch),
            Kind::Path => Some(text).filter(|text| !text.is_empty()).map(|text| Self::Path(text.into())),
            Kind::Choice { words } => words.iter().find(|word| **word == text).map(|word| Self::Word(word)),
        }
    }

    /// The value as [`Self::read`] takes it.
    pub(crate) fn write(&self, kind: &Kind) -> String {
        match self {
            Self::Nothing => String::new(),
            Self::Number(bytes) if matches!(kind, Kind::Bytes { .. }) => in_units(*bytes, &BINARY),
            Self::Number(number) => number.to_string(),
            Self::Decimal(number) => number.to_string(),
            Self::Time(time) if time.is_zero() => "0s".to_owned(),
            Self::Time(time) => match u64::try_from(time.as_nanos()) {
                Ok(nanos) => in_units(nanos, &TIMES),
                // More than five centuries, which are not read as nanoseconds.
                Err(_) => format!("{}s {}ns", time.as_secs(), time.subsec_nanos()),
            },
            Self::Switch(on) => on.to_string(),
            Self::Path(path) => path.display().to_string(),
            Self::Word(word) => (*word).to_owned(),
        }
    }
}

/// A whole number in the largest of `units` that leaves no rest. The last unit is 1.
fn in_units(number: u64, units: &[(&str, u64)]) -> String {
    let fits = |(_, size): &&(&str, u64)| number >= *size && number.is_multiple_of(*size);
    let (unit, size) = units.iter().find(fits).unwrap_or(&units[units.len() - 1]);
    format!("{}{unit}", number / size)
}

/// A whole number, which may have `_` between its digits.
fn digits(text: &str) -> Option<u64> {
    let is_number = text.starts_with(|first: char| first.is_ascii_digit());
    is_number.then(|| text.replace('_', "").parse().ok()).flatten()
}

fn read_bytes(text: &str) -> Option<u64> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(text.len());
    let (number, unit) = (digits(&text[..unit_at])?, text[unit_at..].trim());
    let size = match unit {
        "" => 1,
        unit => BINARY.iter().chain(&DECIMAL).find(|(known, _)| known.eq_ignore_ascii_case(unit))?.1,
    };
    number.checked_mul(size)
}

/// A type that values of options have in code.
pub(crate) trait Typed: Sized {
    fn into_value(self) -> Value;
    /// Nothing if `value` is one of another type.
    fn from_value(value: &Value) -> Option<Self>;
}

impl Typed for u64 {
    fn into_value(self) -> Value {
        Value::Number(self)
    }

    fn from_value(value: &Value) -> Option<Self> {
        if let Value::Number(number) = value { Some(*number) } else { None }
    }
}

impl Typed for u32 {
    fn into_value(self) -> Value {
        Value::Number(self.into())
    }

    fn from_value(value: &Value) -> Option<Self> {
        u64::from_value(value)?.try_into().ok()
    }
}

impl Typed for usize {
    fn into_value(self) -> Value {
        Value::Number(self as u64)
    }

    fn from_value(value: &Value) -> Option<Self> {
        // More than there are addresses is as good as all of them.
        u64::from_value(value).map(|number| number.try_into().unwrap_or(Self::MAX))
    }
}

impl Typed for f64 {
    fn into_value(self) -> Value {
        Value::Decimal(self)
    }

    fn from_value(value: &Value) -> Option<Self> {
        if let Value::Decimal(number) = value { Some(*number) } else { None }
    }
}

impl Typed for Duration {
    fn into_value(self) -> Value {
        Value::Time(self)
    }

    fn from_value(value: &Value) -> Option<Self> {
        if let Value::Time(time) = value { Some(*time) } else { None }
    }
}

impl Typed for bool {
    fn into_value(self) -> Value {
        Value::Switch(self)
    }

    fn from_value(value: &Value) -> Option<Self> {
        if let Value::Switch(on) = value { Some(*on) } else { None }
    }
}

impl Typed for PathBuf {
    fn into_value(self) -> Value {
        Value::Path(self)
    }

    fn from_value(value: &Value) -> Option<Self> {
        if let Value::Path(path) = value { Some(path.clone()) } else { None }
    }
}

impl Typed for Restarts {
    fn into_value(self) -> Value {
        Value::Word(self.word())
    }

    fn from_value(value: &Value) -> Option<Self> {
        let Value::Word(word) = value else { return None };
        Self::ALL.into_iter().find(|restarts| restarts.word() == *word)
    }
}

impl<T: Typed> Typed for Option<T> {
    fn into_value(self) -> Value {
        self.map_or(Value::Nothing, T::into_value)
    }

    fn from_value(value: &Value) -> Option<Self> {
        if *value == Value::Nothing { Some(None) } else { T::from_value(value).map(Some) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const COUNT: Kind = Kind::Count { least: 0, most: u64::MAX };
    const BYTES: Kind = Kind::Bytes { least: 0, most: u64::MAX };
    const TIME: Kind = Kind::Time { least: Duration::ZERO, most: Duration::MAX };
    const DECIMAL_NUMBER: Kind = Kind::Decimal { least: f64::MIN, most: f64::MAX };
    const WORDS: Kind = Kind::Choice { words: &["none", "fixed"] };

    /// A kind, and any value of it that can be written as text.
    fn values() -> impl Strategy<Value = (Kind, Value)> {
        let seconds = (0..=u64::MAX / 1_000_000, 0..1_000_000_000u32);
        let nanos = (0..=u64::from(u32::MAX)).prop_map(Duration::from_nanos);
        let rounds = prop_oneof![Just(1u64), Just(1_000), Just(60_000), Just(86_400_000)];
        let rounded = (0..10_000u64, rounds).prop_map(|(number, of)| Duration::from_millis(number * of));
        let time = prop_oneof![seconds.prop_map(|(s, ns)| Duration::new(s, ns)), nanos, rounded];
        let bytes = prop_oneof![any::<u64>(), (0..4096u64, 0..5u32).prop_map(|(number, of)| number << (of * 10))];
        prop_oneof![
            any::<u64>().prop_map(|number| (COUNT, Value::Number(number))),
            bytes.prop_map(|bytes| (BYTES, Value::Number(bytes))),
            time.prop_map(|time| (TIME, Value::Time(time))),
            any::<f64>()
                .prop_filter("finite", |number| number.is_finite())
                .prop_map(|n| (DECIMAL_NUMBER, Value::Decimal(n))),
            any::<bool>().prop_map(|on| (Kind::Switch, Value::Switch(on))),
            "[a-zA-Z0-9/._-][a-zA-Z0-9/._ =-]{0,20}[a-zA-Z0-9]".prop_map(|path| (Kind::Path, Value::Path(path.into()))),
            prop_oneof![Just("none"), Just("fixed")].prop_map(|word| (WORDS, Value::Word(word))),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_reads_as_the_same_value((kind, value) in values()) {
            let text = value.write(&kind);
            prop_assert_eq!(Value::read(&kind, &text), Some(value), "{}", text);
        }

        #[test]
        fn no_text_is_too_strange_to_be_read_or_refused(text in ".{0,20}") {
            for kind in [COUNT, BYTES, TIME, DECIMAL_NUMBER, Kind::Switch, Kind::Path, WORDS] {
                if let Some(value) = Value::read(&kind, &text) {
                    prop_assert_eq!(Value::read(&kind, &value.write(&kind)), Some(value));
                }
            }
        }
    }

    #[test]
    fn values_are_written_as_people_write_them() {
        let written = |kind, value: Value| value.write(&kind);
        assert_eq!(written(TIME, Value::Time(Duration::from_millis(500))), "500ms");
        assert_eq!(written(TIME, Value::Time(Duration::from_secs(90))), "90s");
        assert_eq!(written(TIME, Value::Time(Duration::from_secs(600))), "10min");
        assert_eq!(written(TIME, Value::Time(Duration::ZERO)), "0s");
        assert_eq!(written(BYTES, Value::Number(512 << 20)), "512MiB");
        assert_eq!(written(BYTES, Value::Number(1000)), "1000B");
        assert_eq!(written(BYTES, Value::Number(0)), "0B");
        assert_eq!(written(DECIMAL_NUMBER, Value::Decimal(1.5)), "1.5");
    }

    #[test]
    fn bytes_are_read_in_any_unit_and_case() {
        let read = |text| Value::read(&BYTES, text);
        for text in ["2097152", "2_097_152", "2097152B", "2048KiB", "2MiB", "2 MiB", "2mib"] {
            assert_eq!(read(text), Some(Value::Number(2 << 20)), "{text}");
        }
        assert_eq!(read("2MB"), Some(Value::Number(2_000_000)));
        for text in ["", "MiB", "-1MiB", "1.5GiB", "2M", "99999999999TiB"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn values_of_other_types_are_not_taken_for_one() {
        assert_eq!(u32::from_value(&Value::Number(1 << 40)), None);
        assert_eq!(bool::from_value(&Value::Number(1)), None);
        assert_eq!(Option::<Duration>::from_value(&Value::Nothing), Some(None));
        assert_eq!(Option::<Duration>::from_value(&Value::Switch(true)), None);
    }
}
