//! What the tests of endpoints are made of.

use super::{Attachment, Desired, Held, Observed, Plan, Recorded, delete, lists, plan::plan, status};
use crate::{
    api::{AtlasInterfaceEndpointStatus, Origin},
    atlas::{
        ids::{ProjectId, ServiceId},
        inventory::View,
        model::{ConnectionStatus, Endpoint, Service, ServiceState},
        region::{Provider, Region},
    },
    reconcile::{
        Moment,
        attempt::{Attempt, AttemptedWrite, Holder},
        fixture::{self, NOW, moment, sent, service_id, subject},
        ownership::Claim,
        policy::Disposal,
    },
};

/// Everything that decides about an endpoint.
#[derive(Debug, Clone)]
pub struct Scene {
    pub desired: Desired,
    pub observed: Observed,
    pub moment: Moment,
}

/// The service of the link.
pub fn link_service() -> ServiceId {
    service_id(NOW - 5000, 1)
}

pub fn project() -> ProjectId {
    "5df264b8f10fab7d2cad2f00".parse().unwrap()
}

/// Another service, of which nothing is listed unless a test says so.
pub fn other_service() -> ServiceId {
    service_id(NOW - 9000, 2)
}

/// The `n`-th endpoint at the link's service.
pub fn attachment(n: u8) -> Attachment {
    Attachment { service: link_service(), endpoint: format!("vpce-{n:08x}").parse().unwrap() }
}

pub fn held(n: u8, origin: Origin) -> Held {
    Held { attachment: attachment(n), origin }
}

pub fn endpoint(attachment: &Attachment, status: ConnectionStatus) -> Endpoint {
    Endpoint { id: attachment.endpoint.clone(), status, delete_requested: false, error_message: None }
}

pub fn addition(holder: &Holder, to: &Attachment) -> Attempt {
    let write = AttemptedWrite::AddEndpoint { service: to.service, endpoint: to.endpoint.clone() };
    fixture::attempt(holder, write, 40)
}

pub fn removal(holder: &Holder, of: &Attachment) -> Attempt {
    let write = AttemptedWrite::RemoveEndpoint { service: of.service, endpoint: of.endpoint.clone() };
    fixture::attempt(holder, write, 40)
}

fn service(id: ServiceId) -> Service {
    Service {
        id,
        provider: Provider::Aws,
        region: Some(Region::parse(Provider::Aws, "us-east-1").unwrap()),
        state: ServiceState::Available,
        endpoint_service_name: Some(format!("com.amazonaws.vpce.us-east-1.vpce-svc-{id}")),
        private_link_service_name: None,
        private_link_service_resource_id: None,
        service_attachment_names: Vec::new(),
        port_mapping: false,
        endpoints: Vec::new(),
        error_message: None,
    }
}

/// A live endpoint with its finalizer, of which nothing is recorded, that is to be attached as number 1 to a service
/// that can be used.
pub fn scene() -> Scene {
    let now = fixture::now();
    Scene {
        desired: Desired {
            subject: subject(),
            project: Some(project()),
            target: Some(attachment(1)),
            link_leaving: false,
            id_may_change: false,
            disposal: Disposal::DeleteCreated,
            recorded: Recorded::default(),
        },
        observed: Observed {
            services: View::fixture(vec![service(link_service())], sent(100, now)),
            endpoint: None,
            others: Vec::new(),
            unheard: Vec::new(),
        },
        moment: moment(now),
    }
}

impl Scene {
    /// Atlas lists it; if it is the one in question, it has this connection.
    pub fn listing(mut self, attachment: &Attachment, connection: ConnectionStatus) -> Self {
        if self.service(attachment.service).is_none() {
            self.observed.services.value.push(service(attachment.service));
        }
        let services = &mut self.observed.services.value;
        let service = services.iter_mut().find(|service| service.id == attachment.service).unwrap();
        service.endpoints.push(attachment.endpoint.to_string());
        let held = self.desired.recorded.held.as_ref().map(|held| &held.attachment);
        if held.or(self.desired.target.as_ref()) == Some(attachment) {
            self.observed.endpoint = Some(View::fixture(endpoint(attachment, connection), sent(101, self.moment.now)));
        }
        self
    }

    pub fn service(&self, id: ServiceId) -> Option<&Service> {
        self.observed.services.value.iter().find(|service| service.id == id)
    }

    pub fn is_listed(&self, attachment: &Attachment) -> bool {
        lists(&self.observed.services, attachment)
    }

    pub fn holding(mut self, held: Held) -> Self {
        self.desired.recorded.held = Some(held);
        self
    }

    pub fn retiring(mut self, held: Held) -> Self {
        self.desired.recorded.retiring.push(held);
        self
    }

    pub fn attempting(mut self, attempt: Attempt) -> Self {
        self.moment.attempt.notice(&attempt, &self.moment.holder.clone(), self.moment.now);
        self.desired.recorded.attempt = Some(attempt);
        self
    }

    pub fn sharing(mut self, of: &Attachment, claim: Claim) -> Self {
        self.observed.others.push((of.clone(), claim));
        self
    }

    pub fn deleting(mut self) -> Self {
        self.desired.subject.deleting = true;
        self.desired.target = None;
        self.observed.endpoint = None;
        self
    }

    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// The plan, as the driver comes by it.
    pub fn plan(&self) -> Plan {
        let alone = self.desired.subject.deleting.then(|| delete::without_atlas(&self.desired, &self.moment)).flatten();
        alone.unwrap_or_else(|| plan(&self.desired, &self.observed, &self.moment))
    }

    /// The status before, as far as the scene records it.
    pub fn before(&self) -> AtlasInterfaceEndpointStatus {
        let Recorded { project, held, retiring, attempt: _, tries, connected } = &self.desired.recorded;
        AtlasInterfaceEndpointStatus {
            observed_generation: self.desired.subject.generation,
            observed_uid: Some(self.desired.subject.uid.clone()),
            project_id: project.map(|project| project.to_string()),
            private_link_id: held.as_ref().map(|held| held.attachment.service.to_string()),
            interface_endpoint_id: held.as_ref().map(|held| held.attachment.endpoint.to_string()),
            origin: held.as_ref().map(|held| held.origin),
            retiring: retiring.iter().map(status::retiring).collect(),
            attempts: Some(*tries).filter(|&tries| tries > 0),
            connection_status: connected.then(|| "PENDING".to_owned()),
            ..AtlasInterfaceEndpointStatus::default()
        }
    }

    /// The status that tells the plan.
    pub fn status(&self) -> AtlasInterfaceEndpointStatus {
        status::status(&self.before(), &self.desired, &self.plan(), fixture::second(NOW))
    }

    /// The same scene once that status is written.
    pub fn after(&self, status: &AtlasInterfaceEndpointStatus) -> Self {
        let held = |service: &str, endpoint: &str, origin| Held {
            attachment: Attachment { service: service.parse().unwrap(), endpoint: endpoint.parse().unwrap() },
            origin,
        };
        let mut after = self.clone();
        after.desired.recorded = Recorded {
            project: status.project_id.as_ref().map(|id| id.parse().unwrap()),
            held: status.origin.map(|origin| {
                let service = status.private_link_id.as_ref().unwrap();
                held(service, status.interface_endpoint_id.as_ref().unwrap(), origin)
            }),
            retiring: status
                .retiring
                .iter()
                .map(|old| held(&old.private_link_id, &old.interface_endpoint_id, old.origin))
                .collect(),
            attempt: self.desired.recorded.attempt.clone(),
            tries: status.attempts.unwrap_or_default(),
            connected: status.connection_status.is_some(),
        };
        after
    }
}
