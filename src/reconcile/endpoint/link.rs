//! What an endpoint needs of its link, and how it gets to Atlas where that one is gone or leads elsewhere. Reads only.

use super::Desired;
use crate::{
    api::{AtlasInterfaceEndpoint, AtlasPrivateLink, Reason, Standing, Verdict},
    atlas::{
        ids::{ProjectId, ServiceId},
        region::Provider,
    },
    controller::{context::Context, memory::Way, objects::Watched},
    reconcile::{blocked::Blocked, link::status::service_in},
};
use kube::ResourceExt;

/// Namespace and name of a link.
pub type Name<'a> = (Option<&'a str>, Option<&'a str>);

/// What a link is named by.
pub fn name_of(link: &AtlasPrivateLink) -> Name<'_> {
    (link.metadata.namespace.as_deref(), link.metadata.name.as_deref())
}

/// The link that an endpoint names.
pub fn named_by(endpoint: &AtlasInterfaceEndpoint) -> Name<'_> {
    (endpoint.metadata.namespace.as_deref(), Some(&endpoint.spec.private_link_ref.name))
}

/// What an endpoint needs of its link.
pub(super) struct Link {
    pub project: ProjectId,
    pub provider: Provider,
    pub secret: String,
    pub service: Option<ServiceId>,
    pub standing: Option<Standing>,
    pub leaving: bool,
}

impl Link {
    /// `None` for one that is not valid.
    pub(super) fn of(object: &AtlasPrivateLink) -> Option<Self> {
        let status = object.status.as_ref();
        Some(Self {
            project: object.spec.project_id.parse().ok()?,
            provider: object.spec.provider,
            secret: object.spec.credentials_ref.name.clone(),
            service: status.and_then(service_in),
            standing: status.and_then(|status| Verdict::of(&status.conditions)).map(|(standing, _)| standing),
            leaving: object.metadata.deletion_timestamp.is_some(),
        })
    }

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

    /// Whether it has the service of what the endpoint has, or wants.
    pub(super) fn has_what_is_named_by(&self, desired: &Desired) -> bool {
        let wanted = desired.target.iter().map(|target| target.service);
        let mut all = desired.recorded.all().map(|held| held.attachment.service).chain(wanted);
        self.service.is_some_and(|service| all.any(|named| named == service))
    }

    /// Whether what the endpoint has can be detached through it.
    fn leads_to_all_of(&self, desired: &Desired) -> bool {
        let same_service = || self.service.is_some_and(|service| has(desired, service));
        self.provider == Provider::Aws
            && desired.recorded.project.map_or_else(same_service, |project| project == self.project)
    }
}

pub(super) fn waits(message: String) -> Blocked {
    Blocked::by_cluster(Verdict::reconciling(Reason::WaitingForLink, message), None)
}

pub(super) fn refused(message: String) -> Blocked {
    Blocked::by_cluster(Verdict::stalled(Reason::InvalidRequest, message), None)
}

/// The link that the endpoint names, for one that is to stay.
///
/// # Errors
/// When there is none, or it cannot be used.
pub(super) fn named(found: Option<&AtlasPrivateLink>, name: &str, desired: &Desired) -> Result<Link, Blocked> {
    let link = valid(found, name)?;
    match desired.recorded.project {
        Some(project) if project != link.project => Err(refused(format!(
            "the endpoint is attached in the project {project}, and the AtlasPrivateLink {name:?} is of another one by now: delete this resource, and create it again"
        ))),
        Some(_) | None => Ok(link),
    }
}

fn valid(found: Option<&AtlasPrivateLink>, name: &str) -> Result<Link, Blocked> {
    let found =
        found.ok_or_else(|| waits(format!("the AtlasPrivateLink {name:?} does not exist in this namespace")))?;
    let link = Link::of(found)
        .ok_or_else(|| refused(format!("the AtlasPrivateLink {name:?} is not valid; see its conditions")))?;
    match link.provider {
        Provider::Aws => Ok(link),
        Provider::Azure | Provider::Gcp => Err(refused(format!(
            "the AtlasPrivateLink {name:?} is on {}: interface endpoints are supported on AWS only so far",
            link.provider
        ))),
    }
}

/// How an endpoint that is being deleted gets to Atlas. A link that is gone took nothing with it, and one that was made
/// anew, for another project say, is no way to what was attached through the one before it: the way through that one is
/// remembered; else another link of the namespace is as good that is of the same project, or has the same service.
///
/// # Errors
/// When there is none.
pub(super) fn way_out(
    ctx: &Context,
    found: Option<&AtlasPrivateLink>,
    name: &str,
    desired: &Desired,
) -> Result<Link, Blocked> {
    let named = match valid(found, name) {
        Ok(link) if link.leads_to_all_of(desired) => return Ok(link),
        other => other,
    };
    let remembered = ctx.memories.with(&desired.subject.uid, |memory| memory.way.clone()).map(Link::remembered);
    let leads = |link: &Link| match desired.recorded.project {
        Some(project) => project == link.project,
        // What it has is not known: any way is good, if the link is gone.
        None => found.is_none(),
    };
    if let Some(link) = remembered.filter(leads).or_else(|| beside(ctx, desired)) {
        return Ok(link);
    }
    let link = named?;
    match desired.recorded.project {
        Some(project) => Err(waits(format!(
            "the endpoint is attached in the project {project}, and the AtlasPrivateLink {name:?} is of another one by now: create an AtlasPrivateLink of that project in this namespace, for it to be detached"
        ))),
        None => Ok(link),
    }
}

/// A link of the namespace through which what the endpoint has can be detached.
fn beside(ctx: &Context, desired: &Desired) -> Option<Link> {
    let as_good = |other: &AtlasPrivateLink| {
        let here = other.namespace().as_ref() == Some(&desired.subject.object.namespace);
        Link::of(other).filter(|link| here && link.leads_to_all_of(desired))
    };
    ctx.links.cached().iter().filter_map(Watched::get).find_map(as_good)
}

/// Whether the endpoint has something at this service.
fn has(desired: &Desired, service: ServiceId) -> bool {
    desired.recorded.all().any(|held| held.attachment.service == service)
}
