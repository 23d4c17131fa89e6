//! Decides when it is worth a warning that event time stands still: once per standstill.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::blueprint::Blueprint;
use crate::explanation::WatermarkExplanation;
use crate::ids::{BlockId, SubtaskId};
use crate::time::Timestamp;
use crate::time_view::{Origin, TimeReading};

/// Watches the ends of one attempt's topology.
pub(crate) struct StandstillWatch {
    limit: Duration,
    /// Who held what back when it was told.
    told: BTreeSet<(SubtaskId, Timestamp)>,
}

impl StandstillWatch {
    /// Watches for ends whose watermark stands still for at least `limit`.
    pub(crate) fn new(limit: Duration) -> Self {
        Self { limit, told: BTreeSet::new() }
    }

    /// How often to look, if at all.
    pub(crate) fn period(&self) -> Option<Duration> {
        (self.limit < Duration::MAX).then(|| (self.limit / 4).max(Duration::from_millis(1)))
    }

    /// What stands still and was not told before.
    pub(crate) fn look(&mut self, reading: &TimeReading, blueprint: &Blueprint) -> Vec<WatermarkExplanation> {
        let names = blueprint.blocks.iter().map(|block| block.name.clone()).collect::<Vec<_>>();
        let ends = ends_with_event_time(reading, blueprint);
        let explanations = ends.into_iter().map(|block| WatermarkExplanation::of(block, reading, &names));
        let stands = explanations.filter(|explanation| {
            let stands = explanation.steps.first().is_some_and(|first| first.stands_for >= self.limit);
            stands && explanation.is_a_standstill()
        });
        let fresh = stands.filter_map(|explanation| {
            let root = explanation.steps.last().map(|step| (step.subtask, step.watermark))?;
            self.told.insert(root).then_some(explanation)
        });
        fresh.collect()
    }
}

/// The blocks without outputs that records with event time come to.
fn ends_with_event_time(reading: &TimeReading, blueprint: &Blueprint) -> Vec<BlockId> {
    let makes_time = |origin: &Origin| matches!(origin, Origin::Records { .. } | Origin::Clock);
    let origins = reading.views.iter().filter(|(_, view)| view.task.origin.as_ref().is_some_and(makes_time));
    let mut reached = origins.map(|(subtask, _)| subtask.block).collect::<BTreeSet<_>>();
    // Blocks are in topological order, and so are their edges.
    for edge in &blueprint.edges {
        if reached.contains(&edge.from) {
            reached.insert(edge.to);
        }
    }
    reached.retain(|block| blueprint.edges.iter().all(|edge| edge.from != *block));
    reached.into_iter().collect()
}
