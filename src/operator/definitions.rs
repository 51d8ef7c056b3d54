//! Whether the custom resources are there to be watched.

use crate::{
    api::{AtlasInterfaceEndpoint, AtlasPrivateLink, GROUP},
    controller::kind::Kind,
    metrics::Metrics,
    server::{Health, Phase},
};
use kube::{Api, Client, api::ListParams, core::PartialObjectMeta};
use std::time::Duration;

/// Waits until both kinds are served.
pub(super) async fn wait_for_crds(client: &Client, namespaces: &[String], health: &Health, metrics: &Metrics) {
    let mut pause = Duration::from_millis(200);
    let scope = namespaces.first().map(String::as_str);
    loop {
        let (links, endpoints) =
            (serves::<AtlasPrivateLink>(client, scope).await, serves::<AtlasInterfaceEndpoint>(client, scope).await);
        let missing: Vec<String> = [links, endpoints].into_iter().filter_map(Result::err).collect();
        metrics.crds_missing(missing.len());
        if missing.is_empty() {
            return;
        }
        let phase = Phase::WaitingForCrds(missing);
        if health.phase() != phase {
            tracing::warn!(?phase, "the custom resources cannot be listed yet");
            health.set(phase);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(5));
    }
}

/// Whether a kind can be listed; otherwise its CRD's name, or what else is in the way.
async fn serves<K: Kind>(client: &Client, namespace: Option<&str>) -> Result<(), String> {
    let api: Api<PartialObjectMeta<K>> = match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    };
    let name = format!("{}.{GROUP}", K::plural(&()));
    match api.list_metadata(&ListParams::default().limit(1)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_not_found() => Err(name),
        Err(error) => Err(format!("{name} ({error})")),
    }
}
