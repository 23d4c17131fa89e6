//! What an operator is expected to put into its side outputs in a case.

use std::fmt::Debug;

use crate::model::{Data, Record};
use crate::operator::{SideEmitter, SideOutput, SubtaskContext};

/// What is expected of one side output, without its type.
pub(super) trait ExpectedSide {
    /// A new probe, for one run of the case.
    fn probe(&self) -> Box<dyn SideProbe>;
}

/// Follows one side output through one run of the case.
pub(super) trait SideProbe {
    /// Listens to the operator that opens in `context`.
    fn listen(&mut self, context: &mut SubtaskContext);

    /// Takes what was emitted.
    fn drain(&mut self);

    /// Says in words what is not as expected.
    fn complaint(&self) -> Option<String>;
}

/// The records that a side output is expected to have.
pub(super) struct Expected<T> {
    pub(super) side: SideOutput<T>,
    pub(super) records: Vec<Record<T>>,
}

struct Probe<T> {
    side: SideOutput<T>,
    expected: Vec<Record<T>>,
    emitter: Option<SideEmitter<T>>,
    found: Vec<Record<T>>,
}

impl<T: Data + Clone + PartialEq + Debug> ExpectedSide for Expected<T> {
    fn probe(&self) -> Box<dyn SideProbe> {
        let (side, expected) = (self.side.clone(), self.records.clone());
        Box::new(Probe { side, expected, emitter: None, found: Vec::new() })
    }
}

impl<T: Data + PartialEq + Debug> SideProbe for Probe<T> {
    fn listen(&mut self, context: &mut SubtaskContext) {
        context.read_sides.insert(self.side.id());
        self.emitter = Some(context.side(&self.side));
    }

    fn drain(&mut self) {
        self.found.extend(self.emitter.iter().flat_map(SideEmitter::take));
    }

    fn complaint(&self) -> Option<String> {
        let differs = self.found != self.expected;
        let name = self.side.name();
        differs.then(|| format!("side output '{name}' has {:?}, expected {:?}", self.found, self.expected))
    }
}
