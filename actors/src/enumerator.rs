//! The actor that hands the splits of one source to its readers.
//!
//! Triggers reach the readers of a source through its enumerator. So a reader has seen exactly the splits that were
//! handed out before the enumerator's snapshot when it takes its own: no split is in both, none is in neither.

use std::panic::{AssertUnwindSafe, catch_unwind};

use actix::{Actor, ActorContext, Addr, Context, Handler};

use crate::coordinator::Coordinator;
use crate::error::{Failure, FailureKind, panic_message};
use crate::ids::{Attempt, BlockId, SubtaskId};
use crate::mail::{Answer, Letter, ToCoordinator, ToEnumerator, ToSubtask, ToSupervisor};
use crate::subtask::Subtask;
use crate::supervisor::Supervisor;
use crate::task::Enumeration;

/// Hands out the splits of one source in one attempt.
pub(crate) struct Enumerator {
    pub(crate) attempt: Attempt,
    pub(crate) block: BlockId,
    pub(crate) enumeration: Box<dyn Enumeration>,
    pub(crate) readers: Vec<(SubtaskId, Addr<Subtask>)>,
    pub(crate) coordinator: Addr<Coordinator>,
    pub(crate) supervisor: Addr<Supervisor>,
}

impl Actor for Enumerator {
    type Context = Context<Self>;
}

/// Calls what a user wrote; a panic in it is a failure like any other, and the job restarts.
fn caught<T>(call: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|payload| {
        Err(Failure::of_job("split enumerator", FailureKind::Panic, panic_message(payload.as_ref())))
    })
}

impl Handler<Letter<ToEnumerator>> for Enumerator {
    type Result = ();

    fn handle(&mut self, letter: Letter<ToEnumerator>, ctx: &mut Context<Self>) {
        if letter.attempt != self.attempt {
            return;
        }
        let attempt = self.attempt;
        match letter.body {
            ToEnumerator::Request(reader) => {
                let Some((_, address)) = self.readers.iter().find(|(id, _)| *id == reader) else { return };
                let answer = caught(|| {
                    Ok(match self.enumeration.next_split(reader.index)? {
                        Some(split) => Answer::Split(split),
                        None => self.enumeration.ask_again(reader.index).map_or(Answer::Finished, Answer::Later),
                    })
                });
                match answer {
                    Ok(answer) => address.do_send(Letter { attempt, body: ToSubtask::Split(answer) }),
                    Err(failure) => self.supervisor.do_send(Letter { attempt, body: ToSupervisor::Failed(failure) }),
                }
            }
            ToEnumerator::Trigger { checkpoint, suspend } => match caught(|| self.enumeration.snapshot()) {
                Ok(state) => {
                    let body = ToCoordinator::Enumerated { checkpoint, block: self.block, state };
                    self.coordinator.do_send(Letter { attempt, body });
                    for (_, reader) in &self.readers {
                        reader.do_send(Letter { attempt, body: ToSubtask::Trigger { checkpoint, suspend } });
                    }
                }
                Err(failure) => self.supervisor.do_send(Letter { attempt, body: ToSupervisor::Failed(failure) }),
            },
            ToEnumerator::Dismiss => ctx.terminate(),
        }
    }
}
