//! Somebody makes a service of the region just before the operator's request to make one arrives, which Atlas refuses then;
//! and the operator is killed at every write after that. The service is theirs: it is adopted, and stays when all is deleted.

use crate::{
    Group,
    harness::{
        alone::{alone, eventually},
        course::{Course, same_deeds},
        death::{self, Moment, Point, Write},
        life::{PATIENCE, RESYNC, begin, delete_both, get_ready, ours},
        oracle,
        world::*,
    },
    plan::{Campaign, Data, Plan},
};
use atlas_privatelink_operator::{
    atlas::{
        dialect::Dialect,
        transport::{Transport, TransportError},
    },
    testbed::simulator::{Change, Provider, Simulator},
};
use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Method, Request, Response, header};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// A way to Atlas on which somebody is quicker than the first request to make a service.
struct Outrun {
    inner: Arc<dyn Transport>,
    atlas: Simulator,
    done: AtomicBool,
}

impl Transport for Outrun {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'static, Result<Response<Bytes>, TransportError>> {
        let signed = request.headers().contains_key(header::AUTHORIZATION);
        // The first thing that is ever asked for is the service.
        let first = signed && request.method() == Method::POST && request.uri().path().contains("/groups/");
        if first && !self.done.swap(true, Ordering::SeqCst) {
            let (project, region) = (PROJECT.to_owned(), "us-east-1".to_owned());
            let made =
                Change::CreateService { project, provider: Provider::Aws, region, port_mapped: false, ready: false };
            self.atlas.change(made).unwrap();
        }
        self.inner.send(request)
    }
}

/// An operator on that way, which dies at that point.
fn start(world: &mut World, victim: Option<Point>) -> (Running, death::Reaper) {
    let outrun = Outrun { inner: world.atlas.transport(), atlas: world.atlas.clone(), done: AtomicBool::default() };
    death::start_over(world, victim, Arc::new(outrun))
}

/// The life that is cut off.
async fn whole_life(world: &World) -> Course {
    get_ready(world).await;
    world.pass(RESYNC).await;
    let outcome = oracle::outcome(world);
    oracle::quiet_resync(world).await;
    delete_both(world);
    eventually(world, PATIENCE, "both gone", World::is_empty).await;
    Course::of(outcome, world)
}

async fn record(dialect: Dialect) -> (Vec<Write>, Course) {
    let mut world = begin(dialect);
    let (operator, reaper) = start(&mut world, None);
    let course = whole_life(&world).await;
    operator.stop().await;
    (reaper.writes(), course)
}

#[derive(Clone)]
struct Death {
    point: Point,
    dialect: Dialect,
}

impl Death {
    fn data(&self) -> Data {
        let Self { point, dialect } = self;
        Data::new(Campaign::Crash, "beaten", *dialect).struck(point)
    }
}

async fn run(plan: Death, undisturbed: Arc<Course>) -> World {
    let mut world = begin(plan.dialect);
    let (operator, mut reaper) = start(&mut world, Some(plan.point));
    tokio::select! {
        () = reaper.kill(&world, operator) => {}
        _ = whole_life(&world) => panic!("the point was never reached"),
    }
    let leaving = world.find_link(NAMESPACE, "orders").is_none_or(|link| link.metadata.deletion_timestamp.is_some());
    let operator = world.start();
    if leaving {
        eventually(&world, PATIENCE, "both gone", World::is_empty).await;
        same_deeds(&world, &undisturbed);
    } else {
        assert_eq!(whole_life(&world).await, *undisturbed);
    }
    world.pass(Duration::from_secs(60)).await;
    assert_eq!(ours(&world).len(), 1, "what somebody else has made stays");
    oracle::silence(&world).await;
    oracle::created(&world, 0, 1);
    oracle::always(&world);
    oracle::no_storm(&world, 60);
    operator.stop().await;
    world
}

/// The points from the one on at which the refusal is recorded: before that nobody can know of it, and rule 2 takes what
/// it finds for the operator's own.
fn points(writes: &[Write]) -> impl Iterator<Item = Point> {
    let refused = writes.iter().position(|write| write.what == "Atlas POST service").expect("it is asked for") + 1;
    let recording = writes[refused].clone();
    let known = move |(write, moment): &Point| *write != recording || *moment != Moment::BeforeEffect;
    death::points(&writes[refused..]).into_iter().filter(known)
}

fn beaten(dialect: Dialect) -> Vec<Plan> {
    let (writes, undisturbed) = alone(|| record(dialect)).unwrap();
    let undisturbed = Arc::new(undisturbed);
    let plan = |point| {
        let death = Death { point, dialect };
        Plan::compared(death.data(), death, &undisturbed, run)
    };
    points(&writes).map(plan).collect()
}

pub const GROUPS: [Group; 2] = [|| beaten(Dialect::V2), || beaten(Dialect::V1)];
