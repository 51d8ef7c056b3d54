//! The life of a release on a real API server: from an older chart to its end, and what stays behind.

use super::{
    features::copy_folder,
    helm::{Helm, chart, objects, repository},
    requests::apply_as,
};
use crate::cluster::*;
use atlas_privatelink_operator::testbed::control_plane::{ControlPlane, Options};
use http::Method;
use serde_json::{Value, json};
use std::path::Path;

/// A field of a link's status that the older chart doesn't know.
const NEW_FIELD: &str = "lastHandledReconcileAt";
const LINK_CRD: &str = "atlasprivatelinks.atlas.privatelink.dev";
const RELEASE: &str = "atlas-privatelink-operator";
const NAMESPACE: &str = "atlas-privatelink";

/// The chart as it was before the field came.
fn older_chart() -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("a directory");
    copy_folder(&chart(), copy.path());
    let file = copy.path().join(format!("files/crds/{LINK_CRD}.yaml"));
    let mut crd: Value = serde_saphyr::from_str(&std::fs::read_to_string(&file).expect("a file")).expect("YAML");
    let fields = crd.pointer_mut(STATUS_FIELDS).and_then(Value::as_object_mut).expect("fields of status");
    fields.remove(NEW_FIELD).expect("there is such a field");
    std::fs::write(file, crd.to_string()).expect("written");
    copy
}

const STATUS_FIELDS: &str = "/spec/versions/0/schema/openAPIV3Schema/properties/status/properties";

/// A release in its cluster.
struct Release<'a> {
    helm: Helm,
    world: &'a World,
}

impl Release<'_> {
    fn helm(&self, words: &[&str], chart: &Path, more: &[&str]) -> String {
        let chart = [chart.to_str().expect("text"), "--namespace", NAMESPACE, "--create-namespace"];
        let arguments = [words, &chart, more].concat();
        self.helm.run(&arguments).unwrap_or_else(|error| panic!("helm {arguments:?}: {error}"))
    }

    fn of(&self, words: &[&str]) -> String {
        let arguments = [words, &["--namespace", NAMESPACE]].concat();
        self.helm.run(&arguments).unwrap_or_else(|error| panic!("helm {arguments:?}: {error}"))
    }

    async fn get(&self, path: &str) -> Option<Value> {
        match self.world.send(Method::GET, path, JSON, &Value::Null).await {
            Ok(found) => Some(found),
            Err(kube::Error::Api(status)) if status.is_not_found() => None,
            Err(error) => panic!("{error}"),
        }
    }

    async fn crd(&self) -> Option<Value> {
        self.get(&format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{LINK_CRD}")).await
    }

    async fn knows_the_field(&self) -> bool {
        let crd = self.crd().await.expect("the definition");
        crd.pointer(STATUS_FIELDS).expect("fields of status").get(NEW_FIELD).is_some()
    }

    async fn deployment(&self) -> Option<Value> {
        self.get(&format!("/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{RELEASE}")).await
    }

    async fn disruption_budget(&self) -> Option<Value> {
        self.get(&format!("/apis/policy/v1/namespaces/{NAMESPACE}/poddisruptionbudgets/{RELEASE}")).await
    }

    async fn until_served(&self) {
        self.world
            .until(SOON, "both kinds are served", async |_: &World| {
                let kinds = [LINKS, ENDPOINTS].map(|plural| format!("/apis/atlas.privatelink.dev/v1alpha1/{plural}"));
                self.get(&kinds[0]).await.is_some() && self.get(&kinds[1]).await.is_some()
            })
            .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_lives() {
    let _turn = ONE_MORE_CONTROL_PLANE.lock().await;
    let control_plane = ControlPlane::start(Options::default()).await.expect("started");
    let world = World::new(Nature { plane: Plane::of(&control_plane), ..Nature::default() }).await;
    let release = Release { helm: Helm::of(&control_plane.kubeconfig_path()), world: &world };

    let notes = release.helm(&["install", RELEASE], older_chart().path(), &[]);
    assert!(notes.contains("for all namespaces") && notes.contains("leaves the CustomResourceDefinitions"), "{notes}");
    assert!(release.deployment().await.is_some());
    assert!(!release.knows_the_field().await);
    release.until_served().await;
    let made = [world.apply(&link("orders")).await, world.apply(&endpoint("a", "orders", VPCE)).await];

    release.helm(&["upgrade", RELEASE], &chart(), &[]);
    assert!(release.knows_the_field().await, "the definition was not upgraded");
    assert!(release.disruption_budget().await.is_none());
    release.helm(&["upgrade", RELEASE], &chart(), &["--set", "replicas=2"]);
    assert!(release.disruption_budget().await.is_some());
    release.of(&["rollback", RELEASE, "2"]);
    assert!(release.disruption_budget().await.is_none());
    assert_eq!(release.deployment().await.expect("there")["spec"]["replicas"], 1);
    assert!(release.knows_the_field().await);
    same_objects(&world, &made).await;

    release.of(&["uninstall", RELEASE]);
    assert!(release.deployment().await.is_none());
    let roles = release.get("/apis/rbac.authorization.k8s.io/v1/clusterroles").await.expect("a list");
    assert!(!roles.to_string().contains(RELEASE), "roles are left");
    assert!(release.crd().await.is_some(), "the definition is gone");
    same_objects(&world, &made).await;
    taken_over_and_removed(&release, &made).await;
    applied_without_helm(&world).await;
    control_plane.stop().await.expect("stopped");
}

/// Another release takes the definitions over; with `crds.keep` off they go with it.
async fn taken_over_and_removed(release: &Release<'_>, made: &[Value]) {
    let install = ["install", "another"];
    let arguments =
        ["install", "another", chart().to_str().expect("text"), "--namespace", NAMESPACE].map(str::to_owned);
    let refused = release.helm.run(&arguments.each_ref().map(String::as_str)).expect_err("taken without a word");
    assert!(refused.contains("ownership"), "{refused}");
    let notes = release.helm(&install, &chart(), &["--take-ownership", "--set", "crds.keep=false"]);
    assert!(notes.contains("WARNING: crds.keep is false"), "{notes}");
    same_objects(release.world, made).await;
    release.of(&["uninstall", "another"]);
    let world = release.world;
    let gone = async |_: &World| {
        let all = release.get("/apis/apiextensions.k8s.io/v1/customresourcedefinitions").await.expect("a list");
        all["items"].as_array().is_some_and(Vec::is_empty)
    };
    world.until(SOON, "the definitions are gone", gone).await;
}

/// `kubectl apply --server-side -f deploy/install.yaml`, in the order of the file.
async fn applied_without_helm(world: &World) {
    let text = std::fs::read_to_string(repository("deploy/install.yaml")).expect("install.yaml");
    for object in objects(&text).expect("YAML") {
        apply_as(world, MANAGER, &object, None).await;
    }
}

async fn same_objects(world: &World, made: &[Value]) {
    for (plural, object) in [LINKS, ENDPOINTS].iter().zip(made) {
        let name = object["metadata"]["name"].as_str().expect("a name");
        let now = world.get(plural, name).await.unwrap_or(json!("gone"));
        assert_eq!(now["metadata"]["uid"], object["metadata"]["uid"], "{plural}");
        assert_eq!(now["metadata"]["deletionTimestamp"], Value::Null, "{plural}");
    }
}
