//! One script of calls and what a real kube-apiserver answered to it, which is what the one in the process must answer.
//!
//! The expectations stand in `conformance.json`. They were recorded from a real server; they are never taken from ours.

use std::{collections::BTreeMap, time::Duration};

use atlas_privatelink_operator::{
    clock::Clock,
    testbed::kubernetes::{ApiServer, Options},
};
use http::{Method, Request, header};
use kube::{Client, client::Body};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

const EXPECTED: &str = include_str!("conformance.json");

const LINKS: &str = "/apis/atlas.privatelink.dev/v1alpha1/namespaces/conformance/atlasprivatelinks";
const MAPS: &str = "/api/v1/namespaces/conformance/configmaps";
const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/conformance/leases";

const JSON: &str = "application/json";
const MERGE: &str = "application/merge-patch+json";
const JSON_PATCH: &str = "application/json-patch+json";
const APPLY: &str = "application/apply-patch+yaml";

/// An answer without what differs from run to run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NormalisedAnswer {
    /// What was asked.
    step: String,
    /// The HTTP status.
    code: u16,
    /// What of the body must be the same everywhere.
    body: Value,
}

/// Makes the same calls of any server, in order.
pub async fn script(client: Client) -> Vec<NormalisedAnswer> {
    let mut script = Script { client, answers: Vec::new(), seen: BTreeMap::new() };
    script.crd().await;
    script.creation().await;
    script.updates().await;
    script.patches().await;
    script.status().await;
    script.applies().await;
    script.deletion().await;
    script.builtins().await;
    script.watches().await;
    script.lists().await;
    script.namespace().await;
    script.answers
}

struct Script {
    client: Client,
    answers: Vec<NormalisedAnswer>,
    /// The last resource version seen, per uid.
    seen: BTreeMap<String, String>,
}

fn link(name: &str) -> Value {
    json!({
        "apiVersion": "atlas.privatelink.dev/v1alpha1",
        "kind": "AtlasPrivateLink",
        "metadata": {"name": name},
        "spec": {"region": "a"},
    })
}

fn with(mut object: Value, pointer: &str, value: Value) -> Value {
    let (parents, last) = pointer.rsplit_once('/').expect("a pointer");
    object.pointer_mut(parents).expect("a parent")[last] = value;
    object
}

impl Script {
    /// Sends a request and gives the raw answer.
    async fn send(&self, method: Method, path: &str, content_type: &str, body: &Value) -> (u16, Value) {
        let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::CONTENT_TYPE, content_type)
            .header(header::USER_AGENT, "conformance/1")
            .body(Body::from(bytes))
            .expect("a request");
        let answer = self.client.send(request).await.expect("an answer");
        let code = answer.status().as_u16();
        let bytes = answer.into_body().collect_bytes().await.expect("a body");
        let text = String::from_utf8(bytes.to_vec()).expect("text");
        let lines: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let whole = serde_json::from_str(&text);
        (code, whole.unwrap_or_else(|_| if lines.is_empty() { json!(text) } else { json!(lines) }))
    }

    /// Sends a request, records the normalised answer, and gives the raw body.
    async fn call(&mut self, step: &str, method: Method, path: &str, content_type: &str, body: Value) -> Value {
        let (code, answer) = self.send(method, path, content_type, &body).await;
        let body = self.normalise(&answer);
        self.answers.push(NormalisedAnswer { step: step.to_owned(), code, body });
        answer
    }

    async fn get(&mut self, step: &str, path: &str) -> Value {
        self.call(step, Method::GET, path, JSON, Value::Null).await
    }

    async fn post(&mut self, step: &str, path: &str, body: Value) -> Value {
        self.call(step, Method::POST, path, JSON, body).await
    }

    async fn put(&mut self, step: &str, path: &str, body: Value) -> Value {
        self.call(step, Method::PUT, path, JSON, body).await
    }

    async fn merge(&mut self, step: &str, path: &str, body: Value) -> Value {
        self.call(step, Method::PATCH, path, MERGE, body).await
    }

    async fn json_patch(&mut self, step: &str, path: &str, body: Value) -> Value {
        self.call(step, Method::PATCH, path, JSON_PATCH, body).await
    }

    async fn apply(&mut self, step: &str, path: &str, query: &str, body: Value) -> Value {
        self.call(step, Method::PATCH, &format!("{path}?{query}"), APPLY, body).await
    }

    async fn delete(&mut self, step: &str, path: &str, body: Value) -> Value {
        self.call(step, Method::DELETE, path, JSON, body).await
    }

    fn normalise(&mut self, body: &Value) -> Value {
        match body {
            Value::Array(events) => events.iter().map(|event| self.event(event)).collect(),
            Value::Object(_) if body["kind"] == "Status" => refusal(body),
            Value::Object(_) if body["items"].is_array() => {
                let items: Vec<_> =
                    body["items"].as_array().into_iter().flatten().map(|item| self.object(item)).collect();
                let metadata = &body["metadata"];
                json!({
                    "kind": body["kind"],
                    "items": items,
                    "continues": metadata["continue"].as_str().is_some_and(|token| !token.is_empty()),
                    "remaining": metadata["remainingItemCount"],
                })
            }
            Value::Object(_) if body["type"].is_string() => json!([self.event(body)]),
            Value::Object(_) => self.object(body),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => body.clone(),
        }
    }

    fn event(&mut self, event: &Value) -> Value {
        let object = match event["type"].as_str() {
            Some("BOOKMARK") => json!({"annotations": event["object"]["metadata"]["annotations"]}),
            Some("ERROR") => refusal(&event["object"]),
            _ => self.object(&event["object"]),
        };
        json!({"type": event["type"], "object": object})
    }

    fn object(&mut self, object: &Value) -> Value {
        let metadata = &object["metadata"];
        let text = |field: &str| metadata[field].as_str().unwrap_or_default().to_owned();
        let last = self.seen.insert(text("uid"), text("resourceVersion"));
        let mut shown = object.clone();
        shown["metadata"] = json!({
            "name": metadata["generateName"].as_str().map_or_else(|| metadata["name"].clone(), |_| json!("generated")),
            "namespace": metadata["namespace"],
            "generation": metadata["generation"],
            "finalizers": metadata["finalizers"],
            "labels": metadata["labels"],
            "annotations": metadata["annotations"],
            "deleting": metadata["deletionTimestamp"].is_string(),
            "grace": metadata["deletionGracePeriodSeconds"],
            "hasUid": metadata["uid"].is_string(),
            "created": metadata["creationTimestamp"].is_string(),
            "moved": last.is_none_or(|last| last != text("resourceVersion")),
        });
        shown
    }
}

fn refusal(status: &Value) -> Value {
    let mut causes: Vec<_> =
        status["details"]["causes"].as_array().into_iter().flatten().map(|cause| cause["field"].clone()).collect();
    // The real server finds some faults twice.
    causes.dedup();
    let details = &status["details"];
    json!({
        "status": status["status"],
        "reason": status["reason"],
        "code": status["code"],
        "about": [details["name"], details["group"], details["kind"]],
        "fields": causes,
    })
}

impl Script {
    async fn crd(&mut self) {
        let schema = json!({
            "type": "object",
            "x-kubernetes-preserve-unknown-fields": true,
            "properties": {
                "spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                "status": {
                    "type": "object",
                    "x-kubernetes-preserve-unknown-fields": true,
                    "default": {"observedGeneration": -1},
                },
            },
        });
        let version = json!({
            "name": "v1alpha1",
            "served": true,
            "storage": true,
            "schema": {"openAPIV3Schema": schema},
            "subresources": {"status": {}},
        });
        let crd = json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": "atlasprivatelinks.atlas.privatelink.dev"},
            "spec": {
                "group": "atlas.privatelink.dev",
                "scope": "Namespaced",
                "names": {"plural": "atlasprivatelinks", "kind": "AtlasPrivateLink"},
                "versions": [version],
            },
        });
        self.get("list before the CRD", LINKS).await;
        self.send(Method::POST, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", JSON, &crd).await;
        self.until_created().await;
        let namespace = json!({"metadata": {"name": "conformance"}});
        self.post("create in no namespace", LINKS, link("early")).await;
        self.post("create the namespace", "/api/v1/namespaces", namespace).await;
    }

    /// A real server takes its time to serve a new resource.
    async fn until_created(&self) {
        let path = "/apis/atlas.privatelink.dev/v1alpha1/namespaces/default/atlasprivatelinks";
        for _ in 0..100 {
            let (code, _) = self.send(Method::POST, path, JSON, &link("probe")).await;
            if code == 201 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        self.send(Method::DELETE, &format!("{path}/probe"), JSON, &Value::Null).await;
    }

    async fn creation(&mut self) {
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

    async fn updates(&mut self) {
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

    async fn patches(&mut self) {
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

    async fn status(&mut self) {
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

    async fn applies(&mut self) {
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

    async fn deletion(&mut self) {
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

    async fn builtins(&mut self) {
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
    async fn watches(&mut self) {
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

    async fn lists(&mut self) {
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

    async fn namespace(&mut self) {
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

#[tokio::test(start_paused = true)]
async fn the_in_process_server_answers_like_a_real_one() {
    let expected: Vec<NormalisedAnswer> = serde_json::from_str(EXPECTED).expect("the recorded answers");
    let server = ApiServer::with(Options { crds_first: true, ..Options::new(Clock::system()) });
    let answers = script(server.client()).await;
    let differing = expected.iter().zip(&answers).filter(|(expected, answer)| expected != answer);
    for (expected, answer) in differing.clone() {
        eprintln!(
            "{}\n  real {} {}\n  ours {} {}",
            expected.step, expected.code, expected.body, answer.code, answer.body
        );
    }
    assert_eq!(differing.count(), 0, "answers differ");
    assert_eq!(expected.len(), answers.len());
}
