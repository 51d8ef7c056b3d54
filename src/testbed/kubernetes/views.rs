//! Stale views: what a client is shown instead of the present.

/// A client's view that stands still: its lists and watches see the state at one resource version until it is released.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    pub(super) client: String,
    resource: Option<String>,
    pub(super) revision: Option<u64>,
    lists: bool,
    reads: bool,
}

impl View {
    /// All that a client lists and watches, as it stands when the view is frozen.
    pub fn of(client: &str) -> Self {
        Self { client: client.to_owned(), resource: None, revision: None, lists: true, reads: false }
    }

    /// Only one resource, by its plural.
    pub fn resource(self, plural: &str) -> Self {
        Self { resource: Some(plural.to_owned()), ..self }
    }

    /// As it stood at a resource version: what a client sees that reconnects to a server which lags behind.
    pub fn at(self, revision: u64) -> Self {
        Self { revision: Some(revision), ..self }
    }

    /// Only watches, and lists from the cache (`resourceVersion=0`). What a real server shows that lags behind: another list
    /// it answers from the newest state ("Most Recent" of the API concepts).
    pub fn of_watches(self) -> Self {
        Self { lists: false, ..self }
    }

    /// GETs of single objects, too. (Those of a real server are never stale unless they ask for `resourceVersion=0`.)
    pub fn with_reads(self) -> Self {
        Self { reads: true, ..self }
    }
}

/// The views that stand still.
#[derive(Debug, Default)]
pub(super) struct Views(Vec<View>);

impl Views {
    pub(super) fn freeze(&mut self, view: View) {
        self.0.push(view);
    }

    pub(super) fn release(&mut self, client: &str) {
        self.0.retain(|view| view.client != client);
    }

    /// The newest version that a client's lists and watches of a resource may see.
    pub(super) fn horizon(&self, client: &str, resource: &str, present: u64) -> u64 {
        self.oldest(client, resource, present, |_| true)
    }

    /// The newest version that a client's lists may see.
    pub(super) fn list_horizon(&self, client: &str, resource: &str, cached: bool, present: u64) -> u64 {
        self.oldest(client, resource, present, |view| cached || view.lists)
    }

    /// The newest version that a client's GETs may see.
    pub(super) fn read_horizon(&self, client: &str, resource: &str, cached: bool, present: u64) -> u64 {
        self.oldest(client, resource, present, |view| cached || view.reads)
    }

    fn oldest(&self, client: &str, resource: &str, present: u64, counts: impl Fn(&View) -> bool) -> u64 {
        let meant = |view: &&View| {
            view.client == client && view.resource.as_ref().is_none_or(|plural| plural == resource) && counts(view)
        };
        self.0.iter().filter(meant).filter_map(|view| view.revision).min().unwrap_or(present).min(present)
    }
}
