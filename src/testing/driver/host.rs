//! Hosts the task of one subtask without an actor: everything that is there to do is done at once.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Elements on their way to one subtask.
pub(super) type Mailbox = Arc<Mutex<VecDeque<Packet>>>;

/// Records that a task takes at once.
const CHUNK_RECORDS: usize = 512;

/// One subtask.
pub(super) struct Host {
    pub(super) id: SubtaskId,
    task: Box<dyn Task>,
    outputs: Outputs,
    mailbox: Mailbox,
    valve: WatermarkValve,
    open_channels: usize,
    woken: Arc<AtomicBool>,
    /// Whether a batch is in hand.
    in_hand: bool,
    emission: Emission,
    is_ending: bool,
    pub(super) drained: bool,
    reads: bool,
}

impl Host {
    pub(super) fn new(
        id: SubtaskId,
        task: Box<dyn Task>,
        outputs: Outputs,
        mailbox: Mailbox,
        channels: usize,
        wake: &Wake,
    ) -> Self {
        // What happened before there was anybody to wake is seen in the first turn.
        let woken = Arc::new(AtomicBool::new(true));
        let set = Arc::clone(&woken);
        wake.calls(move || set.store(true, Ordering::SeqCst));
        let valve = WatermarkValve::new(channels);
        Self {
            id,
            task,
            outputs,
            mailbox,
            valve,
            open_channels: channels,
            woken,
            in_hand: false,
            emission: Emission::Complete,
            is_ending: false,
            drained: false,
            reads: channels == 0,
        }
    }

    /// Does what there is to do. True if there was anything.
    pub(super) fn turn(&mut self, now: Timestamp, splits: Option<&mut Box<dyn Enumeration>>) -> Result<bool, Failure> {
        if self.drained {
            return Ok(false);
        }
        let mut worked = false;
        if self.woken.swap(false, Ordering::SeqCst) {
            self.tell(TaskEvent::Woken)?;
            worked = true;
        }
        if self.task.due().is_some_and(|due| due <= now) {
            self.tell(TaskEvent::ProcessingTime(now))?;
            worked = true;
        }
        self.end_if_complete()?;
        worked |= match splits {
            _ if self.drained || self.is_ending || self.emission == Emission::Waiting => false,
            Some(splits) if self.reads => self.read(splits)?,
            _ => self.receive()?,
        };
        if !self.drained {
            self.tell(TaskEvent::Flush)?;
        }
        self.outputs.release();
        Ok(worked)
    }

    /// When the task wants to hear of processing time.
    pub(super) fn due(&mut self) -> Option<Timestamp> {
        if self.drained { None } else { self.task.due() }
    }

    /// The last watermark that it sent; [`Timestamp::NONE`] before the first.
    pub(super) fn watermark(&mut self) -> Timestamp {
        self.task.event_time().watermark
    }

    fn read(&mut self, splits: &mut Box<dyn Enumeration>) -> Result<bool, Failure> {
        let mut worked = false;
        loop {
            let progress = self.task.run(CHUNK_RECORDS, &mut self.outputs)?;
            worked |= progress.records > 0;
            match progress.then {
                Then::SplitsFinished => match splits.next_split(self.id.index)? {
                    Some(split) => self.task.add_split(split)?,
                    None => {
                        self.end()?;
                        return Ok(true);
                    }
                },
                Then::Wait(_) | Then::UntilWoken | Then::Blocked | Then::Emitting(Emission::Waiting) => {
                    return Ok(worked);
                }
                Then::More | Then::BatchDone | Then::Emitting(_) => {}
            }
        }
    }

    fn receive(&mut self) -> Result<bool, Failure> {
        let mut worked = false;
        loop {
            if self.in_hand && !self.work_off()? {
                return Ok(worked);
            }
            let next = self.mailbox.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some(Packet { channel, item }) = next else { return Ok(worked) };
            worked = true;
            match item {
                Item::Batch(batch) => {
                    self.task.load(channel, batch.rows);
                    self.in_hand = true;
                }
                Item::Signal(Signal::Time(signal)) => self.move_valve(match signal {
                    TimeSignal::Watermark(at) => ValveEvent::Watermark { channel, at },
                    TimeSignal::Idle => ValveEvent::Idle { channel },
                    TimeSignal::Active => ValveEvent::Active { channel },
                })?,
                Item::Signal(Signal::End) => {
                    self.move_valve(ValveEvent::End { channel })?;
                    self.open_channels -= 1;
                    if self.open_channels == 0 {
                        self.end()?;
                    }
                }
                Item::Signal(Signal::Barrier(_)) => {}
            }
        }
    }

    /// Works on the batch in hand. False if the task has no room for more.
    fn work_off(&mut self) -> Result<bool, Failure> {
        while self.in_hand {
            match self.task.run(CHUNK_RECORDS, &mut self.outputs)?.then {
                Then::BatchDone => self.in_hand = false,
                Then::Blocked | Then::Emitting(Emission::Waiting) => return Ok(false),
                _ => {}
            }
        }
        Ok(true)
    }

    fn move_valve(&mut self, event: ValveEvent) -> Result<(), Failure> {
        self.valve.step(event).into_iter().try_for_each(|signal| self.tell(TaskEvent::Time(signal)))
    }

    /// Tells the task of an event, and lets it emit all that it has to for it.
    fn tell(&mut self, event: TaskEvent) -> Result<(), Failure> {
        self.emission = self.task.on_event(event, &mut self.outputs)?;
        while self.emission.comes_first() {
            self.emission = match self.task.run(CHUNK_RECORDS, &mut self.outputs)?.then {
                Then::Emitting(emission) => emission,
                _ => Emission::Complete,
            };
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), Failure> {
        self.is_ending = true;
        self.tell(TaskEvent::End)?;
        self.end_if_complete()
    }

    /// Ends the outputs, once the task has emitted all that it held back at the end of its inputs.
    fn end_if_complete(&mut self) -> Result<(), Failure> {
        if self.is_ending && self.emission == Emission::Complete {
            self.tell(TaskEvent::Flush)?;
            self.outputs.broadcast(Signal::End);
            (self.drained, self.is_ending) = (true, false);
        }
        Ok(())
    }

    /// Takes a snapshot, all of it, durably.
    pub(super) fn snapshot(&mut self, checkpoint: CheckpointId) -> Result<SubtaskSnapshot, Failure> {
        while !self.task.get_ready()? {}
        self.task.snapshot(checkpoint)?;
        let write = loop {
            if let Some(write) = self.task.persist()? {
                break write;
            }
        };
        let Written { snapshot, outcome } = write();
        self.task.persisted(checkpoint, Some(outcome))?;
        let snapshot = snapshot.map_err(|error| error.into_failure("snapshot", FailureKind::Error))?;
        Ok(SubtaskSnapshot { drained: self.drained, ..snapshot })
    }

    /// Makes visible what was written before `checkpoint`. Older checkpoints can still be restored.
    pub(super) fn commit(&mut self, checkpoint: CheckpointId) -> Result<(), Failure> {
        let commits = self.task.completed(checkpoint, CheckpointId(0))?;
        commits
            .into_iter()
            .try_for_each(|commit| commit())
            .map_err(|error| error.into_failure("commit", FailureKind::Error))
    }

    /// Goes on as a subtask whose input had ended.
    pub(super) fn resume_drained(&mut self) {
        self.outputs.broadcast(Signal::End);
        self.drained = true;
    }

    pub(super) fn query(&mut self, question: &mut dyn std::any::Any) -> Result<(), Failure> {
        self.task.query(question)
    }
}
use millstream_actors::channel::Outputs;
use millstream_actors::error::{Failure, FailureKind};
use millstream_actors::ids::{CheckpointId, SubtaskId};
use millstream_actors::packet::{Item, Packet, Signal};
use millstream_actors::protocol::{ValveEvent, WatermarkValve};
use millstream_actors::task::{Emission, Enumeration, SubtaskSnapshot, Task, TaskEvent, Then, Wake, Written};
use millstream_actors::time::{TimeSignal, Timestamp};
