//! The hand-over of what several objects share, when its owner goes (design.md, safety rule 7).

use super::{
    context::Context,
    events::{News, announce},
    kind::Kind,
    write,
};
use crate::{
    api::CommonStatus,
    reconcile::{
        Subject,
        ownership::{Heir, ObjectName},
    },
};

/// Records in the heir's status what it inherits: before that its finalizer, which one that is suspended may not have.
///
/// An heir that is gone, leaving, or found to record something else is left as it is; the owner decides anew.
///
/// # Errors
/// When the API server does not take a write.
pub async fn record<K: Kind>(
    ctx: &Context,
    heir: &Heir,
    inherit: impl FnOnce(&K::Status, &Subject) -> Option<K::Status>,
    note: String,
) -> Result<(), kube::Error> {
    let Heir { object: ObjectName { namespace, name }, uid } = heir;
    let of_another = |error| unnamed(error, namespace);
    let found = K::objects(ctx).api(namespace).get_opt(name).await.map_err(of_another)?;
    // Under its name there may be another one by now.
    let is_it = |found: &K| found.meta().uid.as_ref() == Some(uid) && found.meta().deletion_timestamp.is_none();
    let Some(mut heir) = found.filter(is_it) else { return Ok(()) };
    let before = heir.status().cloned().unwrap_or_default();
    let subject = Subject::of(&heir, heir.is_suspended());
    let Some(status) = inherit(&before.of_object(&subject.uid), &subject) else { return Ok(()) };
    if status == before {
        return Ok(());
    }
    if !subject.protected {
        heir = write::record(ctx, &heir, None).await.map_err(of_another)?;
    }
    let heir = write::status(ctx, &heir, status).await.map_err(of_another)?;
    announce(ctx, &heir, News::normal("HandedOver", "Inherit", note)).await;
    Ok(())
}

/// What the API server says of a resource of another namespace names it; of that one only the namespace is told.
fn unnamed(error: kube::Error, namespace: &str) -> kube::Error {
    match error {
        kube::Error::Api(mut refusal) => {
            refusal.message = format!("a resource in namespace {namespace:?} cannot be changed: {}", refusal.reason);
            kube::Error::Api(refusal)
        }
        other => other,
    }
}
