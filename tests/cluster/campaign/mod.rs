//! Planned disturbances with everything real: the operator's own binary as a process, the API server, sockets. Each can
//! be run again by its id: `PLAN=ID cargo test --test integration cluster::campaign`.
//!
//! | module | what it is for |
//! |---|---|
//! | `plan`, `points` | what the plans are: data and ids |
//! | `gate` | sees every write of an operator, and holds one of them |
//! | `strike`, `restart` | what happens to the operator then |
//! | `properties`, `schema` | every property of the definitions, changed in every way and back |
//! | `life` | what it was about, and what must hold of it |
//! | `runs` | running plans, several at a time |
//!
//! Where a plan strikes is no matter of chance: its write is held, before its effect or before its answer, until the
//! signal is sent, the connection cut or the API server restarted.

mod gate;
mod life;
mod plan;
mod points;
mod properties;
mod restart;
mod runs;
mod schema;
mod strike;

use super::world::*;
use atlas_privatelink_operator::testbed::control_plane::{ControlPlane, Options};
use futures::FutureExt;
use plan::{Fault, Plan};
use properties::{Subject, in_the_end, subjects};
use restart::Meeting;
use runs::{Run, is_wanted};
use std::collections::BTreeSet;

/// The plans mostly wait; more than these starve on two cores.
const AT_A_TIME: usize = 40;

fn wanted(of: impl Fn(Fault) -> bool) -> Vec<Plan> {
    plan::all().into_iter().filter(|plan| of(plan.fault) && is_wanted(&plan.to_string())).collect()
}

#[test]
fn every_plan_has_an_id_of_its_own() {
    let mut ids: Vec<String> = plan::all().iter().map(Plan::to_string).collect();
    assert!(ids.len() >= 60, "{}", ids.len());
    ids.extend(subjects().iter().flat_map(Subject::ids));
    ids.iter().for_each(|id| println!("{id}"));
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
    assert!(ids.iter().any(|id| is_wanted(id)), "there is no such plan");
}

/// A life without a fault has the points that the plans strike at, and no others: a new write is a new point.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_write_of_a_life_is_a_point() {
    strike::undisturbed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_stopped_and_cut_off_at_its_writes() {
    let mut plans = wanted(|fault| fault != Fault::Restarted);
    plans.sort_by_key(|plan| !plan.takes_long());
    let runs = plans.into_iter().map(|plan| Run { id: plan.to_string(), run: strike::run(plan).boxed_local() });
    runs::all("plans", runs.collect(), AT_A_TIME).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_api_server_is_restarted_under_its_writes() {
    let plans = wanted(|fault| fault == Fault::Restarted);
    if plans.is_empty() {
        return;
    }
    let _turn = ONE_MORE_CONTROL_PLANE.lock().await;
    let mut control_plane = ControlPlane::start(Options::default()).await.expect("started");
    define(&control_plane.client()).await;
    let (plane, meeting) = (Plane::of(&control_plane), Meeting::of(plans.len()));
    let all = plans.len();
    let runs = plans
        .into_iter()
        .map(|plan| Run { id: plan.to_string(), run: restart::run(plane.clone(), plan, &meeting).boxed_local() });
    tokio::join!(runs::all("plans", runs.collect(), all), meeting.restart(&mut control_plane));
    control_plane.stop().await.expect("stopped");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_property_changed_and_back() {
    let subjects = subjects();
    if !subjects.iter().flat_map(Subject::ids).any(|id| is_wanted(&id)) {
        return;
    }
    let (world, mut operator) = properties::world().await;
    let runs: Vec<_> = subjects.iter().flat_map(|subject| subject.runs(&world)).collect();
    let all = runs.len();
    runs::all("changes", runs, all).await;
    in_the_end(&world, &mut operator).await;
}
