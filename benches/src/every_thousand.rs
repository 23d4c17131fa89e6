//! Watermarks behind every thousandth record of a subtask.

use millstream::operator::event_time::WatermarkGenerator;
use millstream::prelude::*;

const RECORDS: u32 = 1000;

/// Says, behind every thousandth record, that nothing before the latest time is still to come.
#[derive(Default)]
pub struct EveryThousand {
    records: u32,
    latest: Option<Timestamp>,
}

impl<T> WatermarkGenerator<T> for EveryThousand {
    #[inline(always)]
    fn on_record(&mut self, _record: &T, time: Timestamp) -> Option<Timestamp> {
        self.latest = self.latest.max(Some(time));
        self.records += 1;
        if self.records < RECORDS {
            return None;
        }
        self.records = 0;
        self.latest.map(|latest| latest - 1.millis())
    }

    fn on_periodic(&mut self) -> Option<Timestamp> {
        None
    }
}
