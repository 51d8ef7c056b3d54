//! Planned disturbances, thousands of them, each of which can be run again by its id:
//! `cargo test --test campaign -- --plan ID`; `--help` tells the rest.
//!
//! | module | what it is for |
//! |---|---|
//! | `plan` | what a plan is: data and an id |
//! | `run`, `command` | running plans on all cores; the command line |
//! | `story` | lives that take other turns than that of a plain pair |
//! | `undisturbed` | those, without a disturbance |
//! | `crashes`, `clouds`, `stories`, `beaten` | the operator is killed at every write |
//! | `faults`, `later_faults`, `blips`, `wishes`, `scarce` | Atlas, at every call of it |
//! | `own_calls`, `story_calls` | the Kubernetes API, at every call of it |
//! | `touched` | somebody else writes, at every write to the Kubernetes API |
//! | `stale` | the operator is shown the past |
//! | `twins` | two operators, and what befalls one of them |
//! | `clusters` | two clusters on one Atlas |
//! | `clocks` | clocks that are wrong |
//! | `behind` | what others do in Atlas, at every write |
//! | `floods` | poison and floods |
//! | `found` | what random lives, the model, the mutants and reviews have found |
//! | `ways` | ways to Atlas that are slow, or cut |
//! | `soak`, `crowd` | random lives, and a thousand objects at once, where they are asked for |
//! | `mutants` | whether the plans notice a broken rule |
//! | `states`, `event`, `events`, `stalled`, `beside` | what people and others do, in every state |
//!
//! Where a fault strikes is not listed by hand: a module lets a life pass without a disturbance first, and what the
//! operator asked for in it are the points. The states in which people and others do something, the blips, floods and
//! what was found are listed. What an undisturbed life came to is what the disturbed ones are compared with; what must
//! hold after any of them is in `harness::oracle`.

mod beaten;
mod behind;
mod beside;
mod blips;
mod clocks;
mod clouds;
mod clusters;
mod command;
mod crashes;
mod crowd;
mod event;
mod events;
mod faults;
mod floods;
mod found;
#[path = "../harness/mod.rs"]
mod harness;
mod later_faults;
mod mutants;
mod own_calls;
mod plan;
mod run;
mod scarce;
mod soak;
mod stale;
mod stalled;
mod states;
mod stories;
mod story;
mod story_calls;
mod touched;
mod twins;
mod undisturbed;
mod ways;
mod wishes;

use mimalloc::MiMalloc;
use plan::Plan;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Plans that are made together, for they share a life without a disturbance.
type Group = fn() -> Vec<Plan>;

/// All plans there are.
fn groups() -> Vec<Group> {
    let suites: [&[Group]; 23] = [
        &[undisturbed::plans],
        &crashes::GROUPS,
        &clouds::GROUPS,
        &stories::GROUPS,
        &beaten::GROUPS,
        &faults::GROUPS,
        &later_faults::GROUPS,
        &blips::GROUPS,
        &wishes::GROUPS,
        &scarce::GROUPS,
        &own_calls::GROUPS,
        &story_calls::GROUPS,
        &touched::GROUPS,
        &stale::GROUPS,
        &twins::GROUPS,
        &clusters::GROUPS,
        &clocks::GROUPS,
        &behind::GROUPS,
        &floods::GROUPS,
        &found::GROUPS,
        &events::GROUPS,
        &stalled::GROUPS,
        &beside::GROUPS,
    ];
    suites.concat()
}

fn main() -> ExitCode {
    command::run(groups())
}
