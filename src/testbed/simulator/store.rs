//! What exists: services and their endpoints, one store under both dialects (atlas-api.md §8).

use super::{
    aws::Aws,
    ids::Mint,
    ledger::Effect,
    lifecycle::{EndpointState, ServiceState, Step, Timeline, delays},
    regions::{Provider, Region},
    settings::Settings,
};
use tokio::time::Instant;

/// An endpoint service (v2) = private endpoint connection (v1.0).
pub(super) struct Service {
    pub(super) id: String,
    pub(super) project: String,
    pub(super) provider: Provider,
    pub(super) region: Region,
    /// GCP only.
    pub(super) port_mapped: bool,
    /// AWS only: where else VPCs may connect from.
    pub(super) remote_regions: Option<Vec<String>>,
    pub(super) state: ServiceState,
    pub(super) error: Option<String>,
    /// Names are null until the service was ready once (atlas-api.md §2, REC).
    pub(super) named: bool,
    pub(super) names: Names,
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) timeline: Timeline<ServiceState>,
    /// Whether a failure that is still to come leaves it without names.
    fails_unnamed: bool,
}

/// What a ready service is called at its provider.
pub(super) enum Names {
    Aws(String),
    Azure { name: String, resource: String },
    Gcp(Vec<String>),
}

/// A private endpoint = interface endpoint.
pub(super) struct Endpoint {
    /// vpce id, Azure resource id, or GCP endpoint group name.
    pub(super) id: String,
    pub(super) details: Details,
    pub(super) state: EndpointState,
    pub(super) error: Option<String>,
    pub(super) delete_requested: bool,
    pub(super) timeline: Timeline<EndpointState>,
}

/// What only one provider's endpoints have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Details {
    Aws,
    Azure {
        ip: String,
        connection: String,
    },
    /// Names and addresses.
    Gcp {
        gcp_project: String,
        endpoints: Vec<(String, String)>,
    },
}

/// How the next service of a region fails, a few times.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceFailure {
    pub provider: Provider,
    /// In Atlas' spelling.
    pub region: String,
    pub times: u32,
    /// Whether it gets its names before it fails.
    #[serde(default)]
    pub named: bool,
    pub message: String,
}

/// Everything that exists.
pub(super) struct Store {
    pub(super) services: Vec<Service>,
    pub(super) failures: Vec<ServiceFailure>,
    pub(super) aws: Aws,
    pub(super) settings: Settings,
}

impl Store {
    pub(super) fn new(settings: Settings) -> Self {
        Self { services: Vec::new(), failures: Vec::new(), aws: Aws::default(), settings }
    }

    /// Takes every step that is due, in order of time, and tells what happened when.
    pub(super) fn settle(&mut self, now: Instant) -> Vec<(Instant, Effect)> {
        let mut happened = Vec::new();
        while let Some(index) = self.earliest(now) {
            self.step(index, now, &mut happened);
        }
        happened
    }

    /// The service that, itself or by an endpoint, has the earliest step that is due.
    fn earliest(&self, now: Instant) -> Option<usize> {
        let due = |service: &Service| {
            let endpoints = service.endpoints.iter().filter_map(|endpoint| endpoint.timeline.next_due());
            endpoints.chain(service.timeline.next_due()).min()
        };
        let dues = self.services.iter().enumerate().filter_map(|(index, service)| Some((due(service)?, index)));
        dues.min().filter(|(due, _)| *due <= now).map(|(_, index)| index)
    }

    fn step(&mut self, index: usize, now: Instant, happened: &mut Vec<(Instant, Effect)>) {
        let Some(service) = self.services.get_mut(index) else { return };
        let first = service.endpoints.iter().enumerate().filter_map(|(i, e)| Some((e.timeline.next_due()?, i))).min();
        match (first, service.timeline.next_due()) {
            (Some((due, endpoint)), own) if own.is_none_or(|own| due <= own) => {
                self.step_endpoint(index, endpoint, now, happened);
            }
            (_, _) => self.step_service(index, now, happened),
        }
    }

    fn step_service(&mut self, index: usize, now: Instant, happened: &mut Vec<(Instant, Effect)>) {
        let Some(service) = self.services.get_mut(index) else { return };
        let Some((at, step)) = service.timeline.take(now) else { return };
        match step {
            Step::Become(state, error) => {
                service.named |= !(state == ServiceState::Failed && service.fails_unnamed);
                service.state = state;
                service.error = error;
                happened.push((at, service.changed()));
            }
            Step::Vanish => happened.push((at, self.services.remove(index).gone())),
        }
    }

    fn step_endpoint(&mut self, index: usize, endpoint: usize, now: Instant, happened: &mut Vec<(Instant, Effect)>) {
        let Some(service) = self.services.get_mut(index) else { return };
        let Some(found) = service.endpoints.get_mut(endpoint) else { return };
        let Some((at, step)) = found.timeline.take(now) else { return };
        match step {
            Step::Become(state, error) => {
                found.state = state;
                found.error = error;
                happened.push((at, service.endpoint_changed(endpoint)));
            }
            Step::Vanish => {
                let gone = service.endpoints.remove(endpoint);
                happened.push((at, service.endpoint_gone(&gone.id)));
                self.remove_if_last(index, at, happened);
            }
        }
    }

    /// Whether Atlas removes a service with its last endpoint is disputed (atlas-api.md §5, §9.5): a switch.
    fn remove_if_last(&mut self, index: usize, at: Instant, happened: &mut Vec<(Instant, Effect)>) {
        let gone = self.settings.scaled(delays::SERVICE_GONE);
        let Some(service) = self.services.get_mut(index) else { return };
        if self.settings.switches.auto_remove_service && service.endpoints.is_empty() {
            happened.push((at, service.begin_deletion(at + gone)));
        }
    }

    pub(super) fn service(&self, project: &str, id: &str) -> Option<&Service> {
        self.services.iter().find(|service| service.project == project && service.id == id)
    }

    pub(super) fn service_mut(&mut self, project: &str, id: &str) -> Option<&mut Service> {
        self.services.iter_mut().find(|service| service.project == project && service.id == id)
    }

    /// The service that stands where another one of this kind would be made. GCP services with and without port mapping
    /// don't exclude one another (atlas-api.md §9.4). A failed or vanishing one does occupy its region (INF).
    pub(super) fn occupant(
        &self,
        project: &str,
        provider: Provider,
        region: &Region,
        port_mapped: bool,
    ) -> Option<&Service> {
        self.services.iter().find(|service| {
            service.project == project
                && service.provider == provider
                && service.region == *region
                && service.port_mapped == port_mapped
        })
    }

    /// Makes a service. It is INITIATING, nameless, until its delay has passed; a failure that was asked for for its
    /// region befalls it then.
    pub(super) fn create_service(
        &mut self,
        project: &str,
        provider: Provider,
        region: Region,
        port_mapped: bool,
        moment: (&mut Mint, jiff::Timestamp, Instant),
    ) -> &mut Service {
        let (mint, wall, now) = moment;
        let failure = self.take_failure(provider, &region);
        let delay = self.settings.scaled(delays::service_ready(provider));
        let names = Names::make(provider, project, &region, port_mapped, mint);
        let fails_unnamed = failure.as_ref().is_some_and(|failure| !failure.named);
        let step = match failure {
            Some(failure) => Step::Become(ServiceState::Failed, Some(failure.message)),
            None => Step::Become(ServiceState::Ready, None),
        };
        self.services.push(Service {
            id: mint.object_id(wall),
            project: project.to_owned(),
            provider,
            region,
            port_mapped,
            remote_regions: None,
            state: ServiceState::Initiating,
            error: None,
            named: false,
            names,
            endpoints: Vec::new(),
            timeline: Timeline::from(now, [(delay, step)]),
            fails_unnamed,
        });
        let last = self.services.len() - 1;
        &mut self.services[last]
    }

    fn take_failure(&mut self, provider: Provider, region: &Region) -> Option<ServiceFailure> {
        let failure = self
            .failures
            .iter_mut()
            .find(|failure| failure.times > 0 && failure.provider == provider && failure.region == region.atlas)?;
        failure.times -= 1;
        Some(failure.clone())
    }

    /// Adds an endpoint to a service that is known to take it; what becomes of it, AWS decides.
    pub(super) fn add_endpoint(&mut self, project: &str, service: &str, id: &str, details: Details, now: Instant) {
        let settings = self.settings.clone();
        let Some(found) = self.services.iter_mut().find(|s| s.project == project && s.id == service) else { return };
        let welcome = match &found.names {
            Names::Aws(name) => self.aws.connect(id, name),
            Names::Azure { .. } | Names::Gcp(_) => true,
        };
        let (state, steps) = course(found.provider, id, welcome);
        let timed = steps.into_iter().map(|(seconds, step)| (settings.scaled(seconds), step));
        found.endpoints.push(Endpoint {
            id: id.to_owned(),
            details,
            state,
            error: None,
            delete_requested: false,
            timeline: Timeline::from(now, timed),
        });
    }
}

/// The states that a new endpoint goes through. The order is documented (atlas-api.md §1, §2), the times are inferred.
fn course(provider: Provider, id: &str, welcome: bool) -> (EndpointState, Vec<(u32, Step<EndpointState>)>) {
    use EndpointState::{Available, Initiating, None as Nothing, Pending, PendingAcceptance, Rejected, Verified};
    let to = |state| Step::Become(state, None);
    match (provider, welcome) {
        (Provider::Aws, true) => (
            Nothing,
            vec![
                (delays::ENDPOINT_NOTICED, to(PendingAcceptance)),
                (delays::ENDPOINT_DECIDED, to(Pending)),
                (delays::ENDPOINT_READY, to(Available)),
            ],
        ),
        (Provider::Aws, false) => {
            let message = format!("Interface endpoint {id} was not found.");
            (Nothing, vec![(delays::ENDPOINT_DECIDED, Step::Become(Rejected, Some(message)))])
        }
        (Provider::Azure, _) => (Initiating, vec![(delays::ENDPOINT_READY, to(Available))]),
        (Provider::Gcp, _) => {
            (Initiating, vec![(delays::ENDPOINT_DECIDED, to(Verified)), (delays::ENDPOINT_READY, to(Available))])
        }
    }
}

impl Service {
    pub(super) fn endpoint(&self, id: &str) -> Option<&Endpoint> {
        self.endpoints.iter().find(|endpoint| endpoint.id == id)
    }

    pub(super) fn endpoint_mut(&mut self, id: &str) -> Option<&mut Endpoint> {
        self.endpoints.iter_mut().find(|endpoint| endpoint.id == id)
    }

    /// DELETING now, gone at `gone`. Asking again changes nothing (INF).
    pub(super) fn begin_deletion(&mut self, gone: Instant) -> Effect {
        if self.state != ServiceState::Deleting {
            self.state = ServiceState::Deleting;
            self.timeline = Timeline::from(gone, [(std::time::Duration::ZERO, Step::Vanish)]);
        }
        Effect::ServiceDeleteRequested { project: self.project.clone(), service: self.id.clone() }
    }

    pub(super) fn created(&self) -> Effect {
        Effect::ServiceCreated {
            project: self.project.clone(),
            provider: self.provider,
            region: self.region.atlas.clone(),
            port_mapped: self.port_mapped,
            service: self.id.clone(),
            names: self.names.all(),
        }
    }

    pub(super) fn changed(&self) -> Effect {
        Effect::ServiceChanged { project: self.project.clone(), service: self.id.clone(), state: self.state }
    }

    pub(super) fn gone(&self) -> Effect {
        Effect::ServiceGone { project: self.project.clone(), service: self.id.clone() }
    }

    pub(super) fn endpoint_added(&self, endpoint: &str) -> Effect {
        let (project, service) = (self.project.clone(), self.id.clone());
        Effect::EndpointAdded { project, service, endpoint: endpoint.to_owned() }
    }

    pub(super) fn endpoint_gone(&self, endpoint: &str) -> Effect {
        let (project, service) = (self.project.clone(), self.id.clone());
        Effect::EndpointGone { project, service, endpoint: endpoint.to_owned() }
    }

    fn endpoint_changed(&self, index: usize) -> Effect {
        let Some(endpoint) = self.endpoints.get(index) else { return Effect::None };
        let (project, service) = (self.project.clone(), self.id.clone());
        Effect::EndpointChanged { project, service, endpoint: endpoint.id.clone(), state: endpoint.state }
    }
}

impl Endpoint {
    /// DELETING with `deleteRequested` now, gone at `gone` (atlas-api.md §5).
    pub(super) fn begin_deletion(&mut self, gone: Instant) {
        if self.state != EndpointState::Deleting {
            self.state = EndpointState::Deleting;
            self.delete_requested = true;
            self.timeline = Timeline::from(gone, [(std::time::Duration::ZERO, Step::Vanish)]);
        }
    }
}

impl Names {
    fn all(&self) -> Vec<String> {
        match self {
            Self::Aws(name) => vec![name.clone()],
            Self::Azure { name, resource } => vec![name.clone(), resource.clone()],
            Self::Gcp(attachments) => attachments.clone(),
        }
    }

    /// In the recorded shapes (atlas-api.md §2 "EndpointService responses").
    fn make(provider: Provider, project: &str, region: &Region, port_mapped: bool, mint: &mut Mint) -> Self {
        let cloud = &region.cloud;
        match provider {
            Provider::Aws => Self::Aws(format!("com.amazonaws.vpce.{cloud}.vpce-svc-{}", mint.hex(17))),
            Provider::Azure => {
                let name = format!("pls_{}", mint.hex(24));
                let resource = format!(
                    "/subscriptions/{}/resourceGroups/rg_{}_{}/providers/Microsoft.Network/privateLinkServices/{name}",
                    mint.uuid(),
                    mint.hex(24),
                    mint.hex(8)
                );
                Self::Azure { name, resource }
            }
            Provider::Gcp => {
                // Legacy services have as many attachments as the default of privateServiceConnectionsPerRegionGroup;
                // that a port-mapped one has one is inferred from its single endpoint.
                let count = if port_mapped { 1 } else { 50 };
                let owner = format!("projects/p-{}/regions/{cloud}/serviceAttachments", mint.hex(24));
                Self::Gcp((0..count).map(|n| format!("{owner}/sa-{cloud}-{project}-{n}")).collect())
            }
        }
    }
}
