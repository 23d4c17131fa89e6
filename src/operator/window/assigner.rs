//! Decides what a window assigner is: it says which windows a record belongs to.

use millstream_actors::time::Timestamp;

use super::trigger::Trigger;
use super::{Panes, TimeDomain, TimeWindow, WindowError, WindowTime};
use crate::model::Record;

/// Says which windows a record belongs to. Write your own for windows that none of the given ones cuts.
///
/// # Shape
/// None, one or several windows per record. They must follow from the record, its time and the assigner's settings
/// alone: a replay has to find the same ones.
///
/// # Example
/// Shifts of a factory, the night shift twice as long as the others:
/// ```
/// use millstream::operator::window::{Fixed, InEventTime, TimeWindow, WindowAssigner, WindowError, trigger};
/// use millstream::prelude::*;
///
/// #[derive(Clone)]
/// struct Shifts;
///
/// impl<T> WindowAssigner<T> for Shifts {
///     type Time = InEventTime;
///     type Kind = Fixed;
///     type Windows = std::iter::Once<TimeWindow>;
///     type Trigger = trigger::EventTime;
///
///     fn assign(&mut self, _: &T, time: Timestamp) -> Result<Self::Windows, WindowError> {
///         let into_day = time.as_millis().rem_euclid(1.days().as_millis()).millis();
///         let midnight = time - into_day;
///         let shift = if into_day < 12.hours() {
///             TimeWindow::starting_at(midnight, 12.hours())
///         } else if into_day < 18.hours() {
///             TimeWindow::starting_at(midnight + 12.hours(), 6.hours())
///         } else {
///             TimeWindow::starting_at(midnight + 18.hours(), 6.hours())
///         };
///         Ok(std::iter::once(shift))
///     }
/// }
///
/// let evening = Shifts.assign(&"part", Timestamp::from_millis(20 * 3_600_000))?.next();
/// assert_eq!(evening.map(TimeWindow::start), Some(Timestamp::from_millis(18 * 3_600_000)));
/// # Ok::<(), WindowError>(())
/// ```
pub trait WindowAssigner<T>: Clone + Send + 'static {
    /// The time that the windows lie in: [`InEventTime`](super::InEventTime) or
    /// [`InProcessingTime`](super::InProcessingTime).
    type Time: WindowTime;
    /// Whether windows merge: [`Fixed`] or [`Merging`].
    type Kind: WindowKind;
    /// The windows of one record.
    type Windows: Iterator<Item = TimeWindow>;
    /// What fires the windows unless the user gives another trigger.
    type Trigger: Trigger<T> + Default;

    /// Whether a record must have a timestamp. Without meaning in processing time.
    const NEEDS_TIMESTAMP: bool = true;

    /// Checks the settings, once, before anything runs.
    ///
    /// # Errors
    /// If there are settings that no record could be assigned by; they become a mistake of the plan.
    fn check(&self) -> Result<(), WindowError> {
        Ok(())
    }

    /// The windows of a record at `time`, which is the one that [`Self::time_of`] gives.
    ///
    /// # Errors
    /// If the record cannot be assigned; the subtask then fails.
    fn assign(&mut self, value: &T, time: Timestamp) -> Result<Self::Windows, WindowError>;

    /// Whether every record is in a window, and those that it is in follow from its time alone.
    ///
    /// Then what is kept of windows may be aggregated in parts, before the records of a key meet.
    fn covers_time(&self) -> bool {
        false
    }

    /// How to cut the windows into pieces that several of them share, if they overlap regularly.
    fn panes(&self) -> Option<Panes> {
        None
    }

    /// The time that decides the windows of `record`: its own, or `processing_time`.
    ///
    /// # Errors
    /// [`WindowError::NoTimestamp`] if it should be its own, and it has none.
    #[inline]
    fn time_of(record: &Record<T>, processing_time: Timestamp) -> Result<Timestamp, WindowError> {
        match Self::Time::DOMAIN {
            TimeDomain::Processing => Ok(processing_time),
            TimeDomain::Event if record.time.is_some() || !Self::NEEDS_TIMESTAMP => Ok(record.time),
            TimeDomain::Event => Err(WindowError::NoTimestamp),
        }
    }
}

/// Windows stay as they were assigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fixed {}

/// Windows of one key that overlap or touch become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merging {}

/// Whether the windows of an assigner merge, as a type: what cannot merge is refused where the topology is written.
pub trait WindowKind: Send + 'static + sealed::Sealed {
    /// The same as a value.
    const MERGES: bool;
}

impl WindowKind for Fixed {
    const MERGES: bool = false;
}

impl WindowKind for Merging {
    const MERGES: bool = true;
}

mod sealed {
    /// Closes [`WindowKind`](super::WindowKind): windows merge or they do not.
    pub trait Sealed {}

    impl Sealed for super::Fixed {}
    impl Sealed for super::Merging {}
}
