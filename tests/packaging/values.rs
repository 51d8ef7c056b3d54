//! `values.yaml` as its comments document it.

use super::helm::chart;
use serde_json::Value;

/// A value that a comment with two dashes documents.
#[derive(Debug, PartialEq)]
pub struct Documented {
    /// Such as `["image", "tag"]`.
    pub path: Vec<String>,
    pub text: String,
    pub default: Value,
}

impl Documented {
    pub fn name(&self) -> String {
        self.path.join(".")
    }
}

/// The defaults.
pub fn defaults() -> Value {
    serde_saphyr::from_str(&text()).expect("YAML")
}

fn text() -> String {
    std::fs::read_to_string(chart().join("values.yaml")).expect("values.yaml")
}

/// Every documented value, in the order of the file.
pub fn documented() -> Vec<Documented> {
    let (defaults, mut path, mut comment, mut all) = (defaults(), Vec::<String>::new(), None, Vec::new());
    for line in text().lines() {
        let inner = line.trim_start();
        let depth = (line.len() - inner.len()) / 2;
        if let Some(text) = inner.strip_prefix("# -- ") {
            comment = Some(text.to_owned());
        } else if let Some((key, _)) = inner.split_once(':').filter(|_| !inner.starts_with(['#', '-'])) {
            path.truncate(depth);
            path.push(key.to_owned());
            if let Some(text) = comment.take() {
                let default = at(&defaults, &path).expect("the file has it").clone();
                all.push(Documented { path: path.clone(), text, default });
            }
        }
    }
    all
}

/// What stands at a path.
pub fn at<'a>(value: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, key| value.get(key))
}

/// The paths of all that is not a map with something in it.
pub fn leaves(value: &Value) -> Vec<Vec<String>> {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            let below = |(key, value): (&String, &Value)| {
                let key = key.clone();
                leaves(value).into_iter().map(move |rest| [vec![key.clone()], rest].concat())
            };
            fields.iter().flat_map(below).collect()
        }
        _ => vec![Vec::new()],
    }
}

/// The part of values.schema.json that speaks of a path, references followed.
fn schema_of(path: &[String]) -> Option<Value> {
    let text = std::fs::read_to_string(chart().join("values.schema.json")).expect("values.schema.json");
    let root: Value = serde_json::from_str(&text).expect("JSON");
    let mut schema = root.clone();
    for key in path {
        schema = schema["properties"].get(key)?.clone();
        if let Some(name) = schema["$ref"].as_str().and_then(|reference| reference.strip_prefix("#/$defs/")) {
            schema = root["$defs"][name].clone();
        }
    }
    Some(schema)
}

#[test]
fn every_value_is_documented_and_typed() {
    let documented = documented();
    for leaf in leaves(&defaults()) {
        assert!(documented.iter().any(|value| leaf.starts_with(&value.path)), "values.yaml says nothing of {leaf:?}");
    }
    for value in &documented {
        let schema = schema_of(&value.path).unwrap_or_default();
        let typed = ["type", "enum", "anyOf"].iter().any(|word| schema.get(word).is_some());
        assert!(typed, "values.schema.json says nothing of {}", value.name());
    }
}

/// Strict inside the chart's own objects, where only a typing error is another key; open at the root, where umbrella
/// charts put theirs.
#[test]
fn the_schema_is_strict_inside_and_open_at_the_root() {
    let schema = schema_of(&[]).expect("a schema");
    assert!(schema.get("additionalProperties").is_none());
    for (name, inner) in schema["properties"].as_object().expect("properties") {
        let own = inner.get("properties").is_some();
        assert_eq!(inner["additionalProperties"] == Value::Bool(false), own, "{name}");
        let known: Vec<_> = documented().iter().map(|value| value.path[0].clone()).collect();
        assert!(known.contains(name), "values.yaml lacks {name}");
        for key in inner["properties"].as_object().into_iter().flat_map(|fields| fields.keys()) {
            assert!(defaults()[name].get(key).is_some(), "values.yaml lacks {name}.{key}");
        }
    }
}
