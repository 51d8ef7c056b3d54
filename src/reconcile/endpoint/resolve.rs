//! Finds out what is wanted of an endpoint and what is there. Reads only.

use super::{Attachment, Desired, Held, Observed, Recorded, delete};
use crate::{
    api::{AdoptionPolicy, AtlasInterfaceEndpoint, AtlasPrivateLink, Reason, Standing, Verdict, is_object_name},
    atlas::{
        Caller,
        error::Class,
        ids::{EndpointId, ProjectId, ServiceId},
        inventory::{Need, Services, View},
        model::Endpoint,
        region::{Provider, Region},
    },
    controller::{
        context::{Care, Context, Watched},
        kind::{Seen, Situation},
        memory::{Hearing, Way},
        way,
    },
    reconcile::{
        Moment, Subject,
        attempt::{Attempt, AttemptedWrite, claimed},
        blocked::Blocked,
        link::resolve::key_of,
        ownership::{Claim, Heard},
        policy::Disposal,
    },
};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, ResourceExt};
use tokio::time::Instant;

/// What an endpoint needs of its link.
struct Link {
    project: ProjectId,
    provider: Provider,
    secret: String,
    service: Option<ServiceId>,
    standing: Option<Standing>,
    leaving: bool,
}

impl Link {
    /// One that is gone, as far as an endpoint needs it to detach itself.
    fn remembered(way: Way) -> Self {
        Self {
            project: way.caller.project,
            provider: way.provider,
            secret: way.secret,
            service: None,
            standing: None,
            leaving: true,
        }
    }
}

/// Resolves an endpoint.
///
/// # Errors
/// When it cannot be decided on now.
pub async fn resolve(
    ctx: &Context,
    object: &AtlasInterfaceEndpoint,
    subject: Subject,
    care: Care,
) -> Result<Situation<AtlasInterfaceEndpoint>, Blocked> {
    let attempt = Attempt::read(object.metadata.annotations.as_ref(), &subject.uid);
    let moment = way::moment(ctx, &subject, attempt.as_ref());
    let mut desired = Desired {
        target: None,
        link_leaving: false,
        id_may_change: object.spec.interface_endpoint_id_from.is_some(),
        disposal: Disposal::of(object.spec.deletion_policy, ctx.settings.default_deletion_policy),
        recorded: recorded(object, &subject, attempt),
        subject,
    };
    if desired.subject.deleting
        && let Some(plan) = delete::without_atlas(&desired, &moment)
    {
        return Ok(Situation { desired, moment, seen: Seen::Cluster(Box::new(plan)) });
    }
    let found = find(ctx, object, &mut desired).await;
    let link = match found {
        Ok(link) => link,
        Err(blocked) => {
            let waits = blocked.verdict.reason == Reason::WaitingForLink;
            way::hear(ctx, &desired.subject.uid, way::heard(&Err::<(), _>(blocked.clone())), None, waits);
            return Err(blocked);
        }
    };
    let seen = look(ctx, object, &desired, &link, care).await;
    way::hear(ctx, &desired.subject.uid, way::heard(&seen), desired.target.clone(), false);
    let Sight { services, caller, endpoint } = seen?;
    way::confirm(ctx, &desired.subject, endpoint.as_ref().map_or(services.read, |endpoint| endpoint.read));
    let (others, unheard) = others(ctx, &desired, &link, object, care).await?;
    let moment = Moment { atlas_time: services.atlas_time(&ctx.clock, moment.now), ..moment };
    let observed = Observed { services, endpoint, others, unheard };
    Ok(Situation { desired, moment, seen: Seen::Atlas(Box::new(observed), caller) })
}

fn recorded(object: &AtlasInterfaceEndpoint, subject: &Subject, attempt: Option<Attempt>) -> Recorded {
    let status = object.status.clone().unwrap_or_default();
    let held = |service: &str, endpoint: &str, origin| {
        Some(Held {
            attachment: Attachment { service: service.parse().ok()?, endpoint: endpoint.parse().ok()? },
            origin: claimed(object, origin),
        })
    };
    let current = match (&status.private_link_id, &status.interface_endpoint_id, status.origin) {
        (Some(service), Some(endpoint), Some(origin)) => held(service, endpoint, origin),
        _ => None,
    };
    let tries = way::tries(&status, subject, attempt.as_ref(), |write| match write {
        AttemptedWrite::RemoveEndpoint { endpoint, .. } => {
            current.as_ref().is_some_and(|held| held.attachment.endpoint == *endpoint)
        }
        AttemptedWrite::AddEndpoint { .. } | AttemptedWrite::CreateService | AttemptedWrite::DeleteService { .. } => {
            false
        }
    });
    let retiring = status
        .retiring
        .iter()
        .filter_map(|old| held(&old.private_link_id, &old.interface_endpoint_id, old.origin))
        .collect();
    Recorded { connected: status.connection_status.is_some(), held: current, retiring, attempt, tries }
}

/// Finds the link and the id of the endpoint.
async fn find(ctx: &Context, object: &AtlasInterfaceEndpoint, desired: &mut Desired) -> Result<Link, Blocked> {
    let subject = &desired.subject;
    let name = &object.spec.private_link_ref.name;
    let waits = |message: String| Blocked::by_cluster(Verdict::reconciling(Reason::WaitingForLink, message), None);
    let refused = |message: String| Blocked::by_cluster(Verdict::stalled(Reason::InvalidRequest, message), None);
    let found = ctx.links.find(&subject.object.namespace, name);
    let Some(found) = found.as_ref().and_then(Watched::get) else {
        let missing = || waits(format!("the AtlasPrivateLink {name:?} does not exist in this namespace"));
        return if subject.deleting { way_out(ctx, desired).ok_or_else(missing) } else { Err(missing()) };
    };
    let link = link(found)
        .ok_or_else(|| refused(format!("the AtlasPrivateLink {name:?} is not valid; see its conditions")))?;
    if link.provider != Provider::Aws {
        return Err(refused(format!(
            "the AtlasPrivateLink {name:?} is on {}: interface endpoints are supported on AWS only so far",
            link.provider
        )));
    }
    desired.link_leaving = link.leaving;
    if desired.subject.deleting {
        // A link that was made anew, for another project say, is no way to what was attached through the one before it.
        let another = link.service.is_none_or(|service| !has(desired, service)).then(|| beside(ctx, desired)).flatten();
        return Ok(another.unwrap_or(link));
    }
    let id = endpoint_id(ctx, object).await?;
    let holds = desired.recorded.held.is_some();
    match link.service {
        Some(service) if holds || link.standing == Some(Standing::Ready) => {
            desired.target = Some(Attachment { service, endpoint: id });
            Ok(link)
        }
        Some(_) | None if link.leaving => Err(waits(format!("the AtlasPrivateLink {name:?} is being deleted"))),
        Some(_) | None => Err(waits(format!("the AtlasPrivateLink {name:?} is not Ready yet"))),
    }
}

/// How an endpoint that has lost its link can still be detached. A link that is gone took nothing with it: the way through
/// it is remembered; else another one of the namespace that has the same service is as good.
fn way_out(ctx: &Context, desired: &Desired) -> Option<Link> {
    let remembered = ctx.memories.with(&desired.subject.uid, |memory| memory.way.clone()).map(Link::remembered);
    remembered.or_else(|| beside(ctx, desired))
}

/// A link of the namespace that has the service of something that the endpoint has.
fn beside(ctx: &Context, desired: &Desired) -> Option<Link> {
    let as_good = |other: &AtlasPrivateLink| {
        let link = link(other).filter(|_| other.namespace().as_ref() == Some(&desired.subject.object.namespace))?;
        link.service.is_some_and(|service| has(desired, service)).then_some(link)
    };
    ctx.links.cached().iter().filter_map(Watched::get).find_map(as_good)
}

/// Whether the endpoint has something at this service.
fn has(desired: &Desired, service: ServiceId) -> bool {
    let recorded = &desired.recorded;
    recorded.held.iter().chain(&recorded.retiring).any(|held| held.attachment.service == service)
}

fn link(object: &AtlasPrivateLink) -> Option<Link> {
    let status = object.status.as_ref();
    Some(Link {
        project: object.spec.project_id.parse().ok()?,
        provider: object.spec.provider,
        secret: object.spec.credentials_ref.name.clone(),
        service: status.and_then(|status| status.private_link_id.as_ref()?.parse().ok()),
        standing: status.and_then(|status| Verdict::of(&status.conditions)).map(|(standing, _)| standing),
        leaving: object.metadata.deletion_timestamp.is_some(),
    })
}

async fn endpoint_id(ctx: &Context, object: &AtlasInterfaceEndpoint) -> Result<EndpointId, Blocked> {
    let refused =
        |message: String, retry_at| Blocked::by_cluster(Verdict::stalled(Reason::InvalidRequest, message), retry_at);
    if let Some(id) = &object.spec.interface_endpoint_id {
        return id.parse().map_err(|problem| refused(format!("spec.interfaceEndpointId: {problem}"), None));
    }
    let Some(source) = &object.spec.interface_endpoint_id_from else {
        return Err(refused("spec has neither interfaceEndpointId nor interfaceEndpointIdFrom".to_owned(), None));
    };
    let reference = &source.config_map_key_ref;
    let again = Some(Instant::now() + ctx.settings.poll_interval);
    let namespace = object.namespace().unwrap_or_default();
    let found = match is_object_name(&reference.name) {
        true => Api::<ConfigMap>::namespaced(ctx.client.clone(), &namespace).get_opt(&reference.name).await,
        false => Ok(None),
    };
    let found = found.map_err(|error| match way::is_forbidden(&error) {
        true => Blocked::forbidden_config_map(&reference.name, Instant::now() + ctx.settings.poll_interval),
        false => way::by_kubernetes(&error),
    })?;
    let value = found.and_then(|map| map.data?.remove(&reference.key)).filter(|value| !value.trim().is_empty());
    let Some(value) = value else {
        let message = format!(
            "the ConfigMap {:?} has no key {:?} with the id of the endpoint yet",
            reference.name, reference.key
        );
        return Err(Blocked::by_cluster(Verdict::reconciling(Reason::WaitingForEndpointId, message), again));
    };
    value.trim().parse().map_err(|problem| {
        refused(format!("the key {:?} of the ConfigMap {:?}: {problem}", reference.key, reference.name), again)
    })
}

/// The attachment whose connection decides: the held one, else the one wanted.
fn in_question(desired: &Desired) -> Option<Attachment> {
    desired.recorded.held.as_ref().map(|held| held.attachment.clone()).or_else(|| desired.target.clone())
}

/// What was seen of Atlas.
struct Sight {
    services: Services,
    caller: Caller,
    endpoint: Option<View<Endpoint>>,
}

/// Looks at the list, and at the connection of what it shows. While only the connection moves, only that is polled.
async fn look(
    ctx: &Context,
    object: &AtlasInterfaceEndpoint,
    desired: &Desired,
    link: &Link,
    care: Care,
) -> Result<Sight, Blocked> {
    let subject = &desired.subject;
    // An old endpoint that is being detached moves, however ready the new one is.
    let settled = !subject.deleting && desired.recorded.retiring.is_empty();
    let quiet = settled && way::is_quiet(object.status.as_ref());
    let insist = way::insists(ctx, subject, object.status.as_ref());
    let need = |quiet| Need { insist, ..way::need(ctx, subject, link.project, quiet, care) };
    let list = async |need| way::services(ctx, subject, &link.secret, link.project, link.provider, need).await;
    let connected = settled && desired.recorded.held.is_some();
    let (mut services, mut caller) = list(need(quiet || connected)).await?;
    let attachment = in_question(desired).filter(|_| !subject.deleting);
    if connected && !quiet && !attachment.as_ref().is_some_and(|attachment| lists(&services, attachment)) {
        (services, caller) = list(need(quiet)).await?;
    }
    let Some(attachment) = attachment.filter(|attachment| lists(&services, attachment)) else {
        return Ok(Sight { services, caller, endpoint: None });
    };
    let get = async |caller: &Caller| way::endpoint(ctx, subject, caller, &attachment, need(quiet)).await;
    let mut seen = get(&caller).await;
    if let Err(unseen) = &seen
        && let Some(newer) = way::after_rotation(ctx, subject, &link.secret, &caller, &unseen.failure).await
    {
        seen = get(&newer).await;
        caller = newer;
    }
    match seen {
        Ok(view) => Ok(Sight { services, caller, endpoint: Some(view) }),
        Err(unseen) if unseen.failure.error.class == Class::Missing => {
            // That asks for a list and proves nothing.
            let need = Need { after: Some(ctx.inventory.sequence()), ..need(quiet) };
            let (services, caller) = list(need).await?;
            if lists(&services, &attachment) {
                // It is there after all: that it is not shown says no more than no answer.
                return Err(way::blocked(ctx, subject, &link.secret, &unseen));
            }
            Ok(Sight { services, caller, endpoint: None })
        }
        Err(unseen) => Err(way::blocked(ctx, subject, &link.secret, &unseen)),
    }
}

fn lists(services: &Services, attachment: &Attachment) -> bool {
    let service = services.value.iter().find(|service| service.id == attachment.service);
    service.is_some_and(|service| service.has_endpoint(&attachment.endpoint))
}

type Others = (Vec<(Attachment, Claim)>, Vec<Claim>);

/// The other objects that name what this one names, and those of which that is not known yet.
async fn others(
    ctx: &Context,
    desired: &Desired,
    link: &Link,
    object: &AtlasInterfaceEndpoint,
    care: Care,
) -> Result<Others, Blocked> {
    let endpoints = ctx.endpoints.all(care).await.map_err(|error| way::by_kubernetes(&error))?;
    let links = ctx.links.all(care).await.map_err(|error| way::by_kubernetes(&error))?;
    let key = links.iter().filter_map(Watched::get).find(|other| is_link_of(object, other)).and_then(key_of);
    let (mut named, mut unheard) = (Vec::new(), Vec::new());
    for other in
        endpoints.iter().filter_map(Watched::get).filter(|other| other.uid().as_deref() != Some(&desired.subject.uid))
    {
        let subject = Subject::of(other, other.spec.suspend.unwrap_or_default());
        let hearing = ctx.memories.hearing(&subject.uid);
        let other_link = links.iter().filter_map(Watched::get).find(|candidate| is_link_of(other, candidate));
        let same_project = other_link.is_none_or(|candidate| candidate.spec.project_id == link.project.to_string());
        if same_project && !subject.deleting && !has_answered(ctx, &hearing, other_link, key.as_ref()) {
            unheard.push(claim(&subject, Heard::Nothing, None));
        }
        named.extend(attachments(other, &subject, &hearing));
    }
    Ok((named, unheard))
}

fn is_link_of(endpoint: &AtlasInterfaceEndpoint, link: &AtlasPrivateLink) -> bool {
    endpoint.namespace() == link.namespace()
        && link.metadata.name.as_ref() == Some(&endpoint.spec.private_link_ref.name)
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
fn attachments(other: &AtlasInterfaceEndpoint, subject: &Subject, hearing: &Hearing) -> Vec<(Attachment, Claim)> {
    let attempt = Attempt::read(other.metadata.annotations.as_ref(), &subject.uid);
    let recorded = recorded(other, subject, attempt);
    let heard = hearing.heard.unwrap_or(Heard::Nothing);
    let held = recorded.held.iter().chain(&recorded.retiring);
    let mut all: Vec<_> =
        held.map(|held| (held.attachment.clone(), claim(subject, heard, Some(held.origin)))).collect();
    // What was made for a service that is gone is never attached to the next one.
    let replaced =
        |target: &Attachment| recorded.held.as_ref().is_some_and(|held| held.attachment.endpoint == target.endpoint);
    // It may have been edited since it looked.
    let edited = other.spec.interface_endpoint_id.as_ref().and_then(|id| id.parse().ok());
    let target = hearing.target.clone().map(|target| match edited {
        Some(endpoint) => Attachment { endpoint, ..target },
        None => target,
    });
    if let Some(target) = target.as_ref().filter(|target| !replaced(target))
        && all.iter().all(|(attachment, _)| attachment != target)
    {
        // What a suspended one names and has not, it records only if nothing else is recorded of it.
        let attempted = recorded.attempt.as_ref().is_some_and(|attempt| attempt.may_have_attached(target));
        let blank = subject.suspended && !attempted && all.is_empty();
        if blank || attempted || !subject.suspended {
            all.push((target.clone(), Claim { blank, ..claim(subject, heard, None) }));
        }
    }
    all
}

fn claim(subject: &Subject, heard: Heard, origin: Option<crate::api::Origin>) -> Claim {
    Claim {
        object: subject.object.clone(),
        uid: subject.uid.clone(),
        created: subject.created,
        live: !subject.deleting,
        heard,
        adoption: AdoptionPolicy::AdoptOrCreate,
        origin,
        blank: false,
    }
}
