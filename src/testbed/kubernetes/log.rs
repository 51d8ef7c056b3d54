//! The record of every request: what the oracles of the tests read.

use jiff::Timestamp;
use serde_json::Value;
use std::sync::Arc;

/// What a request does to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verb {
    /// GET of one object.
    Get,
    /// GET of a collection.
    List,
    /// GET of a collection's changes.
    Watch,
    /// POST.
    Create,
    /// PUT.
    Update,
    /// PATCH.
    Patch,
    /// DELETE of one object.
    Delete,
    /// DELETE of a collection.
    DeleteCollection,
    /// GET of what the server offers.
    Discover,
}

impl Verb {
    /// Whether it is meant to change anything.
    pub fn writes(self) -> bool {
        match self {
            Self::Create | Self::Update | Self::Patch | Self::Delete | Self::DeleteCollection => true,
            Self::Get | Self::List | Self::Watch | Self::Discover => false,
        }
    }
}

/// A request and what became of it.
#[derive(Debug, Clone)]
pub struct RequestRecord {
    /// Its place in the order of arrival, from 0.
    pub order: u64,
    /// When it arrived.
    pub at: Timestamp,
    /// The client's name.
    pub client: String,
    /// What it does.
    pub verb: Verb,
    /// Plural of the resource; the path for [`Verb::Discover`] and for what is not served.
    pub resource: String,
    /// Namespace; empty for all, and for resources without.
    pub namespace: String,
    /// Name; empty for collections.
    pub name: String,
    /// Subresource; empty for the object itself.
    pub subresource: String,
    /// The query, as it was sent.
    pub query: String,
    /// `User-Agent`; empty when there was none.
    pub user_agent: String,
    /// The body; null when there was none.
    pub body: Value,
    /// What its effect answered, whether or not the client got to see it; none when it had no effect.
    pub effect: Option<u16>,
    /// What the client was answered; none while unanswered, and for ever when the answer was lost.
    pub code: Option<u16>,
    /// The resource version that it wrote; none when it changed nothing.
    pub written: Option<u64>,
}

/// The record as it was when it was asked for, in order of arrival.
#[derive(Debug, Clone, Default)]
pub struct RequestLog(pub Vec<Arc<RequestRecord>>);

impl RequestLog {
    /// The requests that match.
    pub fn matching(&self, wanted: impl Fn(&RequestRecord) -> bool) -> Self {
        Self(self.0.iter().filter(|record| wanted(record)).cloned().collect())
    }

    /// The requests of one client.
    pub fn of(&self, client: &str) -> Self {
        self.matching(|record| record.client == client)
    }

    /// The requests that arrived at `since` or later.
    pub fn since(&self, since: Timestamp) -> Self {
        self.matching(|record| record.at >= since)
    }

    /// The requests that are meant to change something.
    pub fn writes(&self) -> Self {
        self.matching(|record| record.verb.writes())
    }

    /// The writes that are neither events nor leases: what a quiet operator has none of.
    pub fn essential_writes(&self) -> Self {
        self.matching(|record| record.verb.writes() && !["events", "leases"].contains(&record.resource.as_str()))
    }

    /// How many requests of a verb there were for a resource.
    pub fn count(&self, verb: Verb, resource: &str) -> usize {
        self.0.iter().filter(|record| record.verb == verb && record.resource == resource).count()
    }

    /// How many requests there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
