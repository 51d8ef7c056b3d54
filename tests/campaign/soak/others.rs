//! What others make in the projects of a random life. Not where it could be taken for the work of a request that was not
//! answered: whose a thing is that came just then, nobody can tell (design.md, safety rule 2).

use super::{IDS, IDS_ELSEWHERE, Life, OTHER};
use crate::harness::{past, world::*};
use atlas_privatelink_operator::{
    api::ATTEMPT_ANNOTATION,
    testbed::simulator::{Change, Provider},
};
use jiff::{SignedDuration, Timestamp};
use rand::seq::IndexedRandom;
use serde_json::Value;

/// After so much time no request of an attempt can arrive any more.
const OVER: SignedDuration = SignedDuration::from_mins(10);

/// The records that Atlas has not refused, and of which something may come yet.
fn open_attempts(world: &World) -> Vec<Value> {
    let objects = [LINKS, ENDPOINTS].into_iter().flat_map(|plural| world.kube.list(plural));
    let record = |object: Value| {
        let record = object["metadata"]["annotations"][ATTEMPT_ANNOTATION].as_str().map(str::to_owned)?;
        serde_json::from_str::<Value>(&record).ok()
    };
    let is_open = |record: &Value| {
        let last = record["last"].as_str().and_then(|last| last.parse::<Timestamp>().ok());
        record["refusal"].is_null() && last.is_some_and(|last| world.clock.now().duration_since(last) < OVER)
    };
    objects.filter_map(record).filter(is_open).collect()
}

/// A service for one of the regions that links ask for.
pub fn service(life: &mut Life) -> Option<Change> {
    if open_attempts(&life.world).iter().any(|record| record["write"] == "CreateService") {
        return None;
    }
    let (project, region) = life.pick(&[(PROJECT, "us-east-1"), (PROJECT, "us-west-2"), (OTHER, "us-east-1")]);
    let stands = |service: &Value| {
        let there = service["region"].as_str().unwrap_or_default().to_lowercase().replace('_', "-");
        service["project"] == project && there == region
    };
    if life.world.services().iter().any(stands) {
        return None;
    }
    let (project, region) = (project.to_owned(), region.to_owned());
    Some(Change::CreateService { project, provider: Provider::Aws, region, port_mapped: false, ready: false })
}

/// An endpoint at any service, with an id that nobody has just asked for.
pub fn endpoint(life: &mut Life) -> Option<Change> {
    let services = life.world.services();
    let service = services.choose(&mut life.dice)?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (project, region) = (text(&service["project"]), text(&service["region"]));
    let id = match (project.as_str(), region.as_str()) {
        (PROJECT, "US_EAST_1") => life.pick(&[IDS[0], IDS[1], IDS[2], "vpce-0f0f0f0f0f0f0f0f0"]),
        (PROJECT, _) => life.pick(&IDS_ELSEWHERE),
        (_, _) => "vpce-0e0e0e0e0e0e0e0e0",
    };
    if open_attempts(&life.world).iter().any(|record| record["endpoint"] == id) {
        return None;
    }
    let service = text(&service["id"]);
    Some(Change::AddEndpoint { project, service, endpoint: id.to_owned(), ready: false })
}

/// They take their endpoints away: a service is not deleted with somebody else's.
pub fn leave(world: &World) {
    for service in world.services() {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (project, id) = (text(&service["project"]), text(&service["id"]));
        for endpoint in past::foreign_endpoints(world, &id) {
            let (project, service) = (project.clone(), id.clone());
            drop(world.atlas.change(Change::DeleteEndpoint { project, service, endpoint }));
        }
    }
}
