//! What was set, and where: a value that comes from a higher place wins, whatever was said first.

use std::collections::BTreeMap;
use std::fmt;

use super::SettingError;
use super::field::{Field, Key};
use super::list::{FIELDS, find, nearest};
use super::value::{Typed, Value};

/// Where the value of an option comes from, from the lowest place to the highest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Origin {
    /// Nobody has set it.
    Default,
    /// The program.
    Code,
    /// A flag, or `--set`.
    CommandLine,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Default => "default",
            Self::Code => "code",
            Self::CommandLine => "command line",
        })
    }
}

/// An option, with the value that it has and where that comes from.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Setting {
    /// The option.
    pub field: &'static Field,
    /// Its value, as text; three asterisks in the place of a secret.
    pub value: String,
    /// Where the value comes from.
    pub origin: Origin,
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {} ({})", self.field.name(), self.value, self.origin)
    }
}

/// The options that were set.
#[derive(Clone, Default)]
pub(crate) struct Settings {
    set: BTreeMap<&'static str, Set>,
}

#[derive(Clone)]
struct Set {
    field: &'static Field,
    value: Value,
    origin: Origin,
}

impl Settings {
    /// The value of an option.
    pub(crate) fn get<T: Typed>(&self, key: Key<T>) -> T {
        self.set.get(key.field().name()).map_or_else(|| key.default(), |set| key.typed(&set.value))
    }

    /// Sets an option. Whether the value is in range is seen by [`Self::check`].
    pub(crate) fn put<T: Typed>(&mut self, key: Key<T>, value: T, origin: Origin) {
        self.insert(key.field(), value.into_value(), origin);
    }

    /// Sets an option to a value that was read for it, unless it has one from a higher place.
    pub(crate) fn insert(&mut self, field: &'static Field, value: Value, origin: Origin) {
        let is_higher = self.set.get(field.name()).is_none_or(|known| known.origin <= origin);
        if is_higher {
            self.set.insert(field.name(), Set { field, value, origin });
        }
    }

    /// Sets the option `name` to what `text` says.
    pub(crate) fn read(&mut self, name: &str, text: &str, origin: Origin) -> Result<(), SettingError> {
        let field = named(name)?;
        self.insert(field, field.read(text)?, origin);
        Ok(())
    }

    /// Checks that all values lie in the ranges of their options.
    pub(crate) fn check(&self) -> Result<(), SettingError> {
        self.set.values().try_for_each(|set| set.field.check(&set.value))
    }

    /// All options, in the order of the list, with their values.
    pub(crate) fn all(&self) -> impl Iterator<Item = Setting> + '_ {
        FIELDS.iter().map(|field| match self.set.get(field.name()) {
            Some(set) => Setting { field, value: field.show(&set.value), origin: set.origin },
            None => Setting { field, value: field.show(&field.default_value()), origin: Origin::Default },
        })
    }
}

/// The option of this name.
pub(crate) fn named(name: &str) -> Result<&'static Field, SettingError> {
    find(name).ok_or_else(|| SettingError::Unknown { name: name.to_owned(), nearest: nearest(name) })
}

/// What was set, in the order of the list.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = self.all().filter(|setting| setting.origin != Origin::Default);
        f.debug_map().entries(set.map(|setting| (setting.field.name(), setting.value))).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::list::{CHECKPOINT_INTERVAL, CHECKPOINT_RETAINED, MEMORY_STATE, RUNTIME_PARALLELISM};

    fn in_force(settings: &Settings, name: &str) -> (String, Origin) {
        let setting = settings.all().find(|setting| setting.field.name() == name).expect("it is an option");
        (setting.value, setting.origin)
    }

    #[test]
    fn value_of_a_higher_place_wins_whatever_was_said_first() {
        let name = "runtime.parallelism";
        let (mut one, mut other) = (Settings::default(), Settings::default());
        one.put(RUNTIME_PARALLELISM, 2, Origin::Code);
        one.read(name, "4", Origin::CommandLine).expect("it is in range");
        other.read(name, "4", Origin::CommandLine).expect("it is in range");
        other.put(RUNTIME_PARALLELISM, 2, Origin::Code);
        assert_eq!(in_force(&one, name), ("4".to_owned(), Origin::CommandLine));
        assert_eq!(in_force(&other, name), in_force(&one, name));
        other.put(RUNTIME_PARALLELISM, 3, Origin::CommandLine);
        assert_eq!(other.get(RUNTIME_PARALLELISM), 3);
    }

    #[test]
    fn what_nobody_set_has_its_default() {
        let settings = Settings::default();
        assert_eq!(settings.get(CHECKPOINT_INTERVAL), Some(Duration::from_secs(10)));
        assert_eq!(settings.get(MEMORY_STATE), 512 << 20);
        assert_eq!(in_force(&settings, "memory.state"), ("512MiB".to_owned(), Origin::Default));
    }

    #[test]
    fn value_that_code_sets_out_of_range_is_found_by_the_check() {
        let mut settings = Settings::default();
        settings.put(CHECKPOINT_RETAINED, 0, Origin::Code);
        let error = settings.check().expect_err("none is kept");
        assert_eq!(error.to_string(), "checkpoint.retained = 0 is out of range: 1 to 1024");
    }

    #[test]
    fn unknown_option_is_refused_with_the_nearest_name() {
        let error = Settings::default().read("checkpoint.intervall", "1s", Origin::CommandLine);
        assert_eq!(
            error.expect_err("there is no such option").to_string(),
            "there is no option 'checkpoint.intervall'; did you mean 'checkpoint.interval'?"
        );
    }

    #[test]
    fn debug_form_shows_what_was_set() {
        let mut settings = Settings::default();
        settings.put(MEMORY_STATE, 1 << 30, Origin::Code);
        settings.put(CHECKPOINT_INTERVAL, None, Origin::Code);
        assert_eq!(format!("{settings:?}"), r#"{"checkpoint.interval": "off", "memory.state": "1GiB"}"#);
    }
}
