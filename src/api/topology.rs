//! The value that a user fills: notes down blocks as streams are built, makes the plan, starts the job.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use millstream_actors::task::{EnumerationFactory, TaskFactory};

use super::Stream;
use crate::error::Result;
use crate::io::{EitherReader, Source};
use crate::model::Data;
use crate::operator::event_time::Watermarks;
use crate::operator::{BatchHead, Chain, Partition, SideId, SideOutput, SourceHead, SubtaskContext};
use crate::plan::{BlockShape, Exchange, Input, InputFrom, Node, Plan, PlanError, label_upstream, resolve};
use crate::runtime::{
    self, BlockDeploy, BlockFactory, Deployment, JobHandle, JobOptions, OpenChain, OpenSide, PartitionRouter, Router,
    SideRouter, SourceDeploy, SourceSplits, TypedSide,
};

/// What a user builds: sources, operators, sinks, and the streams between them.
///
/// Clones are the same topology. Building never fails; all mistakes are found by [`Topology::plan`], which
/// [`Topology::start`] calls first.
///
/// # Example
/// ```
/// use millstream::prelude::*;
///
/// let topology = Topology::new("squares");
/// let squares = topology.source("numbers", Collection::of(1..=4)).map(|n| n * n).collect("squares");
/// topology.start(JobOptions::new().parallelism(1))?.wait()?;
/// assert_eq!(squares.take(), [1, 4, 9, 16]);
/// # Ok::<(), millstream::Error>(())
/// ```
#[derive(Clone)]
pub struct Topology {
    draft: Arc<Mutex<Draft>>,
}

/// What was built so far.
pub(crate) struct Draft {
    name: String,
    max_parallelism: Option<u32>,
    shapes: Vec<BlockShape>,
    blocks: Vec<BlockMakers>,
    /// What is wrong with the options of operators.
    mistakes: Vec<PlanError>,
}

/// Makes the task factory of a block, once its plan is known.
pub(crate) type MakeTasks = Arc<dyn Fn(BlockDeploy, Vec<OpenSide>) -> Arc<dyn TaskFactory> + Send + Sync>;

/// Makes the enumeration factory of a source, once its plan is known.
pub(crate) type MakeSplits = Arc<dyn Fn(SourceDeploy) -> Arc<dyn EnumerationFactory> + Send + Sync>;

/// Makes the router of a side output, once the number of its edge is known.
pub(crate) type MakeSide = Arc<dyn Fn(usize) -> OpenSide + Send + Sync>;

/// What makes the parts of a block that know its types.
#[derive(Clone, Default)]
pub(crate) struct BlockMakers {
    pub(crate) tasks: Option<MakeTasks>,
    pub(crate) source: Option<(String, MakeSplits)>,
    /// The uid of its first operator with keyed state.
    pub(crate) keyed: Option<String>,
    /// Set if the block reads a side output.
    pub(crate) side: Option<MakeSide>,
}

impl Topology {
    /// An empty topology. Its name appears in plans, logs and errors.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let draft = Draft {
            name: name.to_owned(),
            max_parallelism: None,
            shapes: Vec::new(),
            blocks: Vec::new(),
            mistakes: Vec::new(),
        };
        Self { draft: Arc::new(Mutex::new(draft)) }
    }

    /// Sets the number of key groups: the highest parallelism that the job can ever have. It is fixed by the first
    /// start in a state directory. By default it follows from the parallelism of that start, and is at least 128.
    #[must_use]
    pub fn max_parallelism(self, groups: u32) -> Self {
        self.draft().max_parallelism = Some(groups);
        self
    }

    /// Begins a stream with the records of `source`.
    ///
    /// # Shape
    /// One stream of what the source reads. Records of one split keep their order.
    ///
    /// # Recovery
    /// A checkpoint holds the position in each split; after a failure the source reads on from there.
    pub fn source<S: Source>(&self, uid: &str, source: S) -> Stream<impl Chain<Out = S::Out> + use<S>> {
        let (source, name) = (Arc::new(source), uid.to_owned());
        let shape = BlockShape {
            nodes: vec![Node { kind: "source", uid: Some(name.clone()) }],
            fills: source.side_outputs(),
            ..BlockShape::default()
        };
        let for_splits = Arc::clone(&source);
        let splits: MakeSplits = Arc::new(move |deploy| Arc::new(SourceSplits { source: for_splits.clone(), deploy }));
        let makers = BlockMakers { source: Some((name.clone(), splits)), ..BlockMakers::default() };
        let open = move |context: &mut SubtaskContext| {
            context.uid = name.as_str().into();
            let reader = EitherReader::open(&source, &name, context)?;
            SourceHead::open(&name, S::SPLIT_SCHEMA, reader, context)
        };
        Stream::begin(self.clone(), shape, makers, Arc::new(open))
    }

    /// Begins a stream with the records of a side output, which something built before must fill.
    pub fn side_output<T: Data>(&self, side: &SideOutput<T>) -> Stream<BatchHead<T>> {
        let from = InputFrom::Side { id: side.id(), name: side.name().to_owned() };
        let shape = BlockShape { inputs: vec![Input { from, exchange: None }], ..BlockShape::default() };
        let side = side.clone();
        let make: MakeSide = Arc::new(move |edge| {
            let side = side.clone();
            Arc::new(move |context: &mut SubtaskContext, deploy: &BlockDeploy| {
                let emitter = context.side(&side);
                let partition = deploy.local(edge, context.index);
                let channels = deploy.channels(edge, context.index);
                let router = PartitionRouter::new(edge, partition, channels, deploy.batch_records);
                Box::new(TypedSide { emitter, router }) as Box<dyn SideRouter>
            })
        });
        let makers = BlockMakers { side: Some(make), ..BlockMakers::default() };
        Stream::begin(self.clone(), shape, makers, Arc::new(|_| Ok(BatchHead::new())))
    }

    /// The plan, with one subtask per core where nothing else is said.
    ///
    /// # Errors
    /// The first mistake that is found; see [`PlanError`].
    pub fn plan(&self) -> Result<Plan, PlanError> {
        self.plan_with(JobOptions::new().subtasks_per_block())
    }

    /// The plan, with `parallelism` subtasks per block where nothing else is said.
    ///
    /// # Errors
    /// The first mistake that is found; see [`PlanError`].
    pub fn plan_with(&self, parallelism: u32) -> Result<Plan, PlanError> {
        let draft = self.draft();
        if let Some(mistake) = draft.mistakes.first() {
            return Err(mistake.clone());
        }
        resolve(&draft.name, &draft.shapes, parallelism, draft.max_parallelism)
    }

    /// Starts the topology as a job on threads of its own.
    ///
    /// # Errors
    /// If an option is out of range, the plan has a mistake, or the state directory cannot be used: by another process, of another topology,
    /// unreadable. Everything later is an error of [`JobHandle::wait`].
    pub fn start(&self, options: JobOptions) -> Result<JobHandle> {
        self.prepare(&options)?.start(&options)
    }

    /// Makes the topology ready to run.
    pub(crate) fn prepare(&self, options: &JobOptions) -> Result<Deployment> {
        options.check()?;
        let plan = self.plan_with(options.subtasks_per_block())?;
        let (shapes, makers) = {
            let draft = self.draft();
            (draft.shapes.clone(), draft.blocks.clone())
        };
        runtime::prepare(plan, options, |prepare| {
            for (index, (shape, maker)) in shapes.iter().zip(&makers).enumerate() {
                // Side outputs are numbered behind the main ones, in the order of the blocks that read them.
                let readers = shapes.iter().zip(&makers).filter(|(reader, _)| reads_side_of(reader, shape));
                let sides = readers.filter_map(|(_, maker)| maker.side.as_ref()).enumerate();
                let sides = sides.map(|(number, make)| make(shape.main_outputs + number)).collect();
                let splits = maker.source.as_ref().map(|(uid, make)| make(prepare.source(index, uid)));
                let tasks = maker.tasks.as_ref().expect("the plan has checked that every block is closed");
                let read = |id: &SideId| shapes.iter().any(|reader| reads(reader, id));
                let read_sides = shape.fills.iter().copied().filter(read).collect();
                let tasks = tasks(prepare.block(index, maker.keyed.as_deref(), read_sides), sides);
                prepare.add(tasks, splits);
            }
        })
    }

    pub(crate) fn draft(&self) -> MutexGuard<'_, Draft> {
        self.draft.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn reads_side_of(reader: &BlockShape, filler: &BlockShape) -> bool {
    filler.fills.iter().any(|side| reads(reader, side))
}

fn reads(reader: &BlockShape, side: &SideId) -> bool {
    reader.inputs.iter().any(|input| matches!(&input.from, InputFrom::Side { id, .. } if id == side))
}

impl Draft {
    /// Notes down a new block and gives its position.
    pub(crate) fn begin(&mut self, shape: BlockShape, makers: BlockMakers) -> usize {
        self.shapes.push(shape);
        self.blocks.push(makers);
        self.shapes.len() - 1
    }

    /// Notes down one more operator of a block.
    pub(crate) fn add(&mut self, block: usize, kind: &'static str, uid: Option<&str>) {
        self.shapes[block].nodes.push(Node { kind, uid: uid.map(str::to_owned) });
    }

    /// Notes down that an operator of a block keeps keyed state under `uid`.
    pub(crate) fn keeps_state(&mut self, block: usize, uid: &str) {
        self.blocks[block].keyed.get_or_insert_with(|| uid.to_owned());
    }

    /// Looks for what cannot be carried out of what is said about watermarks in a block.
    pub(crate) fn check_event_time<M>(&mut self, block: usize, watermarks: &Watermarks<M>) {
        let is_source = self.blocks[block].source.is_some();
        let behind =
            "only readers can be held back: a group must be named in the block of a source, before any exchange";
        let mistake = watermarks.mistake().or_else(|| (watermarks.is_aligned() && !is_source).then_some(behind));
        if let Some(mistake) = mistake {
            let after = label_upstream(&self.shapes, &self.shapes[block]);
            self.mistake(PlanError::EventTime { after, mistake: mistake.to_owned() });
        }
    }

    /// Notes down a mistake that only the operator's own options show.
    pub(crate) fn mistake(&mut self, mistake: PlanError) {
        self.mistakes.push(mistake);
    }

    /// Notes down that an operator of a block fills a side output.
    pub(crate) fn fills(&mut self, block: usize, side: SideId) {
        let fills = &mut self.shapes[block].fills;
        if !fills.contains(&side) {
            fills.push(side);
        }
    }

    /// Notes down that the operator `uid` of a block works on all records together.
    pub(crate) fn meets_in(&mut self, block: usize, uid: &str) {
        self.shapes[block].parallelism = Some(1);
        self.shapes[block].meets_in = Some(uid.to_owned());
    }

    pub(crate) fn set_parallelism(&mut self, block: usize, parallelism: u32) {
        self.shapes[block].parallelism = Some(parallelism);
    }

    /// Ends a block with `outputs` main edges and what makes its tasks.
    pub(crate) fn close(&mut self, block: usize, outputs: usize, tasks: MakeTasks) {
        let shape = &mut self.shapes[block];
        (shape.closed, shape.main_outputs) = (true, outputs);
        self.blocks[block].tasks = Some(tasks);
    }
}

/// Makes the task factory of a block of known types.
pub(crate) fn make_tasks<C: Chain, R: Router<C::Out>>(
    open: OpenChain<C>,
    router: impl Fn(&BlockDeploy, u32) -> R + Clone + Send + Sync + 'static,
) -> MakeTasks {
    Arc::new(move |deploy, sides| {
        let (open, router) = (Arc::clone(&open), Box::new(router.clone()));
        Arc::new(BlockFactory { deploy, open, router, sides })
    })
}

/// The shape of a block that reads the main output `output` of `block`.
pub(crate) fn reading(block: usize, output: usize, exchange: Option<Exchange>) -> BlockShape {
    let inputs = vec![Input { from: InputFrom::Main { block, output }, exchange }];
    BlockShape { inputs, ..BlockShape::default() }
}

/// A router along the single edge of a block.
pub(crate) fn single_edge<T: Data, P: Partition<T>>(
    partition: impl Fn(&BlockDeploy, u32) -> P + Clone + Send + Sync + 'static,
) -> impl Fn(&BlockDeploy, u32) -> PartitionRouter<T, P> + Clone + Send + Sync + 'static {
    move |deploy, index| {
        PartitionRouter::new(0, partition(deploy, index), deploy.channels(0, index), deploy.batch_records)
    }
}
