//! Plans on the shared control plane: the operator is killed, stopped or cut off exactly where the plan says.

use super::{
    gate::{Fate, Gate, Held},
    life::{self, until},
    plan::{Fault, Meanwhile, Moment, Plan},
    points::{Phase, Side},
};
use crate::{cluster::world::*, harness::way::Way};
use atlas_privatelink_operator::testbed::simulator::Operation;
use http::Method;
use serde_json::Value;
use std::time::Instant;

pub async fn run(plan: Plan) {
    let world = life::begin(SHARED.clone(), plan.way).await;
    match plan.fault {
        Fault::Killed => killed(&world, &plan).await,
        Fault::Stopped => stopped(&world, &plan).await,
        Fault::Cut => cut(&world, &plan).await,
        Fault::Restarted => unreachable!("these run together"),
    }
}

/// A life without a fault, whose writes are the points.
pub async fn undisturbed() {
    let world = life::begin(SHARED.clone(), Way::KeyInV2).await;
    let gate = Gate::open(&world, "only", None).await;
    let _operator = start(&world, &gate, &[]);
    life::make(&world).await;
    life::until_ready(&world).await;
    life::unmake(&world).await;
    life::ends(&world).await;
    life::has_all_points(&gate.writes());
}

/// Starts an operator that goes through the gate.
pub fn start(world: &World, gate: &Gate, more: &[&str]) -> Operator {
    let mut arguments = world.arguments(&[&world.namespace]);
    arguments.extend(more.iter().map(|&argument| argument.to_owned()));
    let (arguments, variables) = gate.leads(arguments);
    world.launch(&arguments, &variables.each_ref().map(|(name, value)| (*name, value.as_str())))
}

pub async fn gate(world: &World, plan: &Plan) -> Gate {
    Gate::open(world, "first", Some((plan.point.write(), plan.moment.place()))).await
}

/// Lives until the write is held.
pub async fn held(world: &World, gate: &mut Gate, plan: &Plan) -> Held {
    life::make(world).await;
    if plan.point.phase == Phase::Deleting {
        life::until_ready(world).await;
        life::unmake(world).await;
    }
    match tokio::time::timeout(SOON, gate.reached()).await {
        Ok(held) => held,
        Err(_) => {
            panic!("{} never came; what came: {:?}\n{}", plan.point.write(), gate.writes(), world.picture().await)
        }
    }
}

pub async fn meanwhile(world: &World, plan: &Plan) {
    match plan.meanwhile {
        Meanwhile::Nothing => {}
        Meanwhile::Deleted => life::unmake(world).await,
    }
}

/// The write goes on when the operator that has come after has looked at Atlas.
async fn comes_late(world: &World, held: Held, looks: usize) {
    until(world, "the next one looks", async || world.calls(Operation::ListServices) > looks).await;
    held.meets(Fate::GoesOn);
}

async fn killed(world: &World, plan: &Plan) {
    let mut gate = gate(world, plan).await;
    let operator = start(world, &gate, &[]);
    let held = held(world, &mut gate, plan).await;
    let struck = Instant::now();
    operator.kill().await;
    meanwhile(world, plan).await;
    let looks = world.calls(Operation::ListServices);
    let _next = world.start();
    match plan.moment {
        Moment::BeforeEffect | Moment::AfterEffect => held.meets(Fate::Cut),
        Moment::EffectComesLate => comes_late(world, held, looks).await,
    }
    life::goes_on(world, plan, struck).await;
}

async fn cut(world: &World, plan: &Plan) {
    let mut gate = gate(world, plan).await;
    let mut operator = start(world, &gate, &[]);
    let held = held(world, &mut gate, plan).await;
    let struck = Instant::now();
    meanwhile(world, plan).await;
    held.meets(Fate::Cut);
    life::goes_on(world, plan, struck).await;
    assert!(!operator.has_ended(), "it ended");
}

/// Long enough for a leader that is not stopped to keep it on a busy machine.
const LEASE: &str = "6s";

async fn holder(world: &World) -> String {
    let name = "atlas-privatelink-operator";
    let path = format!("/apis/coordination.k8s.io/v1/namespaces/{}/leases/{name}", world.namespace);
    let lease = world.send(Method::GET, &path, JSON, &Value::Null).await.unwrap_or_default();
    lease["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned()
}

async fn stopped(world: &World, plan: &Plan) {
    let election = ["--leader-election", "--leader-election-namespace", &world.namespace];
    let candidate = [&election[..], &["--leader-election-lease-duration", LEASE]].concat();
    let mut gate = gate(world, plan).await;
    let mut zombie = start(world, &gate, &candidate);
    until(world, "it leads", async || !holder(world).await.is_empty()).await;
    let former = holder(world).await;
    let _standby = world.start_with(&[&world.namespace], &candidate);
    let held = held(world, &mut gate, plan).await;
    let struck = Instant::now();
    zombie.signal("-STOP");
    let looks = world.calls(Operation::ListServices);
    until(world, "another leads", async || ![former.as_str(), ""].contains(&holder(world).await.as_str())).await;
    if (plan.moment, plan.point.side) == (Moment::EffectComesLate, Side::Atlas) {
        comes_late(world, held, looks).await;
        done(world, plan).await;
    } else {
        // The answer, or the write, comes when there is nothing left to do.
        done(world, plan).await;
        held.meets(Fate::GoesOn);
    }
    ends_without_a_word(world, &mut zombie, &gate).await;
    life::goes_on(world, plan, struck).await;
}

/// What was begun is finished.
async fn done(world: &World, plan: &Plan) {
    if plan.is_made() {
        life::until_ready(world).await;
    } else {
        life::ends(world).await;
    }
}

/// The stopped one goes on, finds that it leads no more, and ends; it writes nothing before that.
async fn ends_without_a_word(world: &World, zombie: &mut Operator, gate: &Gate) {
    // What was held has passed by now, or passes at once: its write stands in the list since it came.
    let before = gate.writes();
    zombie.signal("-CONT");
    until(world, "it ends", async || zombie.has_ended()).await;
    assert!(!zombie.ended().expect("it has ended").success(), "it ended as if all was well");
    assert!(zombie.log().contains("not the leader any more: "), "it does not say why it ended");
    assert_eq!(gate.writes(), before, "it wrote before it ended");
}
