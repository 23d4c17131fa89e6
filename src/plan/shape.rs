//! Decides the shape of a plan: resolves parallelism, side outputs and exchanges of what the builder noted down.

use std::collections::BTreeMap;

use millstream_actors::blueprint::EdgePattern;
use serde::Serialize;

use super::PlanError;
use crate::model::MaxParallelism;
use crate::operator::SideId;

/// A topology, resolved and printable.
///
/// `Display` gives its text form; [`Plan::to_json`] and [`Plan::to_mermaid`] the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Plan {
    /// The topology's name.
    pub name: String,
    /// The number of key groups.
    pub max_parallelism: MaxParallelism,
    /// The blocks, in topological order.
    pub blocks: Vec<Block>,
    /// The edges between them, by sending block and output.
    pub edges: Vec<Edge>,
    /// Whether the user named the number of key groups.
    #[serde(skip)]
    pub(crate) max_parallelism_is_explicit: bool,
}

/// Operators fused into one unit of execution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Block {
    /// What is fused, from head to end.
    pub nodes: Vec<Node>,
    /// How many subtasks it has.
    pub parallelism: u32,
}

/// One source, operator or sink.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Node {
    /// The verb that the user wrote.
    pub kind: &'static str,
    /// Its uid, if it is stateful.
    pub uid: Option<String>,
}

/// The way of records from one block to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Edge {
    /// The position of the sending block.
    pub from: usize,
    /// The output of the sending block, counted from 0.
    pub output: usize,
    /// The position of the receiving block.
    pub to: usize,
    /// How records choose among the receiver's subtasks.
    pub exchange: Exchange,
    /// Which of the receiver's inputs it is, counted from 0.
    #[serde(skip)]
    pub input: usize,
}

/// How records choose among the subtasks of the receiving block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Exchange {
    /// The subtask of the same index.
    Forward,
    /// Each in turn.
    Rebalance,
    /// Each in turn, within the sender's own part of the receivers.
    Rescale,
    /// One at random.
    Shuffle,
    /// All.
    Broadcast,
    /// The first.
    Global,
    /// The one that a user's function names.
    Custom,
    /// The one that owns the record's key group.
    KeyGroup,
}

impl Exchange {
    pub(crate) fn pattern(self) -> EdgePattern {
        match self {
            Self::Forward => EdgePattern::OneToOne,
            Self::Rescale => EdgePattern::Pointwise,
            _ => EdgePattern::AllToAll,
        }
    }
}

impl Plan {
    /// The uid that is nearest before a block; nothing before a source.
    pub(crate) fn uid_before(&self, block: usize) -> &str {
        let Some(edge) = self.edges.iter().filter(|edge| edge.to == block).min_by_key(|edge| edge.input) else {
            return "";
        };
        let last = self.blocks[edge.from].nodes.iter().rev().find_map(|node| node.uid.as_deref());
        last.unwrap_or_else(|| self.uid_before(edge.from))
    }

    /// The name of a block: what it fuses.
    #[must_use]
    pub fn block_name(&self, block: usize) -> String {
        self.blocks[block].name()
    }
}

impl Block {
    /// Its name: what it fuses.
    #[must_use]
    pub fn name(&self) -> String {
        name_of(&self.nodes)
    }
}

fn name_of(nodes: &[Node]) -> String {
    let name = |node: &Node| node.uid.clone().unwrap_or_else(|| node.kind.to_owned());
    nodes.iter().map(name).collect::<Vec<_>>().join(" → ")
}

/// A block as the builder notes it down.
#[derive(Debug, Clone, Default)]
pub(crate) struct BlockShape {
    pub(crate) nodes: Vec<Node>,
    pub(crate) parallelism: Option<u32>,
    /// The operator that works on all records together, if there is one.
    pub(crate) meets_in: Option<String>,
    pub(crate) inputs: Vec<Input>,
    /// Side outputs that its operators fill.
    pub(crate) fills: Vec<SideId>,
    /// Edges of its main output.
    pub(crate) main_outputs: usize,
    /// Whether it ends in a sink or an exchange.
    pub(crate) closed: bool,
}

/// Where a block's records come from.
#[derive(Debug, Clone)]
pub(crate) struct Input {
    pub(crate) from: InputFrom,
    /// `None` chooses by the parallelism of both ends.
    pub(crate) exchange: Option<Exchange>,
}

/// The output at the other end of an input.
#[derive(Debug, Clone)]
pub(crate) enum InputFrom {
    Main { block: usize, output: usize },
    Side { id: SideId, name: String },
}

impl BlockShape {
    fn label(&self) -> String {
        name_of(&self.nodes)
    }
}

/// Makes a plan of what the builder noted down; blocks are in topological order already.
pub(crate) fn resolve(
    name: &str,
    shapes: &[BlockShape],
    parallelism: u32,
    max: Option<u32>,
) -> Result<Plan, PlanError> {
    if shapes.is_empty() {
        return Err(PlanError::NoSource { topology: name.to_owned() });
    }
    check_uids(shapes)?;
    if let Some(open) = shapes.iter().find(|shape| !shape.closed) {
        return Err(PlanError::NoSink { after: label_upstream(shapes, open) });
    }
    let widest = shapes.iter().map(|shape| shape.parallelism.unwrap_or(parallelism)).max().unwrap_or(1);
    let max_parallelism = match max {
        Some(max) => MaxParallelism::try_from(max).map_err(|_| PlanError::MaximumOutOfRange { max })?,
        None => MaxParallelism::default_for(widest),
    };
    let mut blocks = Vec::<Block>::with_capacity(shapes.len());
    for shape in shapes {
        let parallelism = shape.parallelism.unwrap_or(parallelism);
        let mut nodes = shape.nodes.clone();
        if nodes.is_empty() {
            // A block between two exchanges has no operator to be named after.
            nodes.push(Node { kind: "hand on", uid: None });
        }
        let block = Block { nodes, parallelism };
        if parallelism == 0 {
            return Err(PlanError::NoSubtasks { uid: block.name() });
        }
        if let Some(uid) = shape.meets_in.clone().filter(|_| parallelism > 1) {
            return Err(PlanError::OnlyOneSubtask { uid, parallelism });
        }
        if parallelism > max_parallelism.groups() {
            let (uid, max) = (block.name(), max_parallelism.groups());
            return Err(PlanError::ParallelismAboveMaximum { uid, parallelism, max });
        }
        blocks.push(block);
    }
    let edges = resolve_edges(shapes, &blocks)?;
    Ok(Plan { name: name.to_owned(), max_parallelism, blocks, edges, max_parallelism_is_explicit: max.is_some() })
}

fn check_uids(shapes: &[BlockShape]) -> Result<(), PlanError> {
    let mut used = BTreeMap::<&str, &str>::new();
    for node in shapes.iter().flat_map(|shape| &shape.nodes) {
        let Some(uid) = &node.uid else { continue };
        if uid.trim().is_empty() {
            return Err(PlanError::EmptyUid { kind: node.kind.to_owned() });
        }
        if let Some(first) = used.insert(uid, node.kind) {
            let (first, second) = (first.to_owned(), node.kind.to_owned());
            return Err(PlanError::EqualUids { uid: uid.clone(), first, second });
        }
    }
    Ok(())
}

/// The name of a block, or of the block before it if nothing was added to it yet.
pub(crate) fn label_upstream(shapes: &[BlockShape], shape: &BlockShape) -> String {
    match (shape.nodes.is_empty(), shape.inputs.first()) {
        (true, Some(Input { from: InputFrom::Main { block, .. }, .. })) => label_upstream(shapes, &shapes[*block]),
        (true, Some(Input { from: InputFrom::Side { name, .. }, .. })) => format!("side output {name}"),
        _ => shape.label(),
    }
}

fn resolve_edges(shapes: &[BlockShape], blocks: &[Block]) -> Result<Vec<Edge>, PlanError> {
    let mut filled_by = BTreeMap::<SideId, usize>::new();
    let mut filled_twice = BTreeMap::<SideId, (usize, usize)>::new();
    for (block, shape) in shapes.iter().enumerate() {
        for side in &shape.fills {
            if let Some(first) = filled_by.insert(*side, block) {
                filled_twice.insert(*side, (first, block));
            }
        }
    }
    let mut next_side_output = shapes.iter().map(|shape| shape.main_outputs).collect::<Vec<_>>();
    let mut read = BTreeMap::<SideId, usize>::new();
    let mut edges = Vec::new();
    for (to, shape) in shapes.iter().enumerate() {
        for (number, input) in shape.inputs.iter().enumerate() {
            let (from, output) = match &input.from {
                InputFrom::Main { block, output } => (*block, *output),
                InputFrom::Side { id, name } => {
                    let name = || name.clone();
                    let filler = filled_by.get(id).copied().filter(|filler| *filler < to);
                    let from = filler.ok_or_else(|| PlanError::SideOutputNotFilled { name: name() })?;
                    if let Some((first, second)) = filled_twice.get(id) {
                        let (first, second) = (shapes[*first].label(), shapes[*second].label());
                        return Err(PlanError::SideOutputFilledTwice { name: name(), first, second });
                    }
                    if read.insert(*id, to).is_some() {
                        return Err(PlanError::SideOutputReadTwice { name: name() });
                    }
                    next_side_output[from] += 1;
                    (from, next_side_output[from] - 1)
                }
            };
            let (from_parallelism, to_parallelism) = (blocks[from].parallelism, blocks[to].parallelism);
            let equal = from_parallelism == to_parallelism;
            let chosen = if equal { Exchange::Forward } else { Exchange::Rebalance };
            let exchange = input.exchange.unwrap_or(chosen);
            if exchange == Exchange::Forward && !equal {
                let (from, to) = (blocks[from].name(), label_upstream(shapes, shape));
                return Err(PlanError::ForwardBetweenDifferent { from, from_parallelism, to, to_parallelism });
            }
            edges.push(Edge { from, output, to, exchange, input: number });
        }
    }
    edges.sort_by_key(|edge| (edge.from, edge.output));
    Ok(edges)
}
