//! Leader election on a `Lease`: of several operators one works, and the others wait to take over.
//!
//! It is for economy (design.md, rule 8). What keeps two operators from harming each other are the records of attempts,
//! the resourceVersion of every write, and Atlas' own 409; the lease merely makes it rare that they are needed.
//!
//! # How it is kept
//!
//! * Whether a leader still lives is judged by what is seen here: a holder whose claim has not changed for the lease
//!   duration that it promised, by this process' own monotonic clock, is gone. `renewTime` is written for people and
//!   compared only with its own earlier value, so clocks may be hours apart.
//! * Every write is a merge patch with the resourceVersion that was seen, or a create. (A PUT would bring a deleted Lease
//!   back, which the API server allows for this kind, and a patch without the version would take what another has just
//!   taken.)
//! * The leader counts its term from when it *sent* the last write that was taken, and gives up after two thirds of the
//!   duration; a candidate counts the whole duration from when it *got to see* that write. The third between them is for
//!   what is still under way, and for clocks that run at different speeds.
//! * A deleted Lease ends nobody's term: the leader makes it anew, and a candidate that has ever seen a Lease gives the
//!   leader a whole duration for that. (One that was started in between has seen none, and nobody has seen one that was
//!   deleted as soon as it was made: there two may lead, until the first renews.) An emptied Lease, or one that
//!   another holds, does: who lost it stops at once and ends.
//!
//! # A zombie
//!
//! A process that was stopped and goes on finds its timers due in any order, so that nothing which runs in it can be
//! relied upon to notice first. Therefore [`guard`] asks, where a request leaves the process, whether the term can still
//! run, by the time since the last renewal was sent: [`Leadership::may_write`].
//!
//! # A standby
//!
//! keeps no watch. Warm stores would double what the API server sends and what the cluster spends on memory, to save, at
//! a take-over that has waited for fifteen seconds, one LIST of each kind. It reads the Lease, calls no Atlas, and
//! writes nothing.

pub mod claim;
pub mod election;
pub mod elector;
pub mod guard;
mod leadership;
mod timing;

pub use leadership::{Leadership, Moment};
pub use timing::Timing;

/// How to stand for election.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub namespace: String,
    /// Name of the Lease.
    pub name: String,
    pub timing: Timing,
}
