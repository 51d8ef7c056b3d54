//! All that the simulator remembers, under one lock.

use super::{
    access::Access,
    buckets::Buckets,
    digest::Nonces,
    ids::Mint,
    ledger::{Cause, Ledger},
    oauth::Tokens,
    rules::Faults,
    settings::Settings,
    store::Store,
};
use crate::clock::Clock;
use tokio::time::Instant;

pub(super) struct World {
    pub(super) clock: Clock,
    pub(super) mint: Mint,
    pub(super) access: Access,
    pub(super) nonces: Nonces,
    pub(super) tokens: Tokens,
    pub(super) buckets: Buckets,
    pub(super) faults: Faults,
    pub(super) store: Store,
    pub(super) ledger: Ledger,
}

impl World {
    pub(super) fn new(settings: Settings, clock: Clock) -> Self {
        Self {
            clock,
            mint: Mint::new(settings.seed),
            access: Access::new(&settings),
            nonces: Nonces::new(settings.nonce_lifetime(), settings.nonce_uses),
            tokens: Tokens::new(settings.token_lifetime, settings.token_limit),
            buckets: Buckets::new(settings.bucket),
            faults: Faults::default(),
            store: Store::new(settings),
            ledger: Ledger::default(),
        }
    }

    /// Lets happen what is due; the ledger has it at its own time.
    pub(super) fn settle(&mut self) -> Instant {
        let now = Instant::now();
        for (at, effect) in self.store.settle(now) {
            self.ledger.push(self.clock.at(at), Cause::ByItself, effect);
        }
        now
    }
}
