//! All that can happen next in a world.

use super::{
    decide::{Mind, inherit, may_leave},
    effect::{answered, cloud, except, lose_memory, orphan, refuse, remove, stand, takes_the_others, tell, unanswered},
    world::{
        Call, Flight, Job, Life, Link, Maker, Outcome, Place, Process, Record, Sending, Shown, Slot, Stand, Task, Tick,
        World,
    },
};
use crate::api::Origin;

/// How long Atlas may take to carry out a request that nobody got an answer to: until a minute after its deadline.
const LATEST: Tick = 3;
/// How long a caller waits for an answer.
const DEADLINE: Tick = 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    Tick,
    /// A process looks at a link, and decides.
    Decide(usize, usize),
    /// It takes the next step of what it decided.
    Act(usize, usize, Task),
    /// Atlas carries a request out, or refuses it.
    Land(Flight),
    /// A request that nobody gets an answer to is never carried out.
    Vanish(Flight),
    Answer(Flight),
    /// A service that is being deleted is gone.
    Finish(Slot),
    Crash(usize),
    /// The leader is stopped, and another process leads.
    Supersede,
    Lose(Flight),
    ForeignCreates,
    ForeignDeletes(Slot),
    UserApplies(usize),
    UserDeletes(usize),
}

impl Move {
    /// Whether it happens by itself, sooner or later, if nothing goes wrong and nobody interferes.
    pub fn is_fair(self) -> bool {
        match self {
            Self::Tick
            | Self::Decide(..)
            | Self::Act(..)
            | Self::Land(_)
            | Self::Vanish(_)
            | Self::Answer(_)
            | Self::Finish(_)
            | Self::UserApplies(_) => true,
            Self::Crash(_)
            | Self::Supersede
            | Self::Lose(_)
            | Self::ForeignCreates
            | Self::ForeignDeletes(_)
            | Self::UserDeletes(_) => false,
        }
    }
}

/// What is worth having seen happen, so that nothing is proved of an empty world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Event {
    /// A write found another resourceVersion than it was decided on.
    Conflict,
    /// A request was not sent because what it rested on had grown old.
    Dropped,
    /// The same, by a process that another had replaced.
    ZombieDropped,
    /// A request of a process that another had replaced was sent.
    ZombieSent,
    /// Atlas refused a creation with 409.
    Refused,
    /// A service was created by a request that had no answer.
    CreatedUnheard,
    /// A lost answer was settled: what it made is recorded as created.
    Settled,
    Adopted,
    HandedOver,
    Repeated,
    CreatedAgain,
    Deleted,
    /// A foreign service was taken for ours, as rule 2 excepts.
    Excepted,
}

/// A move, where it leads, and what was seen on the way.
pub struct Next {
    pub name: Move,
    pub world: World,
    pub event: Option<Event>,
}

/// How the world behaves.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Atlas refuses a second service of the region.
    pub unique: bool,
    /// Atlas can carry out a request after its caller has given up.
    pub late: bool,
    /// Status is written at once when it is decided, if nothing else is to be done.
    pub at_once: bool,
}

/// All moves of a world.
pub struct Moves<'a> {
    world: &'a World,
    rules: Rules,
    all: Vec<Next>,
}

pub fn moves(world: &World, mind: &mut Mind, rules: Rules) -> Vec<Next> {
    let mut moves = Moves { world, rules, all: Vec::new() };
    let mut busy = false;
    for process in 0..2 {
        for link in 0..2 {
            busy |= moves.decide(mind, process, link);
            moves.act(process, link);
        }
        moves.process_faults(process);
    }
    if !busy {
        moves.time();
    }
    moves.requests();
    moves.others();
    for next in &mut moves.all {
        next.world = next.world.normal();
    }
    moves.all.retain(|next| next.world != *world);
    moves.all
}

impl Moves<'_> {
    fn add(&mut self, name: Move, event: Option<Event>, change: impl FnOnce(&mut World)) {
        let mut world = *self.world;
        change(&mut world);
        self.all.push(Next { name, world, event });
    }

    fn flights(&self) -> Vec<(usize, Flight)> {
        self.world.flights.iter().enumerate().filter_map(|(place, flight)| Some((place, (*flight)?))).collect()
    }

    fn life_of_caller(&self, flight: &Flight) -> Option<Life> {
        flight.caller.map(|caller| self.world.processes[usize::from(caller)].life)
    }

    fn age(&self, flight: &Flight) -> Tick {
        self.world.now - flight.sent
    }

    /// Time passes, unless something must happen before.
    fn time(&mut self) {
        let urgent = |flight: &Flight| match self.life_of_caller(flight) {
            // No answer within the deadline is a lost answer.
            Some(Life::Leads) => true,
            Some(Life::Lingers | Life::Off) | None => flight.done.is_none() && self.age(flight) + 1 >= LATEST,
        };
        let at_work = |process: &Process| process.life == Life::Leads && process.jobs != [None; 2];
        if self.world.flights.iter().flatten().any(urgent) || self.world.processes.iter().any(at_work) {
            return;
        }
        self.add(Move::Tick, None, |world| {
            world.now += 1;
            for job in world.processes.iter_mut().flat_map(|process| &mut process.jobs).flatten() {
                job.fresh = false;
            }
        });
    }

    /// Whether it has something to do that it polls for, and so does before long.
    fn decide(&mut self, mind: &mut Mind, process: usize, link: usize) -> bool {
        let who = &self.world.processes[process];
        if who.life != Life::Leads || who.jobs[link].is_some() {
            return false;
        }
        let Some(decision) = mind.decide(self.world, process, link) else { return false };
        // Who writes to a project waits for its turn, and then looks anew.
        let has_the_turn = |job: &Job| job.task.writes_to_atlas();
        if decision.task.is_some_and(|task| task.writes_to_atlas())
            && who.jobs[1 - link].as_ref().is_some_and(has_the_turn)
        {
            return false;
        }
        let event = match decision.task {
            Some(Task::Tell(shown)) if self.rules.at_once => self.event_of(link, &shown),
            _ => None,
        };
        let at_once = self.rules.at_once;
        self.add(Move::Decide(process, link), event, |world| {
            let who = &mut world.processes[process];
            who.memory[link] = decision.memory;
            if let Some(Task::Delete(service) | Task::HandOver(service, Origin::Created)) = decision.task {
                except(world, service);
            }
            let who = &mut world.processes[process];
            match decision.task {
                Some(Task::Tell(shown)) if at_once => tell(world, link, shown),
                task => who.jobs[link] = task.map(|task| Job { task, stale: false, fresh: true, overtaken: false }),
            }
        });
        let polled = self.world.link(link).is_some_and(|link| link.deleting || !link.status.is_quiet());
        decision.memory != who.memory[link] || (decision.task.is_some() && polled)
    }

    fn act(&mut self, process: usize, link: usize) {
        let who = &self.world.processes[process];
        let Some(job) = who.jobs[link] else { return };
        let name = Move::Act(process, link, job.task);
        let end = |world: &mut World| world.processes[process].jobs[link] = None;
        match job.task {
            Task::Wait => {}
            Task::Tell(_) | Task::Protect | Task::RecordRefusal | Task::Create(_) | Task::LetGo if job.stale => {
                self.add(name, Some(Event::Conflict), end);
            }
            Task::Tell(shown) => {
                let event = self.event_of(link, &shown);
                self.add(name, event, |world| {
                    end(world);
                    tell(world, link, shown);
                });
            }
            Task::Protect => self.add(name, None, |world| {
                end(world);
                world.change(link, |link| link.protected = true);
            }),
            Task::RecordRefusal => self.add(name, None, |world| {
                end(world);
                world.change(link, refuse);
            }),
            Task::Create(record) => {
                let lingers = who.life == Life::Lingers;
                let before = self.world.link(link).and_then(|link| link.record);
                let event = match before {
                    Some(before) if before.first == record.first => Some(Event::Repeated),
                    Some(_) => Some(Event::CreatedAgain),
                    None => None,
                };
                self.add(name, event, |world| {
                    world.change(link, |link| {
                        let anew = link.record.is_none_or(|before| before.first != record.first);
                        // What is recorded after another process has taken over, that one knows no more of.
                        link.clouded = lingers || (link.clouded && !anew);
                        (link.record, link.protected) = (Some(record), true);
                    });
                    world.processes[process].jobs[link] = Some(Job { task: Task::Send(record), stale: false, ..job });
                });
            }
            Task::Send(record) => self.send(process, link, job, Call::Create, Some(record)),
            Task::Delete(slot) => self.send(process, link, job, Call::Delete(slot), None),
            Task::HandOver(service, origin) => {
                let heir = 1 - link;
                let inherits = self.world.link(heir).filter(|heir| !heir.deleting);
                let status = inherits.and_then(|heir| inherit(self.world, &heir.status, service, origin));
                self.add(name, status.map(|_| Event::HandedOver), |world| {
                    end(world);
                    if let Some(status) = status {
                        world.mistaken[heir] |= takes_the_others(world, heir, service);
                        world.change(heir, |heir| (heir.status, heir.protected) = (status, true));
                    }
                });
            }
            Task::LetGo => self.add(name, None, |world| {
                end(world);
                remove(world, link);
            }),
        }
    }

    fn event_of(&self, link: usize, shown: &Shown) -> Option<Event> {
        let before = self.world.link(link)?;
        let service = self.world.services[usize::from(shown.service?)]?;
        match (before.status.origin == shown.origin && before.status.service == shown.service, shown.origin?) {
            (true, _) => None,
            (false, Origin::Adopted) => Some(Event::Adopted),
            (false, Origin::Created) if service.maker == Maker::Foreign => Some(Event::Excepted),
            (false, Origin::Created) => before.clouded.then_some(Event::Settled),
        }
    }

    /// Hands a request to the transport, which looks once more at what it rests on.
    fn send(&mut self, process: usize, link: usize, job: Job, call: Call, record: Option<Record>) {
        let (name, lingers) = (Move::Act(process, link, job.task), self.world.processes[process].life == Life::Lingers);
        if !may_leave(job.fresh, job.overtaken) {
            let event = if lingers { Event::ZombieDropped } else { Event::Dropped };
            return self.add(name, Some(event), |world| world.processes[process].jobs[link] = None);
        }
        self.add(name, lingers.then_some(Event::ZombieSent), |world| {
            let (sent, caller) = (world.now, Some(process as u8));
            world.launch(Flight { link: link as u8, call, caller, sent, done: None });
            let who = &mut world.processes[process];
            for other in who.jobs.iter_mut().flatten() {
                other.overtaken = true;
            }
            who.jobs[link] = Some(Job { task: Task::Wait, ..job });
            if let Some(Record { first, last, .. }) = record {
                who.memory[link].sending = Some(Sending { first, last, at: sent, outcome: Outcome::InFlight });
            }
        });
    }

    fn requests(&mut self) {
        for (place, flight) in self.flights() {
            let caller = self.life_of_caller(&flight);
            if flight.done.is_none() {
                self.land(place, flight);
            }
            let late = self.age(&flight) >= DEADLINE;
            if flight.done.is_none() && (caller.is_none() || (caller == Some(Life::Lingers) && late)) {
                self.add(Move::Vanish(flight), None, |world| {
                    world.flights[place] = None;
                    unanswered(world, &flight);
                });
            }
            if let (Some(done), Some(_)) = (flight.done, caller) {
                self.add(Move::Answer(flight), None, |world| {
                    world.flights[place] = None;
                    answered(world, &flight, done);
                });
            }
            if caller.is_some() && self.world.left.losses > 0 {
                let late = self.rules.late;
                self.add(Move::Lose(flight), None, |world| {
                    world.left.losses -= 1;
                    unanswered(world, &flight);
                    let goes_on = flight.done.is_none() && late;
                    world.flights[place] = goes_on.then_some(Flight { caller: None, ..flight });
                    if flight.call == Call::Create {
                        cloud(world, usize::from(flight.link));
                    }
                });
            }
        }
    }

    fn land(&mut self, place: usize, flight: Flight) {
        let (done, event) = match flight.call {
            Call::Create => {
                let taken = self.rules.unique && self.world.in_region().next().is_some();
                let unheard = flight.caller.is_none().then_some(Event::CreatedUnheard);
                (!taken, if taken { Some(Event::Refused) } else { unheard })
            }
            Call::Delete(slot) => {
                let stands = self.world.services[usize::from(slot)].is_some_and(|it| it.stand == Stand::Usable);
                (stands, stands.then_some(Event::Deleted))
            }
        };
        self.add(Move::Land(flight), event, |world| {
            world.flights[place] = flight.caller.map(|_| Flight { done: Some(done), ..flight });
            match flight.call {
                Call::Create if done => world.make(Maker::Link(flight.link)),
                Call::Delete(slot) if done => stand(world, slot, Stand::Deleting),
                Call::Create | Call::Delete(_) => {}
            }
        });
    }

    fn process_faults(&mut self, process: usize) {
        let late = self.rules.late;
        let who = &self.world.processes[process];
        if who.life == Life::Leads && self.world.left.crashes > 0 && *who != Process::leading(who.holder) {
            self.add(Move::Crash(process), None, |world| {
                world.left.crashes -= 1;
                lose_memory(world, process);
                world.processes[process] = Process::leading(world.next_holder);
                orphan(world, process, late);
            });
        }
        let alone = self.world.processes[1].life == Life::Off;
        if process == 0 && alone && self.world.left.zombies > 0 && who.jobs != [None; 2] {
            self.add(Move::Supersede, None, |world| {
                world.left.zombies -= 1;
                lose_memory(world, 0);
                world.processes[0].life = Life::Lingers;
                world.processes[1] = Process::leading(world.next_holder);
            });
        }
    }

    /// What Atlas, its other users, and ours do.
    fn others(&mut self) {
        for (slot, service) in self.world.in_region().collect::<Vec<_>>() {
            if service.stand == Stand::Deleting {
                if self.world.now == service.made {
                    continue;
                }
                self.add(Move::Finish(slot), None, |world| stand(world, slot, Stand::Gone));
            } else if self.world.left.foreign_deletions > 0 {
                self.add(Move::ForeignDeletes(slot), None, |world| {
                    world.left.foreign_deletions -= 1;
                    stand(world, slot, Stand::Deleting);
                });
            }
        }
        let taken = self.world.in_region().next().is_some();
        if self.world.left.foreign_creations > 0 && !taken {
            self.add(Move::ForeignCreates, None, |world| {
                world.left.foreign_creations -= 1;
                world.make(Maker::Foreign);
            });
        }
        for link in 0..2 {
            match self.world.links[link] {
                Place::Awaited => self.add(Move::UserApplies(link), None, |world| {
                    world.links[link] = Place::There(Link::default());
                }),
                Place::There(there) if self.world.left.user_deletions[link] && !there.deleting => {
                    self.add(Move::UserDeletes(link), None, |world| {
                        world.left.user_deletions[link] = false;
                        world.change(link, |link| link.deleting = true);
                        if !there.protected {
                            remove(world, link);
                        }
                    });
                }
                Place::There(_) | Place::Gone => {}
            }
        }
    }
}
