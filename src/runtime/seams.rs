//! What a test puts in the place of parts of a job. No user sets it; it is made by `testing` only.

use std::sync::Arc;

use millstream_actors::faults::{Faults, NoFaults};
use millstream_actors::sabotage::Sabotage;

use crate::io::Surroundings;
use crate::state::BackendFactory;

/// What a test puts in the place of parts of a job.
#[derive(Clone)]
pub(crate) struct Seams {
    /// Where actors die.
    pub(crate) faults: Arc<dyn Faults>,
    /// Storage in place of files.
    pub(crate) state_backend: Option<BackendFactory>,
    /// Sources and sinks in place of those of the topology.
    pub(crate) surroundings: Surroundings,
    /// What is broken on purpose.
    pub(crate) sabotage: Option<Sabotage>,
}

impl Default for Seams {
    /// Nothing in the place of anything.
    fn default() -> Self {
        Self { faults: Arc::new(NoFaults), state_backend: None, surroundings: Surroundings::default(), sabotage: None }
    }
}
