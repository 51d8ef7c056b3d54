//! What people do to objects and to Atlas, in many tests.

use super::{
    looks::{object, status},
    world::*,
};
use atlas_privatelink_operator::testbed::simulator::{Change, Provider, ServiceFailure, Standing};
use serde_json::{Value, json};
use std::time::Duration;

/// Another VPC endpoint than that of the manifests.
pub const NEW: &str = "vpce-0123456789abcdef0";

pub fn change_id(world: &World, id: &str) {
    world.kube.patch(ENDPOINTS, NAMESPACE, "orders-a", json!({"spec": {"interfaceEndpointId": id}})).unwrap();
}

/// What AWS knows of a VPC endpoint.
pub fn declare(world: &World, endpoint: &str, standing: Standing) {
    world.change(Change::DeclareEndpoint { endpoint: endpoint.to_owned(), standing });
}

/// Whether the endpoint is Ready with this id, and nothing is left to be detached.
pub fn is_at(world: &World, id: &str) -> bool {
    let status = status(world, ENDPOINTS, "orders-a");
    world.endpoint_ready("orders-a") && status["interfaceEndpointId"] == id && status["retiring"].is_null()
}

/// So many services of the region of the manifests fail.
pub fn fails(world: &World, times: u32) {
    let failure = ServiceFailure {
        provider: Provider::Aws,
        region: "us-east-1".into(),
        times,
        message: "No capacity.".into(),
        named: true,
    };
    world.change(Change::FailServices(failure));
}

/// An object with all that it carries, and its status, as a backup or a careless copy has them.
pub fn copied(world: &World, plural: &str, name: &str) -> (Value, Value) {
    let mut copy = object(world, plural, NAMESPACE, name);
    let status = copy["status"].take();
    let metadata = copy["metadata"].as_object_mut().unwrap();
    for field in ["uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"] {
        metadata.remove(field);
    }
    copy.as_object_mut().unwrap().remove("status");
    (copy, status)
}

/// Somebody else makes a service and attaches the endpoint of the manifests, both of which take their time.
pub async fn make_behind_the_back(world: &World) {
    let (project, region) = (PROJECT.to_owned(), "us-east-1".to_owned());
    let made = Change::CreateService { project, provider: Provider::Aws, region, port_mapped: false, ready: false };
    let service = world.change(made).unwrap();
    world.pass(Duration::from_secs(300)).await;
    let (project, endpoint) = (PROJECT.to_owned(), VPCE.to_owned());
    world.change(Change::AddEndpoint { project, service, endpoint, ready: false });
    world.pass(Duration::from_secs(300)).await;
}
