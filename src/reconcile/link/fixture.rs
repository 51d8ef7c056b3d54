//! What the tests of links are made of.

use super::{Desired, Observed, Plan, Recorded, Sharer, delete, plan::plan, status::status};
use crate::{
    api::{AdoptionPolicy, AtlasPrivateLinkStatus, Origin},
    atlas::{
        ids::ServiceId,
        inventory::View,
        model::{Service, ServiceState},
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
use std::collections::BTreeSet;

/// Everything that decides about a link.
#[derive(Debug, Clone)]
pub struct Scene {
    pub desired: Desired,
    pub observed: Observed,
    pub moment: Moment,
}

/// The service that the scenes are about.
pub fn id() -> ServiceId {
    service_id(NOW - 40, 1)
}

pub fn region() -> Region {
    Region::parse(Provider::Aws, "us-east-1").unwrap()
}

pub fn service(id: ServiceId, state: ServiceState) -> Service {
    Service {
        id,
        provider: Provider::Aws,
        region: Some(region()),
        state,
        endpoint_service_name: Some("com.amazonaws.vpce.us-east-1.vpce-svc-1".into()),
        private_link_service_name: None,
        private_link_service_resource_id: None,
        service_attachment_names: Vec::new(),
        port_mapping: false,
        endpoints: Vec::new(),
        error_message: None,
    }
}

/// A v1.0 service without a name.
pub fn unnamed(id: ServiceId, state: ServiceState) -> Service {
    Service { region: None, endpoint_service_name: None, ..service(id, state) }
}

pub fn sharer(claim: Claim, service: ServiceId) -> Sharer {
    Sharer { service: Some(service), ..claiming(claim) }
}

/// One that records nothing.
pub fn claiming(claim: Claim) -> Sharer {
    Sharer { service: None, attempt: None, claim }
}

/// An attempt to create, made by `holder` 40 seconds ago.
pub fn creation(holder: &Holder) -> Attempt {
    fixture::attempt(holder, AttemptedWrite::CreateService, 40)
}

/// A live link with its finalizer, of which nothing is recorded, in a project without services.
pub fn scene() -> Scene {
    let now = fixture::now();
    Scene {
        desired: Desired {
            subject: subject(),
            project: "5df264b8f10fab7d2cad2f00".parse().unwrap(),
            region: region(),
            adoption: AdoptionPolicy::AdoptOrCreate,
            disposal: Disposal::DeleteCreated,
            recorded: Recorded::default(),
        },
        observed: Observed {
            services: View::fixture(Vec::new(), sent(100, now)),
            others: Vec::new(),
            recorded_elsewhere: BTreeSet::new(),
            dependents: Vec::new(),
        },
        moment: moment(now),
    }
}

impl Scene {
    pub fn listing(mut self, services: impl IntoIterator<Item = Service>) -> Self {
        self.observed.services.value.extend(services);
        self
    }

    pub fn recording(mut self, service: ServiceId, origin: Origin) -> Self {
        self.desired.recorded.service = Some(service);
        self.desired.recorded.origin = Some(origin);
        self
    }

    pub fn attempting(mut self, attempt: Attempt) -> Self {
        self.moment.attempt.notice(&attempt, &self.moment.holder.clone(), self.moment.now);
        self.desired.recorded.attempt = Some(attempt);
        self
    }

    pub fn sharing(mut self, others: impl IntoIterator<Item = Sharer>) -> Self {
        self.observed.others.extend(others);
        self
    }

    pub fn deleting(mut self) -> Self {
        self.desired.subject.deleting = true;
        self
    }

    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// The plan, as the driver comes by it.
    pub fn plan(&self) -> Plan {
        let alone = self
            .desired
            .subject
            .deleting
            .then(|| delete::without_atlas(&self.desired, &self.observed.dependents, &self.moment))
            .flatten();
        alone.unwrap_or_else(|| plan(&self.desired, &self.observed, &self.moment))
    }

    /// The status before, as far as the scene records it.
    pub fn before(&self) -> AtlasPrivateLinkStatus {
        let recorded = &self.desired.recorded;
        AtlasPrivateLinkStatus {
            observed_generation: self.desired.subject.generation,
            observed_uid: Some(self.desired.subject.uid.clone()),
            private_link_id: recorded.service.map(|id| id.to_string()),
            state: recorded.stands.then(|| "INITIATING".to_owned()),
            origin: recorded.origin,
            endpoint_service_name: recorded.service_name.clone(),
            attempts: Some(recorded.tries).filter(|&tries| tries > 0),
            ..AtlasPrivateLinkStatus::default()
        }
    }

    /// The status that tells the plan.
    pub fn status(&self) -> AtlasPrivateLinkStatus {
        status(&self.before(), &self.desired.subject, &self.plan(), fixture::second(NOW))
    }

    /// The same scene once that status is written.
    pub fn after(&self, status: &AtlasPrivateLinkStatus) -> Self {
        let mut after = self.clone();
        after.desired.recorded = Recorded {
            service: status.private_link_id.as_ref().map(|id| id.parse().unwrap()),
            stands: status.state.is_some(),
            origin: status.origin,
            tries: status.attempts.unwrap_or_default(),
            service_name: status.endpoint_service_name.clone(),
            attempt: self.desired.recorded.attempt.clone(),
        };
        after
    }
}
