//! What a move does to the world.

use super::world::{Call, Flight, Job, Link, Maker, Memory, Outcome, Place, Shown, Slot, Stand, Task, World};
use crate::api::Origin;

/// The finalizer is off: without another, an object that is to be deleted is gone.
pub fn remove(world: &mut World, link: usize) {
    world.change(link, |link| link.protected = false);
    let clouded = world.link(link).is_some_and(|link| link.clouded);
    if world.link(link).is_some_and(|link| link.deleting) {
        world.links[link] = Place::Gone;
        // The other has decided by what this one claimed.
        if clouded {
            cloud(world, 1 - link);
        }
        for process in &mut world.processes {
            process.memory[link] = Memory::default();
        }
    }
}

pub fn stand(world: &mut World, slot: Slot, stand: Stand) {
    if let Some(service) = &mut world.services[usize::from(slot)] {
        service.stand = stand;
    }
}

pub fn refuse(link: &mut Link) {
    if let Some(record) = &mut link.record {
        record.refused = true;
    }
}

pub fn tell(world: &mut World, link: usize, shown: Shown) {
    if let (Some(service), Some(Origin::Created)) = (shown.service, shown.origin) {
        except(world, service);
        world.mistaken[link] |= takes_the_others(world, link, service);
    }
    world.change(link, |link| link.status = shown);
}

/// For the oracles: whether a link comes to own what the other one made, and does not know what came of its own request.
/// What does come of it some day, it takes for another's.
pub fn takes_the_others(world: &World, link: usize, service: Slot) -> bool {
    let maker = world.services[usize::from(service)].map(|service| service.maker);
    let is_the_others = maker == Some(Maker::Link(1 - link as u8));
    is_the_others && world.link(link).is_some_and(|link| link.clouded && link.status.origin != Some(Origin::Created))
}

/// For the oracles: what another made is taken for ours as rule 2 excepts, also by whoever sees the other link claim it.
pub fn except(world: &mut World, service: Slot) {
    let clouded = [0, 1].map(|link| world.link(link).is_some_and(|link| link.clouded));
    if let Some(service) = &mut world.services[usize::from(service)]
        && clouded.contains(&true)
        && service.maker == Maker::Foreign
    {
        service.excepted = true;
        for (mistaken, clouded) in world.mistaken.iter_mut().zip(clouded) {
            *mistaken |= clouded;
        }
    }
}

/// Nobody will ever know more of the attempt than what Atlas shows.
pub fn cloud(world: &mut World, link: usize) {
    if let Place::There(link) = &mut world.links[link] {
        link.clouded = true;
    }
}

/// What a process knew of the attempts that it holds is lost to others.
pub fn lose_memory(world: &mut World, process: usize) {
    for link in 0..2 {
        let holder = world.processes[process].holder;
        let open = world.link(link).and_then(|link| link.record).is_some_and(|it| it.holder == holder && !it.refused);
        if open {
            cloud(world, link);
        }
    }
}

pub fn orphan(world: &mut World, process: usize, late: bool) {
    for place in &mut world.flights {
        if let Some(flight) = place.as_mut().filter(|flight| flight.caller == Some(process as u8)) {
            flight.caller = None;
            if flight.done.is_some() || !late {
                *place = None;
            }
        }
    }
}

/// The caller has given up.
pub fn unanswered(world: &mut World, flight: &Flight) {
    let Some(caller) = flight.caller else { return };
    let (who, link) = (&mut world.processes[usize::from(caller)], usize::from(flight.link));
    who.jobs[link] = None;
    if let (Call::Create, Some(sending)) = (flight.call, &mut who.memory[link].sending) {
        sending.outcome = Outcome::Unanswered;
    }
}

/// The caller has its answer. What `controller::send` does with it: a refusal of the only request is recorded.
pub fn answered(world: &mut World, flight: &Flight, done: bool) {
    let Some(caller) = flight.caller else { return };
    let (who, link) = (&mut world.processes[usize::from(caller)], usize::from(flight.link));
    let job = who.jobs[link].take();
    let (Call::Create, Some(sending)) = (flight.call, &mut who.memory[link].sending) else { return };
    sending.outcome = if done { Outcome::Answered } else { Outcome::Refused };
    if !done && sending.first == sending.last {
        who.jobs[link] = job.map(|job| Job { task: Task::RecordRefusal, ..job });
    }
}
