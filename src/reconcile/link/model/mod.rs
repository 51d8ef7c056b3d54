//! A model check: every order in which things can happen to two links of one region, looked at exhaustively.
//!
//! The decisions are the real ones (`plan`, `status`, `attempt`, `ownership`, and the last look before a request leaves,
//! `atlas::order`), fed from a small state of the world and read back into it (`decide`). What carries them out in the
//! program (driver, sending, writes to Kubernetes) is told anew in `moves`, small: a mistake there is not found here but
//! by the campaign. `search` goes from world to world, nearest first, so that the way it shows is a shortest one.
//!
//! What is abstracted:
//! * Time goes in ticks of 30 s. Atlas' deadline is one, the hold of an unanswered attempt three; a read is fresh in its
//!   own tick (10 s in the program). Gaps that no rule tells apart are cut, which makes the space finite.
//! * A decision sees its object, Atlas' list and the other link as of one instant; any time may pass before it is acted
//!   upon. What a watch shows late is covered by that.
//! * A leader ends what it began within a tick, and looks at what it polls for once a tick; a Ready link it may leave alone
//!   for as long as it likes. A process that is slower than that is the zombie: it is stopped in the middle of a
//!   reconcile, a new one leads, and it goes on whenever it wants, without regard for the Lease.
//! * Atlas lists what it has done; a request without an answer is carried out within 90 s or never. Services are usable
//!   at once and never fail. Pauses between failed writes are left out: they only slow things down.
//! * What Atlas made is not gone again within the same tick (both take Atlas minutes).
//! * Credentials work, nothing is suspended, links have no endpoints, policies are as created.
//!
//! The oracles know who made a service, which the program does not. Where a fault took away what was known of an
//! attempt's outcome, of either link, and somebody else creates in its time, rule 2 excepts the mistake; such a service
//! is marked, and its deletion allowed ([`moves::Event::Excepted`]; without a fault, or without the foreign actor, nothing
//! is).
//!
//! That it comes to an end is checked on the moves that are neither faults nor anybody's wish: from each world an end can be
//! reached by these alone, and every end is a good one. So each path on which no move is put off for ever reaches one.
//!
//! Most tests take two faults, for whoever changes a rule wants to know soon, and the second link is deleted by its user
//! only where there is one fault, none, or no foreign actor. [`all_at_once`] takes all faults together, which are some 14
//! million worlds: two minutes and a half, and 2 GB.
//!
//! A finding is a shortest way from nothing to a world that is wrong. Either the decision at its last bend is wrong, or the
//! model lets something happen that the program prevents elsewhere: then that is what must be told in `moves`.

mod decide;
mod effect;
mod moves;
mod normal;
mod oracle;
mod search;
mod world;

use crate::api::AdoptionPolicy::{self, AdoptOnly, AdoptOrCreate, CreateOnly};
use decide::Mind;
use moves::{
    Event::{self, *},
    Rules,
};
use search::{Found, search};
use world::{Left, Link, Place, Process, World};

/// Nothing goes wrong, and the first link may be deleted.
const NOTHING: Left = Left {
    crashes: 0,
    losses: 0,
    zombies: 0,
    foreign_creations: 0,
    foreign_deletions: 0,
    user_deletions: [true, false],
};
/// Both links may be deleted.
const BOTH_DELETED: Left = Left { user_deletions: [true; 2], ..NOTHING };
const ONE_FOREIGN: Left = Left { foreign_creations: 1, ..NOTHING };

const USUAL: Rules = Rules { unique: true, late: true, at_once: true };
/// Without Atlas' 409 nothing is made twice as long as one process lives. (A request that comes through after its caller
/// has given up, and after it was repeated, is only kept out by the 409.)
const TWICE: Rules = Rules { unique: false, late: false, ..USUAL };

fn start(left: Left) -> World {
    World {
        now: 0,
        services: [None; 4],
        links: [Place::There(Link::default()); 2],
        processes: [Process::leading(1), Process::OFF],
        flights: [None; 6],
        left,
        next_holder: 2,
        mistaken: [false; 2],
    }
}

fn explored(name: &str, policies: [AdoptionPolicy; 2], start: World, rules: Rules) -> Found {
    match search(start, rules, Mind::new(policies)) {
        Ok(found) => {
            println!("{name} {policies:?}: {found}");
            found
        }
        Err(wrong) => panic!("{name} {policies:?}: {wrong}"),
    }
}

/// Two links that use what is there, and what must have been seen on the way.
fn holds(name: &str, left: Left, rules: Rules, seen: &[Event]) {
    let found = explored(name, [AdoptOrCreate; 2], start(left), rules);
    for event in seen {
        assert!(found.events.contains_key(event), "{name}: {event:?} never happens");
    }
}

#[test]
fn whatever_the_policies() {
    let all = [AdoptOrCreate, CreateOnly, AdoptOnly];
    let left = Left { foreign_creations: 1, ..BOTH_DELETED };
    for policies in all.into_iter().flat_map(|first| all.map(|second| [first, second])) {
        explored("step by step", policies, start(left), Rules { at_once: false, ..USUAL });
    }
}

#[test]
fn a_link_that_is_applied_later() {
    let world = World { links: [Place::There(Link::default()), Place::Awaited], ..start(BOTH_DELETED) };
    let found = explored("applied later", [AdoptOrCreate; 2], world, Rules { at_once: false, ..USUAL });
    assert!(found.events.contains_key(&HandedOver) && found.events.contains_key(&Conflict));
}

#[test]
fn one_crash() {
    holds("one crash", Left { crashes: 1, ..BOTH_DELETED }, USUAL, &[Settled, CreatedUnheard, HandedOver, Deleted]);
}

#[test]
fn one_lost_answer() {
    holds(
        "one lost answer",
        Left { losses: 1, ..BOTH_DELETED },
        USUAL,
        &[Settled, Repeated, Refused, Adopted, Deleted],
    );
}

#[test]
fn two_crashes_and_a_foreign_actor() {
    let left = Left { crashes: 2, ..ONE_FOREIGN };
    holds("two crashes", left, USUAL, &[Settled, Adopted, HandedOver, Refused, CreatedAgain, Excepted]);
}

#[test]
fn two_lost_answers_and_a_foreign_actor() {
    let left = Left { losses: 2, ..ONE_FOREIGN };
    holds("two lost answers", left, USUAL, &[Settled, Adopted, Repeated, Refused, Excepted]);
}

#[test]
fn a_crash_a_lost_answer_and_a_foreign_actor() {
    let left = Left { crashes: 1, losses: 1, ..ONE_FOREIGN };
    holds("crash and lost answer", left, USUAL, &[Settled, Adopted, Repeated, CreatedAgain, Excepted]);
}

#[test]
fn a_lost_answer_and_a_foreign_actor_who_deletes() {
    let left = Left { losses: 1, foreign_deletions: 1, ..ONE_FOREIGN };
    holds("foreign deletion", left, USUAL, &[Settled, CreatedAgain, Excepted]);
}

#[test]
fn a_zombie_and_a_foreign_actor() {
    let left = Left { zombies: 1, ..ONE_FOREIGN };
    holds("zombie", left, USUAL, &[ZombieDropped, ZombieSent, Conflict, Settled, Adopted, HandedOver, Refused]);
}

#[test]
fn a_zombie_and_a_lost_answer() {
    let left = Left { zombies: 1, losses: 1, ..NOTHING };
    holds("zombie and lost answer", left, USUAL, &[ZombieDropped, ZombieSent, Conflict, Settled, Repeated]);
}

#[test]
fn a_zombie_and_a_crash() {
    let left = Left { zombies: 1, crashes: 1, ..NOTHING };
    holds("zombie and crash", left, USUAL, &[ZombieDropped, ZombieSent, Conflict, Settled, CreatedAgain]);
}

#[test]
fn all_at_once() {
    let left = Left { crashes: 2, losses: 2, zombies: 1, ..ONE_FOREIGN };
    let seen = [
        Settled,
        Adopted,
        HandedOver,
        Refused,
        Repeated,
        CreatedAgain,
        CreatedUnheard,
        ZombieDropped,
        ZombieSent,
        Conflict,
        Excepted,
    ];
    holds("all at once", left, USUAL, &seen);
}

#[test]
fn without_the_refusal_of_a_second_service() {
    let left = Left { crashes: 2, ..BOTH_DELETED };
    holds("no 409, two crashes", left, TWICE, &[Settled, CreatedAgain, HandedOver, Deleted]);
    let left = Left { losses: 2, ..BOTH_DELETED };
    holds("no 409, two lost answers", left, TWICE, &[Settled, Repeated, HandedOver, Deleted]);
    let left = Left { crashes: 2, losses: 2, ..BOTH_DELETED };
    holds(
        "no 409, crashes and lost answers",
        left,
        TWICE,
        &[Settled, Adopted, Repeated, CreatedAgain, HandedOver, Deleted],
    );
}

/// The oracle can tell: a request that comes through after it was repeated makes a second one where Atlas refuses none.
#[test]
fn what_a_late_request_would_make_is_noticed() {
    let left = Left { losses: 1, ..NOTHING };
    let rules = Rules { late: true, ..TWICE };
    let wrong = search(start(left), rules, Mind::new([AdoptOrCreate; 2])).err();
    let wrong = wrong.unwrap_or_default();
    assert!(wrong.starts_with("I1: ") && wrong.contains("Lose("), "{wrong}");
}
