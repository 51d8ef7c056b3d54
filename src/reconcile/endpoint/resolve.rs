//! Finds out what is wanted of an endpoint and what is there. Reads only.

use super::{
    Attachment, Desired, Held, Observed, Recorded, delete,
    link::{self, Link, waits},
    lists, sharers,
};
use crate::{
    api::{
        AtlasInterfaceEndpoint, AtlasInterfaceEndpointStatus, CommonStatus, Reason, Standing, Verdict, is_object_name,
    },
    atlas::{
        Caller,
        error::Class,
        ids::EndpointId,
        inventory::{Need, Services, View},
        model::Endpoint,
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
        policy::Disposal,
    },
};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, ResourceExt};
use tokio::time::Instant;

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
    let attempt = Attempt::of(object);
    let moment = way::moment(ctx, &subject, attempt.as_ref());
    let mut desired = Desired {
        project: None,
        target: None,
        link_leaving: false,
        id_may_change: object.spec.interface_endpoint_id_from.is_some(),
        disposal: Disposal::of(object.spec.deletion_policy, ctx.settings.default_deletion_policy),
        recorded: recorded(object, &subject, attempt, &moment),
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
    desired.project = Some(link.project);
    let seen = look(ctx, object, &desired, &link, care).await;
    way::hear(ctx, &desired.subject.uid, way::heard(&seen), desired.target.clone(), false);
    let Sight { services, caller, endpoint } = seen?;
    way::confirm(ctx, &desired.subject, endpoint.as_ref().map_or(services.read, |endpoint| endpoint.read));
    let moment = Moment { atlas_time: services.atlas_time(&ctx.clock, moment.now), ..moment };
    let (others, unheard) = sharers::others(ctx, &desired, &link, object, care, moment.atlas_time).await?;
    let observed = Observed { services, endpoint, others, unheard };
    Ok(Situation { desired, moment, seen: Seen::Atlas(Box::new(observed), caller) })
}

fn recorded(object: &AtlasInterfaceEndpoint, subject: &Subject, attempt: Option<Attempt>, moment: &Moment) -> Recorded {
    let status = object.status.clone().unwrap_or_default();
    let (held, retiring) = attached(&status, subject);
    let tried = attempt.as_ref().filter(|attempt| may_have_effect(attempt, &moment.holder, &moment.attempt));
    let tries = way::tries(&status, subject, tried, |write| match write {
        AttemptedWrite::RemoveEndpoint { endpoint, .. } => {
            held.as_ref().is_some_and(|held| held.attachment.endpoint == *endpoint)
        }
        AttemptedWrite::AddEndpoint { .. } | AttemptedWrite::CreateService | AttemptedWrite::DeleteService { .. } => {
            false
        }
    });
    let project = status.project_id.as_ref().and_then(|id| id.parse().ok());
    Recorded { project, connected: status.connection_status.is_some(), held, retiring, attempt, tries }
}

/// What a status records: the one that is held, and those that are to be detached.
pub(super) fn attached(status: &AtlasInterfaceEndpointStatus, subject: &Subject) -> (Option<Held>, Vec<Held>) {
    let held = |service: &str, endpoint: &str, origin| {
        Some(Held {
            attachment: Attachment { service: service.parse().ok()?, endpoint: endpoint.parse().ok()? },
            origin: status.claimed(&subject.uid, origin),
        })
    };
    let current = match (&status.private_link_id, &status.interface_endpoint_id, status.origin) {
        (Some(service), Some(endpoint), Some(origin)) => held(service, endpoint, origin),
        _ => None,
    };
    let retiring = status.retiring.iter();
    (current, retiring.filter_map(|old| held(&old.private_link_id, &old.interface_endpoint_id, old.origin)).collect())
}

/// Finds the link and the id of the endpoint.
async fn find(ctx: &Context, object: &AtlasInterfaceEndpoint, desired: &mut Desired) -> Result<Link, Blocked> {
    let name = &object.spec.private_link_ref.name;
    let found = ctx.links.find(&desired.subject.object.namespace, name);
    let found = found.as_ref().and_then(Watched::get);
    if found.is_none() && !ctx.links.has_shown(&desired.subject.object.namespace) {
        return Err(way::by_an_unseen_link());
    }
    if desired.subject.deleting {
        return link::way_out(ctx, found, name, desired);
    }
    let link = link::named(found, name, desired)?;
    desired.link_leaving = link.leaving;
    let id = endpoint_id(ctx, object).await?;
    // Whoever has something looks after it, and has a say in what others do to it, whatever the link says.
    let has_something = desired.recorded.all().next().is_some();
    match link.service {
        Some(service) if has_something || link.standing == Some(Standing::Ready) => {
            desired.target = Some(Attachment { service, endpoint: id });
            Ok(link)
        }
        Some(_) | None if link.leaving => Err(waits(format!("the AtlasPrivateLink {name:?} is being deleted"))),
        Some(_) | None => Err(waits(format!("the AtlasPrivateLink {name:?} is not Ready yet"))),
    }
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
