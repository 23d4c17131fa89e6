//! Says what is wrong with a setting: which option, which value, and what it may be.

/// What is wrong with a setting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingError {
    /// No option has this name.
    #[error("there is no option '{name}'; did you mean '{nearest}'?")]
    Unknown {
        /// The name that was given.
        name: String,
        /// The name that is most like it.
        nearest: &'static str,
    },
    /// The value is not of the option's type.
    #[error("{name} = '{value}' cannot be read: expected {expected}")]
    Malformed {
        /// The option.
        name: &'static str,
        /// The text that was given.
        value: String,
        /// What is read.
        expected: String,
    },
    /// The value lies outside of the option's range.
    #[error("{name} = {value} is out of range: {range}")]
    OutOfRange {
        /// The option.
        name: &'static str,
        /// The value.
        value: String,
        /// The range.
        range: String,
    },
    /// An option is set twice in one place.
    #[error("{name} is set twice: to {first}, and to {second}")]
    Twice {
        /// The option.
        name: &'static str,
        /// The value that came first.
        first: String,
        /// The other value.
        second: String,
    },
    /// A setting does not name an option and a value.
    #[error("'{text}' is not of the form KEY=VALUE")]
    NoValue {
        /// What was given.
        text: String,
    },
}
