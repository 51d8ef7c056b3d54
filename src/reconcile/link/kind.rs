//! The link as the driver sees it: its phases, and how its steps are taken.

use super::{
    Desired, Observed, Plan, Step, plan, resolve,
    status::{inherited, service_in, status},
};
use crate::{
    api::{AtlasPrivateLink, AtlasPrivateLinkStatus, Origin},
    atlas::{Basis, Caller, Sent, WriteKey, ids::ServiceId, model::ServiceState},
    controller::{
        context::{Care, Context},
        events::{News, announce_deed},
        handover,
        kind::{Applied, Decision, Demand, Kind, Seen, Situation, changed},
        objects::Objects,
        send, write,
    },
    reconcile::{
        Farewell, Moment, Subject,
        attempt::{Attempt, AttemptedWrite},
        blocked::Blocked,
        policy::Disposal,
        report,
    },
};
use jiff::Timestamp;

impl Kind for AtlasPrivateLink {
    const NAME: &'static str = "AtlasPrivateLink";

    type Status = AtlasPrivateLinkStatus;
    type Desired = Desired;
    type Observed = Observed;
    type Plan = Plan;
    type Step = Step;

    fn status(&self) -> Option<&Self::Status> {
        self.status.as_ref()
    }

    fn with_status(&self, status: Self::Status) -> Self {
        Self { status: Some(status), ..self.clone() }
    }

    fn is_suspended(&self) -> bool {
        self.spec.suspend.unwrap_or_default()
    }

    fn secret(&self, _: &Context) -> String {
        self.spec.credentials_ref.name.clone()
    }

    fn whereabouts(&self, _: &Context) -> Option<(String, String)> {
        Some((self.spec.project_id.clone(), self.spec.region.clone()))
    }

    fn objects(ctx: &Context) -> &Objects<Self> {
        &ctx.links
    }

    async fn resolve(&self, ctx: &Context, subject: Subject, care: Care) -> Result<Situation<Self>, Blocked> {
        resolve::resolve(ctx, self, subject, care).await
    }

    fn plan(desired: &Desired, observed: &Observed, moment: &Moment) -> Plan {
        plan::plan(desired, observed, moment)
    }

    fn keeps_all(desired: &Desired) -> bool {
        desired.disposal == Disposal::KeepAll
    }

    fn read(observed: &Observed) -> Sent {
        observed.services.read
    }

    fn conclude(before: &Self::Status, desired: &Desired, plan: Plan, now: Timestamp) -> Decision<Self> {
        let status = status(before, &desired.subject, &plan, now);
        Decision { step: plan.step, status, look: plan.look }
    }

    fn demand(step: &Step) -> Demand {
        match step {
            Step::Protect | Step::RecordRefusal(_) => Demand::Kubernetes(Care::Normal),
            Step::RecordService => Demand::Status(Care::Normal),
            // An endpoint that names this link may just have attached something.
            Step::LetGo(_) => Demand::Kubernetes(Care::EverythingNow),
            Step::Create(_) => Demand::Atlas(Care::AtlasNow),
            Step::DeleteFailed(..) | Step::Delete(_) => Demand::Atlas(Care::EverythingNow),
            Step::HandOver(..) => Demand::Kubernetes(Care::EverythingNow),
        }
    }

    async fn apply(
        &self,
        ctx: &Context,
        situation: &Situation<Self>,
        step: Step,
    ) -> Result<Applied<Self>, kube::Error> {
        match (step, &situation.seen) {
            (Step::Protect, _) => changed(write::record(ctx, self, None).await?),
            (Step::RecordRefusal(attempt), _) => changed(write::record(ctx, self, Some(&attempt)).await?),
            (Step::LetGo(farewell), _) => self.let_go(ctx, situation, farewell).await,
            (Step::HandOver(heir, service, origin), _) => {
                let note = format!("takes over the endpoint service {service}");
                let inherit = |before: &_, _: &_| inherited(before, service, origin);
                handover::record::<Self>(ctx, &heir, inherit, note).await?;
                changed(self.clone())
            }
            (Step::Create(attempt), Seen::Atlas(observed, caller)) => {
                self.create(ctx, situation, observed, caller, &attempt).await
            }
            (Step::DeleteFailed(service, attempt), Seen::Atlas(observed, caller)) => {
                self.delete_failed(ctx, situation, observed, caller, service, &attempt).await
            }
            (Step::Delete(service), Seen::Atlas(observed, caller)) => {
                let basis = basis(&situation.desired, observed);
                let call = ctx.inventory.delete_service(caller, situation.desired.region.provider(), service, &basis);
                Ok(send::unrecorded(ctx, self, call).await)
            }
            // Status says all that it asks for.
            (Step::RecordService, _) => changed(self.clone()),
            // Without a look at Atlas no plan has such a step.
            (Step::Create(_) | Step::DeleteFailed(..) | Step::Delete(_), Seen::Cluster(_)) => changed(self.clone()),
        }
    }

    fn must_be_protected(&self) -> bool {
        let attempt = Attempt::of(self);
        self.status.as_ref().is_some_and(|status| status.origin.is_some())
            || attempt.is_some_and(|attempt| attempt.refusal.is_none())
    }

    fn has_failed(status: &Self::Status) -> bool {
        let vanished = status.private_link_id.is_some() && status.state.is_none();
        vanished || status.state.as_deref() == Some(ServiceState::Failed.as_str())
    }

    fn news(&self, after: &Self::Status, now: Timestamp) -> Vec<News> {
        let before = self.status.clone().unwrap_or_default();
        let mut news = Vec::new();
        let service = after.private_link_id.as_deref().unwrap_or_default();
        if after.origin == Some(Origin::Adopted)
            && (before.origin.is_none() || before.private_link_id != after.private_link_id)
        {
            news.push(News::normal(
                "Adopted",
                "Adopt",
                format!("uses the endpoint service {service}, which was there already"),
            ));
        }
        let attempt = Attempt::of(self);
        let going = before.state.as_deref() == Some(ServiceState::Deleting.as_str());
        let own_doing = attempt.as_ref().zip(service_in(&before)).is_some_and(|(attempt, service)| {
            attempt.may_have_done(&AttemptedWrite::DeleteService { service }, going, now)
        });
        if before.state.is_some() && after.state.is_none() && before.private_link_id.is_some() && !own_doing {
            news.push(News::warning(
                "ServiceGone",
                "Observe",
                format!("the endpoint service {service} is gone from Atlas, and this resource did not delete it"),
            ));
        }
        news.extend(name_changed(&before, after, attempt));
        news.extend(report::transitions(&before, after));
        news
    }
}

impl AtlasPrivateLink {
    async fn create(
        &self,
        ctx: &Context,
        situation: &Situation<Self>,
        observed: &Observed,
        caller: &Caller,
        attempt: &Attempt,
    ) -> Result<Applied<Self>, kube::Error> {
        let (region, basis) = (&situation.desired.region, basis(&situation.desired, observed));
        let applied = send::attempt(ctx, self, attempt, async || {
            let answer = ctx.inventory.create_service(caller, region, &basis).await?;
            let note = format!("created the endpoint service {} in {}", answer.value.id, region.atlas_name());
            announce_deed(ctx, self, News::normal("Created", "Create", note)).await;
            Ok(())
        });
        applied.await
    }

    async fn delete_failed(
        &self,
        ctx: &Context,
        situation: &Situation<Self>,
        observed: &Observed,
        caller: &Caller,
        service: ServiceId,
        attempt: &Attempt,
    ) -> Result<Applied<Self>, kube::Error> {
        let basis = basis(&situation.desired, observed);
        let applied = send::attempt(ctx, self, attempt, async || {
            ctx.inventory.delete_service(caller, situation.desired.region.provider(), service, &basis).await?;
            let note =
                format!("deleted the failed endpoint service {service}, to create it again (try {})", attempt.tries);
            announce_deed(ctx, self, News::warning("Retried", "Delete", note)).await;
            Ok(())
        });
        applied.await
    }

    async fn let_go(
        &self,
        ctx: &Context,
        situation: &Situation<Self>,
        farewell: Farewell,
    ) -> Result<Applied<Self>, kube::Error> {
        let service = situation.desired.recorded.service.map(|id| id.to_string()).unwrap_or_default();
        report::farewell(ctx, self, farewell, &format!("the endpoint service {service} is")).await;
        write::release(ctx, self).await?;
        Ok(Applied::Gone)
    }
}

/// VPC endpoints are made for a service name, so a new name means that they must be made anew.
fn name_changed(
    before: &AtlasPrivateLinkStatus,
    after: &AtlasPrivateLinkStatus,
    attempt: Option<Attempt>,
) -> Option<News> {
    let replaced = attempt.and_then(|attempt| replaced_name(attempt, after));
    let (old, advice) = match (&before.endpoint_service_name, &after.endpoint_service_name) {
        (Some(old), Some(new)) => (old, format!("create them for {new}")),
        // Another link has made it anew: by the time it has its name, what the old one was called is recorded nowhere.
        (Some(old), None) if replaced.as_ref() != Some(old) && before.private_link_id != after.private_link_id => {
            (old, "create them anew, for the name that status shows once Atlas has given it".to_owned())
        }
        (Some(_), None) => return None,
        (None, Some(new)) => (replaced.as_ref()?, format!("create them for {new}")),
        (None, None) => return None,
    };
    let told = after.endpoint_service_name.as_ref() == Some(old);
    (!told).then(|| {
        let note = format!("the endpoint service was made anew: VPC endpoints for {old} no longer connect, {advice}");
        News::warning("ServiceNameChanged", "Observe", note)
    })
}

/// The name of the service in whose place the link of this attempt has made, or is to make, the one of `after`.
fn replaced_name(attempt: Attempt, after: &AtlasPrivateLinkStatus) -> Option<String> {
    let made = match attempt.write {
        AttemptedWrite::CreateService => attempt.may_have_made(service_in(after)?),
        AttemptedWrite::DeleteService { .. } => true,
        AttemptedWrite::AddEndpoint { .. } | AttemptedWrite::RemoveEndpoint { .. } => false,
    };
    attempt.replaces.filter(|_| made)
}

fn basis(desired: &Desired, observed: &Observed) -> Basis {
    let key = WriteKey::Service(desired.project, desired.region.clone());
    Basis { key, read: observed.services.read }
}
