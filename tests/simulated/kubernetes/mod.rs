//! The in-process API server, used as an operator uses it: through kube.

mod controller;
mod faults;
mod objects;
mod watches;

use std::time::Duration;

use atlas_privatelink_operator::{clock::Clock, testbed::kubernetes::ApiServer};
use kube::{
    Api, Client, Error,
    api::{ApiResource, DynamicObject, GroupVersionKind},
};
use serde_json::{Value, json};

const LINKS: &str = "atlasprivatelinks";

fn server() -> ApiServer {
    ApiServer::new(Clock::starting_at("2026-01-01T00:00:00Z".parse().expect("a time")))
}

fn kind() -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk("atlas.privatelink.dev", "v1alpha1", "AtlasPrivateLink"))
}

fn links(client: Client) -> Api<DynamicObject> {
    Api::namespaced_with(client, "default", &kind())
}

fn link(name: &str, region: &str) -> Value {
    json!({
        "apiVersion": "atlas.privatelink.dev/v1alpha1",
        "kind": "AtlasPrivateLink",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"region": region},
    })
}

fn read(value: Value) -> DynamicObject {
    serde_json::from_value(value).expect("an object")
}

/// The status code of a refusal; 0 for what is none.
fn code<T>(answer: Result<T, Error>) -> u16 {
    match answer {
        Err(Error::Api(status)) => status.code,
        Ok(_) | Err(_) => 0,
    }
}

async fn minutes(minutes: u64) {
    tokio::time::sleep(Duration::from_secs(60 * minutes)).await;
}
