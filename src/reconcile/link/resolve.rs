//! Finds out what is wanted of a link and what is there. Reads only.

use super::{Dependent, Desired, Observed, Recorded, Sharer, delete, status::service_in};
use crate::{
    api::{
        AdoptionPolicy, AtlasInterfaceEndpoint, AtlasPrivateLink, AtlasPrivateLinkStatus, CommonStatus, DeletionPolicy,
        Origin, Reason, Verdict,
    },
    atlas::{
        Caller,
        ids::ServiceId,
        inventory::{Need, Services},
        region::Region,
    },
    controller::{
        context::{Care, Context},
        kind::{Seen, Situation},
        objects::Watched,
        way,
    },
    reconcile::{
        Moment, Subject,
        attempt::{Attempt, AttemptedWrite, may_have_effect},
        blocked::Blocked,
        ownership::{Claim, Heard, ObjectName},
        policy::Disposal,
    },
};
use kube::ResourceExt;

/// Resolves a link.
///
/// # Errors
/// When it cannot be decided on now.
pub async fn resolve(
    ctx: &Context,
    link: &AtlasPrivateLink,
    subject: Subject,
    care: Care,
) -> Result<Situation<AtlasPrivateLink>, Blocked> {
    let attempt = Attempt::of(link);
    let moment = way::moment(ctx, &subject, attempt.as_ref());
    let recorded = recorded(link, &subject, attempt, &moment);
    let desired = desired(ctx, link, subject, recorded)?;
    let kube = |error| way::by_kubernetes(&error);
    let endpoints = ctx.endpoints.all(care).await.map_err(kube)?;
    let dependents = dependents(&endpoints, &desired.subject.object);
    if desired.subject.deleting
        && let Some(plan) = delete::without_atlas(&desired, &dependents, &moment)
    {
        return Ok(Situation { desired, moment, seen: Seen::Cluster(Box::new(plan)) });
    }
    let seen = look(ctx, link, &desired, care).await;
    way::hear(ctx, &desired.subject.uid, way::heard(&seen), None, false);
    let (services, caller) = seen?;
    way::confirm(ctx, &desired.subject, services.read);
    let links = ctx.links.all(care).await.map_err(kube)?;
    let others = others(ctx, &links, &desired);
    let recorded_elsewhere = links
        .iter()
        .filter_map(Watched::get)
        .filter(|other| other.metadata.uid.as_ref() != Some(&desired.subject.uid))
        .filter_map(service_of)
        .collect();
    let moment = Moment { atlas_time: services.atlas_time(&ctx.clock, moment.now), ..moment };
    let observed = Observed { services, others, recorded_elsewhere, dependents };
    Ok(Situation { desired, moment, seen: Seen::Atlas(Box::new(observed), caller) })
}

async fn look(
    ctx: &Context,
    link: &AtlasPrivateLink,
    desired: &Desired,
    care: Care,
) -> Result<(Services, Caller), Blocked> {
    within_reach(ctx, link, desired)?;
    let (provider, need) = (desired.region.provider(), need(ctx, link, desired, care));
    way::services(ctx, &desired.subject, &link.spec.credentials_ref.name, desired.project, provider, need).await
}

fn desired(ctx: &Context, link: &AtlasPrivateLink, subject: Subject, recorded: Recorded) -> Result<Desired, Blocked> {
    let refused = |message: String| Blocked::by_cluster(Verdict::stalled(Reason::InvalidRequest, message), None);
    let spec = &link.spec;
    let project = spec.project_id.parse().map_err(|problem| refused(format!("spec.projectId: {problem}")))?;
    let region =
        Region::parse(spec.provider, &spec.region).map_err(|problem| refused(format!("spec.region: {problem}")))?;
    let adoption = spec.adoption_policy.unwrap_or_default();
    let disposal = match adoption {
        AdoptionPolicy::AdoptOnly => Disposal::KeepAll,
        AdoptionPolicy::AdoptOrCreate | AdoptionPolicy::CreateOnly => {
            Disposal::of(spec.deletion_policy, ctx.settings.default_deletion_policy)
        }
    };
    Ok(Desired { project, region, adoption, disposal, recorded, subject })
}

/// Whether this version of Atlas' API can say what is wanted. What is to be deleted, of which only the id is said, may lie
/// in a region that it doesn't know.
fn within_reach(ctx: &Context, link: &AtlasPrivateLink, desired: &Desired) -> Result<(), Blocked> {
    let region = &desired.region;
    let supports = if desired.subject.deleting {
        ctx.inventory.supports_listing(region.provider())
    } else {
        ctx.inventory.supports(region)
    };
    supports.map_err(|problem| {
        let message = format!("spec.region ({} {}): {problem}", link.spec.provider, link.spec.region);
        Blocked::by_cluster(Verdict::stalled(Reason::InvalidRequest, message), None)
    })
}

fn recorded(link: &AtlasPrivateLink, subject: &Subject, attempt: Option<Attempt>, moment: &Moment) -> Recorded {
    let status = link.status.clone().unwrap_or_default();
    let service = service_in(&status);
    let tried = attempt.as_ref().filter(|attempt| may_have_effect(attempt, &moment.holder, &moment.attempt));
    Recorded {
        tries: way::tries(&status, subject, tried, |write| match write {
            AttemptedWrite::DeleteService { service: id } => Some(*id) == service,
            AttemptedWrite::CreateService
            | AttemptedWrite::AddEndpoint { .. }
            | AttemptedWrite::RemoveEndpoint { .. } => false,
        }),
        stands: status.state.is_some(),
        service,
        origin: status.origin.filter(|_| service.is_some()).map(|origin| status.claimed(&subject.uid, origin)),
        attempt,
        service_name: status.endpoint_service_name,
    }
}

/// How recent the list must be.
fn need(ctx: &Context, link: &AtlasPrivateLink, desired: &Desired, care: Care) -> Need {
    let quiet = !desired.subject.deleting && way::is_quiet(link.status.as_ref());
    let need = way::need(ctx, &desired.subject, desired.project, quiet, care);
    Need { insist: way::insists(ctx, &desired.subject, link.status.as_ref()), ..need }
}

fn dependents(endpoints: &[Watched<AtlasInterfaceEndpoint>], link: &ObjectName) -> Vec<Dependent> {
    let all = endpoints.iter().filter_map(Watched::get);
    all.filter(|endpoint| {
        endpoint.namespace().as_deref() == Some(&link.namespace) && endpoint.spec.private_link_ref.name == link.name
    })
    .map(|endpoint| Dependent {
        object: ObjectName { namespace: link.namespace.clone(), name: endpoint.name_any() },
        live: endpoint.metadata.deletion_timestamp.is_none(),
        has_ours: has_ours(endpoint),
    })
    .collect()
}

/// Whether an endpoint may still have to take something away through its link.
fn has_ours(endpoint: &AtlasInterfaceEndpoint) -> bool {
    let subject = Subject::of(endpoint, false);
    let status = endpoint.status.clone().unwrap_or_default();
    let origins = status.origin.into_iter().chain(status.retiring.iter().map(|old| old.origin));
    // Told to delete whatever it has, it takes away what it adopted, too.
    let takes_all = endpoint.spec.deletion_policy == Some(DeletionPolicy::Delete);
    let recorded =
        origins.map(|origin| status.claimed(&subject.uid, origin)).any(|origin| takes_all || origin == Origin::Created);
    let attempted = Attempt::of(endpoint).is_some_and(|attempt| attempt.refusal.is_none());
    subject.protected && (recorded || attempted || (subject.deleting && status.origin.is_some()))
}

/// What a link claims: its project and region. `None` for one whose region makes no sense.
pub fn key_of(link: &AtlasPrivateLink) -> Option<(String, Region)> {
    Some((link.spec.project_id.clone(), region_of(link)?))
}

fn region_of(link: &AtlasPrivateLink) -> Option<Region> {
    Region::parse(link.spec.provider, &link.spec.region).ok()
}

/// The other links of the same key.
fn others(ctx: &Context, links: &[Watched<AtlasPrivateLink>], desired: &Desired) -> Vec<Sharer> {
    let project = desired.project.to_string();
    let all = links.iter().filter_map(Watched::get);
    all.filter(|other| other.metadata.uid.as_ref() != Some(&desired.subject.uid))
        .filter(|other| other.spec.project_id == project && region_of(other).as_ref() == Some(&desired.region))
        .map(|other| sharer(ctx, other))
        .collect()
}

/// Whether a link has something new to tell the others of its key: itself (they may wait for it to create, or to go), or
/// what it has seen in Atlas, which is theirs, too. What it says of itself in its conditions is for people.
pub fn tells_others(ctx: &Context, link: &AtlasPrivateLink) -> bool {
    let seen = AtlasPrivateLinkStatus {
        conditions: Vec::new(),
        observed_generation: None,
        last_handled_reconcile_at: None,
        ..link.status.clone().unwrap_or_default()
    };
    let news = (sharer(ctx, link), serde_json::to_string(&seen).ok());
    ctx.memories.tells_others(&link.uid().unwrap_or_default(), &news)
}

/// The service that a link's status records.
fn service_of(link: &AtlasPrivateLink) -> Option<ServiceId> {
    link.status.as_ref().and_then(service_in)
}

fn sharer(ctx: &Context, link: &AtlasPrivateLink) -> Sharer {
    let subject = Subject::of(link, link.spec.suspend.unwrap_or_default());
    let attempt = Attempt::of(link);
    let heard = ctx.memories.hearing(&subject.uid).heard.unwrap_or(Heard::Nothing);
    let status = link.status.as_ref().filter(|status| status.private_link_id.is_some());
    let origin = status.and_then(|status| Some(status.claimed(&subject.uid, status.origin?)));
    let claim = Claim::of(&subject, heard, link.spec.adoption_policy.unwrap_or_default(), origin);
    Sharer { service: service_of(link), attempt, claim }
}
