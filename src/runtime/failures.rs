//! Says what an error of the library means for the job, as the actors are told of it.

use std::sync::Arc;

use millstream_actors::error::{Cause, Failure, FailureKind, SeamError};

use crate::error::{Error, ErrorKind};
use crate::state::StateError;

/// What an error in `block`, or in a source, does to its subtask.
pub(super) fn failure(block: &str, error: Error) -> Failure {
    of_kind(kind_of(error.kind()), block, error)
}

/// The same of an error while a task or an enumeration opens. What can't be decoded then came out of the checkpoint.
pub(super) fn opening_failure(block: &str, error: Error) -> Failure {
    let kind = match error.kind() {
        ErrorKind::Codec { .. } => FailureKind::Untrusted,
        kind => kind_of(kind),
    };
    of_kind(kind, block, error)
}

/// What an error of blocking work does to the checkpoint that it works for.
pub(super) fn seam_error(error: Error) -> SeamError {
    match kind_of(error.kind()) {
        FailureKind::Untrusted => SeamError::Untrusted(Arc::new(error)),
        FailureKind::Mistake | FailureKind::Input => SeamError::Mistake(Arc::new(error)),
        _ => SeamError::Transient(Arc::new(error)),
    }
}

/// The same of an error while an attempt begins. What can't be decoded then came out of the manifest.
pub(super) fn opening_error(error: Error) -> SeamError {
    match error.kind() {
        ErrorKind::Codec { .. } => SeamError::Untrusted(Arc::new(error)),
        _ => seam_error(error),
    }
}

fn kind_of(error: &ErrorKind) -> FailureKind {
    match error {
        // Another attempt would find the same file.
        ErrorKind::State(
            StateError::Corrupt { .. }
            | StateError::Missing { .. }
            | StateError::Groups { .. }
            | StateError::Format { .. },
        ) => FailureKind::Untrusted,
        ErrorKind::Undecodable { .. } => FailureKind::Input,
        ErrorKind::Declaration { .. } => FailureKind::Mistake,
        ErrorKind::Killed => FailureKind::Killed,
        _ => FailureKind::Error,
    }
}

fn of_kind(kind: FailureKind, block: &str, error: Error) -> Failure {
    match error.into_kind() {
        ErrorKind::User { operator, source } => {
            Failure::of_job(&operator, kind, source.to_string()).caused_by(Cause::from(source))
        }
        ErrorKind::Declaration { operator, mistake } => Failure::of_job(&operator, kind, mistake),
        error => Failure::of_job(block, kind, error.to_string()).caused_by(Arc::new(Error::from(error))),
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;
    use std::io;
    use std::path::Path;

    use millstream_actors::ids::CheckpointId;

    use super::*;
    use crate::model;

    fn corrupt() -> Error {
        StateError::corrupt(Path::new("counts-0"), "counts", None, "checksum").into()
    }

    fn full() -> Error {
        StateError::io(Path::new("counts-0"), io::ErrorKind::StorageFull.into()).into()
    }

    fn undecodable() -> Error {
        Error::codec("counts", model::decode::<u64>(&[0xC1]).unwrap_err())
    }

    #[test]
    fn state_that_another_attempt_would_find_again_is_never_tried_again() {
        let format = StateError::Format { file: "counts-0".into(), found: 2, expected: 3 };
        let missing = StateError::Missing { file: "counts-0".into(), checkpoint: CheckpointId(7), newest: None };
        for error in [corrupt, || undecodable()] {
            assert!(!opening_failure("counts", error()).allows_restart(), "{}", error());
            assert!(matches!(opening_error(error()), SeamError::Untrusted(_)), "{}", error());
        }
        for error in [StateError::clone(&format), StateError::clone(&missing)] {
            assert!(!failure("counts", Error::from(error.clone())).allows_restart(), "{error}");
            assert!(matches!(seam_error(Error::from(error.clone())), SeamError::Untrusted(_)), "{error}");
        }
    }

    #[test]
    fn disk_that_is_full_may_have_room_at_the_next_attempt() {
        assert!(failure("counts", full()).allows_restart() && opening_failure("counts", full()).allows_restart());
        assert!(seam_error(full()).is_transient() && opening_error(full()).is_transient());
        assert!(seam_error(undecodable()).is_transient(), "a value that can't be encoded now may be another one then");
    }

    #[test]
    fn failure_leads_to_the_error_of_the_function_that_failed() {
        let error = Error::user("parse", io::Error::from(io::ErrorKind::TimedOut));
        let failure = failure("lines -> parse", error);
        assert_eq!(failure.to_string(), "parse: timed out");
        let cause = failure.source().and_then(|source| source.downcast_ref::<io::Error>());
        assert_eq!(cause.map(io::Error::kind), Some(io::ErrorKind::TimedOut));
    }

    #[test]
    fn failure_of_the_disk_leads_to_what_the_system_said() {
        let failure = failure("counts", full());
        let cause = std::iter::successors(failure.source(), |error| (*error).source())
            .find_map(|error| error.downcast_ref::<Arc<io::Error>>());
        assert_eq!(cause.map(|cause| cause.kind()), Some(io::ErrorKind::StorageFull));
    }
}
