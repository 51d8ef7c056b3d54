//! Faults that meet objects which have been Ready for a while: Ready stays True through a blip, which ends three resync
//! intervals after Atlas last confirmed the object.

use crate::{
    Group,
    harness::{
        alone::eventually,
        course::Course,
        life::{both_are_ready, first_half},
        oracle,
        world::*,
    },
    plan::{Campaign, Data, Plan},
};
use atlas_privatelink_operator::{
    atlas::dialect::Dialect,
    testbed::simulator::{Fault, Operation, Rule},
};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
/// Longer than three resync intervals and any pause.
const LONG: Duration = Duration::from_secs(100 * 60);

/// Which reads a fault meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Where {
    /// Atlas is down, for the authentication too.
    Everywhere,
    Lists,
    Endpoints,
}

#[derive(Clone)]
pub struct Blip {
    pub place: Where,
    pub fault: Fault,
}

/// What a fault of that long does to an object that was Ready.
#[derive(Debug, PartialEq, Eq)]
enum Tells {
    Nothing,
    /// `Unknown`, but only after three resync intervals.
    Unconfirmed,
    /// The same, of the endpoint alone: a list is as it is.
    UnconfirmedEndpoint,
    /// At the next resync, that it is not Ready.
    Word,
    /// At the next resync, the refusal.
    Refusal(&'static str),
}

fn tells(fault: &Fault) -> Tells {
    match fault {
        Fault::WrongContentType | Fault::ExtraFields | Fault::Drip { .. } => Tells::Nothing,
        Fault::UnknownWord => Tells::Word,
        Fault::AnotherObject => Tells::UnconfirmedEndpoint,
        Fault::WrongCredentials | Fault::StaleNonce => Tells::Refusal("CredentialsRefused"),
        Fault::PaymentRequired | Fault::AccessList => Tells::Refusal("AccessDenied"),
        Fault::AnswerLost
        | Fault::RefusedBefore
        | Fault::DroppedBefore
        | Fault::HungBefore
        | Fault::Status { .. }
        | Fault::StatusAfter { .. }
        | Fault::ThrottledSeconds { .. }
        | Fault::ThrottledDate { .. }
        | Fault::ThrottledSilent
        | Fault::UnexpectedError
        | Fault::BadGateway
        | Fault::Unavailable { .. }
        | Fault::GatewayTimeout
        | Fault::AppUpgrade
        | Fault::NoCapacity
        | Fault::NotFoundJson
        | Fault::NotFoundHtml
        | Fault::ConflictUnknown
        | Fault::CannotAccept
        | Fault::HtmlOk
        | Fault::TruncatedJson
        | Fault::MissingId
        | Fault::Nulls
        | Fault::HugeBody
        | Fault::InvalidUtf8
        | Fault::Slow { .. }
        | Fault::Redirect { .. } => Tells::Unconfirmed,
    }
}

pub fn strike(world: &World, plan: &Blip) {
    world.atlas.inject(match plan.place {
        Where::Everywhere => Rule::everywhere(plan.fault.clone()),
        Where::Lists => Rule::always(Operation::ListServices, plan.fault.clone()),
        Where::Endpoints => Rule::always(Operation::GetEndpoint, plan.fault.clone()),
    });
}

/// When Atlas last confirmed an object of this kind.
fn confirmed(world: &World, operation: Operation) -> Timestamp {
    let ledger = world.ledger();
    let asked = |entry: &&atlas_privatelink_operator::testbed::simulator::Entry| {
        entry.request().is_some_and(|request| request.operation == Some(operation) && request.status == Some(200))
    };
    ledger.iter().rev().find(asked).map(|entry| entry.at).unwrap()
}

/// What was said of Ready since then: when, the status, the reason.
fn said(world: &World, plural: &str, name: &str, since: Timestamp) -> Vec<(Timestamp, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let versions = world.kube.history(plural, NAMESPACE, name).into_iter().filter(|version| version.at > since);
    versions
        .map(|version| {
            let conditions = &version.object["status"]["conditions"];
            let stalled = if conditions[1]["type"] == "Stalled" { "Stalled " } else { "" };
            (version.at, text(&conditions[0]["status"]), format!("{stalled}{}", text(&conditions[0]["reason"])))
        })
        .collect()
}

/// One object's words are what the fault must make of them.
fn judge(said: &[(Timestamp, String, String)], tells: &Tells, confirmed: Timestamp) {
    let resync = SignedDuration::from_secs(900);
    let (expected, soonest, latest) = match tells {
        Tells::Nothing => {
            assert!(said.is_empty(), "{said:?}");
            return;
        }
        Tells::Unconfirmed | Tells::UnconfirmedEndpoint => {
            (("Unknown", "AtlasUnreachable".to_owned()), resync * 3, resync * 3 + SignedDuration::from_secs(10))
        }
        Tells::Word => (("False", String::new()), SignedDuration::ZERO, resync * 11 / 10),
        Tells::Refusal(reason) => (("False", format!("Stalled {reason}")), SignedDuration::ZERO, resync * 11 / 10),
    };
    let [(at, status, reason)] = said else { panic!("one change is to be told: {said:?}") };
    assert!(status == expected.0 && (expected.1.is_empty() || *reason == expected.1), "{said:?}");
    let after = at.duration_since(confirmed);
    // The ledger has the time of arrival, the operator that of sending.
    let on_its_way = SignedDuration::from_secs(1);
    assert!(soonest - on_its_way <= after && after <= latest, "told {after:#} after the last confirmation: {said:?}");
}

async fn blip(plan: Blip) -> World {
    let (world, operator) = first_half(Dialect::V2).await;
    let before = Course::of(oracle::outcome(&world), &world);
    let (list, get) = (confirmed(&world, Operation::ListServices), confirmed(&world, Operation::GetEndpoint));
    let struck = world.clock.now();
    strike(&world, &plan);
    world.pass(LONG).await;
    let (of_link, of_endpoint) = match plan.place {
        // A challenge and an answer that both take 29 s are more than the 30 s of a call.
        Where::Everywhere if plan.fault.name() == "drip" => (Tells::Unconfirmed, Tells::Unconfirmed),
        Where::Everywhere | Where::Lists => (tells(&plan.fault), tells(&plan.fault)),
        Where::Endpoints => (Tells::Nothing, tells(&plan.fault)),
    };
    let of_link = if of_link == Tells::UnconfirmedEndpoint { Tells::Nothing } else { of_link };
    // The word that nobody knows is in the list for the link, and in the connection for the endpoint.
    let of_endpoint = match (plan.place, of_endpoint) {
        (Where::Lists, Tells::Word | Tells::UnconfirmedEndpoint) => Tells::Nothing,
        (_, of_endpoint) => of_endpoint,
    };
    judge(&said(&world, LINKS, "orders", struck), &of_link, list);
    judge(&said(&world, ENDPOINTS, "orders-a", struck), &of_endpoint, get);
    world.atlas.clear_faults();
    eventually(&world, 7 * MINUTE, "both Ready again", both_are_ready).await;
    world.pass(20 * MINUTE).await;
    assert_eq!(Course::of(oracle::outcome(&world), &world), before);
    oracle::quiet_hour(&world).await;
    oracle::always(&world);
    oracle::no_storm(&world, 40);
    operator.kill().await;
    world
}

fn blips(place: Where) -> Vec<Plan> {
    let all = Fault::all().into_iter().map(|fault| Blip { place, fault });
    all.map(|one| {
        let data = Data::new(Campaign::Atlas, "blip", Dialect::V2).at(format!("{place:?}")).fault(one.fault.name());
        Plan::new(data, move || blip(one.clone()))
    })
    .collect()
}

pub const GROUPS: [Group; 3] = [|| blips(Where::Everywhere), || blips(Where::Lists), || blips(Where::Endpoints)];
