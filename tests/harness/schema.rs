//! Whether objects are such as the API server lets in: what the schemas of the CRDs say, but for their rules in CEL, which a
//! real API server is asked for (`cluster::rules`).

use super::{past::Objects, world::*};
use regex_automata::meta::Regex;
use serde_json::{Map, Value};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{LazyLock, Mutex},
};

/// All annotations of an object together have so many bytes at most (apimachinery, `TotalAnnotationSizeLimitB`).
const LARGEST_ANNOTATIONS: usize = 256 * 1024;

static OF_LINKS: LazyLock<Value> =
    LazyLock::new(|| schema(include_str!("../../crds/atlasprivatelinks.atlas.privatelink.dev.yaml")));
static OF_ENDPOINTS: LazyLock<Value> =
    LazyLock::new(|| schema(include_str!("../../crds/atlasinterfaceendpoints.atlas.privatelink.dev.yaml")));
static PATTERNS: Mutex<BTreeMap<String, Regex>> = Mutex::new(BTreeMap::new());

fn schema(crd: &str) -> Value {
    let crd: Value = serde_saphyr::from_str(crd).unwrap();
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"].clone()
}

/// Every status that operators have written would be let in, and so would every object's annotations.
pub fn all_is_let_in(all: &Objects) {
    let mut seen = BTreeSet::new();
    for ((plural, name), versions) in all {
        let schema = if plural == LINKS { &OF_LINKS["status"] } else { &OF_ENDPOINTS["status"] };
        for version in versions {
            let status = &version.object["status"];
            let size = size(version.object["metadata"]["annotations"].as_object());
            assert!(size <= LARGEST_ANNOTATIONS, "{plural}/{name}: {size} bytes of annotations are not let in");
            if version.by.starts_with("operator") && !status.is_null() && seen.insert(status.to_string()) {
                let fault = fault(schema, status);
                assert!(fault.is_none(), "{plural}/{name}: a status is not let in: {fault:?} in {status:#}");
            }
        }
    }
}

fn size(annotations: Option<&Map<String, Value>>) -> usize {
    let text = |value: &Value| value.as_str().map_or(0, str::len);
    annotations.into_iter().flatten().map(|(key, value)| key.len() + text(value)).sum()
}

/// What a schema has against a value, if anything. A field that it does not know is a fault, for the API server would take
/// it away without a word.
fn fault(schema: &Value, value: &Value) -> Option<String> {
    let rules = schema.as_object().expect("a schema");
    rules.iter().find_map(|(rule, bound)| against(rule, bound, value).map(|fault| format!("{rule}: {fault}")))
}

fn against(rule: &str, bound: &Value, value: &Value) -> Option<String> {
    let broken = |is_broken: bool| is_broken.then(|| format!("{value} for {bound}"));
    let letters = || value.as_str().map_or(0, |text| text.chars().count() as u64);
    let number = |value: &Value| value.as_u64().unwrap_or_default();
    match rule {
        "type" => broken(match bound.as_str() {
            Some("object") => !value.is_object(),
            Some("array") => !value.is_array(),
            Some("string") => !value.is_string(),
            Some("boolean") => !value.is_boolean(),
            Some("integer") => !value.is_i64() && !value.is_u64(),
            other => panic!("the type {other:?} is new here"),
        }),
        "properties" => value.as_object().into_iter().flatten().find_map(|(name, value)| match &bound[name] {
            Value::Null => Some(format!("{name} is not known")),
            schema => fault(schema, value).map(|fault| format!("{name}: {fault}")),
        }),
        "required" => {
            broken(bound.as_array().into_iter().flatten().any(|name| value[name.as_str().unwrap()].is_null()))
        }
        "items" => value.as_array().into_iter().flatten().find_map(|value| fault(bound, value)),
        "enum" => broken(!bound.as_array().unwrap().contains(value)),
        "maxItems" => broken(value.as_array().map_or(0, Vec::len) as u64 > number(bound)),
        "maxLength" => broken(letters() > number(bound)),
        "minLength" => broken(letters() < number(bound)),
        "minimum" => broken(value.as_f64() < bound.as_f64()),
        "pattern" => broken(!matches(bound.as_str().unwrap(), value.as_str().unwrap_or_default())),
        // The default is filled in before, and two are for people. Of the formats the API server looks at the width of
        // numbers only. The lists that are maps are conditions, which the operator keeps one of a type.
        "default" | "description" | "format" | "title" | "x-kubernetes-list-map-keys" | "x-kubernetes-list-type" => {
            None
        }
        _ => panic!("the rule {rule} is new here"),
    }
}

fn matches(pattern: &str, text: &str) -> bool {
    let mut all = PATTERNS.lock().unwrap();
    all.entry(pattern.to_owned()).or_insert_with(|| Regex::new(pattern).unwrap()).is_match(text)
}

#[test]
fn what_is_not_let_in_is_found() {
    for (status, let_in) in [
        (serde_json::json!({"observedGeneration": 1, "origin": "Created"}), true),
        (serde_json::json!({"observedGeneration": "1"}), false),
        (serde_json::json!({"origin": "Stolen"}), false),
        (serde_json::json!({"unheardOf": 1}), false),
        (serde_json::json!({"conditions": [{"type": "Ready"}]}), false),
    ] {
        assert_eq!(fault(&OF_LINKS["status"], &status).is_none(), let_in, "{status}");
    }
}
