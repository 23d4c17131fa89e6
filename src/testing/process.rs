//! Kills a real process, again and again, and starts it anew until it ends by itself.

use std::fmt;
use std::io::{self, Read};
use std::ops::Range;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use crate::io::SplitMix64;

/// A program that is killed, as the operating system kills (SIGKILL on Unix), at random times, and started anew each time
/// until it comes to its end.
///
/// # Example
/// ```
/// use std::process::Command;
/// use std::time::Duration;
///
/// use millstream::testing::RestartedProcess;
///
/// // A topology's binary would take `--state-dir` and go on where it was.
/// let program = || {
///     let mut command = Command::new("sleep");
///     command.arg("0.2");
///     command
/// };
/// let story = RestartedProcess::new(7, program)
///     .killed_after(Duration::from_millis(1)..Duration::from_millis(20))
///     .at_most(3)
///     .run()?;
/// assert_eq!(story.kills, 3);
/// assert!(story.status.success());
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct RestartedProcess<F> {
    program: F,
    random: SplitMix64,
    after: Range<Duration>,
    most: u32,
}

/// What became of a process that was killed again and again.
#[derive(Debug)]
pub struct ProcessStory {
    /// How often it was killed.
    pub kills: u32,
    /// How the last one ended.
    pub status: ExitStatus,
    /// What each process said on standard error.
    pub said: Vec<String>,
}

impl<F: FnMut() -> Command> RestartedProcess<F> {
    /// Starts `program` until it ends. When it is killed follows from `seed`: after 50 to 500 ms, at most 100 times.
    pub fn new(seed: u64, program: F) -> Self {
        let after = Duration::from_millis(50)..Duration::from_millis(500);
        Self { program, random: SplitMix64::new(seed), after, most: 100 }
    }

    /// Sets how long a process lives, at least and at most.
    #[must_use]
    pub fn killed_after(self, time: Range<Duration>) -> Self {
        Self { after: time, ..self }
    }

    /// Sets how often it is killed; after that, it is left to come to its end.
    #[must_use]
    pub fn at_most(self, kills: u32) -> Self {
        Self { most: kills, ..self }
    }

    /// Runs the program until it ends by itself. Its standard output goes nowhere.
    ///
    /// # Errors
    /// If it cannot be started, killed or waited for.
    pub fn run(mut self) -> io::Result<ProcessStory> {
        let (mut kills, mut said) = (0, Vec::new());
        loop {
            let mut child = Killed((self.program)().stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?);
            let words = listen(&mut child.0)?;
            let lives = (kills < self.most).then(|| self.lifetime());
            let ended = match lives.map(|time| words.recv_timeout(time)) {
                Some(Err(RecvTimeoutError::Timeout)) => None,
                Some(ended) => Some(ended.unwrap_or_default()),
                None => Some(words.recv().unwrap_or_default()),
            };
            if let Some(text) = ended {
                said.push(text);
                return Ok(ProcessStory { kills, status: child.0.wait()?, said });
            }
            child.0.kill()?;
            child.0.wait()?;
            said.push(words.recv().unwrap_or_default());
            kills += 1;
        }
    }

    fn lifetime(&mut self) -> Duration {
        let range = self.after.end.saturating_sub(self.after.start);
        self.after.start + range.mul_f64(self.random.unit())
    }
}

/// Gives what the process says on standard error, when it has closed it: that is, when it is gone.
fn listen(child: &mut Child) -> io::Result<mpsc::Receiver<String>> {
    let (send, receive) = mpsc::channel();
    let mut stderr = child.stderr.take().ok_or_else(|| io::Error::other("standard error is not piped"))?;
    std::thread::Builder::new().name("listener".to_owned()).spawn(move || {
        let mut bytes = Vec::new();
        let _ = stderr.read_to_end(&mut bytes);
        let _ = send.send(String::from_utf8_lossy(&bytes).into_owned());
    })?;
    Ok(receive)
}

/// A process that does not outlive the test that started it.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It fails if the process is gone already, which is what is wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl<F> fmt::Debug for RestartedProcess<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RestartedProcess").field("after", &self.after).field("most", &self.most).finish_non_exhaustive()
    }
}
