//! GET of an object and LIST: which version of the world they show, and in which pages.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use http::StatusCode;
use serde_json::{Value, json};

use super::{
    failure::Failure,
    object::{meta, metadata_only},
    route::Call,
    store::{Key, Scope, Store},
};

/// Where the next page begins: after this object, in the world as it was then.
#[derive(serde::Serialize, serde::Deserialize)]
struct Continue {
    rv: u64,
    after: (String, String),
}

/// One object as a reader sees it whose view ends at `horizon`.
pub(super) fn get(store: &Store, key: &Key, horizon: u64) -> Result<Value, Failure> {
    let current = || store.objects.get(key).map(|entry| &entry.object);
    let object = if horizon < store.revision { store.at(key, horizon) } else { current() };
    object.cloned().ok_or_else(|| Failure::not_found(&store.types[key.resource], &key.name))
}

/// A page of a list, for a reader whose view ends at `horizon`.
pub(super) fn list(store: &Store, call: &Call, scope: &Scope, horizon: u64) -> Result<Value, Failure> {
    let start = call.parameter("continue").map(resume).transpose()?;
    let revision = match &start {
        Some(start) => past(store, start.rv)?,
        None => shown(store, call, horizon)?,
    };
    let limit = call.number("limit")?.filter(|limit| *limit > 0).and_then(|limit| usize::try_from(limit).ok());
    let after = start.map(|start| start.after);
    let mut items = store.list(scope, revision);
    items.retain(|(_, object)| after.as_ref().is_none_or(|after| place(object) > *after));
    let left = items.len().saturating_sub(limit.unwrap_or(usize::MAX));
    items.truncate(items.len() - left);
    let mut metadata = json!({"resourceVersion": revision.to_string()});
    if let Some((_, last)) = items.last()
        && left > 0
    {
        let next = json!(Continue { rv: revision, after: place(last) });
        metadata["continue"] = json!(BASE64_URL_SAFE_NO_PAD.encode(next.to_string()));
        metadata["remainingItemCount"] = json!(left);
    }
    Ok(page(store, call, scope, &items, metadata))
}

fn page(store: &Store, call: &Call, scope: &Scope, items: &[(&Key, &Value)], metadata: Value) -> Value {
    let row = &store.types[scope.resource];
    let objects = items.iter().map(|(_, object)| *object);
    if call.metadata_only() {
        let items: Vec<_> = objects.map(metadata_only).collect();
        return json!({"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": metadata, "items": items});
    }
    let items: Vec<_> = objects.collect();
    json!({"kind": format!("{}List", row.kind), "apiVersion": row.api_version(), "metadata": metadata, "items": items})
}

fn place(object: &Value) -> (String, String) {
    (meta(object, "namespace").to_owned(), meta(object, "name").to_owned())
}

fn resume(token: &str) -> Result<Continue, Failure> {
    let invalid = || Failure::bad_request("continue key is not valid");
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(token).map_err(|_| invalid())?;
    serde_json::from_slice(&bytes).map_err(|_| invalid())
}

/// The version that the first page shows.
fn shown(store: &Store, call: &Call, horizon: u64) -> Result<u64, Failure> {
    let wanted = call.revision()?;
    match (wanted, call.parameter("resourceVersionMatch")) {
        (None, Some(_)) => {
            Err(mismatch("Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided"))
        }
        (None | Some(0), None) | (Some(0), Some("NotOlderThan")) => Ok(horizon),
        (Some(wanted), None | Some("NotOlderThan")) if wanted <= horizon => Ok(horizon),
        (Some(wanted), Some("Exact")) if wanted > 0 && wanted <= horizon => past(store, wanted),
        (Some(wanted), None | Some("NotOlderThan" | "Exact")) if wanted > horizon => Err(too_large(wanted, horizon)),
        (Some(_), _) => Err(mismatch("Forbidden: resourceVersionMatch is not valid with this resourceVersion")),
    }
}

fn mismatch(why: &str) -> Failure {
    Failure::invalid_options("ListOptions", "resourceVersionMatch", why)
}

fn past(store: &Store, revision: u64) -> Result<u64, Failure> {
    if revision < store.compacted {
        return Err(Failure::expired("The provided continue parameter or resource version is too old"));
    }
    Ok(revision)
}

fn too_large(wanted: u64, present: u64) -> Failure {
    let message = format!("Timeout: Too large resource version: {wanted}, current: {present}");
    let mut failure = Failure::new(StatusCode::GATEWAY_TIMEOUT, "Timeout", message);
    failure.details = json!({
        "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
        "retryAfterSeconds": 1,
    });
    failure
}
