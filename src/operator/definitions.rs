//! Whether the custom resources are there to be watched.

use crate::{
    api::{AtlasInterfaceEndpoint, AtlasPrivateLink, GROUP},
    controller::kind::Kind,
    metrics::Metrics,
    server::{Health, Phase},
};
use kube::{Api, Client, api::ListParams, core::PartialObjectMeta};
use std::time::Duration;

/// Waits until both kinds can be listed, in one of the namespaces at least.
pub(super) async fn wait_for_crds(client: &Client, namespaces: &[String], health: &Health, metrics: &Metrics) {
    let mut pause = Duration::from_millis(200);
    loop {
        let links = serves_somewhere::<AtlasPrivateLink>(client, namespaces).await;
        let endpoints = serves_somewhere::<AtlasInterfaceEndpoint>(client, namespaces).await;
        let problems: Vec<Problem> = [links, endpoints].into_iter().filter_map(Result::err).collect();
        let missing: Vec<String> = problems.iter().filter_map(Problem::missing).collect();
        metrics.crds_missing(missing.len());
        let phase = match (problems.is_empty(), missing.is_empty()) {
            (true, _) => return,
            (false, false) => Phase::WaitingForCrds(missing),
            (false, true) => Phase::CannotList(problems.iter().map(Problem::to_string).collect()),
        };
        if health.phase() != phase {
            tracing::warn!(?phase, "the custom resources cannot be listed yet");
            health.set(phase);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(5));
    }
}

/// Why a kind cannot be listed.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("{0} is not installed")]
    Missing(String),
    #[error("{0}: {1}")]
    Refused(String, kube::Error),
    #[error("{name}: no answer within {} s", PATIENCE.as_secs())]
    Silence { name: String },
}

impl Problem {
    /// The name of the CustomResourceDefinition, if that is what is missing.
    fn missing(&self) -> Option<String> {
        match self {
            Self::Missing(name) => Some(name.clone()),
            Self::Refused(..) | Self::Silence { .. } => None,
        }
    }
}

/// How long the API server is waited for.
const PATIENCE: Duration = Duration::from_secs(15);

/// Whether a kind can be listed in all namespaces or, where some are named, in one of them: another one may be gone, and
/// with it the permission.
async fn serves_somewhere<K: Kind>(client: &Client, namespaces: &[String]) -> Result<(), Problem> {
    let Some((first, others)) = namespaces.split_first() else { return serves::<K>(client, None).await };
    let mut served = serves::<K>(client, Some(first)).await;
    for namespace in others {
        if served.is_ok() {
            break;
        }
        // That the definition is missing tells more than that another namespace may not be read.
        served = match (served, serves::<K>(client, Some(namespace)).await) {
            (Err(missing @ Problem::Missing(_)), Err(_)) => Err(missing),
            (_, next) => next,
        };
    }
    served
}

/// Whether a kind can be listed.
async fn serves<K: Kind>(client: &Client, namespace: Option<&str>) -> Result<(), Problem> {
    let api: Api<PartialObjectMeta<K>> = match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    };
    let name = format!("{}.{GROUP}", K::plural(&()));
    match tokio::time::timeout(PATIENCE, api.list_metadata(&ListParams::default().limit(1))).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(kube::Error::Api(status))) if status.is_not_found() => Err(Problem::Missing(name)),
        Ok(Err(error)) => Err(Problem::Refused(name, error)),
        Err(_elapsed) => Err(Problem::Silence { name }),
    }
}
