//! The defects that a build for tests can be told to have, so that it can be shown that they are noticed.

/// A law of the engine that is broken on purpose. Only builds with the feature `sabotage` can be told to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sabotage {
    /// Channels that have delivered a barrier are drained on while others have not.
    SkipAlignment,
    /// A checkpoint is announced before its manifest is durable.
    AnnounceBeforePublishing,
    /// Rows are folded into the base although an older checkpoint may still be restored.
    ForgetFoldHorizon,
    /// Sinks commit a transaction when it is sealed, and do not wait for the checkpoint.
    CommitEarly,
    /// Transactions that wait for their commit are left out of snapshots.
    DropPendingTransactions,
    /// Letters of earlier attempts are taken for letters of the present one.
    KeepOldMail,
}

impl Sabotage {
    /// Every defect.
    pub const ALL: [Self; 6] = [
        Self::SkipAlignment,
        Self::AnnounceBeforePublishing,
        Self::ForgetFoldHorizon,
        Self::CommitEarly,
        Self::DropPendingTransactions,
        Self::KeepOldMail,
    ];
}
