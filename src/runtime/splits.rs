//! The enumeration of a source's splits, as the enumerator actor hosts it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use millstream_actors::error::Failure;
use millstream_actors::packet::Rows;
use millstream_actors::task::{Enumeration, EnumerationFactory};

use super::failures::{failure, opening_failure};
use crate::error::Error;
use crate::io::{self, EitherEnumerator, Source, SplitEnumerator, Surroundings};
use crate::model;

/// What the options of a job decide about one source.
#[derive(Clone)]
pub(crate) struct SourceDeploy {
    pub(crate) uid: String,
    pub(crate) parallelism: u32,
    /// The size of the input, in the units of the source's progress.
    pub(crate) total: Arc<Mutex<BTreeMap<String, Option<u64>>>>,
    pub(crate) surroundings: Surroundings,
}

/// Makes the enumeration of one source.
pub(crate) struct SourceSplits<S> {
    pub(crate) source: Arc<S>,
    pub(crate) deploy: SourceDeploy,
}

impl<S: Source> EnumerationFactory for SourceSplits<S> {
    fn open(&self, restored: Option<&[u8]>) -> Result<Box<dyn Enumeration>, Failure> {
        let uid = self.deploy.uid.clone();
        let enumerator = match restored {
            Some(bytes) => model::decode::<EitherEnumerator<S>>(bytes).map_err(|source| Error::codec(&uid, source)),
            None => io::discover(&*self.source, &uid, &self.deploy.surroundings, self.deploy.parallelism),
        };
        let enumerator = enumerator.map_err(|error| opening_failure(&uid, error))?;
        let mut totals = self.deploy.total.lock().unwrap_or_else(PoisonError::into_inner);
        totals.insert(uid.clone(), enumerator.total());
        Ok(Box::new(Splits { uid, enumerator }))
    }
}

struct Splits<E> {
    uid: String,
    enumerator: E,
}

impl<E: SplitEnumerator> Enumeration for Splits<E>
where
    E::Split: Send + 'static,
{
    fn next_split(&mut self, reader: u32) -> Result<Option<Rows>, Failure> {
        let split = self.enumerator.next_split(reader).map_err(|error| failure(&self.uid, error))?;
        Ok(split.map(|split| Box::new(split) as Rows))
    }

    fn ask_again(&self, reader: u32) -> Option<Duration> {
        self.enumerator.ask_again(reader)
    }

    fn snapshot(&self) -> Result<Vec<u8>, Failure> {
        model::encode(&self.enumerator).map_err(|source| failure(&self.uid, Error::codec(&self.uid, source)))
    }
}
