//! The life of objects, as far as the conformance script does not tell it.

use std::collections::BTreeSet;

use atlas_privatelink_operator::{
    clock::Clock,
    testbed::kubernetes::{ApiServer, Change, Options, USER, Verb},
};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::json;

use super::{LINKS, code, kind, link, links, read, server};

#[tokio::test(start_paused = true)]
async fn a_finalizer_holds_an_object_and_its_history_tells_who_did_what() {
    let server = server();
    let mut held = link("a", "r");
    held["metadata"]["finalizers"] = json!(["example.com/f"]);
    server.apply(held).expect("the link");
    server.delete(LINKS, "default", "a").expect("marked");
    let api = links(server.client());
    let marked = api.get("a").await.expect("still there");
    assert_eq!((marked.metadata.generation, marked.metadata.deletion_timestamp.is_some()), (Some(2), true));
    let release = json!({"metadata": {"resourceVersion": marked.resource_version(), "finalizers": null}});
    api.patch("a", &PatchParams::default(), &Patch::Merge(release)).await.expect("released");
    assert_eq!(code(api.get("a").await), 404);
    server.apply(link("a", "r")).expect("another of that name");

    let history = server.history(LINKS, "default", "a");
    let told: Vec<_> = history.iter().map(|version| (version.change, version.by.as_str())).collect();
    let expected =
        [(Change::Added, USER), (Change::Modified, USER), (Change::Deleted, "operator"), (Change::Added, USER)];
    assert_eq!(told, expected);
    assert_eq!(history[2].request, Some(1), "the second request of all");
    assert!(history[2].object["metadata"]["finalizers"].is_array(), "a deletion shows the last state that was stored");
    let uids: BTreeSet<_> = history.iter().map(|version| version.object["metadata"]["uid"].to_string()).collect();
    assert_eq!(uids.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn of_two_writers_on_one_version_one_is_refused() {
    let server = server();
    server.apply(link("a", "r")).expect("the link");
    let (one, two) = (links(server.client_as("one")), links(server.client_as("two")));
    let seen = one.get("a").await.expect("the link").resource_version();
    let patch = |region: &str| Patch::Merge(json!({"metadata": {"resourceVersion": seen}, "spec": {"region": region}}));
    one.patch("a", &PatchParams::default(), &patch("one")).await.expect("the first");
    assert_eq!(code(two.patch("a", &PatchParams::default(), &patch("two")).await), 409);
    let log = server.log();
    assert_eq!((log.of("one").writes().len(), log.of("two").writes().len()), (1, 1));
    let patches = log.matching(|request| request.verb == Verb::Patch).0;
    assert_eq!(patches[0].body["spec"]["region"], "one");
    assert_eq!(patches[0].written, Some(server.revision()));
    assert_eq!((patches[1].code, patches[1].written), (Some(409), None));
}

#[tokio::test(start_paused = true)]
async fn custom_resources_wait_for_their_definition() {
    let clock = Clock::system();
    let server = ApiServer::with(Options { crds_first: true, ..Options::new(clock) });
    let api = links(server.client());
    assert_eq!(code(api.list(&Default::default()).await), 404);
    assert!(kube::discovery::pinned_kind(&server.client(), &gvk()).await.is_err());
    server
        .apply(json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": "atlasprivatelinks.atlas.privatelink.dev"},
            "spec": {"names": {"plural": LINKS, "kind": "AtlasPrivateLink"}},
        }))
        .expect("the CRD");
    assert!(api.list(&Default::default()).await.expect("a list").items.is_empty());
    let (found, _) = kube::discovery::pinned_kind(&server.client(), &gvk()).await.expect("discovered");
    assert_eq!(found.plural, kind().plural);
    assert!(server.client().apiserver_version().await.is_ok());
}

fn gvk() -> kube::api::GroupVersionKind {
    kube::api::GroupVersionKind::gvk("atlas.privatelink.dev", "v1alpha1", "AtlasPrivateLink")
}

#[tokio::test(start_paused = true)]
async fn a_namespace_ends_in_the_order_that_the_test_chooses() {
    let server = server();
    let mut held = link("a", "r");
    held["metadata"]["namespace"] = json!("doomed");
    held["metadata"]["finalizers"] = json!(["example.com/f"]);
    server.apply(held).expect("the link");
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "s", "namespace": "doomed"}, "stringData": {"publicKey": "abcdefgh"},
    });
    server.apply(secret).expect("the secret");
    let secrets: Api<Secret> = Api::namespaced(server.client(), "doomed");
    let data = secrets.get("s").await.expect("the secret").data.expect("data");
    assert_eq!(data["publicKey"].0, b"abcdefgh");

    let deletion = server.delete_namespace("doomed").expect("terminating");
    let maps: Api<ConfigMap> = Api::namespaced(server.client(), "doomed");
    let map: ConfigMap = serde_json::from_value(json!({"metadata": {"name": "late"}})).expect("a map");
    assert_eq!(code(maps.create(&PostParams::default(), &map).await), 403);
    deletion.delete(&[("secrets", "s")]).expect("the secret first");
    assert_eq!(code(secrets.get("s").await), 404);
    deletion.delete_rest().expect("the rest");
    assert_eq!(deletion.remaining(), [(LINKS.to_owned(), "a".to_owned())]);
    assert!(!deletion.finish().expect("asked"), "a finalizer holds it");
    server.patch(LINKS, "doomed", "a", json!({"metadata": {"finalizers": null}})).expect("released");
    assert!(deletion.finish().expect("asked"));
    assert_eq!(server.get("namespaces", "", "doomed"), None);
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_makes_the_same_uids() {
    let uid = |seed: u64| {
        let server = ApiServer::with(Options { seed, ..Options::new(Clock::system()) });
        server.apply(link("a", "r")).expect("the link")["metadata"]["uid"].clone()
    };
    assert_eq!(uid(1), uid(1));
    assert_ne!(uid(1), uid(2));
    let uid = uid(3);
    let groups: Vec<_> = uid.as_str().expect("a uid").split('-').map(str::len).collect();
    assert_eq!(groups, [8, 4, 4, 4, 12]);
}

#[tokio::test(start_paused = true)]
async fn kube_can_create_replace_and_delete() {
    let server = server();
    let api = links(server.client());
    let created = api.create(&PostParams::default(), &read(link("a", "r"))).await.expect("created");
    assert_eq!(created.data["status"]["observedGeneration"], -1);
    assert_eq!(created.creation_timestamp().expect("a time").0.to_string(), "2026-01-01T00:00:00Z");
    let replaced = api.replace("a", &PostParams::default(), &created).await.expect("replaced");
    assert_eq!(code(api.replace("a", &PostParams::default(), &created).await), 409);
    assert!(replaced.resource_version() != created.resource_version());
    assert!(api.delete("a", &DeleteParams::default()).await.expect("deleted").is_right());
    let poison = json!({"metadata": {"name": "p", "labels": 7}, "spec": "text", "data": []});
    let request = http::Request::post("/api/v1/namespaces/default/configmaps?").body(poison.to_string().into_bytes());
    assert_eq!(code(server.client().request::<ConfigMap>(request.expect("a request")).await), 400);
}
