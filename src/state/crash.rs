//! Decides what a crash leaves of a database: storage in memory that keeps unsynced writes apart; names `redb`.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;

use super::BackendFactory;
use super::image::Image;

/// The disks of one machine: storage in memory by file stem, which can lose what was not synced.
///
/// Clones share the disks. Writes, changes of length and syncs are counted over all of them; the machine can be told to
/// die at the n-th.
///
/// # Example
/// ```
/// use millstream::state::{CrashDisks, StateDir, StateOptions};
///
/// let disks = CrashDisks::default();
/// let directory = tempfile::tempdir()?;
/// let options = StateOptions { backend: Some(disks.factory()), ..StateOptions::default() };
/// let state = StateDir::open(directory.path(), options.clone())?;
/// state.manifests().put_property("run", b"a")?;
/// drop(state);
/// disks.crash(7);
/// let state = StateDir::open(directory.path(), options)?;
/// assert_eq!(state.manifests().property("run")?.as_deref(), Some(&b"a"[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct CrashDisks(Arc<Mutex<Machine>>);

#[derive(Debug, Default)]
struct Machine {
    disks: BTreeMap<String, Disk>,
    /// Counts crashes; handles of an earlier life are dead.
    life: u64,
    operations: u64,
    /// The operation at which everything begins to fail.
    dies_at: Option<u64>,
}

#[derive(Debug, Default)]
struct Disk {
    /// What survives a crash in any case.
    synced: Image,
    /// What the process sees.
    seen: Image,
    /// What was done since the last sync.
    unsynced: Vec<Change>,
}

#[derive(Debug, Clone)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Resize(usize),
}

impl CrashDisks {
    /// Opens these disks in place of files, for [`StateOptions::backend`](super::StateOptions::backend).
    #[must_use]
    pub fn factory(&self) -> BackendFactory {
        let disks = self.clone();
        Arc::new(move |stem| {
            let mut machine = disks.lock();
            machine.disks.entry(stem.to_owned()).or_default();
            Ok(Box::new(Handle { disks: disks.clone(), stem: stem.to_owned(), life: machine.life }))
        })
    }

    /// How many writes, changes of length and syncs there were since the last crash.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.lock().operations
    }

    /// Makes operation `n`, counted from 0 since the last crash, and everything after it fail.
    pub fn die_at(&self, n: u64) {
        self.lock().dies_at = Some(n);
    }

    /// Whether the machine has died.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        let machine = self.lock();
        machine.dies_at.is_some_and(|n| machine.operations > n)
    }

    /// Loses power: of the changes since the last sync, `seed` decides which reached the disk, and how much of the last
    /// one that did. Open handles fail from now on; new ones work.
    pub fn crash(&self, seed: u64) {
        let mut machine = self.lock();
        let mut choice = Choice(seed);
        for disk in machine.disks.values_mut() {
            disk.crash(&mut choice);
        }
        machine.life += 1;
        machine.operations = 0;
        machine.dies_at = None;
    }

    /// Lets the process die, but not the machine: what was written is there, synced or not. Open handles fail from now
    /// on; new ones work.
    pub fn reopen(&self) {
        let mut machine = self.lock();
        for disk in machine.disks.values_mut() {
            disk.sync();
        }
        machine.life += 1;
        machine.operations = 0;
        machine.dies_at = None;
    }

    /// Other disks with the same contents. Nobody has them open.
    #[must_use]
    pub fn copy(&self) -> Self {
        let copied = |disk: &Disk| Disk { synced: disk.seen.clone(), seen: disk.seen.clone(), unsynced: Vec::new() };
        let disks = self.lock().disks.iter().map(|(stem, disk)| (stem.clone(), copied(disk))).collect();
        Self(Arc::new(Mutex::new(Machine { disks, ..Machine::default() })))
    }

    /// A number that differs, most likely, for disks with other contents.
    #[must_use]
    pub fn digest(&self) -> u64 {
        let machine = self.lock();
        machine.disks.iter().fold(0, |digest, (stem, disk)| {
            let contents = u64::from(disk.seen.checksum());
            digest.rotate_left(7) ^ contents ^ u64::from(crc32fast::hash(stem.as_bytes())) << 32
        })
    }

    fn lock(&self) -> MutexGuard<'_, Machine> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Disk {
    fn change(&mut self, change: Change) {
        apply(&mut self.seen, &change, usize::MAX);
        self.unsynced.push(change);
    }

    fn sync(&mut self) {
        for change in self.unsynced.drain(..) {
            apply(&mut self.synced, &change, usize::MAX);
        }
    }

    fn crash(&mut self, choice: &mut Choice) {
        // One seed in four loses all, one keeps all, the others keep about half.
        let keeps = match choice.below(4) {
            0 => 0,
            1 => 4,
            _ => 2,
        };
        let mut kept: Vec<Change> = self.unsynced.drain(..).filter(|_| choice.below(4) < keeps).collect();
        let torn = kept.pop();
        for change in kept {
            apply(&mut self.synced, &change, usize::MAX);
        }
        if let Some(change) = torn {
            apply(&mut self.synced, &change, choice.tear());
        }
        self.seen.clone_from(&self.synced);
    }
}

/// Makes a change, or the first `limit` bytes of it.
fn apply(image: &mut Image, change: &Change, limit: usize) {
    match change {
        Change::Resize(len) => image.resize(*len),
        // A write beyond an end that was itself lost makes the file longer, as a file system does.
        Change::Write { offset, bytes } => image.write(*offset, &bytes[..bytes.len().min(limit)]),
    }
}

/// A small generator of choices (SplitMix64).
#[derive(Debug)]
struct Choice(u64);

impl Choice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % n
    }

    /// How many bytes of a torn write arrive: whole sectors, any number, or all.
    fn tear(&mut self) -> usize {
        match self.below(3) {
            0 => 512 * self.below(9) as usize,
            1 => self.below(4097) as usize,
            _ => usize::MAX,
        }
    }
}

/// One opening of a disk.
#[derive(Debug)]
struct Handle {
    disks: CrashDisks,
    stem: String,
    life: u64,
}

impl Handle {
    fn with<T>(&self, work: impl FnOnce(&mut Disk) -> io::Result<T>) -> io::Result<T> {
        let mut machine = self.disks.lock();
        let alive = machine.life == self.life && machine.dies_at.is_none_or(|n| machine.operations <= n);
        match machine.disks.get_mut(&self.stem) {
            Some(disk) if alive => work(disk),
            _ => Err(io::Error::other("the machine has crashed")),
        }
    }

    fn with_counted<T>(&self, work: impl FnOnce(&mut Disk) -> io::Result<T>) -> io::Result<T> {
        let mut machine = self.disks.lock();
        if machine.life == self.life {
            machine.operations += 1;
        }
        drop(machine);
        self.with(work)
    }
}

impl StorageBackend for Handle {
    fn len(&self) -> io::Result<u64> {
        self.with(|disk| Ok(disk.seen.len() as u64))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.with(|disk| {
            let offset = usize::try_from(offset).unwrap_or(usize::MAX);
            if disk.seen.read(offset, out) { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
        })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let len = usize::try_from(len).map_err(io::Error::other)?;
        self.with_counted(|disk| {
            disk.change(Change::Resize(len));
            Ok(())
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.with_counted(|disk| {
            disk.sync();
            Ok(())
        })
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        self.with_counted(|disk| {
            disk.change(Change::Write { offset, bytes: data.to_vec() });
            Ok(())
        })
    }
}
