//! Every version of the objects of a namespace that a real API server tells of, followed through the table.

use super::{
    table::State,
    trail::{Trail, shows},
};
use crate::cluster::*;
use atlas_privatelink_operator::testbed::control_plane::Places;
use futures::TryStreamExt;
use http::Request;
use kube::api::WatchEvent;
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    path::PathBuf,
    process::{Command, Stdio},
    sync::{Arc, LazyLock, Mutex},
};
use tokio::task::JoinHandle;

static KUBECTL: LazyLock<PathBuf> = LazyLock::new(|| Places::of_this_machine().ensure_kubectl().expect("kubectl"));

/// A watch on one kind, from before its first object.
pub struct Recorder {
    plural: &'static str,
    seen: Arc<Mutex<Vec<(bool, Value)>>>,
    watching: JoinHandle<()>,
}

impl Recorder {
    pub async fn of(world: &World, plural: &'static str) -> Self {
        let path = format!("/apis/atlas.privatelink.dev/v1alpha1/namespaces/{}/{plural}", world.namespace);
        let list = world.send(http::Method::GET, &path, JSON, &Value::Null).await.expect("a list");
        assert_eq!(list["items"], json!([]), "it watches from the first version on");
        let version = list["metadata"]["resourceVersion"].as_str().expect("a version").to_owned();
        let request = Request::get(format!("{path}?watch=true&timeoutSeconds=3600&resourceVersion={version}"));
        let events = world.client.request_events::<Value>(request.body(Vec::new()).expect("a request"));
        let mut events = Box::pin(events.await.expect("a watch"));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let into = seen.clone();
        let watching = tokio::spawn(async move {
            while let Some(event) = events.try_next().await.expect("the watch goes on") {
                let version = match event {
                    WatchEvent::Added(object) | WatchEvent::Modified(object) => (true, object),
                    WatchEvent::Deleted(object) => (false, object),
                    WatchEvent::Bookmark(_) => continue,
                    WatchEvent::Error(error) => panic!("the watch ends: {error:?}"),
                };
                into.lock().expect("not poisoned").push(version);
            }
        });
        Self { plural, seen, watching }
    }

    /// The versions of an object, and whether it is gone.
    fn versions(&self, name: &str) -> (Vec<Value>, bool) {
        assert!(!self.watching.is_finished(), "the watch has ended");
        let seen = self.seen.lock().expect("not poisoned");
        let of_it = seen.iter().filter(|(_, object)| object["metadata"]["name"] == name);
        let gone = of_it.clone().next_back().is_some_and(|(there, _)| !there);
        (of_it.filter(|(there, _)| *there).map(|(_, object)| object.clone()).collect(), gone)
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.watching.abort();
    }
}

/// An object that is followed from its creation on.
pub struct Followed<'a> {
    world: &'a World,
    recorder: &'a Recorder,
    name: &'static str,
    trail: Trail,
    steps: usize,
}

impl<'a> Followed<'a> {
    /// Applies the manifest.
    pub async fn apply(world: &'a World, recorder: &'a Recorder, name: &'static str, manifest: &Value) -> Self {
        world.apply(manifest).await;
        let mut followed = Self { world, recorder, name, trail: Trail::default(), steps: 0 };
        followed.find("it was created", State::Created, |_| true).await;
        followed
    }

    pub fn world(&self) -> &'a World {
        self.world
    }

    /// Waits for the first version since the last step that is so.
    async fn find(&mut self, what: &str, state: State, is_so: impl Fn(&Value) -> bool) {
        let (recorder, name, steps) = (self.recorder, self.name, self.steps);
        let place = || recorder.versions(name).0.iter().skip(steps).position(&is_so);
        self.world.until(SOON, &format!("{name}: {what}"), async |_: &World| place().is_some()).await;
        self.steps += place().expect("it was there a moment ago") + 1;
        self.trail.step(state, self.steps);
    }

    /// Waits for a version with the conditions of this state.
    pub async fn until(&mut self, state: State) {
        self.find(&format!("{state:?}"), state, |version| shows(version, state)).await;
    }

    /// The object as it stands is in this state, and kubectl waits for it or doesn't, as the table says.
    pub async fn rests(&mut self, state: State) -> Value {
        let object = self.world.get(self.recorder.plural, self.name).await.expect("it is there");
        let (recorder, name) = (self.recorder, self.name);
        let version = &object["metadata"]["resourceVersion"];
        let place = || {
            recorder
                .versions(name)
                .0
                .iter()
                .position(|version_of| version_of["metadata"]["resourceVersion"] == *version)
        };
        self.world.until(SOON, &format!("{name} was seen"), async |_: &World| place().is_some()).await;
        self.steps = place().expect("it was there a moment ago") + 1;
        self.trail.step(state, self.steps);
        if let Some(content) = state.row().waited {
            assert_eq!(self.is_waited_for(), content, "kubectl wait, of {name} in {state:?}: {object:#}");
        }
        object
    }

    /// Whether `kubectl wait` is content with it as it stands.
    fn is_waited_for(&self) -> bool {
        let mut kubectl = Command::new(&*KUBECTL);
        kubectl.args(["wait", "--for=condition=Ready", "--timeout=0", "--namespace", &self.world.namespace]);
        kubectl.arg(format!("{}/{}", self.recorder.plural, self.name));
        kubectl.env("KUBECONFIG", &self.world.nature.plane.kubeconfig).env("NO_PROXY", "127.0.0.1");
        let output = kubectl.stdin(Stdio::null()).output().expect("kubectl");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() || said.contains("condition not met"), "kubectl: {said}");
        output.status.success()
    }

    /// Sends a merge patch of Argo CD's, or a person's, while the operator is held, so that all see it unseen.
    pub async fn edit(&mut self, operator: &Operator, patch: &Value) {
        operator.signal("-STOP");
        self.world.merge(self.recorder.plural, self.name, patch).await.expect("taken");
        self.rests(State::Edited).await;
        operator.signal("-CONT");
    }

    /// Asks for a look now.
    pub async fn nudge(&self) {
        let value = fresh("now");
        let ask = json!({"metadata": {"annotations": {"atlas.privatelink.dev/reconcile-requested-at": value}}});
        self.world.merge(self.recorder.plural, self.name, &ask).await.expect("taken");
    }

    /// Deletes it, and waits until it is gone.
    pub async fn delete(&mut self) {
        self.world.delete(self.recorder.plural, self.name).await;
        self.find("it is being deleted", State::Deleting, |version| {
            version["metadata"]["deletionTimestamp"].is_string()
        })
        .await;
        let (recorder, name) = (self.recorder, self.name);
        self.world.until(SOON, &format!("{name} is gone"), async |_: &World| recorder.versions(name).1).await;
        self.steps = recorder.versions(name).0.len();
        self.trail.step(State::Deleting, self.steps);
    }

    /// Checks every version so far, and gives the states that it was in.
    pub fn check(&self) -> BTreeSet<State> {
        let mut versions = self.recorder.versions(self.name).0;
        versions.truncate(self.steps);
        self.trail.check(self.name, &versions)
    }
}
