//! The link as the driver sees it: its phases, and how its steps are taken.

use super::{
    Observed, Step, plan,
    resolve::{self, Case, Seen},
    status::status,
};
use crate::{
    api::{AtlasPrivateLink, AtlasPrivateLinkStatus, Origin},
    atlas::{Basis, Caller, WriteKey, ids::ServiceId, model::ServiceState},
    controller::{
        context::{Care, Context, Objects},
        events::{News, announce, announce_deed},
        kind::{Applied, Decision, Demand, Kind, changed},
        send, write,
    },
    reconcile::{
        Farewell, Subject,
        attempt::{Attempt, AttemptedWrite},
        blocked::Blocked,
        ownership::ObjectName,
        report,
    },
};
use jiff::Timestamp;
use kube::ResourceExt;

impl Kind for AtlasPrivateLink {
    const NAME: &'static str = "link";

    type Status = AtlasPrivateLinkStatus;
    type Case = Case;
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

    async fn resolve(&self, ctx: &Context, subject: Subject, care: Care) -> Result<Case, Blocked> {
        resolve::resolve(ctx, self, subject, care).await
    }

    fn decide(before: &Self::Status, case: &Case, now: Timestamp) -> Decision<Self> {
        let (plan, read) = match &case.seen {
            Seen::Cluster(plan) => ((**plan).clone(), None),
            Seen::Atlas(observed, _) => {
                (plan::plan(&case.desired, observed, &case.moment), Some(observed.services.read))
            }
        };
        let status = status(before, &case.desired.subject, &plan, now);
        Decision { step: plan.step, status, look: plan.look, read }
    }

    fn demand(step: &Step) -> Demand {
        match step {
            Step::Protect | Step::RecordRefusal(_) => Demand::Record,
            // An endpoint that names this link may just have attached something.
            Step::LetGo(_) => Demand::Kubernetes(Care::EverythingNow),
            Step::Create(_) => Demand::Atlas(Care::AtlasNow),
            Step::DeleteFailed(..) | Step::Delete(_) => Demand::Atlas(Care::EverythingNow),
            Step::HandOver(..) => Demand::Kubernetes(Care::EverythingNow),
        }
    }

    fn caller(case: &Case) -> Option<&Caller> {
        match &case.seen {
            Seen::Cluster(_) => None,
            Seen::Atlas(_, caller) => Some(caller),
        }
    }

    async fn apply(&self, ctx: &Context, case: &Case, step: Step) -> Result<Applied<Self>, kube::Error> {
        match (step, &case.seen) {
            (Step::Protect, _) => changed(write::record(ctx, self, None).await?),
            (Step::RecordRefusal(attempt), _) => changed(write::record(ctx, self, Some(&attempt)).await?),
            (Step::LetGo(farewell), _) => self.let_go(ctx, case, farewell).await,
            (Step::HandOver(heir, service, origin), _) => self.hand_over(ctx, &heir, service, origin).await,
            (Step::Create(attempt), Seen::Atlas(observed, caller)) => {
                self.create(ctx, case, observed, caller, &attempt).await
            }
            (Step::DeleteFailed(service, attempt), Seen::Atlas(observed, caller)) => {
                self.delete_failed(ctx, case, observed, caller, service, &attempt).await
            }
            (Step::Delete(service), Seen::Atlas(observed, caller)) => {
                let basis = basis(case, observed);
                let call = ctx.inventory.delete_service(caller, case.desired.region.provider(), service, &basis);
                Ok(send::unrecorded(ctx, self, call).await)
            }
            // Without a look at Atlas no plan has such a step.
            (Step::Create(_) | Step::DeleteFailed(..) | Step::Delete(_), Seen::Cluster(_)) => changed(self.clone()),
        }
    }

    fn must_be_protected(&self) -> bool {
        let attempt = Attempt::read(self.metadata.annotations.as_ref(), &self.uid().unwrap_or_default());
        self.status.as_ref().is_some_and(|status| status.origin.is_some())
            || attempt.is_some_and(|attempt| attempt.refusal.is_none())
    }

    fn has_failed(status: &Self::Status) -> bool {
        let vanished = status.private_link_id.is_some() && status.state.is_none();
        vanished || status.state.as_deref() == Some(ServiceState::Failed.as_str())
    }

    fn news(&self, after: &Self::Status) -> Vec<News> {
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
        let own_doing = Attempt::read(self.metadata.annotations.as_ref(), &self.uid().unwrap_or_default())
            .is_some_and(|attempt| matches!(attempt.write, AttemptedWrite::DeleteService { .. }));
        if before.state.is_some() && after.state.is_none() && before.private_link_id.is_some() && !own_doing {
            news.push(News::warning(
                "ServiceGone",
                "Observe",
                format!("the endpoint service {service} is gone from Atlas, and this resource did not delete it"),
            ));
        }
        news.extend(self.name_changed(&before, after));
        news.extend(report::transitions(&before, after));
        news
    }
}

impl AtlasPrivateLink {
    /// VPC endpoints are made for a service name, so a new name means that they must be made anew.
    fn name_changed(&self, before: &AtlasPrivateLinkStatus, after: &AtlasPrivateLinkStatus) -> Option<News> {
        let new = after.endpoint_service_name.as_ref()?;
        let replaced =
            || Attempt::read(self.metadata.annotations.as_ref(), &self.uid()?).and_then(|attempt| attempt.replaces);
        let old = match &before.endpoint_service_name {
            Some(old) => old.clone(),
            None => replaced()?,
        };
        let told = before.endpoint_service_name.as_ref() == Some(new) || old == *new;
        (!told).then(|| {
            let note = format!(
                "the endpoint service was made anew: VPC endpoints for {old} no longer connect, create them for {new}"
            );
            News::warning("ServiceNameChanged", "Observe", note)
        })
    }

    async fn create(
        &self,
        ctx: &Context,
        case: &Case,
        observed: &Observed,
        caller: &Caller,
        attempt: &Attempt,
    ) -> Result<Applied<Self>, kube::Error> {
        let (region, basis) = (&case.desired.region, basis(case, observed));
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
        case: &Case,
        observed: &Observed,
        caller: &Caller,
        service: ServiceId,
        attempt: &Attempt,
    ) -> Result<Applied<Self>, kube::Error> {
        let basis = basis(case, observed);
        let applied = send::attempt(ctx, self, attempt, async || {
            ctx.inventory.delete_service(caller, case.desired.region.provider(), service, &basis).await?;
            let note =
                format!("deleted the failed endpoint service {service}, to create it again (try {})", attempt.tries);
            announce_deed(ctx, self, News::warning("Retried", "Delete", note)).await;
            Ok(())
        });
        applied.await
    }

    async fn let_go(&self, ctx: &Context, case: &Case, farewell: Farewell) -> Result<Applied<Self>, kube::Error> {
        let service = case.desired.recorded.service.map(|id| id.to_string()).unwrap_or_default();
        report::farewell(ctx, self, farewell, &format!("the endpoint service {service}")).await;
        write::release(ctx, self).await?;
        Ok(Applied::Gone)
    }

    /// Records in the heir's status what is now its own. The heir has adopted the service already, so its finalizer is on.
    async fn hand_over(
        &self,
        ctx: &Context,
        heir: &ObjectName,
        service: ServiceId,
        origin: Origin,
    ) -> Result<Applied<Self>, kube::Error> {
        let Some(heir) = ctx.links.api(&heir.namespace).get_opt(&heir.name).await? else {
            return changed(self.clone());
        };
        let status = heir.status.clone().unwrap_or_default();
        let fits =
            status.private_link_id.as_deref() == Some(&service.to_string()) && Subject::of(&heir, false).protected;
        if fits && heir.metadata.deletion_timestamp.is_none() {
            let heir = write::forget_original(ctx, heir).await?;
            let heir = write::status(ctx, &heir, AtlasPrivateLinkStatus { origin: Some(origin), ..status }).await?;
            let note = format!("owns the endpoint service {service} from now on");
            announce(ctx, &heir, News::normal("HandedOver", "Inherit", note)).await;
        }
        changed(self.clone())
    }
}

fn basis(case: &Case, observed: &Observed) -> Basis {
    let key = WriteKey::Service(case.desired.project, case.desired.region.clone());
    Basis { key, read: observed.services.read }
}
