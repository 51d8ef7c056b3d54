//! Label and field selectors of lists and watches.

use serde_json::Value;

use super::{failure::Failure, object::meta};

/// What a list or a watch asks for.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Selector {
    labels: Vec<Requirement>,
    fields: Vec<(String, bool, String)>,
}

#[derive(Debug, Clone, PartialEq)]
enum Requirement {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Absent(String),
}

impl Selector {
    pub(super) fn parse(labels: Option<&str>, fields: Option<&str>) -> Result<Self, Failure> {
        let labels = terms(labels.unwrap_or_default()).into_iter().map(requirement).collect();
        let fields = terms(fields.unwrap_or_default()).into_iter().map(field).collect::<Result<_, _>>()?;
        Ok(Self { labels, fields })
    }

    pub(super) fn matches(&self, object: &Value) -> bool {
        self.labels.iter().all(|requirement| requirement.matches(&object["metadata"]["labels"]))
            && self.fields.iter().all(|(name, equal, value)| (meta(object, name) == value) == *equal)
    }
}

impl Requirement {
    fn matches(&self, labels: &Value) -> bool {
        let among = |key: &str, values: &[String]| {
            labels[key].as_str().is_some_and(|label| values.iter().any(|value| value == label))
        };
        match self {
            Self::In(key, values) => among(key, values),
            Self::NotIn(key, values) => !among(key, values),
            Self::Exists(key) => labels[key].is_string(),
            Self::Absent(key) => !labels[key].is_string(),
        }
    }
}

/// Splits at the commas that are not within parentheses.
fn terms(text: &str) -> Vec<&str> {
    let mut depth = 0;
    let outside = move |c: char| {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        c == ',' && depth == 0
    };
    text.split(outside).map(str::trim).filter(|term| !term.is_empty()).collect()
}

fn requirement(term: &str) -> Requirement {
    let one = |value: &str| vec![value.trim().to_owned()];
    let set = |values: &str| values.trim_matches([' ', '(', ')']).split(',').map(|value| value.trim().into()).collect();
    let key = |key: &str| key.trim().to_owned();
    if let Some((name, value)) = term.split_once("!=") {
        Requirement::NotIn(key(name), one(value))
    } else if let Some((name, value)) = term.split_once('=') {
        Requirement::In(key(name), one(value.trim_start_matches('=')))
    } else if let Some((name, values)) = term.split_once(" notin ") {
        Requirement::NotIn(key(name), set(values))
    } else if let Some((name, values)) = term.split_once(" in ") {
        Requirement::In(key(name), set(values))
    } else if let Some(name) = term.strip_prefix('!') {
        Requirement::Absent(key(name))
    } else {
        Requirement::Exists(key(term))
    }
}

fn field(term: &str) -> Result<(String, bool, String), Failure> {
    let (name, equal, value) = match (term.split_once("!="), term.split_once('=')) {
        (Some((name, value)), _) => (name, false, value),
        (None, Some((name, value))) => (name, true, value.trim_start_matches('=')),
        (None, None) => return Err(Failure::bad_request(format!("invalid field selector: {term}"))),
    };
    match name.trim().strip_prefix("metadata.") {
        Some(name @ ("name" | "namespace")) => Ok((name.to_owned(), equal, value.trim().to_owned())),
        Some(_) | None => Err(Failure::bad_request(format!("field label not supported: {name}"))),
    }
}
