//! What the demo knows of each resource, read from its status, and how its state has moved.

use super::samples::Kind;
use jiff::Timestamp;
use kube::api::DynamicObject;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// How long a change of state stays in the table.
const TRAIL: Duration = Duration::from_secs(4);

/// Tells the resources apart.
pub type Key = (Kind, String);

/// One resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub kind: Kind,
    pub name: String,
    /// The cloud, of a link.
    pub provider: Option<String>,
    /// Atlas' word.
    pub state: Option<String>,
    /// True as long as the operator says so of the current generation.
    pub ready: bool,
    pub stalled: bool,
    pub deleting: bool,
    pub reason: Option<String>,
    pub message: Option<String>,
    pub created: Option<Timestamp>,
}

impl Row {
    /// Reads an object of the API server. Whatever is missing is not known yet.
    pub fn read(kind: Kind, object: &DynamicObject) -> Self {
        let status = &object.data["status"];
        let condition = |wanted: &str| {
            let conditions = status["conditions"].as_array()?;
            conditions.iter().find(|condition| condition["type"] == wanted)
        };
        let ready = condition("Ready");
        let of_ready = |field: &str| ready.and_then(|ready| text(&ready[field]));
        let seen = status["observedGeneration"].as_i64() == object.metadata.generation;
        let state = match kind {
            Kind::AtlasPrivateLink => &status["state"],
            Kind::AtlasInterfaceEndpoint => &status["connectionStatus"],
        };
        Self {
            kind,
            name: object.metadata.name.clone().unwrap_or_default(),
            provider: text(&object.data["spec"]["provider"]),
            state: text(state),
            ready: seen && of_ready("status").as_deref() == Some("True"),
            stalled: condition("Stalled").is_some_and(|stalled| stalled["status"] == "True"),
            deleting: object.metadata.deletion_timestamp.is_some(),
            reason: of_ready("reason"),
            message: of_ready("message"),
            created: object.metadata.creation_timestamp.as_ref().map(|time| time.0),
        }
    }

    pub fn key(&self) -> Key {
        (self.kind, self.name.clone())
    }

    /// Why it is not Ready, for a person who wants to know at the end.
    pub fn complaint(&self) -> String {
        let reason = self.reason.as_deref().unwrap_or("no status yet");
        let message = self.message.as_deref().unwrap_or("the operator has not written one");
        format!("{} {}: {reason}: {message}", self.kind.name(), self.name)
    }
}

fn text(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

/// How the states have moved.
#[derive(Debug, Default)]
pub struct Trails(BTreeMap<Key, Trail>);

#[derive(Debug)]
struct Trail {
    state: Option<String>,
    before: Option<(String, Instant)>,
}

impl Trails {
    /// Takes note of the states as they are `now`.
    pub fn update(&mut self, rows: &[Row], now: Instant) {
        for row in rows {
            let trail = self.0.entry(row.key()).or_insert_with(|| Trail { state: row.state.clone(), before: None });
            if trail.state != row.state {
                let left = std::mem::replace(&mut trail.state, row.state.clone());
                trail.before = left.map(|state| (state, now));
            }
        }
        self.0.retain(|key, _| rows.iter().any(|row| row.kind == key.0 && row.name == key.1));
    }

    /// The state that a resource has left a moment ago.
    pub fn before(&self, row: &Row, now: Instant) -> Option<&str> {
        let (state, left) = self.0.get(&row.key())?.before.as_ref()?;
        (now.saturating_duration_since(*left) < TRAIL).then_some(state)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use serde_json::json;

    /// A link whose status says `state` and `reason`; Ready when the reason is `Available`.
    pub fn link(name: &str, state: &str, reason: &str) -> Row {
        read(Kind::AtlasPrivateLink, name, json!({ "state": state }), reason)
    }

    pub fn endpoint(name: &str, state: &str, reason: &str) -> Row {
        read(Kind::AtlasInterfaceEndpoint, name, json!({ "connectionStatus": state }), reason)
    }

    fn read(kind: Kind, name: &str, mut status: Value, reason: &str) -> Row {
        let ready = if reason == "Available" { "True" } else { "False" };
        status["observedGeneration"] = 1.into();
        status["conditions"] = json!([{"type": "Reconciling", "status": "True", "reason": "Other"},
            {"type": "Ready", "status": ready, "reason": reason, "message": format!("{reason} it is")}]);
        Row::read(kind, &object(name, &status))
    }

    fn object(name: &str, status: &Value) -> DynamicObject {
        serde_json::from_value(json!({
            "apiVersion": "atlas.privatelink.dev/v1alpha1", "kind": "Any",
            "metadata": {"name": name, "generation": 1, "creationTimestamp": "2026-11-21T20:00:00Z"},
            "spec": {"provider": "AWS"}, "status": status,
        }))
        .unwrap()
    }

    #[test]
    fn a_status_is_read() {
        let row = link("a", "INITIATING", "Creating");
        assert_eq!((row.state.as_deref(), row.reason.as_deref()), (Some("INITIATING"), Some("Creating")));
        assert!(!row.ready && !row.stalled && !row.deleting);
        assert_eq!(row.complaint(), "AtlasPrivateLink a: Creating: Creating it is");
        assert!(endpoint("b", "AVAILABLE", "Available").ready);
    }

    #[test]
    fn what_is_not_there_yet_or_said_of_an_older_generation_is_not_ready() {
        let fresh = Row::read(Kind::AtlasPrivateLink, &object("a", &json!({"observedGeneration": -1})));
        assert_eq!((fresh.state.as_deref(), fresh.reason.as_deref(), fresh.ready), (None, None, false));
        assert!(fresh.complaint().contains("no status yet"));
        let status = json!({"observedGeneration": 0, "conditions": [{"type": "Ready", "status": "True"}]});
        assert!(!Row::read(Kind::AtlasPrivateLink, &object("a", &status)).ready);
    }

    #[test]
    fn a_change_of_state_is_remembered_for_a_while() {
        let (mut trails, start) = (Trails::default(), Instant::now());
        trails.update(&[link("a", "INITIATING", "Creating")], start);
        let available = link("a", "AVAILABLE", "Available");
        assert_eq!(trails.before(&available, start), None);
        trails.update(std::slice::from_ref(&available), start);
        assert_eq!(trails.before(&available, start + TRAIL / 2), Some("INITIATING"));
        assert_eq!(trails.before(&available, start + TRAIL), None);
        trails.update(&[], start);
        assert_eq!(trails.before(&available, start), None, "it is gone");
    }
}
