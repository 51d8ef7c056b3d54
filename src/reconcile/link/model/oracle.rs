//! What must always hold, and what the end must look like.

use super::{
    moves::{Move, Next},
    world::{Call, Link, Maker, Place, Service, Stand, Task, World},
};
use crate::api::{Origin, Reason, Standing};

/// What is wrong with a world, if anything is.
pub fn broken(world: &World) -> Option<&'static str> {
    let ours = world.in_region().filter(|(_, service)| is_ours(service)).count();
    if ours > 1 {
        return Some("I1: two services of ours live");
    }
    let travelling = world.flights.iter().flatten().any(|flight| flight.call == Call::Create);
    if world.links == [Place::Gone; 2] && ours > 0 && !travelling {
        return Some("I2: all links are gone, and what they created is not");
    }
    let links = (0..2).filter_map(|link| world.link(link));
    for link in links {
        if link.status.origin.is_some() && !link.protected && !link.deleting {
            return Some("rule 4: an origin is recorded without the finalizer");
        }
        if claims_foreign(world, link) {
            return Some("rule 2: what another made is recorded as created");
        }
    }
    None
}

fn claims_foreign(world: &World, link: &Link) -> bool {
    let service = link.status.service.and_then(|slot| world.services[usize::from(slot)]);
    link.status.origin == Some(Origin::Created) && service.is_some_and(|it| it.maker == Maker::Foreign && !it.excepted)
}

/// What is wrong with a move from `world`, if anything is.
pub fn forbidden(world: &World, next: &Next) -> Option<&'static str> {
    let Move::Act(_, me, Task::Delete(slot)) = next.name else { return None };
    let sends = next.world.flights.iter().flatten().count() > world.flights.iter().flatten().count();
    let service = world.services[usize::from(slot)].filter(|_| sends)?;
    let other = world.link(1 - me).filter(|other| !other.deleting);
    let others =
        other.is_some_and(|other| other.status.service == Some(slot) && other.status.origin == Some(Origin::Created));
    match service.maker {
        Maker::Foreign if !service.excepted => Some("I3: a DELETE of what another made"),
        Maker::Link(maker) if usize::from(maker) != me && others => Some("I3: a DELETE of what another link owns"),
        Maker::Foreign | Maker::Link(_) => None,
    }
}

/// What is wrong with a world in which nothing happens any more.
pub fn unfinished(world: &World) -> Option<&'static str> {
    for link in (0..2).filter_map(|link| world.link(link)) {
        match (link.deleting, link.status.told) {
            (true, Some((_, Reason::DeletionBlocked)) | Some((Standing::Stalled, _))) => {}
            (true, _) => return Some("I11: a deletion neither ends nor explains"),
            (false, Some((Standing::Ready | Standing::Stalled, _)) | Some((_, Reason::WaitingForService))) => {}
            (false, _) => return Some("I4: a link is neither ready nor says why"),
        }
    }
    let is_excused = |service: &Service| match service.maker {
        Maker::Foreign => false,
        Maker::Link(maker) => world.mistaken[usize::from(maker)],
    };
    let left_behind =
        world.in_region().any(|(slot, service)| is_ours(&service) && !is_owned(world, slot) && !is_excused(&service));
    left_behind.then_some("I2: what a link created is nobody's")
}

fn is_ours(service: &Service) -> bool {
    service.maker != Maker::Foreign && service.stand == Stand::Usable
}

/// Whether a link that is still there records that it created this, and so will delete it.
fn is_owned(world: &World, slot: u8) -> bool {
    let mut links = (0..2).filter_map(|link| world.link(link));
    links.any(|link| link.status.service == Some(slot) && link.status.origin == Some(Origin::Created))
}
