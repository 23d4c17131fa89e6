//! What can be seen of a job: its events, a view that is made of them, and what each subtask measures of itself.

mod event;
mod meter;
mod observed;
mod ring;
mod view;

pub use event::{Events, JobEvent, JobEventKind};
pub(crate) use meter::SubtaskMeter;
pub use meter::SubtaskView;
pub use observed::{KEPT, Observed};
pub use view::{AttemptView, CheckpointView, JobStatus, JobView};
