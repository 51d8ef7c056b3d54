//! The endpoint as the driver sees it: its phases, and how its steps are taken.

use super::{
    Attachment, Desired, Held, Observed, Parting, Plan, Step, plan,
    resolve::{self, attached},
    status::{inherited, status},
};
use crate::{
    api::{AtlasInterfaceEndpoint, AtlasInterfaceEndpointStatus, AtlasPrivateLink, Origin},
    atlas::{Basis, Caller, Sent, WriteKey, model::ConnectionStatus},
    controller::{
        context::{Care, Context},
        events::{News, announce_deed},
        handover,
        kind::{Applied, Decision, Demand, Kind, Seen, Situation, changed},
        objects::{Objects, Watched},
        send, write,
    },
    reconcile::{
        Farewell, Look, Moment, Subject,
        attempt::{Attempt, AttemptedWrite},
        blocked::Blocked,
        policy::Disposal,
        report,
    },
};
use jiff::Timestamp;
use kube::ResourceExt;
use tokio::time::Instant;

impl Kind for AtlasInterfaceEndpoint {
    const NAME: &'static str = "AtlasInterfaceEndpoint";

    type Status = AtlasInterfaceEndpointStatus;
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

    fn secret(&self, ctx: &Context) -> String {
        // What is being deleted may have got to Atlas through another link than the one that it names.
        if self.metadata.deletion_timestamp.is_some() {
            let way = ctx.memories.with(&self.uid().unwrap_or_default(), |memory| memory.way.clone());
            if let Some(way) = way {
                return way.secret;
            }
        }
        let link = self.link(ctx);
        link.as_ref().and_then(Watched::get).map(|link| link.spec.credentials_ref.name.clone()).unwrap_or_default()
    }

    fn whereabouts(&self, ctx: &Context) -> Option<(String, String)> {
        let link = self.link(ctx)?;
        link.get().map(|link| (link.spec.project_id.clone(), link.spec.region.clone()))
    }

    fn objects(ctx: &Context) -> &Objects<Self> {
        &ctx.endpoints
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
        observed.read()
    }

    fn conclude(before: &Self::Status, desired: &Desired, plan: Plan, now: Timestamp) -> Decision<Self> {
        let status = status(before, desired, &plan, now);
        let polls_for_id = desired.id_may_change && plan.look == Look::Resync && !report::was_ready(&status);
        let look = if polls_for_id { Look::Poll } else { plan.look };
        Decision { step: plan.step, status, look }
    }

    fn demand(step: &Step) -> Demand {
        match step {
            Step::LetGo(partings) if partings.iter().any(|parting| parting.farewell == Farewell::HandedOver) => {
                Demand::Kubernetes(Care::EverythingNow)
            }
            Step::Protect | Step::RecordRefusal(_) | Step::LetGo(_) => Demand::Kubernetes(Care::Normal),
            Step::Retire => Demand::Status(Care::Normal),
            Step::Leave(_) => Demand::Status(Care::EverythingNow),
            Step::Add(..) => Demand::Atlas(Care::AtlasNow),
            Step::RemoveFailed(..) | Step::RemoveRetired(..) | Step::Remove(_) => Demand::Atlas(Care::EverythingNow),
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
            (Step::LetGo(partings), _) => self.let_go(ctx, &partings).await,
            (Step::HandOver(heir, held), _) => {
                let note = format!("takes over {}", held.attachment.endpoint);
                let project = situation.desired.project;
                let inherit = |before: &_, heir: &_| inherited(before, heir, &held, project);
                handover::record::<Self>(ctx, &heir, inherit, note).await?;
                changed(self.clone())
            }
            (Step::Add(attachment, attempt), Seen::Atlas(observed, caller)) => {
                self.add(ctx, observed, caller, &attachment, &attempt).await
            }
            (Step::RemoveFailed(attachment, attempt), Seen::Atlas(observed, caller)) => {
                let note = format!(
                    "removed the rejected endpoint {}, to add it again (try {})",
                    attachment.endpoint, attempt.tries
                );
                let news = News::warning("Retried", "Remove", note);
                self.remove(ctx, observed, caller, &attachment, &attempt, news).await
            }
            (Step::RemoveRetired(attachment, attempt), Seen::Atlas(observed, caller)) => {
                let news =
                    News::normal("Detached", "Remove", format!("detached {}, which was replaced", attachment.endpoint));
                self.remove(ctx, observed, caller, &attachment, &attempt, news).await
            }
            (Step::Remove(attachment), Seen::Atlas(observed, caller)) => {
                let basis = basis(&attachment, observed);
                let call = async {
                    ctx.inventory.remove_endpoint(caller, attachment.service, &attachment.endpoint, &basis).await?;
                    remember_removal(ctx, self, &attachment);
                    Ok(())
                };
                Ok(send::unrecorded(ctx, self, call).await)
            }
            // The driver writes the status; without a look at Atlas no plan has one of the others.
            (Step::Retire | Step::Leave(_), _) => changed(self.clone()),
            (Step::Add(..) | Step::RemoveFailed(..) | Step::RemoveRetired(..) | Step::Remove(_), Seen::Cluster(_)) => {
                changed(self.clone())
            }
        }
    }

    fn must_be_protected(&self) -> bool {
        let attempt = Attempt::of(self);
        let recorded = |status: &AtlasInterfaceEndpointStatus| status.origin.is_some() || !status.retiring.is_empty();
        self.status.as_ref().is_some_and(recorded) || attempt.is_some_and(|attempt| attempt.refusal.is_none())
    }

    fn has_failed(status: &Self::Status) -> bool {
        let failed = [ConnectionStatus::Rejected, ConnectionStatus::Failed];
        failed.iter().any(|failed| status.connection_status.as_deref() == Some(failed.as_str()))
    }

    fn news(&self, after: &Self::Status, now: Timestamp) -> Vec<News> {
        let before = self.status.clone().unwrap_or_default();
        let mut news = Vec::new();
        let endpoint = after.interface_endpoint_id.as_deref().unwrap_or_default();
        let same = before.interface_endpoint_id == after.interface_endpoint_id;
        if after.origin == Some(Origin::Adopted) && (before.origin.is_none() || !same) {
            news.push(News::normal("Adopted", "Adopt", format!("{endpoint} was attached already")));
        }
        let vanished = before.connection_status.is_some() && after.connection_status.is_none();
        if same && vanished && !self.removes(&before, now) {
            news.push(News::warning(
                "EndpointGone",
                "Observe",
                format!("{endpoint} is no longer attached, and this resource did not detach it"),
            ));
        }
        for old in before.retiring.iter().filter(|old| old.origin == Origin::Adopted && !after.retiring.contains(old)) {
            if after.interface_endpoint_id.as_ref() != Some(&old.interface_endpoint_id) {
                news.push(News::normal(
                    "Kept",
                    "Keep",
                    format!(
                        "{} was replaced, and stays attached: this resource did not attach it",
                        old.interface_endpoint_id
                    ),
                ));
            }
        }
        news.extend(report::transitions(&before, after));
        news
    }
}

impl AtlasInterfaceEndpoint {
    fn link(&self, ctx: &Context) -> Option<Watched<AtlasPrivateLink>> {
        ctx.links.find(&self.namespace().unwrap_or_default(), &self.spec.private_link_ref.name)
    }

    /// Whether it may have detached what `status` shows.
    fn removes(&self, status: &AtlasInterfaceEndpointStatus, now: Timestamp) -> bool {
        let (held, _) = attached(status, &Subject::of(self, self.is_suspended()));
        let going = status.delete_requested == Some(true)
            || status.connection_status.as_deref() == Some(ConnectionStatus::Deleting.as_str());
        let may_have_done = |(attempt, held): (Attempt, Held)| {
            attempt.may_have_done(&AttemptedWrite::remove(&held.attachment), going, now)
        };
        Attempt::of(self).zip(held).is_some_and(may_have_done)
    }

    async fn add(
        &self,
        ctx: &Context,
        observed: &Observed,
        caller: &Caller,
        attachment: &Attachment,
        attempt: &Attempt,
    ) -> Result<Applied<Self>, kube::Error> {
        let basis = basis(attachment, observed);
        let applied = send::attempt(ctx, self, attempt, async || {
            ctx.inventory.add_endpoint(caller, attachment.service, &attachment.endpoint, &basis).await?;
            ctx.memories.with(&self.uid().unwrap_or_default(), |memory| memory.removed.clear());
            let note = format!("attached {} to the endpoint service {}", attachment.endpoint, attachment.service);
            announce_deed(ctx, self, News::normal("Created", "Attach", note)).await;
            Ok(())
        });
        applied.await
    }

    async fn remove(
        &self,
        ctx: &Context,
        observed: &Observed,
        caller: &Caller,
        attachment: &Attachment,
        attempt: &Attempt,
        news: News,
    ) -> Result<Applied<Self>, kube::Error> {
        // It rests on what the connection was, too.
        let basis = Basis { read: observed.oldest(), ..basis(attachment, observed) };
        let applied = send::attempt(ctx, self, attempt, async || {
            ctx.inventory.remove_endpoint(caller, attachment.service, &attachment.endpoint, &basis).await?;
            remember_removal(ctx, self, attachment);
            announce_deed(ctx, self, news).await;
            Ok(())
        });
        applied.await
    }

    async fn let_go(&self, ctx: &Context, partings: &[Parting]) -> Result<Applied<Self>, kube::Error> {
        for farewell in [Farewell::Deleted, Farewell::Kept, Farewell::HandedOver] {
            let all = partings.iter().filter(|parting| parting.farewell == farewell);
            let ids: Vec<_> = all.map(|parting| parting.attachment.endpoint.to_string()).collect();
            match ids.as_slice() {
                [] => {}
                [id] => report::farewell(ctx, self, farewell, &format!("the endpoint {id} is")).await,
                _ => report::farewell(ctx, self, farewell, &format!("the endpoints {} are", ids.join(", "))).await,
            }
        }
        write::release(ctx, self).await?;
        Ok(Applied::Gone)
    }
}

fn remember_removal(ctx: &Context, object: &AtlasInterfaceEndpoint, attachment: &Attachment) {
    let removed = (attachment.service, attachment.endpoint.clone());
    ctx.memories.with(&object.uid().unwrap_or_default(), |memory| memory.removed.insert(removed, Instant::now()));
}

fn basis(attachment: &Attachment, observed: &Observed) -> Basis {
    let key = WriteKey::Endpoint(attachment.service, attachment.endpoint.clone());
    Basis { key, read: observed.services.read }
}
