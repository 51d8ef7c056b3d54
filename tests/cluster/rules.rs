//! Every single rule of the schema has a manifest that this rule refuses, in its own words: without the rule it would be
//! taken, or refused for another reason. A rule without such a manifest fails.

use super::world::*;
use atlas_privatelink_operator::api::crds;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const LINK: [&str; 49] = [
    " required spec",
    ".spec !(has(self.adoptionPolicy) && self.adoptionPolicy == 'AdoptOnly' && has(self.deletionPolicy) && self.deletionPolicy == 'Delete')",
    ".spec required credentialsRef",
    ".spec required projectId",
    ".spec required provider",
    ".spec required region",
    ".spec.adoptionPolicy enum",
    ".spec.credentialsRef required name",
    ".spec.credentialsRef.name maxLength",
    ".spec.credentialsRef.name minLength",
    ".spec.credentialsRef.name pattern",
    ".spec.deletionPolicy enum",
    ".spec.projectId maxLength",
    ".spec.projectId minLength",
    ".spec.projectId pattern",
    ".spec.projectId self == oldSelf",
    ".spec.provider enum",
    ".spec.provider self == oldSelf",
    ".spec.region maxLength",
    ".spec.region minLength",
    ".spec.region pattern",
    ".spec.region self == oldSelf",
    ".status.attempts minimum",
    ".status.conditions map",
    ".status.conditions[] required lastTransitionTime",
    ".status.conditions[] required message",
    ".status.conditions[] required reason",
    ".status.conditions[] required status",
    ".status.conditions[] required type",
    ".status.conditions[].message maxLength",
    ".status.conditions[].observedGeneration minimum",
    ".status.conditions[].reason maxLength",
    ".status.conditions[].reason minLength",
    ".status.conditions[].reason pattern",
    ".status.conditions[].status enum",
    ".status.conditions[].type maxLength",
    ".status.conditions[].type pattern",
    ".status.endpointServiceName maxLength",
    ".status.errorMessage maxLength",
    ".status.interfaceEndpoints[] maxLength",
    ".status.lastHandledReconcileAt maxLength",
    ".status.observedUid maxLength",
    ".status.origin enum",
    ".status.privateLinkId maxLength",
    ".status.privateLinkServiceName maxLength",
    ".status.privateLinkServiceResourceId maxLength",
    ".status.regionName maxLength",
    ".status.serviceAttachmentNames[] maxLength",
    ".status.state maxLength",
];
const ENDPOINT: [&str; 50] = [
    " required spec",
    ".spec has(self.interfaceEndpointId) != has(self.interfaceEndpointIdFrom)",
    ".spec required privateLinkRef",
    ".spec.deletionPolicy enum",
    ".spec.interfaceEndpointId maxLength",
    ".spec.interfaceEndpointId pattern",
    ".spec.interfaceEndpointIdFrom required configMapKeyRef",
    ".spec.interfaceEndpointIdFrom.configMapKeyRef required key",
    ".spec.interfaceEndpointIdFrom.configMapKeyRef required name",
    ".spec.interfaceEndpointIdFrom.configMapKeyRef.key maxLength",
    ".spec.interfaceEndpointIdFrom.configMapKeyRef.key minLength",
    ".spec.interfaceEndpointIdFrom.configMapKeyRef.key pattern",
    ".spec.interfaceEndpointIdFrom.configMapKeyRef.name maxLength",
    ".spec.interfaceEndpointIdFrom.configMapKeyRef.name minLength",
    ".spec.interfaceEndpointIdFrom.configMapKeyRef.name pattern",
    ".spec.privateLinkRef required name",
    ".spec.privateLinkRef self == oldSelf",
    ".spec.privateLinkRef.name maxLength",
    ".spec.privateLinkRef.name minLength",
    ".spec.privateLinkRef.name pattern",
    ".status.attempts minimum",
    ".status.conditions map",
    ".status.conditions[] required lastTransitionTime",
    ".status.conditions[] required message",
    ".status.conditions[] required reason",
    ".status.conditions[] required status",
    ".status.conditions[] required type",
    ".status.conditions[].message maxLength",
    ".status.conditions[].observedGeneration minimum",
    ".status.conditions[].reason maxLength",
    ".status.conditions[].reason minLength",
    ".status.conditions[].reason pattern",
    ".status.conditions[].status enum",
    ".status.conditions[].type maxLength",
    ".status.conditions[].type pattern",
    ".status.connectionStatus maxLength",
    ".status.errorMessage maxLength",
    ".status.interfaceEndpointId maxLength",
    ".status.lastHandledReconcileAt maxLength",
    ".status.observedUid maxLength",
    ".status.origin enum",
    ".status.privateLinkId maxLength",
    ".status.projectId maxLength",
    ".status.retiring maxItems",
    ".status.retiring[] required interfaceEndpointId",
    ".status.retiring[] required origin",
    ".status.retiring[] required privateLinkId",
    ".status.retiring[].interfaceEndpointId maxLength",
    ".status.retiring[].origin enum",
    ".status.retiring[].privateLinkId maxLength",
];

/// Every rule below a schema: where it is, which one, and what of it the API server's answer repeats.
fn rules(path: &str, schema: &Value, found: &mut BTreeMap<String, String>) {
    let mut rule = |name: &str, words: String| drop(found.insert(format!("{path} {name}"), words));
    let limits = [
        ("pattern", "should match"),
        ("minLength", "should be at least"),
        ("maxLength", "may not be more than"),
        ("enum", "supported values"),
        ("minimum", "should be greater than or equal to"),
        ("maxItems", "must have at most"),
    ];
    for (name, words) in limits.iter().filter(|(name, _)| !schema[*name].is_null()) {
        rule(name, (*words).to_owned());
    }
    for field in schema["required"].as_array().into_iter().flatten() {
        rule(&format!("required {}", field.as_str().expect("a name")), "Required value".to_owned());
    }
    if schema["x-kubernetes-list-type"] == "map" {
        rule("map", "Duplicate value".to_owned());
    }
    for cel in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
        let (text, words) = (cel["rule"].as_str().expect("CEL"), cel["message"].as_str().expect("words"));
        rule(text, words.to_owned());
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        rules(&format!("{path}.{name}"), property, found);
    }
    if schema["items"].is_object() {
        rules(&format!("{path}[]"), &schema["items"], found);
    }
}

fn rules_of(kind: &str) -> BTreeMap<String, String> {
    let crds = crds::all().map(|crd| serde_json::to_value(&crd).expect("JSON"));
    let crd = crds.iter().find(|crd| crd["spec"]["names"]["kind"] == kind).expect("the kind");
    let mut found = BTreeMap::new();
    rules("", &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"], &mut found);
    found
}

/// The value at a path of the schema, set.
fn at(path: &str, value: Value) -> Value {
    path.rsplit('.').filter(|part| !part.is_empty()).fold(value, |inner, part| match part.strip_suffix("[]") {
        Some(list) => json!({ list: [inner] }),
        None => json!({ part: inner }),
    })
}

fn text(length: usize) -> Value {
    json!("a".repeat(length))
}

fn condition(name: &str, value: Value) -> Value {
    let mut good = json!({
        "type": "Ready", "status": "True", "reason": "Available", "message": "",
        "lastTransitionTime": "2026-11-21T08:00:00Z", "observedGeneration": 1,
    });
    good[name] = value;
    good
}

/// What breaks a rule and no other, as a merge patch of an object that is there; a null in a list is left out.
fn breaking(kind: &str, rule: &str) -> Option<Value> {
    let (path, name) = rule.split_once(' ')?;
    if let Some(field) = name.strip_prefix("required ") {
        return match path {
            ".status.conditions[]" => Some(json!({"status": {"conditions": [condition(field, Value::Null)]}})),
            ".status.retiring[]" => {
                let mut one = json!({"interfaceEndpointId": VPCE, "privateLinkId": PROJECT, "origin": "Created"});
                one.as_object_mut()?.remove(field);
                Some(json!({"status": {"retiring": [one]}}))
            }
            _ => Some(at(&format!("{path}.{field}"), Value::Null)),
        };
    }
    if let Some(field) = path.strip_prefix(".status.conditions[].") {
        let value = match (field, name) {
            ("status", "enum") => json!("Maybe"),
            ("observedGeneration", "minimum") => json!(-1),
            (_, "pattern") => json!("two words"),
            (_, "minLength") => json!(""),
            ("type", "maxLength") => text(317),
            ("reason", "maxLength") => text(1025),
            ("message", "maxLength") => text(32769),
            _ => return None,
        };
        return Some(json!({"status": {"conditions": [condition(field, value)]}}));
    }
    let retiring = |origin: &str| json!({"interfaceEndpointId": VPCE, "privateLinkId": PROJECT, "origin": origin});
    let value = match (path, name) {
        (".status.conditions", "map") => {
            json!([condition("reason", json!("One")), condition("reason", json!("Other"))])
        }
        (".status.retiring", "maxItems") => Value::Array(vec![retiring("Created"); 17]),
        (".status.retiring[].origin", "enum") => return Some(json!({"status": {"retiring": [retiring("Found")]}})),
        (".status.retiring[].interfaceEndpointId" | ".status.retiring[].privateLinkId", "maxLength") => {
            let mut one = retiring("Created");
            one[path.rsplit('.').next()?] = text(1025);
            return Some(json!({"status": {"retiring": [one]}}));
        }
        (_, "enum") => json!("Something"),
        (_, "minimum") => json!(-1),
        (".spec.projectId", "pattern") => json!("5DF264B8F10FAB7D2CAD2F0D"),
        (".spec.projectId", "minLength") => text(23),
        (".spec.projectId", "maxLength") => text(25),
        (".spec.region", "minLength") => text(1),
        (".spec.region", "maxLength") => text(65),
        (".spec.interfaceEndpointId", "maxLength") => json!(format!("vpce-{}", "a".repeat(300))),
        (".spec.interfaceEndpointId", "pattern") => json!("vpce-0B9C5701325CB15DD"),
        (".spec.interfaceEndpointIdFrom.configMapKeyRef.key", "pattern") => json!("a/b"),
        (_, "pattern") => json!("-no-"),
        (_, "minLength") => json!(""),
        (_, "maxLength") if path.starts_with(".status") => text(1025),
        (_, "maxLength") => text(254),
        (".spec.projectId", "self == oldSelf") => json!(project(1)),
        (".spec.provider", "self == oldSelf") => json!("GCP"),
        (".spec.region", "self == oldSelf") => json!("us-east-2"),
        (".spec.privateLinkRef", "self == oldSelf") => json!({"name": "others"}),
        (".spec", _) if kind == "AtlasPrivateLink" => {
            json!({"adoptionPolicy": "AdoptOnly", "deletionPolicy": "Delete"})
        }
        (".spec", _) => json!({"interfaceEndpointId": null}),
        _ => return None,
    };
    Some(at(path, value))
}

/// The API server gives each cause a sentence of its own.
fn tells(said: &str, rule: &str, words: &str) -> bool {
    let field = rule.split(' ').next().unwrap_or_default().replace("[]", "");
    let last = field.rsplit('.').next().unwrap_or_default();
    said.to_lowercase().contains(&words.to_lowercase()) && said.contains(last)
}

/// `good` is by the rule: some are about a field that not every good manifest has.
async fn every_rule_refuses(kind: &str, expected: &[&str], good: impl Fn(&str) -> Value) {
    let world = World::new(Nature::default()).await;
    let rules = rules_of(kind);
    assert_eq!(rules.keys().collect::<Vec<_>>(), expected, "a rule has come, or gone");
    let mut unseen = Vec::new();
    for (rule, words) in &rules {
        let Some(change) = breaking(kind, rule) else {
            unseen.push(format!("{rule}: no manifest breaks it"));
            continue;
        };
        let good = good(rule);
        let (plural, name) = (plural_of(&good), good["metadata"]["name"].as_str().expect("a name"));
        world.apply(&good).await;
        let subresource = if change.get("status").is_some() { "/status" } else { "" };
        match world.merge(plural, &format!("{name}{subresource}?dryRun=All"), &change).await {
            Ok(_) => unseen.push(format!("{rule}: taken")),
            Err(error) if tells(&error.to_string(), rule, words) => {}
            Err(error) => unseen.push(format!("{rule}: refused without {words:?}: {error}")),
        }
    }
    assert!(unseen.is_empty(), "{}", unseen.join("\n"));
}

#[tokio::test]
async fn every_rule_of_a_link_refuses_something() {
    every_rule_refuses("AtlasPrivateLink", &LINK, |_| link("orders")).await;
}

#[tokio::test]
async fn every_rule_of_an_endpoint_refuses_something() {
    every_rule_refuses("AtlasInterfaceEndpoint", &ENDPOINT, |rule| {
        if rule.starts_with(".spec.interfaceEndpointIdFrom") {
            endpoint_from("from", "orders", "vpc-a", "id")
        } else {
            endpoint("literal", "orders", VPCE)
        }
    })
    .await;
}
