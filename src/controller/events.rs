//! Kubernetes Events: on transitions only, never per poll.

use kube::{
    Client, Resource,
    runtime::events::{Event, EventType, Recorder, Reporter},
};

/// One thing worth telling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    pub warning: bool,
    pub reason: &'static str,
    pub action: &'static str,
    pub note: String,
}

impl News {
    pub fn normal(reason: &'static str, action: &'static str, note: impl Into<String>) -> Self {
        Self { warning: false, reason, action, note: note.into() }
    }

    pub fn warning(reason: &'static str, action: &'static str, note: impl Into<String>) -> Self {
        Self { warning: true, reason, action, note: note.into() }
    }
}

/// Publishes events. Losing one is no reason to stop.
#[derive(Clone)]
pub struct Events(Recorder);

impl Events {
    pub fn new(client: Client, instance: String) -> Self {
        Self(Recorder::new(
            client,
            Reporter { controller: "atlas-privatelink-operator".to_owned(), instance: Some(instance) },
        ))
    }

    /// Tells `news` about `object`.
    pub async fn publish(&self, object: &impl Resource<DynamicType = ()>, news: News) {
        let News { warning, reason, action, mut note } = news;
        // The API server takes at most 1024 bytes.
        note.truncate(note.floor_char_boundary(1024));
        let event = Event {
            type_: if warning { EventType::Warning } else { EventType::Normal },
            reason: reason.to_owned(),
            action: action.to_owned(),
            note: Some(note),
            secondary: None,
        };
        if let Err(error) = self.0.publish(&event, &object.object_ref(&())).await {
            tracing::warn!(%error, reason, "an event could not be published");
        }
    }
}
