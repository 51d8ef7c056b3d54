//! A stand-in for the operator: what a real one's objects look like from outside.

use super::KINDS;
use atlas_privatelink_operator::testbed::control_plane::install_crypto_provider;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client, ResourceExt,
    api::{DynamicObject, Patch, PatchParams},
    core::{ApiResource, GroupVersionKind},
};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    env,
    time::{Duration, Instant},
};

/// Set for the process that plays the operator.
const STAND_IN: &str = "DEMO_STAND_IN";

/// How long a state stays at least. A watch that has to begin anew does not show what has passed meanwhile.
const PACE: Duration = Duration::from_millis(700);

/// The line of shell that runs it. That it is one of this control plane shows in its arguments.
pub fn command() -> String {
    let binary = env::current_exe().expect("this test binary");
    format!(
        "{STAND_IN}=1 exec '{}' --exact cluster::demo::stand_in::stand_in --nocapture --skip \"$KUBECONFIG\"",
        binary.display()
    )
}

/// Not a test: with the variable set, the process that plays the operator.
#[tokio::test(flavor = "multi_thread")]
async fn stand_in() {
    if env::var_os(STAND_IN).is_none() {
        return;
    }
    install_crypto_provider();
    let client = Client::try_default().await.expect("KUBECONFIG is set");
    let maps: Api<ConfigMap> = Api::default_namespaced(client.clone());
    let apis = KINDS.map(|kind| {
        let kind = GroupVersionKind::gvk("atlas.privatelink.dev", "v1alpha1", kind);
        Api::<DynamicObject>::default_namespaced_with(client.clone(), &ApiResource::from_gvk(&kind))
    });
    let mut turns = tokio::time::interval(Duration::from_millis(20));
    let mut steps = HashMap::<String, Instant>::new();
    loop {
        turns.tick().await;
        let id_is_there = maps.get_opt("orders-vpc-b").await.is_ok_and(|map| map.is_some());
        for api in &apis {
            // What fails is tried again in the next turn: a definition may be established and not served yet.
            for object in api.list(&Default::default()).await.into_iter().flatten() {
                let last = steps.get(&object.name_any());
                if last.is_some_and(|last| last.elapsed() < PACE) {
                    continue;
                }
                match step(api, &object, id_is_there).await {
                    Ok(()) => drop(steps.insert(object.name_any(), Instant::now())),
                    Err(error) => eprintln!("{error}"),
                }
            }
        }
    }
}

async fn step(api: &Api<DynamicObject>, object: &DynamicObject, id_is_there: bool) -> kube::Result<()> {
    let waits = !object.data["spec"]["interfaceEndpointIdFrom"].is_null() && !id_is_there;
    let field = if object.data["spec"]["provider"].is_null() { "connectionStatus" } else { "state" };
    let deleting = object.metadata.deletion_timestamp.is_some();
    let (state, reason) = match object.data["status"][field].as_str() {
        Some("DELETING") => return finalize(api, object, json!([])).await,
        _ if deleting => ("DELETING", "Deleting"),
        None if waits => ("", "WaitingForEndpointId"),
        None if field == "state" => ("INITIATING", "Creating"),
        None => ("PENDING_ACCEPTANCE", "PendingAcceptance"),
        Some("") if waits => return Ok(()),
        Some("AVAILABLE") => return Ok(()),
        Some(_) => ("AVAILABLE", "Available"),
    };
    if object.finalizers().is_empty() {
        finalize(api, object, json!(["atlas.privatelink.dev/stand-in"])).await?;
    }
    let ready = if reason == "Available" { "True" } else { "False" };
    let conditions = json!([{"type": "Ready", "status": ready, "reason": reason, "message": "as it is"}]);
    let status = json!({field: state, "observedGeneration": object.metadata.generation, "conditions": conditions});
    let patch = Patch::Merge(json!({ "status": status }));
    api.patch_status(&object.name_any(), &PatchParams::default(), &patch).await.map(drop)
}

async fn finalize(api: &Api<DynamicObject>, object: &DynamicObject, finalizers: Value) -> kube::Result<()> {
    let patch = Patch::Merge(json!({"metadata": {"finalizers": finalizers}}));
    api.patch(&object.name_any(), &PatchParams::default(), &patch).await.map(drop)
}
