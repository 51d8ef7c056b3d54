//! What to do next for a link. Pure.

use super::{Desired, Facts, Observed, Plan, Step, delete};
use crate::{
    api::{AdoptionPolicy, Origin, Reason, Verdict},
    atlas::{
        ids::ServiceId,
        model::{Service, ServiceState},
        region::{Provider, Region},
    },
    reconcile::{
        Look, Moment,
        attempt::{Attempt, AttemptedWrite, Progress, hold_until, may_have_effect, progress},
        ownership::{self, Claim, Heard},
        retry::{self, Retry},
    },
};
use std::time::Duration;
use tokio::time::Instant;

/// How long after a service vanished it is created again: whoever removed it may have more to do.
const PAUSE_AFTER_VANISHING: Duration = Duration::from_secs(10);

/// Decides the next step of a link.
pub fn plan(desired: &Desired, observed: &Observed, moment: &Moment) -> Plan {
    let case = Case { desired, observed, moment };
    if desired.subject.deleting {
        case.reading_while_another_writes(delete::plan(&case))
    } else {
        case.protected_first(case.reading_while_another_writes(case.live()))
    }
}

/// Everything that a plan may look at.
pub(super) struct Case<'a> {
    pub desired: &'a Desired,
    pub observed: &'a Observed,
    pub moment: &'a Moment,
}

impl<'a> Case<'a> {
    fn live(&self) -> Plan {
        match self.recorded_service() {
            Some(service) => self.has(service, self.desired.recorded.origin.unwrap_or_else(|| self.origin_of(service))),
            None => self.without_record(),
        }
    }

    /// The recorded service, if Atlas still has it.
    pub fn recorded_service(&self) -> Option<&'a Service> {
        let id = self.desired.recorded.service?;
        self.observed.services.value.iter().find(|service| service.id == id)
    }

    /// The service that stands for this key in Atlas, one that is not going away before one that is.
    pub fn candidate(&self) -> Option<&'a Service> {
        let all = self.observed.services.value.iter();
        all.filter(|service| stands_for(service, &self.desired.region))
            .min_by_key(|service| service.state == ServiceState::Deleting)
    }

    /// The attempt to create a service, unless status shows what came of it.
    pub fn unsettled_attempt(&self) -> Option<&'a Attempt> {
        let attempt = self.desired.recorded.attempt.as_ref().filter(|a| a.write == AttemptedWrite::CreateService)?;
        let answered = self.desired.recorded.service.is_some_and(|id| !attempt.shown.contains(&id));
        (!answered).then_some(attempt)
    }

    /// Rule 2: whether a service that status doesn't record is the work of this object's attempt.
    pub fn origin_of(&self, service: &Service) -> Origin {
        let ours = self.unsettled_attempt().is_some_and(|attempt| {
            may_have_effect(attempt, &self.moment.holder, &self.moment.attempt)
                && attempt.may_have_made(service.id)
                && !self.others_of(service.id).iter().any(|other| other.origin == Some(Origin::Created))
        });
        if ours { Origin::Created } else { Origin::Adopted }
    }

    pub fn progress(&self) -> Progress {
        let (holder, memory) = (&self.moment.holder, &self.moment.attempt);
        self.unsettled_attempt().map_or(Progress::Settled, |attempt| {
            progress(attempt, holder, memory, self.observed.services.read, self.moment.now)
        })
    }

    /// The other links of the key, with what they record of this very service.
    pub fn others_of(&self, id: ServiceId) -> Vec<Claim> {
        let all = self.observed.others.iter();
        all.map(|other| Claim {
            origin: other.claim.origin.filter(|_| other.service == Some(id)),
            ..other.claim.clone()
        })
        .collect()
    }

    fn own_claim(&self, origin: Option<Origin>) -> Claim {
        let subject = &self.desired.subject;
        Claim {
            object: subject.object.clone(),
            uid: subject.uid.clone(),
            created: subject.created,
            live: true,
            heard: Heard::Listed,
            adoption: self.desired.adoption,
            origin,
        }
    }

    /// The other link that owns this service, if it isn't this one.
    fn owner_of(&self, service: &Service, origin: Origin) -> Option<String> {
        self.name_owner(Some(origin), &self.others_of(service.id))
    }

    /// The other link whose service this key's is to be, if it isn't this one.
    fn owner_to_be(&self) -> Option<String> {
        let others: Vec<_> = self.observed.others.iter().map(|other| other.claim.clone()).collect();
        self.name_owner(self.desired.recorded.origin, &others)
    }

    fn name_owner(&self, origin: Option<Origin>, others: &[Claim]) -> Option<String> {
        let owner = ownership::owner(&self.own_claim(origin), others)?;
        Some(owner.object.seen_from(&self.desired.subject.object.namespace))
    }

    pub fn saying(&self, verdict: Verdict, facts: Facts, look: Look) -> Plan {
        Plan { step: None, facts, verdict, look, tries: self.desired.recorded.tries }
    }

    /// The finalizer is there before status records an origin, and is restored where one is recorded or an attempt is
    /// unsettled.
    fn protected_first(&self, plan: Plan) -> Plan {
        let claims = matches!(plan.facts, Facts::Seen(..))
            || self.desired.recorded.origin.is_some()
            || self.progress() != Progress::Settled;
        let step = if claims && !self.desired.subject.protected { Some(Step::Protect) } else { plan.step };
        Plan { step, ..plan }
    }

    /// Rule 1: while another holder's attempt may still have its effect, this one only reads Atlas.
    fn reading_while_another_writes(&self, plan: Plan) -> Plan {
        let writes = match &plan.step {
            Some(Step::Create(_) | Step::DeleteFailed(..) | Step::Delete(_)) => true,
            Some(Step::Protect | Step::RecordRefusal(_) | Step::HandOver(..) | Step::LetGo(_)) | None => false,
        };
        match self.written_elsewhere() {
            Some(until) if writes => Plan { step: None, look: Look::At(until), ..plan },
            Some(_) | None => plan,
        }
    }

    /// Until when another holder's attempt, whose effect the list doesn't show, is left to itself.
    fn written_elsewhere(&self) -> Option<Instant> {
        let attempt = self.desired.recorded.attempt.as_ref().filter(|attempt| attempt.holder != self.moment.holder)?;
        let settled = match &attempt.write {
            AttemptedWrite::CreateService => {
                let found = self.candidate().is_some_and(|service| self.origin_of(service) == Origin::Created);
                found || self.unsettled_attempt().is_none()
            }
            AttemptedWrite::DeleteService { service: id } => {
                let service = self.observed.services.value.iter().find(|service| service.id == *id);
                service.is_none_or(|service| service.state == ServiceState::Deleting)
            }
            AttemptedWrite::AddEndpoint { .. } | AttemptedWrite::RemoveEndpoint { .. } => true,
        };
        if settled { None } else { hold_until(attempt, &self.moment.holder, &self.moment.attempt, self.moment.now) }
    }

    /// The object has this service.
    fn has(&self, service: &Service, origin: Origin) -> Plan {
        let facts = Facts::Seen(Box::new(service.clone()), origin);
        match &service.state {
            ServiceState::WaitingForUser | ServiceState::Available => Plan {
                tries: 0,
                ..self.saying(Verdict::ready(self.ready_message(service, origin)), facts, Look::Resync)
            },
            ServiceState::Initiating => {
                let message = "Atlas is creating the endpoint service; this takes a few minutes";
                self.saying(Verdict::reconciling(self.creating(), message), facts, Look::Poll)
            }
            ServiceState::Deleting => {
                let message = "Atlas is deleting the endpoint service; it is created again when it is gone";
                self.saying(Verdict::reconciling(self.creating(), message), facts, Look::Poll)
            }
            ServiceState::Failed => self.failed(service, origin, facts),
            ServiceState::Unknown(word) => {
                let message = format!(
                    "Atlas says {word}, which this version of the operator does not know; waiting for a state that it knows"
                );
                self.saying(Verdict::reconciling(Reason::Creating, message), facts, Look::Poll)
            }
        }
    }

    fn creating(&self) -> Reason {
        if self.desired.recorded.tries > 0 { Reason::Retrying } else { Reason::Creating }
    }

    fn ready_message(&self, service: &Service, origin: Origin) -> String {
        let usable = match service.region.as_ref().map_or(service.provider, Region::provider) {
            Provider::Aws => "the endpoint service accepts VPC endpoints",
            Provider::Azure => "the private link service accepts private endpoints",
            Provider::Gcp => "the service attachments accept forwarding rules",
        };
        match self.owner_of(service, origin) {
            Some(owner) => format!("{usable}; it is shared, and owned by {owner}"),
            None => usable.to_owned(),
        }
    }

    /// Rule 5, for services.
    fn failed(&self, service: &Service, origin: Origin, facts: Facts) -> Plan {
        let said = service.error_message.as_deref().unwrap_or("Atlas gives no cause");
        if let Some(owner) = self.owner_of(service, origin) {
            let message = format!("the endpoint service failed ({said}); its owner, {owner}, has to mend it");
            return self.saying(Verdict::reconciling(Reason::WaitingForService, message), facts, Look::Resync);
        }
        let stalled = |hint: &str| {
            let message = format!("the endpoint service {} failed: {said}. {hint}", service.id);
            self.saying(Verdict::stalled(Reason::Failed, message), facts.clone(), Look::Resync)
        };
        if origin == Origin::Adopted {
            return stalled(
                "It was not created by this resource, so it is left alone: delete it in Atlas to have it created again",
            );
        }
        if self.desired.adoption == AdoptionPolicy::AdoptOnly {
            return stalled("adoptionPolicy AdoptOnly never deletes, so it is left alone: change the policy");
        }
        if !service.endpoints.is_empty() {
            return stalled("Endpoints are attached to it, so it is left alone");
        }
        let tries = self.desired.recorded.tries;
        match retry::next(tries, self.moment.failed_since, self.moment.now) {
            Retry::Exhausted => stalled(
                "It was created again as often as is sensible; see Atlas' status page, then set the annotation atlas.privatelink.dev/reconcile-requested-at to try anew",
            ),
            Retry::At(due) => {
                let message = format!(
                    "the endpoint service failed: {said}. It is deleted and created again (try {} of {})",
                    tries + 1,
                    retry::LIMIT
                );
                self.saying(Verdict::reconciling(Reason::Retrying, message), facts, Look::At(due))
            }
            Retry::Now => {
                let write = AttemptedWrite::DeleteService { service: service.id };
                let attempt =
                    self.attempt(write).with_tries(tries + 1).replacing(self.desired.recorded.service_name.clone());
                let message = format!(
                    "the failed endpoint service is being deleted, to be created again (try {} of {})",
                    tries + 1,
                    retry::LIMIT
                );
                let plan = self.saying(Verdict::reconciling(Reason::Retrying, message), facts, Look::Poll);
                Plan { step: Some(Step::DeleteFailed(service.id, attempt)), ..plan }
            }
        }
    }

    /// Status records no service, or one that is gone.
    fn without_record(&self) -> Plan {
        if let (Progress::RefusalUnrecorded(refusal), Some(attempt)) = (self.progress(), self.unsettled_attempt()) {
            let plan = self.saying(
                Verdict::reconciling(Reason::Creating, "Atlas refused the creation; looking at what is there"),
                Facts::Unchanged,
                Look::Poll,
            );
            return Plan { step: Some(Step::RecordRefusal(attempt.refused(refusal))), ..plan };
        }
        match self.candidate() {
            Some(service) => self.finds(service),
            None => self.finds_nothing(),
        }
    }

    fn finds(&self, service: &Service) -> Plan {
        let origin = self.origin_of(service);
        if origin == Origin::Created {
            return self.has(service, origin);
        }
        if service.state == ServiceState::Deleting {
            let message =
                format!("an earlier endpoint service of this region, {}, is still being deleted in Atlas", service.id);
            return self.saying(Verdict::reconciling(self.waiting(), message), self.vanished(), Look::Poll);
        }
        match self.desired.adoption {
            AdoptionPolicy::AdoptOrCreate | AdoptionPolicy::AdoptOnly => self.has(service, Origin::Adopted),
            AdoptionPolicy::CreateOnly => {
                let whose = self
                    .owner_of(service, Origin::Adopted)
                    .map(|owner| format!(", owned by {owner}"))
                    .unwrap_or_default();
                let id = service.id;
                self.already_exists(&format!(
                    "the project has an endpoint service in this region already ({id}{whose})"
                ))
            }
        }
    }

    fn already_exists(&self, what: &str) -> Plan {
        let message = format!(
            "{what}, and adoptionPolicy CreateOnly forbids to use it: change the policy to AdoptOrCreate, or delete the service"
        );
        self.saying(Verdict::stalled(Reason::AlreadyExists, message), self.vanished(), Look::Resync)
    }

    fn waiting(&self) -> Reason {
        match self.desired.adoption {
            AdoptionPolicy::AdoptOnly => Reason::WaitingForService,
            AdoptionPolicy::AdoptOrCreate | AdoptionPolicy::CreateOnly => Reason::Creating,
        }
    }

    fn vanished(&self) -> Facts {
        if self.desired.recorded.service.is_some() { Facts::Vanished } else { Facts::Unchanged }
    }

    fn finds_nothing(&self) -> Plan {
        let wait =
            |reason, message: String, look| self.saying(Verdict::reconciling(reason, message), self.vanished(), look);
        match (self.desired.adoption, self.owner_to_be()) {
            (AdoptionPolicy::AdoptOnly, _) => {
                let message = "the project has no endpoint service in this region, and adoptionPolicy AdoptOnly never creates one: create it elsewhere, or change the policy";
                return wait(Reason::WaitingForService, message.to_owned(), Look::Resync);
            }
            (AdoptionPolicy::CreateOnly, Some(owner)) => {
                return self.already_exists(&format!("{owner} owns the endpoint service of this region"));
            }
            (AdoptionPolicy::AdoptOrCreate, Some(owner)) => {
                return wait(
                    Reason::WaitingForService,
                    format!("waiting for {owner}, which owns it, to create the endpoint service"),
                    Look::Resync,
                );
            }
            (AdoptionPolicy::AdoptOrCreate | AdoptionPolicy::CreateOnly, None) => {}
        }
        if let Some(plan) = self.unnamed() {
            return plan;
        }
        match self.progress() {
            Progress::Settled => self.refused_for_good().unwrap_or_else(|| self.creates()),
            Progress::Open { may_repeat: true, .. } => self.repeats(),
            Progress::Open { may_repeat: false, hold_until } => {
                let message = "a request to create the endpoint service was not answered; looking for what came of it";
                wait(Reason::Creating, message.to_owned(), Look::At(hold_until))
            }
            // Handled before anything was looked for.
            Progress::RefusalUnrecorded(_) => {
                wait(Reason::Creating, "Atlas refused the creation".to_owned(), Look::Poll)
            }
        }
    }

    /// v1.0: services without a name don't tell their region. One of them may be this region's: Atlas answered 409 to the
    /// making of another, or an unanswered attempt may have made it. Nothing is taken for ours, and nothing is created, until it
    /// has a name.
    fn unnamed(&self) -> Option<Plan> {
        let conflict = self.unsettled_attempt()?.refusal.as_ref().is_some_and(|refusal| refusal.conflict);
        let suspects = if conflict { self.unnamed_services().collect() } else { self.unnamed_and_perhaps_made() };
        let first = suspects.first()?;
        let ids = suspects.iter().map(|service| service.id.to_string()).collect::<Vec<_>>().join(", ");
        if suspects.iter().all(|service| service.state == ServiceState::Failed) {
            let message = format!(
                "the endpoint service {} failed before Atlas named its region, and stands in the way: delete it in Atlas",
                first.id
            );
            return Some(self.saying(Verdict::stalled(Reason::Failed, message), self.vanished(), Look::Resync));
        }
        let message =
            format!("Atlas does not tell the region of {ids} until it is named; it may be the one of this region");
        Some(self.saying(Verdict::reconciling(Reason::RegionUnknown, message), self.vanished(), Look::Poll))
    }

    /// Those of them that an unanswered attempt may have made.
    pub fn unnamed_and_perhaps_made(&self) -> Vec<&'a Service> {
        let Some(attempt) = self.unsettled_attempt() else { return Vec::new() };
        if !may_have_effect(attempt, &self.moment.holder, &self.moment.attempt) {
            return Vec::new();
        }
        self.unnamed_services().filter(|service| attempt.may_have_made(service.id)).collect()
    }

    fn unnamed_services(&self) -> impl Iterator<Item = &'a Service> {
        self.observed.services.value.iter().filter(|service| self.is_unnamed(service))
    }

    fn is_unnamed(&self, service: &Service) -> bool {
        service.provider == self.desired.region.provider()
            && service.region.is_none()
            && service.state != ServiceState::Deleting
            && Some(service.id) != self.desired.recorded.service
            && !self.observed.recorded_elsewhere.contains(&service.id)
    }

    fn refused_for_good(&self) -> Option<Plan> {
        let detail = self.unsettled_attempt()?.refused_for_good(&self.desired.subject)?;
        let message = format!("Atlas refuses to create the endpoint service: {detail}");
        Some(self.saying(Verdict::stalled(Reason::InvalidRequest, message), self.vanished(), Look::Resync))
    }

    fn attempt(&self, write: AttemptedWrite) -> Attempt {
        Attempt::new(&self.desired.subject.uid, &self.moment.holder, write, self.moment.atlas_time)
    }

    fn creates(&self) -> Plan {
        let recorded = &self.desired.recorded;
        let retrying = recorded
            .attempt
            .as_ref()
            .is_some_and(|attempt| matches!(attempt.write, AttemptedWrite::DeleteService { .. }));
        let due = self.moment.failed_since.unwrap_or(self.moment.now) + PAUSE_AFTER_VANISHING;
        if recorded.service.is_some() && !retrying && self.moment.now < due {
            let message = "the endpoint service is gone from Atlas; it is created again";
            return self.saying(Verdict::reconciling(Reason::Creating, message), Facts::Vanished, Look::At(due));
        }
        let shown: Vec<ServiceId> =
            self.observed.services.value.iter().map(|service| service.id).chain(recorded.service).collect();
        let replaced = recorded
            .service_name
            .clone()
            .or_else(|| recorded.attempt.as_ref().and_then(|attempt| attempt.replaces.clone()));
        let attempt =
            self.attempt(AttemptedWrite::CreateService).showing(shown).with_tries(recorded.tries).replacing(replaced);
        self.sends(attempt)
    }

    fn repeats(&self) -> Plan {
        match self.unsettled_attempt() {
            Some(attempt) => self.sends(attempt.repeated(&self.moment.holder, self.moment.atlas_time)),
            None => self.creates(),
        }
    }

    fn sends(&self, attempt: Attempt) -> Plan {
        let plan = self.saying(
            Verdict::reconciling(self.creating(), "asking Atlas to create the endpoint service"),
            self.vanished(),
            Look::Poll,
        );
        Plan { step: Some(Step::Create(attempt)), ..plan }
    }
}

/// Whether `service` is the one service of `region`; of GCP's two kinds only the port-mapped one counts.
fn stands_for(service: &Service, region: &Region) -> bool {
    service.region.as_ref() == Some(region) && (region.provider() != Provider::Gcp || service.port_mapping)
}
