//! Keeps apart the two times that a window can lie in, as values and as types.

/// Which time is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TimeDomain {
    /// The time that records carry; the watermark says how far it has come.
    Event,
    /// The time of the machine, read as milliseconds since the Unix epoch.
    Processing,
}

/// A [`TimeDomain`] as a type, so that it is known where a topology is written.
pub trait WindowTime: Clone + Send + 'static + sealed::Sealed {
    /// The same as a value.
    const DOMAIN: TimeDomain;
    /// The trigger of a window that ends in this time, unless the user gives another.
    type AtWindowEnd: Clone + Default + Send + 'static;
}

/// Windows of the time that records carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InEventTime {}

/// Windows of the time at which records are processed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InProcessingTime {}

impl WindowTime for InEventTime {
    const DOMAIN: TimeDomain = TimeDomain::Event;
    type AtWindowEnd = super::trigger::EventTime;
}

impl WindowTime for InProcessingTime {
    const DOMAIN: TimeDomain = TimeDomain::Processing;
    type AtWindowEnd = super::trigger::ProcessingTime;
}

mod sealed {
    /// Closes [`WindowTime`](super::WindowTime): there is no third time.
    pub trait Sealed {}

    impl Sealed for super::InEventTime {}
    impl Sealed for super::InProcessingTime {}
}
