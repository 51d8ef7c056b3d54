//! What metrics show of all objects, read from the watches' stores and from memory.

use super::{context::Context, kind::Kind, objects::Watched};
use crate::{
    api::CommonStatus,
    atlas::{ids::ProjectId, region::Provider},
    metrics::state::{ObjectState, ProjectState, Source, State},
    reconcile::report,
};
use kube::ResourceExt;
use std::collections::BTreeSet;
use tokio::time::Instant;

impl Source for Context {
    fn state(&self) -> State {
        let (links, endpoints) = (self.links.cached(), self.endpoints.cached());
        let mut objects: Vec<_> = links.iter().filter_map(Watched::get).map(|link| self.object(link)).collect();
        objects.extend(endpoints.iter().filter_map(Watched::get).map(|endpoint| self.object(endpoint)));
        let project = |link: &Watched<crate::api::AtlasPrivateLink>| {
            let spec = &link.get()?.spec;
            Some((spec.project_id.parse().ok()?, spec.provider))
        };
        let projects: BTreeSet<_> = links.iter().filter_map(project).collect();
        State { objects, projects: projects.into_iter().map(|of| self.project(of)).collect() }
    }
}

impl Context {
    fn object<K: Kind>(&self, object: &K) -> ObjectState {
        let (mut in_backoff, mut drift_repaired) = (false, 0);
        self.memories.with_known(&object.uid().unwrap_or_default(), |memory| {
            (in_backoff, drift_repaired) = (memory.is_in_backoff(Instant::now()), memory.drift_repaired);
        });
        ObjectState {
            kind: K::NAME,
            namespace: object.namespace().unwrap_or_default(),
            name: object.name_any(),
            ready: object.status().is_some_and(report::was_ready),
            conditions: object.status().map(|status| status.conditions().to_vec()).unwrap_or_default(),
            suspended: object.is_suspended(),
            in_backoff,
            deletion_asked_at: object.meta().deletion_timestamp.as_ref().map(|time| time.0),
            drift_repaired,
        }
    }

    fn project(&self, (project, provider): (ProjectId, Provider)) -> ProjectState {
        let (budget, age) = (self.inventory.budget(project), self.inventory.age(project, provider));
        ProjectState { project, provider, budget, age }
    }
}
