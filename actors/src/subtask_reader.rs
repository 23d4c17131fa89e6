//! What a source's subtask does for its splits: asks the enumerator for them, and takes them.

use actix::Addr;

use crate::enumerator::Enumerator;
use crate::mail::{Answer, Letter, ToEnumerator};
use crate::subtask::{Ended, Subtask};
use crate::subtask_turns::Next;
use crate::task::TaskEvent;
use crate::time::Moment;

/// What a source's subtask has of its enumerator.
pub(crate) enum Reader {
    /// It is no source, or has nothing more to read.
    None,
    /// The enumerator is not known yet.
    Waiting,
    /// It reads its splits.
    Reading(Addr<Enumerator>),
    /// It has asked for a split.
    Asked(Addr<Enumerator>),
    /// It was given none for now, and asks again at this moment.
    Unassigned(Addr<Enumerator>, Moment),
    /// A stop has been asked for: it reads nothing more.
    Suspended,
}

impl Subtask {
    pub(crate) fn ask_for_split(&mut self) -> Result<(), Ended> {
        self.flush()?;
        match std::mem::replace(&mut self.reader, Reader::None) {
            Reader::Reading(enumerator) => self.ask(enumerator),
            other => self.reader = other,
        }
        Ok(())
    }

    pub(crate) fn ask(&mut self, enumerator: Addr<Enumerator>) {
        let body = ToEnumerator::Request(self.setup.id);
        enumerator.do_send(Letter { attempt: self.setup.attempt, body });
        self.reader = Reader::Asked(enumerator);
    }

    pub(crate) fn take_split(&mut self, answer: Answer) -> Result<(), Ended> {
        match (std::mem::replace(&mut self.reader, Reader::None), answer) {
            (Reader::Asked(enumerator), Answer::Split(split)) => {
                self.setup.task.add_split(split)?;
                self.reader = Reader::Reading(enumerator);
            }
            (Reader::Asked(enumerator), Answer::Later(time)) => {
                self.reader = Reader::Unassigned(enumerator, self.setup.environment.clock.now() + time);
                self.tell(TaskEvent::Unassigned)?;
            }
            (Reader::Asked(_), Answer::Finished) => self.end_of_input()?,
            // A split that arrives behind the barrier of a stop is in no snapshot, but its enumerator's is older: it
            // is handed out again.
            (other, _) => self.reader = other,
        }
        Ok(())
    }

    /// What follows when there is no input: a reader without splits asks for one again.
    pub(crate) fn until_asked(&mut self, now: Moment) -> Next {
        match std::mem::replace(&mut self.reader, Reader::None) {
            Reader::Unassigned(enumerator, at) if at <= now => {
                self.ask(enumerator);
                Next::Sleep
            }
            other => {
                let next =
                    if let Reader::Unassigned(_, at) = &other { Next::SleepFor(at.since(now)) } else { Next::Sleep };
                self.reader = other;
                next
            }
        }
    }
}
