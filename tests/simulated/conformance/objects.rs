//! The part of the script that is about one object: creation, PUT, PATCH, status.

use http::Method;
use serde_json::{Value, json};

use super::{LINKS, MERGE, Script, link, with};

impl Script {
    pub(super) async fn creation(&mut self) {
        let dressed = with(link("a"), "/status", json!({"state": "forged"}));
        let dressed = with(dressed, "/metadata/generation", json!(7));
        let dressed = with(dressed, "/metadata/finalizers", json!([]));
        self.post("create", LINKS, dressed).await;
        self.post("create again", LINKS, link("a")).await;
        self.post("create without a name", LINKS, with(link("a"), "/metadata", json!({}))).await;
        self.post("create with a generated name", LINKS, with(link("a"), "/metadata", json!({"generateName": "gen-"})))
            .await;
        self.post("create with a version", LINKS, with(link("rv"), "/metadata/resourceVersion", json!("1"))).await;
        self.post("create for another namespace", LINKS, with(link("ns"), "/metadata/namespace", json!("other"))).await;
        self.post("create of another kind", LINKS, with(link("kind"), "/kind", json!("Other"))).await;
        self.post("create without metadata", LINKS, with(link("x"), "/metadata", Value::Null)).await;
        self.get("get", &format!("{LINKS}/a")).await;
        self.get("get what is not there", &format!("{LINKS}/nobody")).await;
        self.get("get of no resource", "/apis/atlas.privatelink.dev/v1alpha1/namespaces/conformance/nothings").await;
        self.call("patch of a collection", Method::PATCH, LINKS, MERGE, json!({})).await;
        self.put("put of a collection", LINKS, link("a")).await;
        self.post("post to an object", &format!("{LINKS}/a"), link("a")).await;
    }

    pub(super) async fn updates(&mut self) {
        let a = format!("{LINKS}/a");
        let current = self.get("before the updates", &a).await;
        let current = self.put("put of the same", &a, current).await;
        self.put("put of the same again", &a, current.clone()).await;
        let forged = with(current.clone(), "/status", json!({"state": "forged"}));
        self.put("put of a status to the main resource", &a, forged).await;
        let labelled = with(current.clone(), "/metadata/labels", json!({"l": "1"}));
        let labelled = self.put("put of a label", &a, labelled).await;
        self.put("put of an old version", &a, with(current.clone(), "/spec/region", json!("b"))).await;
        let changed = with(labelled.clone(), "/spec/region", json!("b"));
        let changed = self.put("put of a spec", &a, changed).await;
        let bare = with(changed.clone(), "/metadata", json!({"name": "a"}));
        self.put("put without a version", &a, bare).await;
        let stranger = with(changed.clone(), "/metadata/uid", json!("c1f1ad5c-0000-4000-8000-000000000000"));
        self.put("put of another uid", &a, stranger).await;
        self.put("put of another name", &a, with(changed.clone(), "/metadata/name", json!("b"))).await;
        let nobody = with(changed.clone(), "/metadata", json!({"name": "nobody"}));
        self.put("put of what is not there", &format!("{LINKS}/nobody"), nobody).await;
        let forged = with(changed.clone(), "/metadata/generation", json!(99));
        self.put("put of a generation", &a, forged).await;
        let dated = with(changed, "/metadata/deletionTimestamp", json!("2020-01-01T00:00:00Z"));
        self.put("put of a deletion", &a, dated).await;
    }

    pub(super) async fn patches(&mut self) {
        let a = format!("{LINKS}/a");
        self.merge("merge of nothing", &a, json!({})).await;
        self.merge("merge of an annotation", &a, json!({"metadata": {"annotations": {"k": "v"}}})).await;
        self.merge("merge of the same annotation", &a, json!({"metadata": {"annotations": {"k": "v"}}})).await;
        self.merge("merge that removes it", &a, json!({"metadata": {"annotations": {"k": null}}})).await;
        self.merge("merge of a spec", &a, json!({"spec": {"region": "c", "list": [1, 2]}})).await;
        self.merge(
            "merge of an old version",
            &a,
            json!({"metadata": {"resourceVersion": "1"}, "spec": {"region": "d"}}),
        )
        .await;
        self.merge(
            "merge of a null version",
            &a,
            json!({"metadata": {"resourceVersion": null}, "spec": {"region": "d"}}),
        )
        .await;
        self.merge("merge of an odd version", &a, json!({"metadata": {"resourceVersion": "odd"}})).await;
        let uid = json!({"metadata": {"uid": "c1f1ad5c-0000-4000-8000-000000000000"}});
        self.merge("merge of another uid", &a, uid).await;
        self.merge("merge of another name", &a, json!({"metadata": {"name": "b"}})).await;
        self.merge("merge of a status to the main resource", &a, json!({"status": {"state": "forged"}})).await;
        self.merge("merge of what is not there", &format!("{LINKS}/nobody"), json!({"spec": {}})).await;
        self.merge("merge of a list", &a, json!([])).await;
        self.call("patch in an unknown form", Method::PATCH, &a, "text/plain", json!({})).await;
        self.call("strategic patch", Method::PATCH, &a, "application/strategic-merge-patch+json", json!({})).await;
        let region = |value: &str| json!([{"op": "test", "path": "/spec/region", "value": value}, {"op": "replace", "path": "/spec/region", "value": "e"}]);
        self.json_patch("patch whose test fails", &a, region("never")).await;
        let current = self.get("before the patches", &a).await;
        let now = current["spec"]["region"].as_str().unwrap_or_default().to_owned();
        self.json_patch("patch whose test holds", &a, region(&now)).await;
        self.json_patch("patch of nothing there", &a, json!([{"op": "remove", "path": "/spec/none"}])).await;
        let version = |value: &Value| json!([{"op": "test", "path": "/metadata/resourceVersion", "value": value}, {"op": "add", "path": "/metadata/finalizers", "value": ["example.com/f"]}]);
        self.json_patch("patch with a test of an old version", &a, version(&json!("1"))).await;
        let current = self.get("before the patch with a version", &a).await;
        self.json_patch("patch with a test of the version", &a, version(&current["metadata"]["resourceVersion"])).await;
        self.json_patch("patch that removes it", &a, json!([{"op": "remove", "path": "/metadata/finalizers/0"}])).await;
        self.merge("merge of an empty map", &a, json!({"metadata": {"annotations": {}}})).await;
        self.merge("merge that ends the labels", &a, json!({"metadata": {"labels": null}})).await;
    }

    pub(super) async fn status(&mut self) {
        let (a, status) = (format!("{LINKS}/a"), format!("{LINKS}/a/status"));
        self.merge("merge of a status", &status, json!({"status": {"state": "S", "observedGeneration": 3}})).await;
        self.merge("merge of the same status", &status, json!({"status": {"state": "S"}})).await;
        let both = json!({"spec": {"region": "forged"}, "metadata": {"labels": {"x": "y"}, "annotations": {"x": "y"}, "finalizers": ["x.y/z"]}, "status": {"state": "T"}});
        self.merge("merge of all to the status", &status, both).await;
        self.merge(
            "merge of an old version to the status",
            &status,
            json!({"metadata": {"resourceVersion": "1"}, "status": {"state": "U"}}),
        )
        .await;
        let current = self.get("get of the status", &status).await;
        self.put("put of a status", &status, with(current.clone(), "/status", json!({"state": "V"}))).await;
        self.put("put of an old status", &status, with(current.clone(), "/status", json!({"state": "W"}))).await;
        let current = self.get("between the statuses", &a).await;
        self.put("put of an empty status", &status, with(current, "/status", json!({}))).await;
        let current = self.get("after the empty status", &a).await;
        let mut none = current.clone();
        none.as_object_mut().expect("an object").remove("status");
        self.put("put of no status", &status, none).await;
        self.merge("merge of a null status", &status, json!({"status": null})).await;
        self.json_patch(
            "json patch of a status",
            &status,
            json!([{"op": "add", "path": "/status/state", "value": "X"}]),
        )
        .await;
        self.merge("status of what is not there", &format!("{LINKS}/nobody/status"), json!({"status": {}})).await;
        self.get("an unknown subresource", &format!("{a}/scale")).await;
        self.delete("delete of a status", &status, Value::Null).await;
    }

    pub(super) async fn applies(&mut self) {
        let (b, status) = (format!("{LINKS}/b"), format!("{LINKS}/b/status"));
        let dressed = |fields: Value| with(link("b"), "/spec", fields);
        self.apply("apply without a manager", &b, "", link("b")).await;
        self.apply("apply of a new object", &b, "fieldManager=one", dressed(json!({"region": "a", "list": [1]}))).await;
        self.apply("apply of the same", &b, "fieldManager=one", dressed(json!({"region": "a", "list": [1]}))).await;
        self.apply("apply of the same once more", &b, "fieldManager=one", dressed(json!({"region": "a", "list": [1]})))
            .await;
        self.apply("apply of the same by another", &b, "fieldManager=two", dressed(json!({"region": "a"}))).await;
        self.apply("apply of the same by another again", &b, "fieldManager=two", dressed(json!({"region": "a"}))).await;
        self.apply("apply against two", &b, "fieldManager=three", dressed(json!({"region": "z", "mine": 1}))).await;
        self.apply("apply by force", &b, "fieldManager=three&force=true", dressed(json!({"region": "z", "mine": 1})))
            .await;
        self.apply("apply that lost its field", &b, "fieldManager=one", dressed(json!({"region": "a", "list": [1]})))
            .await;
        self.apply("apply of less", &b, "fieldManager=one", dressed(json!({}))).await;
        self.apply("apply of less by another", &b, "fieldManager=three", dressed(json!({"region": "z"}))).await;
        self.merge("merge over an apply", &b, json!({"spec": {"region": "merged"}})).await;
        self.apply("apply after the merge", &b, "fieldManager=three", dressed(json!({"region": "z"}))).await;
        let finalised = |finalizers: Value| with(link("b"), "/metadata/finalizers", finalizers);
        self.apply(
            "apply of a finalizer",
            &b,
            "fieldManager=fin",
            with(finalised(json!(["x.y/1"])), "/spec", json!({})),
        )
        .await;
        self.apply(
            "apply of another's finalizer",
            &b,
            "fieldManager=fin2",
            with(finalised(json!(["x.y/2"])), "/spec", json!({})),
        )
        .await;
        self.apply("apply of no finalizer", &b, "fieldManager=fin", with(link("b"), "/spec", json!({}))).await;
        self.apply("apply of no finalizer either", &b, "fieldManager=fin2", with(link("b"), "/spec", json!({}))).await;
        let said = |state: &str| with(link("b"), "/status", json!({"state": state}));
        self.apply("apply of a status to the main resource", &b, "fieldManager=four&force=true", said("forged")).await;
        self.apply("apply of a status", &status, "fieldManager=op", said("S")).await;
        self.apply("apply of the same status", &status, "fieldManager=op", said("S")).await;
        self.apply("apply of a status against another", &status, "fieldManager=op2", said("T")).await;
        self.apply(
            "apply of an old version",
            &status,
            "fieldManager=op",
            with(said("U"), "/metadata/resourceVersion", json!("1")),
        )
        .await;
        self.apply(
            "apply of a status of nothing",
            &format!("{LINKS}/nobody/status"),
            "fieldManager=op",
            with(said("U"), "/metadata/name", json!("nobody")),
        )
        .await;
        self.apply("apply of another name", &b, "fieldManager=one", link("c")).await;
        self.apply("apply without a kind", &b, "fieldManager=one", json!({"metadata": {"name": "b"}})).await;
        self.apply(
            "apply of a version to nothing",
            &format!("{LINKS}/rv"),
            "fieldManager=one",
            with(link("rv"), "/metadata/resourceVersion", json!("1")),
        )
        .await;
    }
}
