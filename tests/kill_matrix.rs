//! Every subtask, and the coordinator, dies once at every crash point it passes; the output is that of a run without.

mod rig;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use millstream::actors::faults::CrashPoint;
use millstream::actors::ids::SubtaskId;
use millstream::io::FileSink;
use millstream::prelude::*;

use rig::effort::seeds;
use rig::{Row, Seeded, StrikeOnce, Tap, Tapped};

const PARALLELISM: u32 = 2;
const LINES: usize = 1_000;

/// One row of the matrix: who dies, and where.
#[derive(Clone, Copy)]
struct Cell {
    victim: Option<SubtaskId>,
    point: CrashPoint,
}

impl std::fmt::Display for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at {:?}", rig::name_of(self.victim), self.point)
    }
}

/// All pairs of an actor and a point that it passes.
fn cells(plan: &Plan) -> Vec<Cell> {
    let mut cells = Vec::new();
    for point in CrashPoint::ALL {
        if point.is_coordinators() {
            cells.push(Cell { victim: None, point });
            continue;
        }
        for (block, of) in plan.blocks.iter().enumerate() {
            let passes = match point {
                // A source has no input channels to align.
                CrashPoint::Aligning => plan.edges.iter().any(|edge| edge.to == block),
                // Only sinks have something to commit.
                CrashPoint::Committing => plan.edges.iter().all(|edge| edge.from != block),
                _ => true,
            };
            if passes {
                let subtask = |index| Some(SubtaskId::new(block as u32, index));
                cells.extend((0..of.parallelism).map(|index| Cell { victim: subtask(index), point }));
            }
        }
    }
    cells
}

/// Where a word count writes, and how what it wrote is read back.
trait Outlet {
    fn attach<C: Chain<Out = (String, u64)>>(&mut self, counts: Stream<C>);
    fn written(self) -> Vec<(String, u64)>;
}

#[derive(Default)]
struct InMemory(Option<Collected<(String, u64)>>);

impl Outlet for InMemory {
    fn attach<C: Chain<Out = (String, u64)>>(&mut self, counts: Stream<C>) {
        self.0 = Some(counts.collect("results"));
    }

    fn written(self) -> Vec<(String, u64)> {
        self.0.expect("it was attached").take()
    }
}

/// A directory of JSON lines.
struct InFiles(PathBuf);

impl Outlet for InFiles {
    fn attach<C: Chain<Out = (String, u64)>>(&mut self, counts: Stream<C>) {
        counts.map(|(key, value)| Row { key, value }).sink("results", FileSink::json_lines(&self.0));
    }

    fn written(self) -> Vec<(String, u64)> {
        let hidden = rig::file_names(&self.0).into_iter().filter(|name| name.starts_with('.')).collect::<Vec<_>>();
        assert_eq!(hidden, Vec::<String>::new(), "left over in {}", self.0.display());
        rig::committed_rows(&self.0)
    }
}

fn word_count(lines: &Arc<Vec<String>>, tap: &Tap, outlet: &mut impl Outlet) -> Topology {
    let topology = Topology::new("word count");
    let text = Arc::clone(lines);
    let counts = topology
        .source("lines", Tapped::new(lines.len() as u64, tap, move |line| text[line as usize].clone()))
        .flat_map(|line: String| rig::words(&line))
        .key_by(String::clone)
        .count("counts");
    outlet.attach(counts);
    topology
}

/// Lets the actor of `cell` die, not before a second checkpoint is complete, and proves what a recovery must prove.
fn die_and_recover(
    cell: Cell,
    lines: &Arc<Vec<String>>,
    expected: &[(String, u64)],
    mut outlet: impl Outlet,
    state: &Path,
) {
    println!("{cell}");
    let (tap, strike) = (Tap::default(), StrikeOnce::at(cell.victim, cell.point));
    let topology = word_count(lines, &tap, &mut outlet);
    let options = rig::options(PARALLELISM).state_dir(state).faults(strike.clone());
    let mut job = topology.start(options).expect("the job starts");

    tap.release(LINES as u64 / 3);
    let used = rig::wait_for_checkpoints(&job, cell, 2);
    strike.arm();
    tap.release(LINES as u64 * 2 / 3);
    // The points of a beginning and of an end are passed only if there is one.
    let mut deaths = vec![cell.victim];
    if cell.point == CrashPoint::Opened {
        deaths.insert(0, None);
        job.kill_coordinator();
    }
    if cell.point == CrashPoint::Drained {
        tap.open();
    }
    rig::wait_until(&job, cell, |view| view.attempts > deaths.len() as u64);
    tap.open();
    job.wait().unwrap_or_else(|error| panic!("{cell}: {error}"));

    assert_eq!(strike.count(), 1, "{cell}: strikes");
    assert_eq!(job.attempts().len(), deaths.len() + 1, "{cell}: attempts in {:#?}", job.attempts());
    for (number, victim) in deaths.into_iter().enumerate() {
        rig::assert_killed(&rig::attempt(&job, number), victim, cell);
        rig::assert_restored(&rig::attempt(&job, number + 1), used, cell);
    }
    rig::assert_output(outlet.written(), expected, cell);
}

fn matrix<O: Outlet>(outlet: impl Fn(&Path) -> O) {
    for seed in seeds(7..8) {
        println!("seed {seed}");
        let lines = Arc::new(rig::text(&mut Seeded::new(seed), LINES));
        let expected = rig::running_counts(lines.iter().flat_map(|line| rig::words(line)));
        let plan = word_count(&lines, &Tap::default(), &mut InMemory::default());
        for cell in cells(&plan.plan_with(PARALLELISM).expect("it must not fail")) {
            let directory = tempfile::tempdir().expect("it must not fail");
            let outlet = outlet(&directory.path().join("out"));
            die_and_recover(cell, &lines, &expected, outlet, &directory.path().join("state"));
        }
    }
}

#[test]
fn counts_are_exact_when_each_actor_dies_once_at_each_point() {
    matrix(|_| InMemory::default());
}

#[test]
fn files_are_exact_when_each_actor_dies_once_at_each_point() {
    matrix(|directory| InFiles(directory.to_owned()));
}
