//! Decides which names the states of a function may have, and under which they lie in snapshots.

use std::collections::BTreeSet;

use crate::error::{Error, Result};

/// The names that a function has given to its states.
pub(crate) struct Names {
    uid: String,
    taken: BTreeSet<String>,
}

/// Names of tables that belong to every function with timers.
pub(super) const TIMERS: [&str; 2] = ["event timers", "processing timers"];

impl Names {
    pub(crate) fn of(uid: &str) -> Self {
        Self { uid: uid.to_owned(), taken: TIMERS.map(str::to_owned).into() }
    }

    /// Takes a name, and gives the one that the state has among those of all operators.
    pub(crate) fn claim(&mut self, name: &str) -> Result<String> {
        let wrong = |mistake: String| Err(Error::declaration(&self.uid, mistake));
        if name.trim().is_empty() {
            return wrong("a state has an empty name: give it one that is stable".to_owned());
        }
        if name.contains('/') {
            return wrong(format!("the state '{name}' has a '/' in its name: take another sign"));
        }
        if TIMERS.contains(&name) {
            return wrong(format!(
                "a state is called '{name}', as the function's own timers are: give it another name"
            ));
        }
        if !self.taken.insert(name.to_owned()) {
            return wrong(format!("two states are called '{name}': give each a name of its own"));
        }
        Ok(format!("{}/{name}", self.uid))
    }

    /// Checks that no table of the function is left over, of those that nobody opened.
    pub(super) fn check<'a>(&self, mut unopened: impl Iterator<Item = &'a str>) -> Result<()> {
        let own = |table: &'a str| table.strip_prefix(&self.uid)?.strip_prefix('/');
        unopened.find_map(own).map_or(Ok(()), |name| Err(self.undeclared(name)))
    }

    /// The refusal of a snapshot that has more states than are declared.
    #[cold]
    pub(super) fn undeclared(&self, name: &str) -> Error {
        let mistake = format!("the checkpoint has its state '{name}', but none of that name is declared: give it back");
        Error::declaration(&self.uid, mistake)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_is_taken_once_and_names_no_place_of_another_state() {
        let mut names = Names::of("alarms");
        assert_eq!(names.claim("heard").unwrap(), "alarms/heard");
        let mut refusal = |name| names.claim(name).unwrap_err().to_string();
        assert_eq!(refusal("heard"), "alarms: two states are called 'heard': give each a name of its own");
        assert!(refusal(" ").contains("an empty name"));
        assert!(refusal("heard/chunks").contains("has a '/' in its name"));
        assert!(refusal("event timers").contains("as the function's own timers are"));
    }
}
