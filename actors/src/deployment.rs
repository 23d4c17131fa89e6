//! Starts the actors of one attempt and wires the channels between them.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix::{Actor, Addr, AsyncContext};

use crate::blueprint::Channels;
use crate::channel::{Credits, Deliver, Outputs, Sender};
use crate::checkpoints::Beginning;
use crate::coordinator::{self, Coordinator};
use crate::enumerator::Enumerator;
use crate::ids::{BlockId, SubtaskId};
use crate::kill::KillSwitch;
use crate::mail::{Letter, Routes, ToCoordinator, ToSubtask};
use crate::slice_watch::SliceWatch;
use crate::subtask::{self, Meet, Subtask};
use crate::supervisor::{Setup, Supervisor};
use crate::task::{Enumeration, Task, Wake};

/// Batches in flight that every channel may have: one on its way while another is processed.
const LEAST_CREDITS: usize = 2;

/// What the blocking part of a deployment has made.
#[derive(Default)]
pub(crate) struct Prepared {
    pub(crate) tasks: BTreeMap<SubtaskId, (Box<dyn Task>, Wake)>,
    pub(crate) enumerations: BTreeMap<BlockId, Box<dyn Enumeration>>,
}

/// The actors of one attempt.
pub(crate) struct Running {
    pub(crate) kill: KillSwitch,
    pub(crate) subtasks: BTreeMap<SubtaskId, (Addr<Subtask>, KillSwitch)>,
    pub(crate) enumerators: Vec<Addr<Enumerator>>,
    pub(crate) coordinator: Addr<Coordinator>,
}

/// Starts all actors of an attempt, receivers before senders.
pub(crate) fn start(
    setup: &Setup,
    kill: &KillSwitch,
    beginning: &Beginning,
    mut prepared: Prepared,
    supervisor: Addr<Supervisor>,
) -> Running {
    let attempt = beginning.attempt;
    let coordinator = Coordinator::new(coordinator::Setup {
        attempt,
        rounds: setup.config.rounds.clone(),
        first: beginning.next_checkpoint,
        store: Arc::clone(&setup.store),
        supervisor: supervisor.clone(),
        environment: setup.environment.clone(),
    })
    .start();
    let drained = |id: SubtaskId| {
        let part = beginning.restored.as_ref().and_then(|manifest| manifest.subtasks.get(&id));
        part.is_some_and(|part| part.drained)
    };
    let wiring = Channels::of(&setup.blueprint);
    let watches = SliceWatch::of_threads(setup.arbiters.len());
    let mut subtasks = BTreeMap::<SubtaskId, (Addr<Subtask>, KillSwitch)>::new();
    // Receivers first: a sender knows the addresses it sends to from its birth.
    while let Some((id, (task, wake))) = prepared.tasks.pop_last() {
        let (mut credits, mut edges) = (Vec::new(), Vec::new());
        for channels in wiring.outgoing(id) {
            edges.push(
                channels
                    .iter()
                    .map(|&(receiver, channel)| {
                        let address = subtasks[&receiver].0.clone();
                        let deliver: Deliver = Arc::new(move |packet| {
                            address.do_send(Letter { attempt, body: ToSubtask::Packet(packet) });
                        });
                        let shared_by = wiring.incoming(receiver);
                        let channel_credits = Credits::new((setup.config.credits / shared_by).max(LEAST_CREDITS));
                        credits.push(channel_credits.clone());
                        Sender::new(channel, channel_credits, deliver)
                    })
                    .collect(),
            );
        }
        let block = &setup.blueprint.blocks[id.block.0 as usize];
        let own_kill = kill.below();
        let thread = id.index as usize % setup.arbiters.len();
        let parts = subtask::Setup {
            id,
            block: block.name.clone(),
            attempt,
            task,
            senders: wiring.senders(id),
            time: setup.environment.observed.time().cell(id),
            meter: setup.environment.observed.meter(id),
            outputs: Outputs::new(edges).with_kill(own_kill.clone()),
            credits,
            coordinator: coordinator.clone(),
            supervisor: supervisor.clone(),
            kill: own_kill.clone(),
            environment: setup.environment.clone(),
            run_slice: setup.config.run_slice,
            watch: watches[thread].clone(),
            wake,
            drained: drained(id),
            is_source: block.splits.is_some(),
        };
        let address = Subtask::start_in_arbiter(&setup.arbiters[thread], move |ctx| Subtask::new(parts, ctx.address()));
        subtasks.insert(id, (address, own_kill));
    }
    let mut enumerators = BTreeMap::new();
    for (block, enumeration) in prepared.enumerations {
        let of_block = subtasks.iter().filter(|(id, _)| id.block == block);
        let readers = of_block.map(|(id, (address, _))| (*id, address.clone())).collect::<Vec<_>>();
        let (coordinator, supervisor) = (coordinator.clone(), supervisor.clone());
        let enumerator =
            Enumerator { attempt, block, enumeration, readers: readers.clone(), coordinator, supervisor }.start();
        for (_, reader) in readers {
            reader.do_send(Meet { enumerator: enumerator.clone() });
        }
        enumerators.insert(block, enumerator);
    }
    let routes = Routes {
        subtasks: subtasks.iter().map(|(id, (address, _))| (*id, address.clone())).collect(),
        enumerators: enumerators.clone(),
    };
    coordinator.do_send(Letter { attempt, body: ToCoordinator::Deployed(routes) });
    Running { kill: kill.clone(), subtasks, enumerators: enumerators.into_values().collect(), coordinator }
}
