//! While a write of the operator is on its way to the API server, somebody else changes the object that it concerns. What
//! they wrote stands, and the end is that of a life in which nobody else wrote.

use crate::{
    Group,
    harness::{
        alone::{alone, eventually},
        course::Course,
        death::{self, Moment, Write},
        life::{BOTH, LIFETIME, PATIENCE, RESYNC, begin, delete_both, end, get_ready},
        oracle,
        world::*,
    },
    plan::{Campaign, Data, Plan},
};
use atlas_privatelink_operator::atlas::dialect::Dialect;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

/// How long the write is on its way.
const WAY: Duration = Duration::from_secs(1);
const HOLD: &str = "example.com/hold";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Touch {
    /// Somebody who has to do something, too, before the object may go.
    Finalizer,
    Label,
    /// Of the spec: there is a new generation.
    Edit,
}

impl Touch {
    const ALL: [Self; 3] = [Self::Finalizer, Self::Label, Self::Edit];

    fn change(self, object: &Value) -> Value {
        match self {
            Self::Finalizer => {
                let mut finalizers = finalizers(object);
                finalizers.push(HOLD.into());
                json!({"metadata": {"finalizers": finalizers}})
            }
            Self::Label => json!({"metadata": {"labels": {"touched": "yes"}, "annotations": {"touched": "yes"}}}),
            Self::Edit => json!({"spec": {"suspend": false}}),
        }
    }

    fn stands(self, object: &Value) -> bool {
        match self {
            Self::Finalizer => finalizers(object).contains(&HOLD.into()),
            Self::Label => [&object["metadata"]["labels"], &object["metadata"]["annotations"]]
                .iter()
                .all(|noted| noted["touched"] == "yes"),
            Self::Edit => object["spec"]["suspend"] == false,
        }
    }
}

fn finalizers(object: &Value) -> Vec<Value> {
    object["metadata"]["finalizers"].as_array().cloned().unwrap_or_default()
}

#[derive(Clone)]
struct Touched {
    write: Write,
    touch: Touch,
    dialect: Dialect,
}

impl Touched {
    fn data(&self) -> Data {
        let Self { write, touch, dialect } = self;
        Data::new(Campaign::Kubernetes, "touched", *dialect).at(write).meanwhile(format!("{touch:?}"))
    }

    /// The kind and the name of what the write concerns.
    fn object(&self) -> (&'static str, &'static str) {
        BOTH.into_iter().find(|(plural, _)| self.write.what.contains(plural)).unwrap()
    }

    /// Changes the object, and tells whether the API server took it: nobody may lay hold on what is being deleted.
    fn strikes(&self, world: &World) -> bool {
        let (plural, name) = self.object();
        let Some(object) = world.kube.get(plural, NAMESPACE, name) else { return false };
        world.kube.patch(plural, NAMESPACE, name, self.touch.change(&object)).is_ok()
    }

    /// What was changed is as it was left.
    fn still_stands(&self, world: &World) {
        let (plural, name) = self.object();
        let object = world.kube.get(plural, NAMESPACE, name).unwrap_or_default();
        assert!(self.touch.stands(&object), "what somebody else wrote is gone: {object:#}");
    }
}

/// Whoever held an object back has done what they had to do.
fn lift(world: &World) {
    for (plural, name) in BOTH {
        let Some(object) = world.kube.get(plural, NAMESPACE, name) else { continue };
        let mut rest = finalizers(&object);
        rest.retain(|finalizer| *finalizer != HOLD);
        if rest.len() < finalizers(&object).len() {
            world.kube.patch(plural, NAMESPACE, name, json!({"metadata": {"finalizers": rest}})).unwrap();
        }
    }
}

/// Nobody of us has anything to do with them any more.
fn all_are_let_go(world: &World) -> bool {
    let all = [LINKS, ENDPOINTS].into_iter().flat_map(|plural| world.kube.list(plural));
    all.into_iter().all(|object| finalizers(&object) == [Value::from(HOLD)])
}

/// Both get Ready and are deleted. Whoever holds one back does so until all of ours is done.
async fn whole_life(world: &World, halfway: impl FnOnce()) -> Course {
    get_ready(world).await;
    world.pass(RESYNC).await;
    halfway();
    let outcome = without_hold(oracle::outcome(world));
    oracle::quiet_resync(world).await;
    delete_both(world);
    eventually(world, PATIENCE, "both let go", all_are_let_go).await;
    lift(world);
    end(world).await;
    Course::of(outcome, world)
}

/// How it would look if nobody held anything back.
fn without_hold(mut outcome: Value) -> Value {
    for object in oracle::objects_in(&mut outcome) {
        if let Some(finalizers) = object["finalizers"].as_array_mut() {
            finalizers.retain(|finalizer| *finalizer != HOLD);
        }
    }
    outcome
}

async fn record(dialect: Dialect) -> (Vec<Write>, Course) {
    let mut world = begin(dialect);
    let (operator, reaper) = death::start(&mut world, None);
    let course = whole_life(&world, || {}).await;
    operator.stop().await;
    (reaper.writes(), course)
}

async fn run(plan: Touched, faultless: Arc<Course>) -> World {
    let mut world = begin(plan.dialect);
    let (point, atlas) = ((plan.write.clone(), Moment::BeforeEffect), world.atlas.transport());
    let (operator, mut reaper) = death::start_met_over(&mut world, point, WAY, atlas);
    let struck = std::cell::Cell::new(false);
    let touched = async {
        reaper.arrives().await;
        struck.set(plan.strikes(&world));
    };
    let halfway = || {
        if struck.get() {
            plan.still_stands(&world);
        }
    };
    let (course, reached) = tokio::join!(whole_life(&world, halfway), tokio::time::timeout(LIFETIME, touched));
    reached.unwrap_or_else(|_| panic!("the point was never reached"));
    assert_eq!(course, *faultless);
    oracle::silence(&world).await;
    oracle::created(&world, 1, 1);
    oracle::always(&world);
    oracle::no_storm(&world, 60);
    operator.stop().await;
    world
}

fn touches(dialect: Dialect) -> Vec<Plan> {
    let (writes, faultless) = alone(|| record(dialect)).unwrap();
    let faultless = Arc::new(faultless);
    let mut plans = Vec::new();
    for write in writes.iter().filter(|write| !write.what.starts_with("Atlas")) {
        for touch in Touch::ALL {
            let one = Touched { write: write.clone(), touch, dialect };
            plans.push(Plan::compared(one.data(), one, &faultless, run));
        }
    }
    plans
}

pub const GROUPS: [Group; 2] = [|| touches(Dialect::V2), || touches(Dialect::V1)];
