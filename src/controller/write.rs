//! Writes to the object itself. Every one carries the resourceVersion that it was decided on, and its answer's version
//! is remembered as this process' own.

use super::{context::Context, kind::Kind, substance::substance};
use crate::{
    api::{ATTEMPT_ANNOTATION, FINALIZER},
    reconcile::attempt::Attempt,
};
use kube::{
    ResourceExt,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

/// Sets the finalizer and, with it in the same write, the record of an attempt.
pub async fn record<K: Kind>(ctx: &Context, object: &K, attempt: Option<&Attempt>) -> Result<K, kube::Error> {
    let finalizers = with_finalizer(object);
    let metadata = match attempt {
        Some(attempt) => {
            json!({"finalizers": finalizers, "annotations": {ATTEMPT_ANNOTATION: attempt.to_annotation()}})
        }
        None => json!({"finalizers": finalizers}),
    };
    patch(ctx, object, metadata).await
}

/// Removes the finalizer.
pub async fn release<K: Kind>(ctx: &Context, object: &K) -> Result<(), kube::Error> {
    let rest: Vec<_> = object.finalizers().iter().filter(|finalizer| *finalizer != FINALIZER).collect();
    match patch(ctx, object, json!({"finalizers": rest})).await {
        Ok(_) => Ok(()),
        // Somebody else was quicker.
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        Err(error) => Err(error),
    }
}

fn with_finalizer<K: Kind>(object: &K) -> Vec<String> {
    let mut all = object.finalizers().to_vec();
    if !all.iter().any(|finalizer| finalizer == FINALIZER) {
        all.push(FINALIZER.to_owned());
    }
    all
}

async fn patch<K: Kind>(ctx: &Context, object: &K, mut metadata: Value) -> Result<K, kube::Error> {
    if let Some(metadata) = metadata.as_object_mut() {
        metadata.insert("resourceVersion".to_owned(), json!(object.resource_version()));
    }
    let api = K::objects(ctx).api(&object.namespace().unwrap_or_default());
    let patch = Patch::Merge(json!({"metadata": metadata}));
    let written = api
        .patch(&object.name_any(), &PatchParams { field_manager: manager(), ..PatchParams::default() }, &patch)
        .await?;
    Ok(own(ctx, written))
}

/// Replaces the status.
pub async fn status<K: Kind>(ctx: &Context, object: &K, status: K::Status) -> Result<K, kube::Error> {
    let api = K::objects(ctx).api(&object.namespace().unwrap_or_default());
    let mut next = object.with_status(status);
    next.managed_fields_mut().clear();
    let written = api
        .replace_status(&object.name_any(), &PostParams { field_manager: manager(), ..PostParams::default() }, &next)
        .await?;
    Ok(own(ctx, written))
}

/// What `metadata.managedFields` calls this program.
pub fn manager() -> Option<String> {
    Some("atlas-privatelink-operator".to_owned())
}

fn own<K: Kind>(ctx: &Context, written: K) -> K {
    let uid = written.uid().unwrap_or_default();
    let substance = substance(&written);
    ctx.memories.with(&uid, |memory| memory.wrote(written.resource_version(), substance));
    written
}
