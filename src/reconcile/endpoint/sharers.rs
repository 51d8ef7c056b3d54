//! The other endpoints that name what one names, and those of which that is not known yet. Reads only.

use super::{
    Attachment, Desired, Held,
    link::{Link, name_of, named_by},
    resolve::attached,
};
use crate::{
    api::{AdoptionPolicy, AtlasInterfaceEndpoint, AtlasPrivateLink, CommonStatus, Origin, Standing, Verdict},
    atlas::{ids::EndpointId, model::ConnectionStatus, region::Region},
    controller::{
        context::{Care, Context},
        memory::Hearing,
        objects::Watched,
        way,
    },
    reconcile::{
        Subject,
        attempt::{Attempt, AttemptedWrite},
        blocked::Blocked,
        link::resolve::key_of,
        ownership::{Claim, Heard, Stake},
    },
};
use jiff::Timestamp;
use kube::ResourceExt;
use std::{cell::LazyCell, collections::HashMap};

pub(super) type Others = (Vec<(Attachment, Claim)>, Vec<Claim>);

/// The other objects that name what this one names, and those of which that is not known yet.
pub(super) async fn others(
    ctx: &Context,
    desired: &Desired,
    link: &Link,
    object: &AtlasInterfaceEndpoint,
    care: Care,
    atlas_time: Timestamp,
) -> Result<Others, Blocked> {
    let endpoints = ctx.endpoints.all(care).await.map_err(|error| way::by_kubernetes(&error))?;
    let links = ctx.links.all(care).await.map_err(|error| way::by_kubernetes(&error))?;
    // A link that was made anew, for another project or region, is not the one of what is attached.
    let leads = |named: &&AtlasPrivateLink| Link::of(named).is_some_and(|named| named.has_what_is_named_by(desired));
    let key = links.iter().filter_map(Watched::get).find(|link| name_of(link) == named_by(object)).filter(leads);
    let key = key.and_then(key_of);
    // Few others want what this one has; only for them their links are looked for.
    let by_name: LazyCell<HashMap<_, _>, _> =
        LazyCell::new(|| links.iter().filter_map(Watched::get).map(|link| (name_of(link), link)).collect());
    let project = link.project.to_string();
    let (mut named, mut unheard) = (Vec::new(), Vec::new());
    for other in endpoints
        .iter()
        .filter_map(Watched::get)
        .filter(|other| other.metadata.uid.as_ref() != Some(&desired.subject.uid))
    {
        let subject = Subject::of(other, other.spec.suspend.unwrap_or_default());
        let hearing = ctx.memories.hearing(&subject.uid);
        if !subject.deleting && may_want(other, desired) {
            let other_link = by_name.get(&named_by(other)).copied();
            let same_project = other_link.is_none_or(|candidate| candidate.spec.project_id == project);
            if same_project && !has_answered(ctx, &hearing, other_link, key.as_ref()) {
                unheard.push(claim(&subject, Heard::Nothing, None));
            }
        }
        named.extend(attachments(other, &subject, &hearing, atlas_time));
    }
    Ok((named, unheard))
}

/// Whether an object may want something that this one has: not, if its spec has another id.
fn may_want(other: &AtlasInterfaceEndpoint, desired: &Desired) -> bool {
    let recorded = &desired.recorded;
    let attempted = recorded.attempt.iter().filter_map(|attempt| match &attempt.write {
        AttemptedWrite::AddEndpoint { endpoint, .. } | AttemptedWrite::RemoveEndpoint { endpoint, .. } => {
            Some(endpoint)
        }
        AttemptedWrite::CreateService | AttemptedWrite::DeleteService { .. } => None,
    });
    let mut all =
        recorded.all().map(|held| &held.attachment).chain(&desired.target).map(|all| &all.endpoint).chain(attempted);
    wanted(other).is_none_or(|wanted| all.any(|id| *id == wanted))
}

/// The id in an object's spec; `None` where it stands elsewhere, or is none.
fn wanted(object: &AtlasInterfaceEndpoint) -> Option<EndpointId> {
    object.spec.interface_endpoint_id.as_ref()?.parse().ok()
}

/// Whether an object has had its answer: through its link, and after it.
fn has_answered(
    ctx: &Context,
    hearing: &Hearing,
    link: Option<&AtlasPrivateLink>,
    key: Option<&(String, Region)>,
) -> bool {
    // Without a key, that of a link that is gone, any of the project may be meant.
    if let (Some(link), Some(key)) = (link, key)
        && key_of(link).as_ref() != Some(key)
    {
        return true;
    }
    let Some(heard) = hearing.heard else { return false };
    let knows_its_own = heard == Heard::Listed && hearing.target.is_some();
    let Some(link) = link else { return heard == Heard::Lacking || knows_its_own };
    // Through a link that leaves nothing new is attached, so whoever waits for it shares nothing through it.
    if knows_its_own || (hearing.waits_for_link && link.metadata.deletion_timestamp.is_some()) {
        return true;
    }
    let of_link = ctx.memories.hearing(&link.uid().unwrap_or_default());
    match of_link.heard {
        None | Some(Heard::Nothing) => false,
        Some(Heard::Lacking) => true,
        Some(Heard::Listed) if hearing.waits_for_link => {
            let standing =
                link.status.as_ref().and_then(|status| Verdict::of(&status.conditions)).map(|(standing, _)| standing);
            standing == Some(Standing::Stalled) || link.spec.suspend == Some(true)
        }
        Some(Heard::Listed) => hearing.last > of_link.since,
    }
}

/// What an object names: what its status records, what is retiring, and what it was found to want.
pub(super) fn attachments(
    other: &AtlasInterfaceEndpoint,
    subject: &Subject,
    hearing: &Hearing,
    atlas_time: Timestamp,
) -> Vec<(Attachment, Claim)> {
    let attempt = Attempt::of(other);
    let status = other.status.clone().unwrap_or_default();
    let (held, retiring) = attached(&status, subject);
    let heard = hearing.heard.unwrap_or(Heard::Nothing);
    let has = |held: &Held| (held.attachment.clone(), claim(subject, heard, Some(held.origin)));
    // It may have been edited since it looked.
    let target = hearing.target.clone().map(|target| match wanted(other) {
        Some(endpoint) => Attachment { endpoint, ..target },
        None => target,
    });
    let wants_again = |old: &Attachment| match &target {
        Some(target) => target == old,
        None => wanted(other).as_ref() == Some(&old.endpoint),
    };
    let status_is_its_own = !status.is_copied(&subject.uid);
    let connected = status.connection_status.as_deref() == Some(ConnectionStatus::Available.as_str())
        && status.delete_requested != Some(true);
    let has_successor = status_is_its_own && held.is_some() && connected;
    let retires = |old: &Held| {
        let (attachment, claim) = has(old);
        let removes = |attempt: &Attempt| attempt.may_remove(&attachment) && !attempt.is_past(atlas_time);
        let (wanted, removed) = (wants_again(&attachment), attempt.as_ref().is_some_and(removes));
        let stake = Stake::Replaced { needs: wanted || !has_successor, cares: wanted || removed };
        (attachment, Claim { stake, ..claim })
    };
    let mut all: Vec<_> = held.iter().map(has).chain(retiring.iter().map(retires)).collect();
    // What was made for a service that is gone is never attached to the next one.
    let is_of_a_gone_service =
        |target: &Attachment| held.as_ref().is_some_and(|held| held.attachment.endpoint == target.endpoint);
    if let Some(target) = target.as_ref().filter(|target| !is_of_a_gone_service(target))
        && all.iter().all(|(attachment, _)| attachment != target)
    {
        // What a suspended one names and has not, it records only if nothing else is recorded of it.
        let attempted = attempt.as_ref().is_some_and(|attempt| attempt.may_have_attached(target));
        let blank = subject.suspended && !attempted && all.is_empty();
        if blank || attempted || !subject.suspended {
            all.push((target.clone(), Claim { blank, ..claim(subject, heard, None) }));
        }
    }
    all
}

fn claim(subject: &Subject, heard: Heard, origin: Option<Origin>) -> Claim {
    Claim::of(subject, heard, AdoptionPolicy::AdoptOrCreate, origin)
}
