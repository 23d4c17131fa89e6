//! The committer of sinks that cannot take back what they wrote.

use super::{Committer, Prepared};
use crate::error::Result;

/// Commits nothing. A sink with this committer writes at least once: a replay writes again.
#[derive(Debug, Clone, Copy)]
pub struct NoTransactions;

impl NoTransactions {
    /// What a writer without transactions prepares.
    #[must_use]
    pub fn prepared() -> Prepared<()> {
        Prepared { transactions: Vec::new(), seal: None }
    }
}

impl Committer for NoTransactions {
    type Transaction = ();

    fn commit(&self, _transactions: &[()]) -> Result<()> {
        Ok(())
    }

    fn abort(&self, _transactions: &[()]) -> Result<()> {
        Ok(())
    }

    fn list_pending(&self) -> Result<Vec<()>> {
        Ok(Vec::new())
    }
}
