//! What the operator was told on its command line, as far as reconciling goes.

use crate::reconcile::policy::DefaultDeletionPolicy;
use std::time::Duration;

/// What the operator was told on its command line, as far as reconciling goes.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How often Atlas is looked at while something moves.
    pub poll_interval: Duration,
    /// How often it is looked at while nothing does.
    pub resync_interval: Duration,
    pub default_deletion_policy: DefaultDeletionPolicy,
    /// How many reconciles of one kind run at once.
    pub concurrency: u16,
    /// The namespaces to watch; empty: all.
    pub namespaces: Vec<String>,
}

impl Settings {
    /// After this time without a word from Atlas, Ready objects are no longer called Ready.
    pub fn patience(&self) -> Duration {
        self.resync_interval.saturating_mul(3)
    }
}
