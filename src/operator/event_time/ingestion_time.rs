//! Gives records the processing time of their arrival as event time.

use std::marker::PhantomData;

use millstream_actors::time::{TimeSignal, Timespan, TimespanUnits, Timestamp};
use millstream_actors::time_view::Origin;

use crate::error::Result;
use crate::model::{Data, Record};
use crate::operator::{Arrivals, Emit, Event, Operator, PartVisitor, SubtaskContext};

/// The time between two watermarks.
const PERIOD_MILLIS: i64 = 200;

/// One record out per record in, with the time of its arrival; built by
/// [`Stream::ingestion_time`](crate::Stream::ingestion_time).
pub struct IngestionTime<T> {
    /// When the records arrived that are being taken.
    arrivals: Arrivals,
    period: Timespan,
    next_tick: Timestamp,
    watermark: Timestamp,
    takes: PhantomData<fn(T)>,
}

impl<T> IngestionTime<T> {
    pub(crate) fn open(context: &mut SubtaskContext) -> Self {
        let (now, period) = (context.clock.processing_time(), PERIOD_MILLIS.millis());
        let arrivals = context.arrivals();
        arrivals.set(now);
        Self { arrivals, period, next_tick: now + period, watermark: Timestamp::NONE, takes: PhantomData }
    }
}

impl<T: Data> Operator for IngestionTime<T> {
    type In = T;
    type Out = T;

    #[inline(always)]
    fn on_record<E: Emit<T>>(&mut self, record: Record<T>, out: &mut E) -> Result<()> {
        out.emit(Record { value: record.value, time: self.arrivals.get() })
    }

    /// Processing time goes on by itself: nobody holds it back, and nobody is idle.
    fn on_signal<E: Emit<T>>(&mut self, signal: TimeSignal, out: &mut E) -> Result<()> {
        if signal == TimeSignal::Watermark(Timestamp::MAX) { out.signal(signal) } else { Ok(()) }
    }

    fn on_event<E: Emit<T>>(&mut self, event: Event, out: &mut E) -> Result<()> {
        let Event::ProcessingTime(now) = event else { return Ok(()) };
        if now >= self.next_tick {
            self.next_tick = now + self.period;
            self.arrivals.set(now);
            // Records of the present millisecond may still come.
            let watermark = self.arrivals.get() - 1.millis();
            if watermark > self.watermark {
                self.watermark = watermark;
                return out.signal(TimeSignal::Watermark(watermark));
            }
        }
        Ok(())
    }

    fn parts(&mut self, visitor: &mut dyn PartVisitor) {
        visitor.due(&mut || Ok(Some(self.next_tick)));
        visitor.event_time(&mut |time| {
            time.origin = Some(Origin::Clock);
            Ok(())
        });
    }
}
