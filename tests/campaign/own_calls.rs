//! Faults at the operator's own calls of the Kubernetes API, at every one that it makes in an eventful life: whatever
//! goes wrong, the end is that of a life without faults.

use crate::{
    Group,
    harness::{
        alone::{alone, eventually},
        course::Course,
        life::{PATIENCE, by_lease, with_neighbours_in},
        looks::*,
        oracle,
        world::*,
    },
    plan::{Campaign, Data, Plan},
};
use atlas_privatelink_operator::{
    atlas::dialect::Dialect,
    lease,
    testbed::kubernetes::{Fault, Matcher, RequestRecord, Rule, Verb, WatchFault},
};
use http::StatusCode;
use serde_json::json;
use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

const OPERATOR: &str = "operator-1";
/// After this time nothing moves any more, silent watches included.
const SETTLED: Duration = Duration::from_secs(45 * 60);
/// How long a silent watch says nothing at most.
const SILENCE: Duration = Duration::from_secs(20 * 60);

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mishap {
    /// The token is expired, or its key was exchanged.
    Unauthorized,
    /// The Role lacks it, for now.
    Forbidden,
    Conflict,
    TooManyRequests,
    InternalError,
    Unavailable,
    /// The answer is lost after the effect.
    Lost,
    /// The connection breaks before the effect.
    Dropped,
    /// Neither an effect nor an answer.
    HungBefore,
    /// An effect and no answer.
    HungAfter,
    /// An effect, and 504.
    GatewayTimeout,
    /// 410 to a list that goes on where an earlier one ended.
    Gone,
    /// The watch ends, as after its time.
    WatchClosed,
    WatchSevered,
    /// The watch ends with 410.
    WatchExpired,
    /// The watch says nothing for a while, and then all at once.
    WatchSilent,
}

impl Mishap {
    const ALL: [Self; 16] = [
        Self::Unauthorized,
        Self::Forbidden,
        Self::Conflict,
        Self::TooManyRequests,
        Self::InternalError,
        Self::Unavailable,
        Self::Lost,
        Self::Dropped,
        Self::HungBefore,
        Self::HungAfter,
        Self::GatewayTimeout,
        Self::Gone,
        Self::WatchClosed,
        Self::WatchSevered,
        Self::WatchExpired,
        Self::WatchSilent,
    ];

    pub fn fault(self) -> Fault {
        match self {
            Self::Unauthorized => Fault::status(StatusCode::UNAUTHORIZED),
            Self::Forbidden => Fault::status(StatusCode::FORBIDDEN),
            Self::Conflict => Fault::status(StatusCode::CONFLICT),
            Self::TooManyRequests => Fault::too_many_requests(Duration::from_secs(7)),
            Self::InternalError => Fault::status(StatusCode::INTERNAL_SERVER_ERROR),
            Self::Unavailable => Fault::status(StatusCode::SERVICE_UNAVAILABLE),
            Self::Lost => Fault::lost(),
            Self::Dropped => Fault::dropped(),
            Self::HungBefore => Fault::hang_before(),
            Self::HungAfter => Fault::hang_after(),
            Self::GatewayTimeout => Fault::status_after_effect(StatusCode::GATEWAY_TIMEOUT),
            Self::Gone => Fault::status(StatusCode::GONE),
            Self::WatchClosed => Fault::Watch(WatchFault::Close),
            Self::WatchSevered => Fault::Watch(WatchFault::Sever),
            Self::WatchExpired => Fault::Watch(WatchFault::Expire),
            Self::WatchSilent => Fault::Watch(WatchFault::Silence),
        }
    }

    /// Whether it can befall such a call. Of a read, whose effect nobody misses, a lost answer is a dropped one; and how
    /// long a list or a watch may hang is the HTTP client's business, which isn't there in process.
    pub fn befalls(self, verb: Verb) -> bool {
        match self {
            Self::Conflict | Self::Lost | Self::HungAfter | Self::GatewayTimeout => verb.writes(),
            Self::Gone => verb == Verb::List,
            Self::Unauthorized
            | Self::Forbidden
            | Self::TooManyRequests
            | Self::InternalError
            | Self::Unavailable
            | Self::Dropped => true,
            Self::HungBefore => verb.writes() || verb == Verb::Get,
            Self::WatchClosed | Self::WatchSevered | Self::WatchExpired | Self::WatchSilent => verb == Verb::Watch,
        }
    }
}

/// A kind of call: verb, resource, subresource, and the object, where the test names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    pub verb: Verb,
    pub resource: String,
    subresource: String,
    name: String,
}

impl Call {
    fn of(request: &RequestRecord) -> Self {
        // Events have names that nobody chose.
        let name = if request.resource == "events" { "" } else { &request.name };
        Self {
            verb: request.verb,
            resource: request.resource.clone(),
            subresource: request.subresource.clone(),
            name: name.to_owned(),
        }
    }

    /// The same calls of this operator.
    pub fn matcher(&self, operator: &str) -> Matcher {
        let all =
            Matcher::any().client(operator).verb(self.verb).resource(&self.resource).subresource(&self.subresource);
        if self.name.is_empty() { all } else { all.name(&self.name) }
    }

    /// All that an operator has made so far, and how often.
    pub fn made_by(operator: &str, world: &World) -> BTreeMap<Self, u64> {
        let mut calls = BTreeMap::new();
        for call in world.kube.log().of(operator).0.iter().map(|call| Self::of(call)) {
            *calls.entry(call).or_default() += 1;
        }
        calls
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { verb, resource, subresource, name } = self;
        write!(f, "{verb:?} {resource} {name} {subresource}")
    }
}

/// Link and endpoint get Ready, are renamed, and are deleted.
async fn eventful_life(world: &World) -> Course {
    let from = json!({"configMapKeyRef": {"name": "ids", "key": "id"}});
    world.apply(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "ids", "namespace": NAMESPACE}, "data": {"id": VPCE}}));
    world.apply(link("orders"));
    let spec = json!({"spec": {"interfaceEndpointId": null, "interfaceEndpointIdFrom": from}});
    world.apply(with(endpoint("orders-a", "orders", VPCE), spec));
    let ready = |world: &World| world.link_ready("orders") && world.endpoint_ready("orders-a");
    eventually(world, PATIENCE, "both Ready", ready).await;
    world.apply(link("orders-new"));
    world.apply(endpoint("orders-b", "orders-new", VPCE));
    let ready = |world: &World| world.link_ready("orders-new") && world.endpoint_ready("orders-b");
    eventually(world, PATIENCE, "the new ones Ready", ready).await;
    delete(world, [(LINKS, "orders"), (ENDPOINTS, "orders-a")]);
    let handed_over = |world: &World| {
        world.find_link(NAMESPACE, "orders").is_none()
            && world.find_endpoint(NAMESPACE, "orders-a").is_none()
            && ready_as(world, LINKS, NAMESPACE, "orders-new", "Created")
            && ready_as(world, ENDPOINTS, NAMESPACE, "orders-b", "Created")
    };
    eventually(world, PATIENCE, "handed over", handed_over).await;
    world.pass(SETTLED).await;
    assert_eq!(deletes(world), Vec::<String>::new(), "a DELETE reached Atlas");
    let outcome = oracle::outcome(world);
    oracle::quiet_resync(world).await;
    assert_eq!(oracle::outcome(world), outcome, "after a quiet time");
    delete(world, [(LINKS, "orders-new"), (ENDPOINTS, "orders-b")]);
    eventually(world, PATIENCE, "all gone", World::is_empty).await;
    oracle::nothing_left(world);
    world.pass(SETTLED).await;
    oracle::silence(world).await;
    oracle::created(world, 1, 1);
    oracle::always(world);
    Course::of(outcome, world)
}

fn delete(world: &World, objects: [(&str, &str); 2]) {
    for (plural, name) in objects {
        world.kube.delete(plural, NAMESPACE, name).unwrap();
    }
}

/// Whether the operator works by a Lease; then its calls of that are disturbed, and only those.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Office {
    Sole,
    Elected,
}

impl Office {
    fn election(self) -> Option<lease::Settings> {
        match self {
            Self::Sole => None,
            Self::Elected => Some(by_lease()),
        }
    }

    fn is_about(self, call: &Call) -> bool {
        (call.resource == "leases") == (self == Self::Elected)
    }
}

fn begin(office: Office) -> (World, Running) {
    let mut world = with_neighbours_in(Nature { election: office.election(), ..Nature::of(Dialect::V2) });
    world.credentials();
    let operator = world.start();
    assert_eq!(operator.name, OPERATOR);
    (world, operator)
}

/// Every call of a life without faults, how often it is made, and how that life went.
async fn record(office: Office) -> (BTreeMap<Call, u64>, Course) {
    let (world, operator) = begin(office);
    let course = eventful_life(&world).await;
    let mut calls = Call::made_by(OPERATOR, &world);
    calls.retain(|call, _| office.is_about(call));
    operator.stop().await;
    (calls, course)
}

/// How often it happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Times {
    /// At the n-th call, counted from 1.
    At(u64),
    /// At the first ten.
    Ten,
}

#[derive(Clone)]
struct Disturbance {
    office: Office,
    call: Call,
    mishap: Mishap,
    times: Times,
}

impl Disturbance {
    fn data(&self) -> Data {
        let scenario = match self.office {
            Office::Sole => "eventful",
            Office::Elected => "elected",
        };
        Data::new(Campaign::Kubernetes, scenario, Dialect::V2)
            .at(self.call.to_string())
            .fault(format!("{:?} {:?}", self.mishap, self.times))
    }

    fn strike(&self, world: &World) {
        let rule = Rule::new(self.call.matcher(OPERATOR), self.mishap.fault());
        world.kube.inject(match self.times {
            Times::At(nth) => rule.nth(nth),
            Times::Ten => rule.times(10),
        });
    }

    fn was_met(&self, world: &World) -> bool {
        let made = Call::made_by(OPERATOR, world).get(&self.call).copied().unwrap_or_default();
        made >= match self.times {
            Times::At(nth) => nth,
            Times::Ten => 10,
        }
    }
}

/// Every mishap at the first call of a kind, and ten times; at the later ones those that differ in what they leave done.
fn disturbances(office: Office, call: &Call, made: u64) -> Vec<Disturbance> {
    let mut all = Vec::new();
    let mut add = |mishap, times| all.push(Disturbance { office, call: call.clone(), mishap, times });
    for mishap in Mishap::ALL.into_iter().filter(|mishap| mishap.befalls(call.verb)) {
        // A Lease is renewed as long as the life lasts, always in the same way.
        let last = if office == Office::Elected { made.min(6) } else { made };
        let hangs = matches!(mishap, Mishap::HungBefore | Mishap::HungAfter);
        let later = matches!(mishap, Mishap::Conflict | Mishap::Lost | Mishap::Dropped | Mishap::WatchExpired);
        (1..=if later { last } else { 1 }).for_each(|nth| add(mishap, Times::At(nth)));
        if !hangs {
            add(mishap, Times::Ten);
        }
    }
    all
}

/// Whoever has lost its Lease has ended, and is started again.
async fn kept_running(world: &World, operator: Running, office: Office) {
    let (mut world, mut operator) = (world.clone(), operator);
    loop {
        world.pass(Duration::from_secs(10)).await;
        if operator.has_ended() {
            assert_eq!(office, Office::Elected, "the operator has died");
            operator = world.start();
        }
    }
}

async fn life_with(plan: Disturbance, faultless: Arc<Course>) -> World {
    let (world, operator) = begin(plan.office);
    plan.strike(&world);
    let silences_end = async {
        loop {
            world.pass(SILENCE).await;
            world.kube.restore_watches(&Matcher::any());
        }
    };
    let course = tokio::select! {
        course = eventful_life(&world) => course,
        () = silences_end => unreachable!("silences end for ever"),
        () = kept_running(&world, operator, plan.office) => unreachable!("it is kept running for ever"),
    };
    assert_eq!(course, *faultless);
    assert!(plan.times == Times::Ten || plan.was_met(&world), "it never happened");
    oracle::no_storm(&world, 40);
    world
}

fn mishaps(office: Office) -> Vec<Plan> {
    let (calls, faultless) = alone(|| record(office)).unwrap();
    let faultless = Arc::new(faultless);
    let all = calls.iter().flat_map(|(call, made)| disturbances(office, call, *made));
    all.map(|one| Plan::compared(one.data(), one, &faultless, life_with)).collect()
}

pub const GROUPS: [Group; 2] = [|| mishaps(Office::Sole), || mishaps(Office::Elected)];
