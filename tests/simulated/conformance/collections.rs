//! The part of the script that is about deletion, the resources of Kubernetes itself, watches, lists and namespaces.

use serde_json::{Value, json};

use super::{LEASES, LINKS, MAPS, Script, link, with};

impl Script {
    pub(super) async fn deletion(&mut self) {
        let (a, b, c) = (format!("{LINKS}/a"), format!("{LINKS}/b"), format!("{LINKS}/c"));
        let wrong = json!({"preconditions": {"uid": "c1f1ad5c-0000-4000-8000-000000000000"}});
        self.delete("delete of another uid", &b, wrong).await;
        self.delete("delete of an old version", &b, json!({"preconditions": {"resourceVersion": "1"}})).await;
        self.delete("delete", &b, Value::Null).await;
        self.delete("delete again", &b, Value::Null).await;
        self.merge("finalizers", &a, json!({"metadata": {"finalizers": ["x.y/1", "x.y/2"]}})).await;
        self.delete("delete with finalizers", &a, Value::Null).await;
        self.delete("delete with finalizers again", &a, Value::Null).await;
        self.post("create while it is deleted", LINKS, link("a")).await;
        self.get("get while it is deleted", &a).await;
        self.merge("spec while it is deleted", &a, json!({"spec": {"region": "late"}})).await;
        self.merge("annotation while it is deleted", &a, json!({"metadata": {"annotations": {"late": "1"}}})).await;
        self.merge("status while it is deleted", &format!("{a}/status"), json!({"status": {"state": "late"}})).await;
        self.merge(
            "new finalizer while it is deleted",
            &a,
            json!({"metadata": {"finalizers": ["x.y/1", "x.y/2", "x.y/3"]}}),
        )
        .await;
        self.merge("the deletion taken back", &a, json!({"metadata": {"deletionTimestamp": null}})).await;
        self.merge("one finalizer less", &a, json!({"metadata": {"finalizers": ["x.y/2"]}})).await;
        self.merge("another finalizer instead", &a, json!({"metadata": {"finalizers": ["x.y/4"]}})).await;
        self.json_patch("the last finalizer", &a, json!([{"op": "test", "path": "/metadata/finalizers/0", "value": "x.y/2"}, {"op": "remove", "path": "/metadata/finalizers/0"}])).await;
        self.get("get after that", &a).await;
        self.merge("merge after that", &a, json!({"metadata": {"finalizers": null}})).await;
        let held = self
            .post("create with a finalizer", LINKS, with(link("c"), "/metadata/finalizers", json!(["x.y/1"])))
            .await;
        let uid = json!({"preconditions": {"uid": held["metadata"]["uid"], "resourceVersion": held["metadata"]["resourceVersion"]}});
        let held = self.delete("delete by uid and version", &c, uid).await;
        self.put("put of the last finalizer", &c, with(held, "/metadata/finalizers", Value::Null)).await;
        self.get("get after the put", &c).await;
    }

    pub(super) async fn builtins(&mut self) {
        let map =
            |data: Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": data});
        let m = format!("{MAPS}/m");
        self.post("create a config map", MAPS, map(json!({"k": "v"}))).await;
        self.put("put without a version", &m, map(json!({"k": "w"}))).await;
        self.put("put of an old version", &m, with(map(json!({"k": "x"})), "/metadata/resourceVersion", json!("1")))
            .await;
        self.put("put of no map", &format!("{MAPS}/none"), with(map(json!({})), "/metadata/name", json!("none"))).await;
        self.merge("merge of a map", &m, json!({"data": {"l": "1"}})).await;
        self.delete("delete of an old map", &m, json!({"preconditions": {"resourceVersion": "1"}})).await;
        self.merge(
            "merge of another uid of a map",
            &m,
            json!({"metadata": {"uid": "c1f1ad5c-0000-4000-8000-000000000000"}}),
        )
        .await;
        self.delete("delete of a map", &m, Value::Null).await;
        let secret =
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"k": "value"}});
        self.post("create a secret", "/api/v1/namespaces/conformance/secrets", secret).await;
        let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "l"}, "spec": {"holderIdentity": "one"}});
        self.put("put of a new lease", &format!("{LEASES}/l"), lease.clone()).await;
        self.put(
            "put of a lease without a version",
            &format!("{LEASES}/l"),
            with(lease, "/spec/holderIdentity", json!("two")),
        )
        .await;
        self.merge("merge of a lease", &format!("{LEASES}/l"), json!({"spec": {"holderIdentity": "two"}})).await;
        self.merge(
            "merge of an old lease",
            &format!("{LEASES}/l"),
            json!({"metadata": {"resourceVersion": "1"}, "spec": {"holderIdentity": "three"}}),
        )
        .await;
        let event = json!({
            "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "e"}, "type": "Normal",
            "reason": "Tried", "action": "Try", "reportingController": "example.com/c", "reportingInstance": "i",
            "eventTime": "2026-01-01T00:00:00.000000Z",
            "regarding": {"kind": "AtlasPrivateLink", "namespace": "conformance", "name": "a"},
        });
        let events = "/apis/events.k8s.io/v1/namespaces/conformance/events";
        self.post("create an event", events, event).await;
        let series = json!({"series": {"count": 2, "lastObservedTime": "2026-01-01T00:00:01.000000Z"}});
        self.merge("merge of a series", &format!("{events}/e"), series).await;
        self.delete("delete of an event", &format!("{events}/e"), Value::Null).await;
    }

    /// From here on the watches and lists see only objects with the label `w`.
    pub(super) async fn watches(&mut self) {
        let labelled = |name: &str| with(link(name), "/metadata/labels", json!({"w": "1"}));
        let first = self.post("first to watch", LINKS, labelled("w1")).await;
        let from = first["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
        let w2 = format!("{LINKS}/w2");
        self.post("second to watch", LINKS, with(labelled("w2"), "/metadata/finalizers", json!(["x.y/1"]))).await;
        self.merge("out of the selector", &w2, json!({"metadata": {"labels": {"w": null}}})).await;
        self.merge("into the selector", &w2, json!({"metadata": {"labels": {"w": "1"}}})).await;
        self.merge("status of the second", &format!("{w2}/status"), json!({"status": {"state": "S"}})).await;
        self.delete("delete of the second", &w2, Value::Null).await;
        self.merge("end of the second", &w2, json!({"metadata": {"finalizers": null}})).await;
        let watch = |query: &str| format!("{LINKS}?watch=true&labelSelector=w%3D1&timeoutSeconds=2&{query}");
        self.get("watch from a version", &watch(&format!("resourceVersion={from}"))).await;
        self.get("watch from nothing", &watch("")).await;
        self.get("watch from 0", &watch("resourceVersion=0")).await;
        let initial =
            "sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan&resourceVersion=0";
        self.get("watch with initial events", &watch(initial)).await;
        self.get("watch with initial events without a match", &watch("sendInitialEvents=true")).await;
        self.get("watch from an odd version", &watch("resourceVersion=odd")).await;
        let everything = format!("{LINKS}?watch=true&timeoutSeconds=2&resourceVersion={from}");
        self.get("watch of everything", &everything).await;
        self.get("watch of one", &format!("{everything}&fieldSelector=metadata.name%3Dw2")).await;
    }

    pub(super) async fn lists(&mut self) {
        for name in ["l3", "l1", "l2"] {
            self.post("another to list", LINKS, with(link(name), "/metadata/labels", json!({"w": "2"}))).await;
        }
        let list = |query: &str| format!("{LINKS}?labelSelector=w+in+%281%2C2%29&{query}");
        let whole = self.get("list", &list("")).await;
        let version = whole["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
        self.get("list from 0", &list("resourceVersion=0")).await;
        self.get("list by name", &format!("{LINKS}?fieldSelector=metadata.name%3Dl1")).await;
        self.get("list by another field", &format!("{LINKS}?fieldSelector=spec.region%3Dl1")).await;
        let page = |token: &str| format!("{LINKS}?limit=3&continue={token}");
        let first = self.get("first page", &page("")).await;
        self.delete("delete between the pages", &format!("{LINKS}/l3"), Value::Null).await;
        let token = first["metadata"]["continue"].as_str().unwrap_or_default().to_owned();
        self.get("second page", &page(&token)).await;
        self.get("page of nowhere", &page("nowhere")).await;
        self.get("list not older", &list(&format!("resourceVersion={version}&resourceVersionMatch=NotOlderThan")))
            .await;
        self.get("list exactly", &list(&format!("resourceVersion={version}&resourceVersionMatch=Exact"))).await;
        self.get("list exactly from 0", &list("resourceVersion=0&resourceVersionMatch=Exact")).await;
        self.get("list with a match alone", &list("resourceVersionMatch=Exact")).await;
        self.get("list in all namespaces", "/apis/atlas.privatelink.dev/v1alpha1/atlasprivatelinks?labelSelector=w")
            .await;
        self.get("list in no namespace", "/apis/atlas.privatelink.dev/v1alpha1/namespaces/none/atlasprivatelinks")
            .await;
        self.delete("delete of many", &format!("{LINKS}?labelSelector=w"), Value::Null).await;
        self.get("list after that", &list("")).await;
    }

    /// What a watch is told whose past is forgotten, and one that nothing happens to.
    pub(super) async fn past(&mut self, forget: impl AsyncFnOnce()) {
        let old = self.post("before the past is forgotten", LINKS, link("p1")).await;
        self.post("later, and forgotten, too", LINKS, link("p2")).await;
        let version = |object: &Value| object["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
        forget().await;
        let watch = |query: &str| format!("{LINKS}?watch=true&fieldSelector=metadata.name%3Dp2&{query}");
        let from = format!("timeoutSeconds=2&resourceVersion={}", version(&old));
        self.get("watch from a forgotten version", &watch(&from)).await;
        self.get("watch from the first version", &watch("timeoutSeconds=2&resourceVersion=1")).await;
        let latest = self.merge("the first after that", &format!("{LINKS}/p2"), json!({"spec": {"region": "b"}})).await;
        let from = format!("allowWatchBookmarks=true&timeoutSeconds=6&resourceVersion={}", version(&latest));
        self.get("watch with bookmarks where nothing moves", &watch(&from)).await;
        self.merge("another one moves", &format!("{LINKS}/p1"), json!({"spec": {"region": "b"}})).await;
        // Whether a watch of some seconds gets one then is for the server's timers.
        let from = format!("allowWatchBookmarks=true&timeoutSeconds=75&resourceVersion={}", version(&latest));
        self.watch("watch with bookmarks for longer than a minute", &watch(&from)).await;
    }

    pub(super) async fn namespace(&mut self) {
        let namespace = "/api/v1/namespaces/conformance";
        self.delete("delete the namespace", namespace, Value::Null).await;
        self.post("create in a terminating namespace", LINKS, link("late")).await;
        self.apply("apply in a terminating namespace", &format!("{LINKS}/late"), "fieldManager=one", link("late"))
            .await;
        let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "late"}});
        self.post("create a lease in a terminating namespace", LEASES, lease).await;
        self.merge(
            "merge in a terminating namespace",
            "/api/v1/namespaces/conformance/secrets/s",
            json!({"data": {"k": null}}),
        )
        .await;
        self.delete("delete in a terminating namespace", "/api/v1/namespaces/conformance/secrets/s", Value::Null).await;
        self.delete("delete the namespace again", namespace, Value::Null).await;
    }
}
