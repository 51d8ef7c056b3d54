//! One script of calls and what a real kube-apiserver answered to it, which is what the one in the process must answer.
//!
//! The expectations stand in `expected.json`. They were recorded from a real server; they are never taken from ours.

mod collections;
mod objects;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use atlas_privatelink_operator::{
    clock::Clock,
    testbed::kubernetes::{ApiServer, Options},
};
use http::{Method, Request, header};
use kube::{Client, client::Body};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

const EXPECTED: &str = include_str!("expected.json");

const LINKS: &str = "/apis/atlas.privatelink.dev/v1alpha1/namespaces/conformance/atlasprivatelinks";
const MAPS: &str = "/api/v1/namespaces/conformance/configmaps";
const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/conformance/leases";

const JSON: &str = "application/json";
const MERGE: &str = "application/merge-patch+json";
const JSON_PATCH: &str = "application/json-patch+json";
const APPLY: &str = "application/apply-patch+yaml";

/// An answer without what differs from run to run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct NormalisedAnswer {
    /// What was asked.
    step: String,
    /// The HTTP status.
    code: u16,
    /// What of the body must be the same everywhere.
    body: Value,
}

/// Makes the same calls of any server, in order. `forget`: from then on the server remembers nothing of the past.
pub(crate) async fn script(client: Client, forget: impl AsyncFnOnce()) -> Vec<NormalisedAnswer> {
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
    script.past(forget).await;
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
        self.record(step, code, &answer);
        answer
    }

    fn record(&mut self, step: &str, code: u16, answer: &Value) {
        let body = self.normalise(answer);
        self.answers.push(NormalisedAnswer { step: step.to_owned(), code, body });
    }

    /// A watch that is to bring something. A machine that stands still may let its time run out first: then it is asked
    /// for again, twice at most.
    async fn watch(&mut self, step: &str, path: &str) {
        let mut told = self.send(Method::GET, path, JSON, &Value::Null).await;
        for _ in 0..2 {
            if told.1 != "" {
                break;
            }
            told = self.send(Method::GET, path, JSON, &Value::Null).await;
        }
        self.record(step, told.0, &told.1);
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
            Value::Array(events) => {
                let mut events: Vec<_> = events.iter().map(|event| self.event(event)).collect();
                // How many there are in a while is for the clock of the server.
                events.dedup_by(|next, last| next == last && last["type"] == "BOOKMARK");
                json!(events)
            }
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
            Value::Object(_) if body["object"].is_object() => json!([self.event(body)]),
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
        if let Some(fields) = shown.as_object_mut() {
            // Of an event a real server shows what the older version of it had, too.
            fields.retain(|field, _| !field.starts_with("deprecated"));
        }
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
        for _ in 0..3000 {
            let (code, _) = self.send(Method::POST, path, JSON, &link("probe")).await;
            if code == 201 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        self.send(Method::DELETE, &format!("{path}/probe"), JSON, &Value::Null).await;
    }
}

/// What a real server answered.
pub(crate) fn expected() -> Vec<NormalisedAnswer> {
    serde_json::from_str(EXPECTED).expect("the recorded answers")
}

/// The answers, by the step and the how many-th of that name it is.
fn by_step(answers: &[NormalisedAnswer]) -> BTreeMap<(String, usize), NormalisedAnswer> {
    let mut all = BTreeMap::new();
    for answer in answers {
        let nth =
            answers.iter().take_while(|other| !std::ptr::eq(*other, answer)).filter(|other| other.step == answer.step);
        all.insert((answer.step.clone(), nth.count()), answer.clone());
    }
    all
}

/// Where answers are not what was recorded, for a person to read.
pub(crate) fn differences(answers: &[NormalisedAnswer]) -> Vec<String> {
    let (expected, got) = (by_step(&expected()), by_step(answers));
    let steps: BTreeSet<_> = expected.keys().chain(got.keys()).collect();
    let differing = steps.into_iter().filter(|step| expected.get(*step) != got.get(*step));
    let differences =
        differing.map(|step| format!("expected {}\n     got {}", json!(expected.get(step)), json!(got.get(step))));
    differences.collect()
}

#[tokio::test(start_paused = true)]
async fn the_in_process_server_answers_like_a_real_one() {
    let server = ApiServer::with(Options { crds_first: true, ..Options::new(Clock::system()) });
    let differences = differences(&script(server.client(), async || server.compact()).await);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
