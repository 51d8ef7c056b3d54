//! The state of the world, as small as what decides allows.

use crate::api::{Origin, Reason, Standing};

/// Half a minute of the model's clock.
pub type Tick = u8;
/// The place of a service in [`World::services`]; its id is made of it.
pub type Slot = u8;

/// A time that is recorded: the second request of a tick is later than its first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Stamp {
    pub tick: Tick,
    pub nth: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Maker {
    Foreign,
    Link(u8),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stand {
    Usable,
    Deleting,
    /// Its place is kept while something records its id.
    Gone,
}

/// A service of the one region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Service {
    pub made: Tick,
    pub maker: Maker,
    pub stand: Stand,
    /// For the oracles alone: it was taken for ours, as rule 2 excepts.
    pub excepted: bool,
}

/// The record of an attempt to create.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Record {
    pub holder: u8,
    pub first: Stamp,
    pub last: Stamp,
    /// A bit for each slot.
    pub shown: u8,
    pub refused: bool,
}

/// What status shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Shown {
    pub service: Option<Slot>,
    pub origin: Option<Origin>,
    /// In which state; `None` for one that vanished.
    pub stand: Option<Stand>,
    pub told: Option<(Standing, Reason)>,
}

impl Shown {
    /// Looked at by itself only at every resync.
    pub fn is_quiet(&self) -> bool {
        matches!(self.told, Some((Standing::Ready | Standing::Stalled, _)))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Link {
    pub deleting: bool,
    pub protected: bool,
    pub record: Option<Record>,
    pub status: Shown,
    /// For the oracles alone: a fault took away what was known of the attempt's outcome.
    pub clouded: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// To be applied yet.
    Awaited,
    There(Link),
    Gone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    InFlight,
    Unanswered,
    Refused,
    Answered,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sending {
    pub first: Stamp,
    pub last: Stamp,
    pub at: Tick,
    pub outcome: Outcome,
}

/// What a process remembers of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Memory {
    pub heard: bool,
    pub sending: Option<Sending>,
    /// Another holder's attempt, its last time, and since when it is known.
    pub foreign: Option<(u8, Stamp, Tick)>,
    pub failed: Option<Tick>,
}

/// What is left to do of a reconcile that has decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Task {
    Tell(Shown),
    Protect,
    RecordRefusal,
    Create(Record),
    /// The attempt is recorded, its request not sent.
    Send(Record),
    /// A request is on its way.
    Wait,
    Delete(Slot),
    HandOver(Slot, Origin),
    LetGo,
}

impl Task {
    pub fn writes_to_atlas(self) -> bool {
        match self {
            Self::Create(_) | Self::Send(_) | Self::Wait | Self::Delete(_) => true,
            Self::Tell(_) | Self::Protect | Self::RecordRefusal | Self::HandOver(..) | Self::LetGo => false,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Job {
    pub task: Task,
    /// The object has changed since it was read: its resourceVersion is another.
    pub stale: bool,
    /// What it rests on was read within this tick.
    pub fresh: bool,
    /// This process has sent another write of the key since.
    pub overtaken: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Life {
    Off,
    /// It begins reconciles.
    Leads,
    /// It was stopped in the middle of a reconcile, and another leads: once it goes on, it ends what it had begun.
    Lingers,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Process {
    pub life: Life,
    pub holder: u8,
    pub memory: [Memory; 2],
    pub jobs: [Option<Job>; 2],
}

impl Process {
    pub const OFF: Self = Self { life: Life::Off, holder: 0, memory: [EMPTY; 2], jobs: [None; 2] };

    pub fn leading(holder: u8) -> Self {
        Self { life: Life::Leads, holder, ..Self::OFF }
    }
}

const EMPTY: Memory = Memory { heard: false, sending: None, foreign: None, failed: None };

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Call {
    Create,
    Delete(Slot),
}

/// A request between a process and Atlas, and its answer on the way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Flight {
    pub link: u8,
    pub call: Call,
    /// The process that waits for its answer.
    pub caller: Option<u8>,
    pub sent: Tick,
    /// Atlas has decided: whether it did it.
    pub done: Option<bool>,
}

/// How much may still go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Left {
    pub crashes: u8,
    pub losses: u8,
    pub zombies: u8,
    pub foreign_creations: u8,
    pub foreign_deletions: u8,
    pub user_deletions: [bool; 2],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct World {
    pub now: Tick,
    pub services: [Option<Service>; 4],
    pub links: [Place; 2],
    pub processes: [Process; 2],
    pub flights: [Option<Flight>; 6],
    pub left: Left,
    /// The number that the next process names itself by.
    pub next_holder: u8,
    /// For the oracles alone, of each link: something was taken for what came of its attempt, as rule 2 has it, and is not;
    /// what does come of it, or of any later one of the link, may be taken for another's.
    pub mistaken: [bool; 2],
}

impl World {
    pub fn link(&self, link: usize) -> Option<&Link> {
        match &self.links[link] {
            Place::There(link) => Some(link),
            Place::Awaited | Place::Gone => None,
        }
    }

    /// Changes a link: every job that rests on what it was before will find another resourceVersion.
    pub fn change(&mut self, link: usize, change: impl FnOnce(&mut Link)) {
        if let Place::There(there) = &mut self.links[link] {
            change(there);
        }
        for process in &mut self.processes {
            if let Some(job) = &mut process.jobs[link] {
                job.stale = true;
            }
        }
    }

    pub fn launch(&mut self, flight: Flight) {
        let free = self.flights.iter_mut().find(|place| place.is_none()).expect("there are places enough");
        *free = Some(flight);
    }

    pub fn in_region(&self) -> impl Iterator<Item = (Slot, Service)> + '_ {
        let all = (0u8..).zip(self.services);
        all.filter_map(|(slot, service)| Some((slot, service?))).filter(|(_, service)| service.stand != Stand::Gone)
    }

    pub fn make(&mut self, maker: Maker) {
        let service = Service { made: self.now, maker, stand: Stand::Usable, excepted: false };
        let free = self.services.iter_mut().find(|place| place.is_none()).expect("there are places enough");
        *free = Some(service);
    }
}
