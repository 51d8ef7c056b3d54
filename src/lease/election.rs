//! The election as a state machine: what was seen and sent, and when, by this process' own clock; and what follows.

use super::{
    Timing,
    claim::{Claim, Record},
};
use jiff::Timestamp;
use std::fmt;
use tokio::time::Instant;

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Nothing before this instant.
    Sleep(Instant),
    /// Read the Lease.
    Look,
    /// Write [`Election::claim`], on the version that it names.
    Write,
    /// Stop: the term is over.
    Lost(Loss),
}

/// Why a leader leads no longer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loss {
    /// The Lease names another holder, or none.
    Taken(Option<String>),
    /// It could not be renewed in time.
    Overdue,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taken(Some(other)) => write!(f, "{other} leads now"),
            Self::Taken(None) => f.write_str("somebody has taken the holder off the Lease"),
            Self::Overdue => f.write_str("the Lease could not be renewed in time"),
        }
    }
}

/// What is known of the Lease.
#[derive(Debug, Clone, PartialEq, Eq)]
enum View {
    /// It was not looked at, or has changed since.
    Unknown,
    Absent,
    Present(Record),
}

/// The claim that was last seen, and since when it has been what it is. It outlives the Lease: who deletes that ends no
/// term.
#[derive(Debug, Clone)]
struct Heard {
    claim: Claim,
    since: Instant,
}

/// One candidate's part of an election.
#[derive(Debug, Clone)]
pub struct Election {
    identity: String,
    timing: Timing,
    view: View,
    heard: Option<Heard>,
    /// While leading: when the last write that was taken was sent.
    renewed: Option<Instant>,
    /// When the Lease was last seen, or seen to be missing.
    looked: Option<Instant>,
    /// When it is time to look again or, for the leader, to renew.
    due: Instant,
    /// A write of ours may have been taken without an answer.
    in_doubt: bool,
}

impl Election {
    pub fn new(identity: String, timing: Timing, now: Instant) -> Self {
        Self {
            identity,
            timing,
            view: View::Unknown,
            heard: None,
            renewed: None,
            looked: None,
            due: now,
            in_doubt: false,
        }
    }

    pub fn is_leading(&self) -> bool {
        self.renewed.is_some()
    }

    /// Whether the Lease names this process, or may do so.
    pub fn may_hold(&self) -> bool {
        self.is_leading() || self.in_doubt || self.holder() == Some(&self.identity)
    }

    /// Who holds the Lease, as it was last seen.
    pub fn holder(&self) -> Option<&str> {
        match &self.view {
            View::Present(record) => record.claim.holder.as_deref(),
            View::Unknown | View::Absent => None,
        }
    }

    /// When the term ends unless it is renewed.
    pub fn ends(&self) -> Option<Instant> {
        self.renewed.map(|sent| sent + self.timing.renew_deadline())
    }

    /// What to do at `now`.
    pub fn next(&self, now: Instant) -> Next {
        match self.ends() {
            Some(ends) => self.as_leader(ends, now),
            None => self.as_candidate(now),
        }
    }

    fn as_leader(&self, ends: Instant, now: Instant) -> Next {
        if now >= ends {
            return Next::Lost(Loss::Overdue);
        }
        match &self.view {
            View::Present(record) if !record.is_held_by(&self.identity) => {
                Next::Lost(Loss::Taken(record.claim.holder.clone()))
            }
            _ if now < self.due => Next::Sleep(self.due.min(ends)),
            View::Unknown => Next::Look,
            View::Absent | View::Present(_) => Next::Write,
        }
    }

    fn as_candidate(&self, now: Instant) -> Next {
        match self.free_at(now) {
            Some(free) if free <= now => Next::Write,
            _ if now >= self.due => Next::Look,
            Some(free) => Next::Sleep(free.min(self.due)),
            None => Next::Sleep(self.due),
        }
    }

    /// When the Lease may be taken, if nothing changes; `None` while it is not known.
    fn free_at(&self, now: Instant) -> Option<Instant> {
        let of_heard =
            self.heard.as_ref().map(|heard| heard.since + heard.claim.duration.unwrap_or(self.timing.duration()));
        match &self.view {
            View::Unknown => None,
            // A create names no version that would be refused: who stood still since it looked has to look again.
            View::Absent if self.has_looked_away(now) => None,
            View::Absent => Some(of_heard.unwrap_or(now)),
            View::Present(record) if record.claim.holder.is_none() || record.is_held_by(&self.identity) => Some(now),
            View::Present(_) => of_heard,
        }
    }

    /// Whether so long has passed since the last look that another may have come and gone unseen.
    fn has_looked_away(&self, now: Instant) -> bool {
        let longest = self.timing.retry() * 2 + self.timing.patience();
        self.looked.is_none_or(|looked| now.saturating_duration_since(looked) > longest)
    }

    /// What is to be written now, and the version it is written on (`None`: the Lease is to be made).
    pub fn claim(&self, wall: Timestamp) -> (Option<&str>, Claim) {
        let (version, before) = match &self.view {
            View::Present(record) => (Some(record.version.as_str()), Some(&record.claim)),
            View::Unknown | View::Absent => (None, None),
        };
        let own = before.filter(|claim| claim.holder.as_ref() == Some(&self.identity));
        let transitions = before.map_or(0, |claim| claim.transitions.saturating_add(i32::from(own.is_none())));
        let claim = Claim {
            holder: Some(self.identity.clone()),
            duration: Some(self.timing.duration()),
            acquired: own.and_then(|claim| claim.acquired).or(Some(wall)),
            renewed: Some(wall),
            transitions,
        };
        (version, claim)
    }

    /// A look found this at `now`; `spread` is a random fraction.
    pub fn saw(&mut self, found: Option<Record>, now: Instant, spread: f64) {
        self.in_doubt = false;
        let pause = if self.is_leading() { std::time::Duration::ZERO } else { self.timing.look(spread) };
        self.due = now + pause;
        let Some(record) = found else { return self.misses(now) };
        self.hears(&record.claim, now);
        (self.view, self.looked) = (View::Present(record), Some(now));
    }

    fn hears(&mut self, claim: &Claim, now: Instant) {
        if self.heard.as_ref().is_none_or(|heard| heard.claim != *claim) {
            self.heard = Some(Heard { claim: claim.clone(), since: now });
        }
    }

    /// A write goes out.
    pub fn sends(&mut self) {
        self.in_doubt = true;
    }

    /// The write that was sent at `sent` was taken. One whose answer came too late for a term is only a Lease that names
    /// this process.
    pub fn wrote(&mut self, record: Record, sent: Instant, now: Instant) {
        self.in_doubt = false;
        self.hears(&record.claim, now);
        self.view = View::Present(record);
        self.due = sent + self.timing.retry();
        if self.is_leading() || now < sent + self.timing.renew_deadline() {
            self.renewed = Some(sent);
        }
    }

    /// The write was refused, for the Lease is not what it was.
    pub fn conflicted(&mut self, now: Instant) {
        (self.in_doubt, self.view, self.due) = (false, View::Unknown, now);
    }

    /// The Lease was gone when the write came.
    pub fn vanished(&mut self, now: Instant) {
        (self.in_doubt, self.due) = (false, now);
        self.misses(now);
    }

    /// There is no Lease. A leader that lives makes it anew; who has ever seen one, however long ago, gives it a whole
    /// duration for that, for another may have come after it.
    fn misses(&mut self, now: Instant) {
        if (self.view != View::Absent || self.has_looked_away(now))
            && let Some(heard) = &mut self.heard
        {
            heard.since = now;
        }
        (self.view, self.looked) = (View::Absent, Some(now));
    }

    /// A look or a write had no answer, or none that tells anything.
    pub fn failed(&mut self, now: Instant) {
        (self.view, self.due) = (View::Unknown, now + self.timing.retry());
    }
}

#[cfg(test)]
mod tests;
