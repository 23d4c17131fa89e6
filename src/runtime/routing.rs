//! The end of a block: typed buffers per channel, sent when they are full or the block has nothing more to do.

use std::sync::Arc;

use millstream_actors::channel::{Outputs, Sender};
use millstream_actors::ids::SubtaskId;
use millstream_actors::packet::Signal;
use millstream_actors::time::{TimeSignal, Timestamp};

use crate::error::{Error, Result};
use crate::io::{SplitSignal, Witness};
use crate::model::{Data, Record, RecordBatch};
use crate::operator::{Emit, Partition, SideEmitter};

/// Sends the records that leave a block into the channels of its edges.
pub(crate) trait Router<T>: Send + 'static {
    /// How many records may be routed before any channel has more in flight than its credits allow.
    fn room(&self, outputs: &mut Outputs) -> usize;

    /// Routes one record.
    fn route(&mut self, record: Record<T>, outputs: &mut Outputs) -> Result<()>;

    /// Sends what is buffered.
    fn flush(&mut self, outputs: &mut Outputs) -> Result<()>;

    /// Sends what must arrive before `signal`.
    fn flush_before(&mut self, signal: TimeSignal, outputs: &mut Outputs) -> Result<()> {
        let _ = signal;
        self.flush(outputs)
    }
}

/// A router and the side outputs, together with the outputs they send into, as the last stop of a chain.
pub(crate) struct RouterEnd<'a, R> {
    pub(crate) router: &'a mut R,
    pub(crate) sides: &'a mut [Box<dyn SideRouter>],
    pub(crate) outputs: &'a mut Outputs,
    /// What was said of event time.
    pub(crate) time: &'a mut SentTime,
}

/// What a subtask has said of event time.
pub(crate) struct SentTime {
    /// The last watermark.
    pub(crate) watermark: Timestamp,
    pub(crate) is_idle: bool,
    witness: Option<(Arc<dyn Witness>, SubtaskId)>,
}

impl SentTime {
    /// Nothing; `witness` will see what `subtask` says.
    pub(crate) fn nothing(subtask: SubtaskId, witness: Option<Arc<dyn Witness>>) -> Self {
        let witness = witness.map(|witness| (witness, subtask));
        Self { watermark: Timestamp::NONE, is_idle: false, witness }
    }
}

impl<T, R: Router<T>> Emit<T> for RouterEnd<'_, R> {
    #[inline(always)]
    fn emit(&mut self, record: Record<T>) -> Result<()> {
        self.router.route(record, self.outputs)
    }

    /// Sends a signal into all channels, behind everything that was emitted before. A watermark that does not rise is
    /// not sent.
    fn signal(&mut self, signal: TimeSignal) -> Result<()> {
        match signal {
            TimeSignal::Watermark(at) if at <= self.time.watermark => return Ok(()),
            TimeSignal::Watermark(at) => self.time.watermark = at,
            TimeSignal::Idle => self.time.is_idle = true,
            TimeSignal::Active => self.time.is_idle = false,
        }
        if let Some((witness, subtask)) = &self.time.witness {
            witness.signalled(*subtask, signal);
        }
        self.router.flush_before(signal, self.outputs)?;
        self.flush_sides()?;
        self.outputs.broadcast(Signal::Time(signal));
        Ok(())
    }

    fn is_killed(&self) -> bool {
        self.outputs.is_killed()
    }

    /// Splits are nothing to other blocks.
    fn split(&mut self, _signal: SplitSignal) -> Result<()> {
        Ok(())
    }
}

impl<R> RouterEnd<'_, R> {
    /// Sends everything that was emitted before.
    pub(crate) fn flush<T>(&mut self) -> Result<()>
    where
        R: Router<T>,
    {
        self.router.flush(self.outputs)?;
        self.flush_sides()
    }

    fn flush_sides(&mut self) -> Result<()> {
        self.sides.iter_mut().try_for_each(|side| {
            side.drain(self.outputs)?;
            side.flush(self.outputs)
        })
    }
}

/// The buffer of one channel.
struct Buffer<T> {
    batch: RecordBatch<T>,
}

impl<T: Data> Buffer<T> {
    fn new() -> Self {
        Self { batch: RecordBatch { values: Vec::new(), times: Vec::new() } }
    }

    /// True if the buffer is full.
    #[inline(always)]
    fn push(&mut self, record: Record<T>, batch_records: usize) -> bool {
        if self.batch.values.capacity() == 0 {
            self.batch.values.reserve_exact(batch_records);
        }
        self.batch.push(record);
        self.batch.len() >= batch_records
    }

    fn send(&mut self, sender: &mut Sender) {
        if !self.batch.is_empty() {
            sender.send(Box::new(std::mem::replace(
                &mut self.batch,
                RecordBatch { values: Vec::new(), times: Vec::new() },
            )));
        }
    }
}

/// The records that fit into what the credits of all channels allow, given what is buffered.
fn room_of<T>(buffers: &[Buffer<T>], senders: &[Sender], batch_records: usize) -> usize {
    let room = |(buffer, sender): (&Buffer<T>, &Sender)| {
        (sender.free() * batch_records).saturating_sub(buffer.batch.values.len())
    };
    buffers.iter().zip(senders).map(room).min().unwrap_or(usize::MAX)
}

/// Looked at behind each full batch, so that one record that becomes very many does not keep its subtask from ending.
#[inline(never)]
fn still_wanted(outputs: &Outputs) -> Result<()> {
    if outputs.is_killed() { Err(Error::killed()) } else { Ok(()) }
}

/// Each record into one channel of one edge.
pub(crate) struct PartitionRouter<T, P> {
    edge: usize,
    partition: P,
    batch_records: usize,
    buffers: Vec<Buffer<T>>,
}

impl<T: Data, P: Partition<T>> PartitionRouter<T, P> {
    pub(crate) fn new(edge: usize, partition: P, channels: usize, batch_records: usize) -> Self {
        Self { edge, partition, batch_records, buffers: (0..channels).map(|_| Buffer::new()).collect() }
    }
}

impl<T: Data, P: Partition<T>> Router<T> for PartitionRouter<T, P> {
    fn room(&self, outputs: &mut Outputs) -> usize {
        room_of(&self.buffers, outputs.edge(self.edge), self.batch_records)
    }

    #[inline(always)]
    fn route(&mut self, record: Record<T>, outputs: &mut Outputs) -> Result<()> {
        let channel = self.partition.channel(&record.value, self.buffers.len())?;
        let buffer = &mut self.buffers[channel];
        if buffer.push(record, self.batch_records) {
            buffer.send(&mut outputs.edge(self.edge)[channel]);
            return still_wanted(outputs);
        }
        Ok(())
    }

    fn flush(&mut self, outputs: &mut Outputs) -> Result<()> {
        for (buffer, sender) in self.buffers.iter_mut().zip(outputs.edge(self.edge)) {
            buffer.send(sender);
        }
        Ok(())
    }
}

/// Each record into every channel of one edge.
pub(crate) struct Broadcaster<T> {
    edge: usize,
    batch_records: usize,
    buffers: Vec<Buffer<T>>,
}

impl<T: Data + Clone> Broadcaster<T> {
    pub(crate) fn new(edge: usize, channels: usize, batch_records: usize) -> Self {
        Self { edge, batch_records, buffers: (0..channels).map(|_| Buffer::new()).collect() }
    }
}

impl<T: Data + Clone> Router<T> for Broadcaster<T> {
    fn room(&self, outputs: &mut Outputs) -> usize {
        room_of(&self.buffers, outputs.edge(self.edge), self.batch_records)
    }

    fn route(&mut self, record: Record<T>, outputs: &mut Outputs) -> Result<()> {
        let mut has_sent = false;
        for (buffer, sender) in self.buffers.iter_mut().zip(outputs.edge(self.edge)) {
            if buffer.push(record.clone(), self.batch_records) {
                buffer.send(sender);
                has_sent = true;
            }
        }
        if has_sent { still_wanted(outputs) } else { Ok(()) }
    }

    fn flush(&mut self, outputs: &mut Outputs) -> Result<()> {
        for (buffer, sender) in self.buffers.iter_mut().zip(outputs.edge(self.edge)) {
            buffer.send(sender);
        }
        Ok(())
    }
}

/// Each record along each of several edges.
pub(crate) struct Fork<T> {
    pub(crate) branches: Vec<Box<dyn Router<T>>>,
}

impl<T: Data + Clone> Router<T> for Fork<T> {
    fn room(&self, outputs: &mut Outputs) -> usize {
        self.branches.iter().map(|branch| branch.room(outputs)).min().unwrap_or(usize::MAX)
    }

    fn route(&mut self, record: Record<T>, outputs: &mut Outputs) -> Result<()> {
        self.branches.iter_mut().try_for_each(|branch| branch.route(record.clone(), outputs))
    }

    fn flush(&mut self, outputs: &mut Outputs) -> Result<()> {
        self.branches.iter_mut().try_for_each(|branch| branch.flush(outputs))
    }

    fn flush_before(&mut self, signal: TimeSignal, outputs: &mut Outputs) -> Result<()> {
        self.branches.iter_mut().try_for_each(|branch| branch.flush_before(signal, outputs))
    }
}

/// The end of a block that ends in a sink.
pub(crate) struct NoRouter;

impl<T: 'static> Router<T> for NoRouter {
    fn room(&self, _outputs: &mut Outputs) -> usize {
        usize::MAX
    }

    fn route(&mut self, _record: Record<T>, _outputs: &mut Outputs) -> Result<()> {
        Ok(())
    }

    fn flush(&mut self, _outputs: &mut Outputs) -> Result<()> {
        Ok(())
    }
}

/// Sends the records of one side output along its edge, whatever their type.
pub(crate) trait SideRouter: Send {
    /// Routes what operators emitted since the last call.
    fn drain(&mut self, outputs: &mut Outputs) -> Result<()>;

    /// Sends what is buffered.
    fn flush(&mut self, outputs: &mut Outputs) -> Result<()>;
}

/// A side output of a known type.
pub(crate) struct TypedSide<T, R> {
    pub(crate) emitter: SideEmitter<T>,
    pub(crate) router: R,
}

impl<T: Data, R: Router<T>> SideRouter for TypedSide<T, R> {
    fn drain(&mut self, outputs: &mut Outputs) -> Result<()> {
        self.emitter.take().into_iter().try_for_each(|record| self.router.route(record, outputs))
    }

    fn flush(&mut self, outputs: &mut Outputs) -> Result<()> {
        self.router.flush(outputs)
    }
}
