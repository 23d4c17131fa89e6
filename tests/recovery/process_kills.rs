//! The whole process dies by SIGKILL, again and again: started anew, it goes on where it was, and the output is exact.

#![cfg(unix)]

use std::fs;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use millstream::testing::RestartedProcess;
use tempfile::TempDir;

use crate::rig::{self, Seeded};

const LINES: usize = 4_000;
const LINES_PER_SECOND: u64 = 2_000;

/// A word count that runs as a process of its own: the example, on a text of its own.
struct WordCount {
    directory: TempDir,
    expected: Vec<(String, u64)>,
}

/// A started process; one that a failing test leaves behind is killed.
struct Run(Child);

impl Drop for Run {
    fn drop(&mut self) {
        // It fails if the process is gone already, which is what is wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The example lies beside the directory of this test.
fn example() -> PathBuf {
    let own = std::env::current_exe().expect("a test knows where it lies");
    let profile = own.ancestors().nth(2).expect("tests lie two levels below their target directory");
    let example = profile.join("examples/word_count");
    assert!(example.exists(), "{} is missing: run `cargo build --examples` first", example.display());
    example
}

impl WordCount {
    fn of(seed: u64) -> Self {
        let directory = tempfile::tempdir().expect("there is room for temporary files");
        let lines = rig::text(&mut Seeded::new(seed), LINES);
        let expected = rig::running_counts(lines.iter().flat_map(|line| rig::words(line)));
        fs::write(directory.path().join("text"), lines.join("\n")).expect("the text can be written");
        Self { directory, expected }
    }

    fn output(&self) -> PathBuf {
        self.directory.path().join("counts")
    }

    fn command(&self) -> Command {
        let path = |name: &str| self.directory.path().join(name);
        let mut command = Command::new(example());
        command.arg("--input").arg(path("text")).arg("--output").arg(self.output());
        command.arg("--state-dir").arg(path("state"));
        command.args(["--parallelism", "2", "--checkpoint-interval", "20ms", "--rate", &LINES_PER_SECOND.to_string()]);
        command
    }

    fn start(&self) -> Run {
        let started = self.command().stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        Run(started.expect("the example can be started"))
    }

    /// Waits until that many files are committed; what another process does can only be looked at, again and again.
    fn wait_for_files(&self, run: &mut Run, files: usize) {
        while committed(&self.output()) < files {
            let ended = run.0.try_wait().expect("a child can be asked for its status");
            assert_eq!(ended, None, "the process ended before {files} files were committed");
            thread::park_timeout(Duration::from_millis(1));
        }
    }

    fn assert_exact(&self) {
        let hidden =
            rig::file_names(&self.output()).into_iter().filter(|name| name.starts_with('.')).collect::<Vec<_>>();
        assert_eq!(hidden, Vec::<String>::new(), "left over");
        rig::assert_output(rig::committed_rows(&self.output()), &self.expected, "all processes together");
    }
}

fn committed(output: &Path) -> usize {
    rig::file_names(output).iter().filter(|name| name.starts_with("part-")).count()
}

impl Run {
    /// Waits for the end; the status, and what was said on standard error.
    fn end(mut self) -> (ExitStatus, String) {
        let mut said = String::new();
        self.0.stderr.take().expect("it is piped").read_to_string(&mut said).expect("what is said is text");
        (self.0.wait().expect("a child can be waited for"), said)
    }

    fn kill(mut self) -> String {
        self.0.kill().expect("a child can be killed");
        let (status, said) = self.end();
        assert_eq!(status.signal(), Some(9), "it ended before it could be killed: {said}");
        said
    }

    /// Asks it to stop, as a shell or a service manager does.
    fn terminate(self) -> (ExitStatus, String) {
        let asked = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status();
        assert!(asked.expect("there is a `kill`").success());
        self.end()
    }
}

/// The number behind `before` in what was said.
fn checkpoint_after(said: &str, before: &str) -> u64 {
    let rest = said.split_once(before).unwrap_or_else(|| panic!("'{before}' is missing in: {said}")).1;
    let digits = rest.chars().take_while(char::is_ascii_digit).collect::<String>();
    digits.parse().unwrap_or_else(|error| panic!("{error} behind '{before}' in: {said}"))
}

#[test]
fn counts_are_exact_when_the_process_is_killed_five_times() {
    let seed = 71;
    let (job, mut random) = (WordCount::of(seed), Seeded::new(seed + 1));
    let mut resumed_from = Vec::new();
    for kill in 0..5 {
        let mut run = job.start();
        // Two subtasks commit a file each per checkpoint. A start may commit those of the checkpoint it resumes from, so
        // a third one shows that it has completed a checkpoint of its own; the kill falls anywhere into a later one.
        let files = committed(&job.output()) + 3 + random.below(8) as usize;
        job.wait_for_files(&mut run, files);
        let said = run.kill();
        match kill {
            0 => assert!(said.contains("'word count' starts from nothing"), "{said}"),
            _ => resumed_from.push(checkpoint_after(&said, "resumes from checkpoint ")),
        }
    }
    let (status, said) = job.start().end();
    assert!(status.success(), "{said}");
    resumed_from.push(checkpoint_after(&said, "resumes from checkpoint "));
    // Each process completed checkpoints, and the next one used the last of them.
    assert!(resumed_from.is_sorted_by(|older, newer| older < newer), "{resumed_from:?}");
    job.assert_exact();

    let (status, said) = job.start().end();
    assert!(status.success() && said.contains("'word count' has finished already"), "{said}");
    job.assert_exact();
}

#[test]
fn counts_are_exact_whenever_the_process_is_killed() {
    let seed = 72;
    println!("seed {seed}");
    let job = WordCount::of(seed);
    let lives = Duration::from_millis(30)..Duration::from_millis(800);
    let story = RestartedProcess::new(seed, || job.command()).killed_after(lives).at_most(12).run();
    let story = story.expect("the example can be started and killed");
    assert!(story.status.success(), "{story:?}");
    let resumed = story.said.iter().filter(|said| said.contains("resumes from checkpoint ")).count();
    assert!(story.kills > 2 && resumed > 0, "{story:?}");
    job.assert_exact();
}

#[test]
fn sigterm_stops_behind_a_final_checkpoint_from_which_the_next_start_resumes() {
    let job = WordCount::of(81);
    let mut run = job.start();
    job.wait_for_files(&mut run, 8);
    let (status, said) = run.terminate();
    assert!(status.success(), "{status}: {said}");
    let stopped = checkpoint_after(&said, "has stopped behind checkpoint ");
    // What was stopped is whole: each word has the counts from 1 on, without a hole, and nothing waits for a commit.
    let rows = rig::committed_rows(&job.output());
    let words = rows.iter().map(|(word, _)| word.clone()).collect::<Vec<_>>();
    rig::assert_output(rows, &rig::running_counts(words), "after the stop");

    let (status, said) = job.start().end();
    assert!(status.success(), "{said}");
    assert_eq!(checkpoint_after(&said, "resumes from checkpoint "), stopped);
    job.assert_exact();
}

#[test]
fn a_second_process_in_the_same_state_directory_is_refused() {
    let job = WordCount::of(91);
    let mut run = job.start();
    job.wait_for_files(&mut run, 1);
    let (status, said) = job.start().end();
    assert!(!status.success(), "{said}");
    assert!(said.contains("is in use by another process"), "{said}");
    run.kill();
}
