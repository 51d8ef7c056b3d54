//! The properties of `spec`, as the definitions have them, and the changes that are made to each. A new property is
//! here by itself.

use atlas_privatelink_operator::api::crds;
use serde_json::{Map, Value, json};

/// A property, at every level below and including `spec`.
#[derive(Debug, Clone)]
pub struct Property {
    /// As `spec.credentialsRef.name`.
    pub path: String,
    schema: Value,
    /// Whether what is around it needs it.
    required: bool,
    /// Whether it, something around it or something in it never changes.
    immutable: bool,
}

/// All properties of a kind.
pub fn properties(kind: &str) -> Vec<Property> {
    let all = crds::all().map(|crd| serde_json::to_value(&crd).expect("JSON"));
    let crd = all.iter().find(|crd| crd["spec"]["names"]["kind"] == kind).expect("the kind");
    let root = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    let mut found = Vec::new();
    walk("spec", root, &root["properties"]["spec"], false, &mut found);
    found
}

fn walk(path: &str, around: &Value, schema: &Value, inside_immutable: bool, found: &mut Vec<Property>) {
    let name = path.rsplit('.').next().unwrap_or_default();
    let own = inside_immutable || is_immutable(schema);
    let required = around["required"].as_array().is_some_and(|all| all.iter().any(|one| one == name));
    let immutable = own || has_immutable(schema);
    found.push(Property { path: path.to_owned(), schema: schema.clone(), required, immutable });
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        walk(&format!("{path}.{name}"), schema, property, own, found);
    }
}

fn is_immutable(schema: &Value) -> bool {
    let rules = schema["x-kubernetes-validations"].as_array().into_iter().flatten();
    rules.into_iter().any(|rule| rule["rule"] == "self == oldSelf")
}

fn has_immutable(schema: &Value) -> bool {
    is_immutable(schema) || schema["properties"].as_object().into_iter().flatten().any(|(_, one)| has_immutable(one))
}

/// What the API server must say of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Refused,
    /// Refused, in these words.
    CannotBeChanged,
    Taken,
    /// What it says decides.
    Either,
}

/// What is done to a property.
#[derive(Debug, Clone)]
enum Deed {
    Set(Value),
    Removed,
    /// The same value under a name that is nearly right.
    Misspelt,
}

/// A change of a property.
#[derive(Debug, Clone)]
pub struct Change {
    /// The last part of its id.
    pub name: String,
    pub answer: Answer,
    deed: Deed,
}

impl Change {
    fn new(name: &str, answer: Answer, value: impl Into<Value>) -> Self {
        Self { name: name.to_owned(), answer, deed: Deed::Set(value.into()) }
    }
}

/// More than any limit of a property, and less than what a request may have.
const HUGE: usize = 1 << 20;

impl Property {
    /// The changes of a manifest; `sample` is a good value of the property, which the manifest may have or not.
    pub fn changes(&self, manifest: &Value, sample: &Value) -> Vec<Change> {
        let present = self.get(manifest).is_some();
        let misspelt = if present { Answer::Refused } else { Answer::Either };
        let mut changes = vec![
            Change::new("wrong-type", Answer::Refused, json!([7])),
            Change::new("huge", Answer::Refused, "a".repeat(HUGE)),
            Change::new("unicode", Answer::Refused, "\u{202e}ünïcødé\u{0}🦀"),
            // Nothing in it is out of the ordinary but that it is not ASCII.
            Change::new("letters", Answer::Refused, "schöne-äpfel"),
            Change { name: "misspelt".to_owned(), answer: misspelt, deed: Deed::Misspelt },
        ];
        if present {
            let answer = if self.required { Answer::Refused } else { Answer::Either };
            changes.push(Change { name: "removed".to_owned(), answer, deed: Deed::Removed });
        }
        let valid = match (self.immutable, present) {
            (true, _) => Answer::CannotBeChanged,
            (false, true) => Answer::Taken,
            // Some exclude one another.
            (false, false) => Answer::Either,
        };
        changes.extend(match self.schema["type"].as_str() {
            Some("string") if self.schema["enum"].is_array() => self.of_enum(sample, valid),
            Some("string") => self.of_text(sample.as_str().expect("a text"), valid),
            Some("boolean") => of_boolean(sample == &json!(true), valid),
            Some("object") => of_object(other(sample, &self.schema), valid),
            other => panic!("{}: nobody knows how to change a property of type {other:?}", self.path),
        });
        changes
    }

    fn of_enum(&self, sample: &Value, valid: Answer) -> Vec<Change> {
        let all = self.schema["enum"].as_array().into_iter().flatten();
        let others = all.filter(|one| *one != sample).map(|one| {
            let name = format!("valid-{}", one.as_str().unwrap_or_default());
            Change::new(&name, valid, one.clone())
        });
        let word = sample.as_str().unwrap_or_default();
        let mut changes: Vec<_> = others.collect();
        changes.push(Change::new("invalid", Answer::Refused, "Something"));
        changes.push(Change::new("boundary-case", Answer::Refused, swapped_case(word)));
        changes.push(Change::new("boundary-empty", Answer::Refused, ""));
        changes
    }

    fn of_text(&self, sample: &str, valid: Answer) -> Vec<Change> {
        let limit = |name: &str| self.schema[name].as_u64().and_then(|limit| usize::try_from(limit).ok());
        let longest = limit("maxLength").expect("every text has a limit");
        let long = |length: usize| sample.chars().chain(sample.chars().last().into_iter().cycle()).take(length);
        let mut changes = vec![
            Change::new("valid", valid, other_text(sample)),
            Change::new("invalid", Answer::Refused, "not a/value"),
            Change::new("boundary-empty", Answer::Refused, ""),
            Change::new("boundary-longest", Answer::Either, long(longest).collect::<String>()),
            Change::new("boundary-too-long", Answer::Refused, long(longest + 1).collect::<String>()),
            Change::new("boundary-newline", Answer::Refused, format!("{sample}\n")),
        ];
        if let Some(shortest) = limit("minLength").filter(|shortest| *shortest > 1) {
            changes.push(Change::new("boundary-too-short", Answer::Refused, &sample[..shortest - 1]));
        }
        if let Some(shortest) = limit("minLength") {
            changes.push(Change::new("boundary-shortest", Answer::Either, &sample[..shortest]));
        }
        // One that is as long, or as short, as it may be is no change.
        changes.retain(|change| !matches!(&change.deed, Deed::Set(value) if value == sample));
        changes
    }

    fn parent(&self) -> Vec<&str> {
        let mut parts: Vec<_> = self.path.split('.').collect();
        parts.pop();
        parts
    }

    fn name(&self) -> &str {
        self.path.rsplit('.').next().unwrap_or_default()
    }

    /// What a manifest has there.
    pub fn get<'a>(&self, manifest: &'a Value) -> Option<&'a Value> {
        self.path.split('.').try_fold(manifest, |around, name| around.get(name))
    }

    /// The manifest, changed.
    pub fn changed(&self, manifest: &Value, change: &Change, sample: &Value) -> Value {
        let mut changed = manifest.clone();
        let fields = self.parent().into_iter().fold(&mut changed, |around, name| &mut around[name]);
        if fields.is_null() {
            *fields = Value::Object(Map::new());
        }
        let fields = fields.as_object_mut().expect("a property is in an object");
        match &change.deed {
            Deed::Set(value) => drop(fields.insert(self.name().to_owned(), value.clone())),
            Deed::Removed => drop(fields.remove(self.name())),
            Deed::Misspelt => {
                fields.remove(self.name());
                fields.insert(format!("{}s", self.name()), sample.clone());
            }
        }
        changed
    }
}

fn of_boolean(sample: bool, valid: Answer) -> Vec<Change> {
    vec![
        Change::new("valid", valid, !sample),
        Change::new("invalid", Answer::Refused, "yes"),
        Change::new("boundary-number", Answer::Refused, 1),
        Change::new("boundary-text", Answer::Refused, "true"),
    ]
}

fn of_object(other: Value, valid: Answer) -> Vec<Change> {
    vec![
        Change::new("valid", valid, other),
        Change::new("invalid", Answer::Refused, "text"),
        Change::new("boundary-empty", Answer::Refused, json!({})),
    ]
}

/// Another value of the same shape.
fn other(sample: &Value, schema: &Value) -> Value {
    match sample {
        Value::String(text) if schema["enum"].is_null() => json!(other_text(text)),
        Value::Object(fields) => {
            let other = |(name, value): (&String, &Value)| (name.clone(), other(value, &schema["properties"][name]));
            fields.iter().map(other).collect()
        }
        same => same.clone(),
    }
}

/// The last letter or digit is another one of its kind.
fn other_text(sample: &str) -> String {
    let mut letters: Vec<char> = sample.chars().collect();
    if let Some(last) = letters.last_mut() {
        *last = match *last {
            '0'..='8' | 'a'..='e' | 'g'..='y' | 'A'..='Y' => char::from_u32(u32::from(*last) + 1).unwrap_or('a'),
            '9' => '0',
            _ => 'a',
        };
    }
    letters.into_iter().collect()
}

fn swapped_case(word: &str) -> String {
    word.chars().map(|c| if c.is_ascii_uppercase() { c.to_ascii_lowercase() } else { c.to_ascii_uppercase() }).collect()
}
