//! Where a stream gets its event time: from what records say, or from the clock.

use millstream_actors::time::Timestamp;

use super::Stream;
use super::stream::Prototype;
use crate::operator::Chain;
use crate::operator::event_time::{EventTime, IngestionTime, MakeGenerator, Watermarks};

impl<C: Chain> Stream<C> {
    /// Gives each record its event time, and the stream its watermarks.
    ///
    /// # Shape
    /// Each record as it is, in order. Its event time is what `time_of` gives: a [`Timestamp`], whole milliseconds since
    /// the Unix epoch, or a [`SystemTime`](std::time::SystemTime). With [`Timestamp::NONE`] the record has no event time,
    /// and says nothing about that of the stream. Watermarks that come from before are dropped, but for the end of event
    /// time, which follows the end of the input.
    ///
    /// In the block of a source, before any exchange, each split has watermarks of its own, and the lowest of them is
    /// said. So stand as close to the source as possible: behind an exchange, records of several splits are mixed.
    ///
    /// # Errors
    /// Lengths of time that cannot be, and a group behind an exchange, are mistakes of the plan:
    /// [`PlanError::EventTime`](crate::plan::PlanError::EventTime).
    ///
    /// # Recovery
    /// Nothing of it is in a snapshot. After a restart, watermarks begin with the records that follow.
    ///
    /// # Example
    /// ```
    /// # use millstream::prelude::*;
    /// # let topology = Topology::new("doc");
    /// let orders = topology
    ///     .source("orders", Collection::of([("tea", 1_000i64), ("cup", 1_500)]))
    ///     .event_time(Watermarks::bounded_out_of_order(5.seconds()).idle_after(30.seconds()), |order| order.1)
    ///     .collect("results");
    /// # topology.start(JobOptions::new().parallelism(1))?.wait()?;
    /// # assert_eq!(orders.take().len(), 2);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    ///
    /// # Source
    /// `docs/semantics.md`, section 10; `docs/event-time.md`.
    pub fn event_time<M, R, F>(
        self,
        watermarks: Watermarks<M>,
        time_of: F,
    ) -> Stream<impl Chain<Out = C::Out> + use<M, R, F, C>>
    where
        M: MakeGenerator<C::Out>,
        R: Into<Timestamp> + 'static,
        F: FnMut(&C::Out) -> R + Clone + Send + 'static,
    {
        self.topology.draft().check_event_time(self.block, &watermarks);
        let prototype = Prototype::new((watermarks, time_of));
        self.then("event_time", None, move |context| {
            let (watermarks, time_of) = prototype.instance();
            Ok(EventTime::open(&watermarks, time_of, context))
        })
    }

    /// Gives each record the processing time of its arrival as event time, and the stream watermarks that follow the
    /// clock, whether records come or not.
    ///
    /// # Shape
    /// Each record as it is, in order. The clock is read once for up to 512 records. Nothing is ever late before the next
    /// exchange, and no input holds the watermark back by being quiet.
    ///
    /// # Recovery
    /// Records that are read again have the time of that reading.
    pub fn ingestion_time(self) -> Stream<impl Chain<Out = C::Out> + use<C>> {
        self.then("ingestion_time", None, |context| Ok(IngestionTime::open(context)))
    }
}
