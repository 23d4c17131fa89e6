//! What an option is: a name, a type with its range, a default, and what it is for.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use super::SettingError;
use super::value::{Typed, Value};

/// An option of a job, as the list has it.
///
/// # Example
/// ```
/// use millstream::config::FIELDS;
///
/// let interval = FIELDS.iter().find(|field| field.name() == "checkpoint.interval").unwrap();
/// assert_eq!((interval.default(), interval.range()), ("10s".to_owned(), "1ms to 365d, or off".to_owned()));
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Field {
    name: &'static str,
    kind: Kind,
    /// The word for no value, if the option may have none.
    nothing: Option<&'static str>,
    /// What is counted.
    unit: &'static str,
    default: DefaultValue,
    doc: &'static str,
    is_secret: bool,
    flag: Option<&'static str>,
    /// The method of the job's options that sets it.
    method: &'static str,
}

/// The type of an option, and the values in its range.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Count { least: u64, most: u64 },
    Bytes { least: u64, most: u64 },
    Decimal { least: f64, most: f64 },
    Time { least: Duration, most: Duration },
    Switch,
    Path,
    Choice { words: &'static [&'static str] },
}

/// The value of an option that nobody has set.
#[derive(Debug, Clone, Copy)]
pub(crate) enum DefaultValue {
    Nothing,
    Number(u64),
    Decimal(f64),
    Time(Duration),
    Switch(bool),
    Word(&'static str),
    /// The number of cores of this machine.
    Cores,
}

impl DefaultValue {
    fn value(self) -> Value {
        match self {
            Self::Nothing => Value::Nothing,
            Self::Number(number) => Value::Number(number),
            Self::Decimal(number) => Value::Decimal(number),
            Self::Time(time) => Value::Time(time),
            Self::Switch(on) => Value::Switch(on),
            Self::Word(word) => Value::Word(word),
            Self::Cores => Value::Number(std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64)),
        }
    }
}

impl Field {
    pub(crate) const fn new(name: &'static str, kind: Kind, default: DefaultValue, method: &'static str) -> Self {
        let (nothing, unit, doc, is_secret, flag) = (None, "", "", false, None);
        Self { name, kind, nothing, unit, default, doc, is_secret, flag, method }
    }

    /// It may have no value, which is written as this word.
    pub(crate) const fn or(self, nothing: &'static str) -> Self {
        Self { nothing: Some(nothing), ..self }
    }

    /// What is counted.
    pub(crate) const fn of(self, unit: &'static str) -> Self {
        Self { unit, ..self }
    }

    /// It has a flag of its own on the command line.
    pub(crate) const fn flag_named(self, flag: &'static str) -> Self {
        Self { flag: Some(flag), ..self }
    }

    /// Its value is never shown.
    #[cfg(test)]
    pub(crate) const fn secret(self) -> Self {
        Self { is_secret: true, ..self }
    }

    pub(crate) const fn documented(self, doc: &'static str) -> Self {
        Self { doc, ..self }
    }

    /// Its name: words with dots between them, of which the first is its group.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Its group: what its name begins with.
    #[must_use]
    pub fn group(&self) -> &'static str {
        self.name.split('.').next().unwrap_or_default()
    }

    /// Its type: count, bytes, decimal, time, switch, path or choice.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self.kind {
            Kind::Count { .. } => "count",
            Kind::Bytes { .. } => "bytes",
            Kind::Decimal { .. } => "decimal",
            Kind::Time { .. } => "time",
            Kind::Switch => "switch",
            Kind::Path => "path",
            Kind::Choice { .. } => "choice",
        }
    }

    /// What it counts; empty for all but counts.
    #[must_use]
    pub fn unit(&self) -> &'static str {
        self.unit
    }

    /// The values that it may have.
    #[must_use]
    pub fn range(&self) -> String {
        let write = |value: Value| self.write(&value);
        let between = |least: Value, most: Value| format!("{} to {}", write(least), write(most));
        let range = match self.kind {
            Kind::Count { least, most: u64::MAX } => format!("{least} or more"),
            Kind::Count { least, most } | Kind::Bytes { least, most } => {
                between(Value::Number(least), Value::Number(most))
            }
            Kind::Decimal { least, most: f64::INFINITY } => format!("{least} or more"),
            Kind::Decimal { least, most } => between(Value::Decimal(least), Value::Decimal(most)),
            Kind::Time { least, most } => between(Value::Time(least), Value::Time(most)),
            Kind::Switch => "true or false".to_owned(),
            Kind::Path => "any".to_owned(),
            Kind::Choice { words } => words.join(", "),
        };
        self.nothing.map_or(range.clone(), |word| format!("{range}, or {word}"))
    }

    /// The value that it has if nobody sets it, as text.
    #[must_use]
    pub fn default(&self) -> String {
        match self.default {
            DefaultValue::Cores => "one per core".to_owned(),
            default => self.write(&default.value()),
        }
    }

    /// What it is for, in whole sentences.
    #[must_use]
    pub fn doc(&self) -> &'static str {
        self.doc
    }

    /// Whether its value must not be shown.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        self.is_secret
    }

    /// Its flag on the command line, without dashes, if it has one. Every option can be set by `--set`.
    #[must_use]
    pub fn flag(&self) -> Option<&'static str> {
        self.flag
    }

    /// The method of [`JobOptions`](crate::JobOptions) that sets it.
    #[must_use]
    pub fn method(&self) -> &'static str {
        self.method
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn default_value(&self) -> Value {
        self.default.value()
    }

    /// The value as text that [`Self::read`] takes.
    pub(crate) fn write(&self, value: &Value) -> String {
        match (value, self.nothing) {
            (Value::Nothing, Some(word)) => word.to_owned(),
            _ => value.write(&self.kind),
        }
    }

    /// The value as it may be shown to anybody.
    pub(crate) fn show(&self, value: &Value) -> String {
        if self.is_secret { "***".to_owned() } else { self.write(value) }
    }

    /// Reads a value from text.
    pub(crate) fn read(&self, text: &str) -> Result<Value, SettingError> {
        let value = match self.nothing {
            Some(word) if word == text.trim() => Value::Nothing,
            _ => Value::read(&self.kind, text).ok_or_else(|| self.malformed(text))?,
        };
        self.check(&value)?;
        Ok(value)
    }

    /// Checks that a value lies in the option's range.
    pub(crate) fn check(&self, value: &Value) -> Result<(), SettingError> {
        let lies_in = |least: Value, most: Value| least <= *value && *value <= most;
        let is_allowed = match (value, self.kind) {
            (Value::Nothing, _) => self.nothing.is_some(),
            (_, Kind::Count { least, most } | Kind::Bytes { least, most }) => {
                lies_in(Value::Number(least), Value::Number(most))
            }
            (_, Kind::Decimal { least, most }) => lies_in(Value::Decimal(least), Value::Decimal(most)),
            (_, Kind::Time { least, most }) => lies_in(Value::Time(least), Value::Time(most)),
            (_, Kind::Switch | Kind::Path | Kind::Choice { .. }) => true,
        };
        if is_allowed {
            return Ok(());
        }
        Err(SettingError::OutOfRange { name: self.name, value: self.show(value), range: self.range() })
    }

    fn malformed(&self, text: &str) -> SettingError {
        let like = match self.kind {
            Kind::Count { .. } => "a whole number".to_owned(),
            Kind::Bytes { .. } => "a size like 512MiB".to_owned(),
            Kind::Decimal { .. } => "a number like 1.5".to_owned(),
            Kind::Time { .. } => "a time like 500ms".to_owned(),
            Kind::Switch => "true or false".to_owned(),
            Kind::Path => "a path".to_owned(),
            Kind::Choice { words } => format!("one of {}", words.join(", ")),
        };
        let expected = self.nothing.map_or(like.clone(), |word| format!("{like}, or {word}"));
        let value = if self.is_secret { "***" } else { text };
        SettingError::Malformed { name: self.name, value: value.to_owned(), expected }
    }
}

/// An option, and the type that its values have in code.
pub(crate) struct Key<T> {
    field: &'static Field,
    of: PhantomData<fn() -> T>,
}

impl<T> Clone for Key<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Key<T> {}

impl<T: Typed> Key<T> {
    pub(crate) const fn new(field: &'static Field) -> Self {
        Self { field, of: PhantomData }
    }

    pub(crate) const fn field(self) -> &'static Field {
        self.field
    }

    /// The value of the option if nobody sets it.
    pub(crate) fn default(self) -> T {
        self.typed(&self.field.default_value())
    }

    /// `value` in the type of this key.
    pub(crate) fn typed(self, value: &Value) -> T {
        T::from_value(value).expect("values are put by their key or read by their kind, and a test compares both")
    }
}

impl<T> fmt::Debug for Key<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.field.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETAINED: Field =
        Field::new("checkpoint.retained", Kind::Count { least: 1, most: 9 }, DefaultValue::Number(1), "retained");
    const TIMEOUT: Field = Field::new(
        "checkpoint.timeout",
        Kind::Time { least: Duration::from_millis(1), most: Duration::from_secs(60) },
        DefaultValue::Nothing,
        "timeout",
    )
    .or("off");

    fn message(outcome: Result<Value, SettingError>) -> String {
        outcome.expect_err("it must be refused").to_string()
    }

    #[test]
    fn value_out_of_range_is_refused_with_its_name_and_the_range() {
        assert_eq!(message(RETAINED.read("0")), "checkpoint.retained = 0 is out of range: 1 to 9");
        assert_eq!(message(TIMEOUT.read("1us")), "checkpoint.timeout = 1us is out of range: 1ms to 1min, or off");
        assert_eq!(TIMEOUT.read("off"), Ok(Value::Nothing));
        assert_eq!(
            RETAINED.check(&Value::Nothing).expect_err("it has no word for that").to_string(),
            "checkpoint.retained =  is out of range: 1 to 9"
        );
    }

    #[test]
    fn text_of_another_form_is_refused_with_what_is_expected() {
        assert_eq!(
            message(TIMEOUT.read("soon")),
            "checkpoint.timeout = 'soon' cannot be read: expected a time like 500ms, or off"
        );
        assert_eq!(message(RETAINED.read("-1")), "checkpoint.retained = '-1' cannot be read: expected a whole number");
    }

    #[test]
    fn secret_is_shown_nowhere() {
        let secret = Field::new("rest.token", Kind::Path, DefaultValue::Nothing, "token").or("none").secret();
        assert_eq!(secret.show(&Value::Path("hunter2".into())), "***");
        let number = Field { kind: Kind::Count { least: 0, most: 1 }, ..secret };
        assert_eq!(
            message(number.read("hunter2")),
            "rest.token = '***' cannot be read: expected a whole number, or none"
        );
        assert_eq!(message(number.read("4711")), "rest.token = *** is out of range: 0 to 1, or none");
    }
}
