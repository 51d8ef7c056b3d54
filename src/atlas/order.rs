//! The order of requests, and which write may still rest on which read (design.md, safety rule 1).

use super::{Basis, Sent, Sequence, WriteKey};
use std::{
    collections::HashMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;

/// How old the read behind a write may be when the write is handed to the transport.
pub(super) const FRESH: Duration = Duration::from_secs(10);

/// A basis older than [`FRESH`] is refused anyway, so a write this old can't be what one overlooked.
const REMEMBERED: Duration = Duration::from_secs(120);

/// Numbers requests, and remembers the last write of every key.
#[derive(Default)]
pub(super) struct Order {
    last: AtomicU64,
    writes: Mutex<HashMap<WriteKey, Sent>>,
}

/// The read a write rests on is too old, or no longer the last word on its object.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Outdated;

impl Order {
    pub(super) fn next(&self) -> Sequence {
        Sequence(self.last.fetch_add(1, Ordering::SeqCst) + 1)
    }

    /// The place of a request that is handed to the transport now. `own` is the previous handing of the same call: a
    /// write that answers a challenge isn't in its own way.
    pub(super) fn take(&self, basis: Option<&Basis>, own: Option<Sent>) -> Result<Sent, Outdated> {
        let now = Instant::now();
        let Some(basis) = basis else { return Ok(Sent { sequence: self.next(), at: now }) };
        let mut writes = self.writes.lock().unwrap_or_else(PoisonError::into_inner);
        writes.retain(|_, write| now.saturating_duration_since(write.at) < REMEMBERED);
        let last = writes.get(&basis.key).filter(|write| own.is_none_or(|own| own != **write));
        if !still_holds(basis.read, last.copied(), now) {
            return Err(Outdated);
        }
        let sent = Sent { sequence: self.next(), at: now };
        writes.insert(basis.key.clone(), sent);
        Ok(sent)
    }

    /// The write of this key has ended, however that was. A read that was requested while it was under way may have been
    /// answered from before it: only a later one tells what came of it.
    pub(super) fn ended(&self, basis: &Basis) {
        let mut writes = self.writes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(write) = writes.get_mut(&basis.key) {
            write.sequence = self.next();
        }
    }
}

/// Whether a write that is handed to the transport `now` may rest on `read`, `last` being the last other write of its key.
pub(crate) fn still_holds(read: Sent, last: Option<Sent>, now: Instant) -> bool {
    let overtaken = last.is_some_and(|write| write.sequence > read.sequence);
    !overtaken && now.saturating_duration_since(read.at) <= FRESH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_after_the_one_before_and_after_the_first() {
        let order = Order::default();
        let (one, two) = (order.next(), order.next());
        assert!(Sequence::FIRST < one && one < two);
    }
}
