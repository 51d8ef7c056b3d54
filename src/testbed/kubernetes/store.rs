//! The objects and everything that ever happened to them. Versions are kept, so that any past state can be shown again.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::{
    object,
    ownership::Owners,
    resource::{CRDS, ResourceType},
    selector::Selector,
};

/// Where an object lives. The order is that of lists.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub resource: usize,
    pub namespace: String,
    pub name: String,
}

/// What a change did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It was not there before.
    Added,
    /// It was there before and is now.
    Modified,
    /// It is gone.
    Deleted,
}

impl Change {
    /// The `type` of a watch event.
    pub(super) fn event(self) -> &'static str {
        match self {
            Self::Added => "ADDED",
            Self::Modified => "MODIFIED",
            Self::Deleted => "DELETED",
        }
    }
}

/// One version of an object; a deletion's holds the last state.
#[derive(Debug, Clone)]
pub struct Version {
    /// The resource version of the change.
    pub revision: u64,
    /// When it was made.
    pub at: Timestamp,
    /// The name of the client that made it.
    pub by: String,
    /// The order number of its request; none when the test made the change directly.
    pub request: Option<u64>,
    /// What the change did.
    pub change: Change,
    /// The object after it.
    pub object: Value,
    pub(super) previous: Option<Value>,
    pub(super) key: Key,
}

/// Who writes, and when.
#[derive(Debug, Clone)]
pub(super) struct Author {
    pub client: String,
    pub manager: String,
    pub request: Option<u64>,
    pub at: Timestamp,
}

#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub object: Value,
    pub owners: Owners,
    /// Whether what is stored is what is shown. The real server stores a new object without the default of its status,
    /// so that the first write after the creation always is one, even when it changes nothing.
    pub settled: bool,
}

#[derive(Debug)]
pub(super) struct Store {
    pub types: Vec<ResourceType>,
    pub objects: BTreeMap<Key, Entry>,
    pub versions: Vec<Version>,
    pub revision: u64,
    /// Watches and lists that begin before this are too old.
    pub compacted: u64,
    pub seed: u64,
    pub made: u64,
    pub crds_first: bool,
}

/// Which objects of a resource are meant.
#[derive(Debug, Clone)]
pub(super) struct Scope {
    pub resource: usize,
    pub namespace: Option<String>,
    pub selector: Selector,
}

impl Scope {
    /// Whether the key is of this resource and namespace.
    pub(super) fn covers(&self, key: &Key) -> bool {
        key.resource == self.resource && self.namespace.as_ref().is_none_or(|namespace| *namespace == key.namespace)
    }
}

impl Store {
    pub(super) fn new(types: Vec<ResourceType>, seed: u64, crds_first: bool) -> Self {
        Self {
            types,
            objects: BTreeMap::new(),
            versions: Vec::new(),
            revision: 1,
            compacted: 0,
            seed,
            made: 0,
            crds_first,
        }
    }

    /// The row of a resource by its path, unless it waits for a CRD that is not there.
    pub(super) fn served(&self, group: &str, version: &str, plural: &str) -> Option<usize> {
        let named = |row: &ResourceType| row.group == group && row.version == version && row.plural == plural;
        let index = self.types.iter().position(named)?;
        self.is_established(&self.types[index]).then_some(index)
    }

    pub(super) fn is_established(&self, row: &ResourceType) -> bool {
        !(row.custom && self.crds_first) || self.named(CRDS, "", &row.qualified()).is_some()
    }

    /// The row of a resource by its plural name alone.
    pub(super) fn row(&self, plural: &str) -> Option<usize> {
        self.types.iter().position(|row| row.plural == plural)
    }

    /// The row of a resource by its kind.
    pub(super) fn row_of_kind(&self, api_version: &str, kind: &str) -> Option<usize> {
        self.types.iter().position(|row| row.kind == kind && row.api_version() == api_version)
    }

    /// An object as it stands.
    pub(super) fn named(&self, plural: &str, namespace: &str, name: &str) -> Option<&Value> {
        let key = Key { resource: self.row(plural)?, namespace: namespace.to_owned(), name: name.to_owned() };
        self.objects.get(&key).map(|entry| &entry.object)
    }

    /// An object as it stood at a revision.
    pub(super) fn at(&self, key: &Key, revision: u64) -> Option<&Value> {
        let last = self.until(revision).iter().rev().find(|version| version.key == *key)?;
        (last.change != Change::Deleted).then_some(&last.object)
    }

    /// The objects of a scope as they stood at a revision, in the order of lists.
    pub(super) fn list(&self, scope: &Scope, revision: u64) -> Vec<(&Key, &Value)> {
        if revision >= self.revision {
            let all = self.objects.iter().map(|(key, entry)| (key, &entry.object));
            return all.filter(|(key, object)| scope.covers(key) && scope.selector.matches(object)).collect();
        }
        let mut then = BTreeMap::new();
        for version in self.until(revision).iter().filter(|version| scope.covers(&version.key)) {
            match version.change {
                Change::Added | Change::Modified => then.insert(&version.key, &version.object),
                Change::Deleted => then.remove(&version.key),
            };
        }
        then.into_iter().filter(|(_, object)| scope.selector.matches(object)).collect()
    }

    /// The versions made after one revision, up to and with another.
    pub(super) fn between(&self, after: u64, until: u64) -> &[Version] {
        let upto = self.until(until);
        &upto[upto.partition_point(|version| version.revision <= after)..]
    }

    fn until(&self, revision: u64) -> &[Version] {
        &self.versions[..self.versions.partition_point(|version| version.revision <= revision)]
    }

    /// Every version of one object, creations after deletions included.
    pub(super) fn history(&self, key: &Key) -> Vec<Version> {
        self.versions.iter().filter(|version| version.key == *key).cloned().collect()
    }

    /// Every version of every object of a resource.
    pub(super) fn past(&self, resource: usize) -> Vec<Version> {
        self.versions.iter().filter(|version| version.key.resource == resource).cloned().collect()
    }

    /// Writes the next version of an object, and gives it as it now stands.
    pub(super) fn record(&mut self, key: Key, mut entry: Entry, change: Change, by: &Author) -> Value {
        self.revision += 1;
        object::set_meta(&mut entry.object, "resourceVersion", serde_json::json!(self.revision.to_string()));
        let object = entry.object.clone();
        let previous = match change {
            Change::Added | Change::Modified => self.objects.insert(key.clone(), entry),
            Change::Deleted => self.objects.remove(&key),
        };
        self.versions.push(Version {
            revision: self.revision,
            at: by.at,
            by: by.client.clone(),
            request: by.request,
            change,
            object: object.clone(),
            previous: previous.map(|entry| entry.object),
            key,
        });
        object
    }

    /// An identity that no other object ever had, the same in every run.
    pub(super) fn next_uid(&mut self) -> String {
        self.made += 1;
        let (high, low) = (mix(self.seed ^ self.made), mix(self.seed.wrapping_add(self.made << 20)));
        let [a, b, c] = [high >> 32, (high >> 16) & 0xffff, high & 0xfff];
        format!("{a:08x}-{b:04x}-4{c:03x}-{:04x}-{:012x}", 0x8000 | (low >> 50), low & 0xffff_ffff_ffff)
    }

    /// The five characters that end a generated name.
    pub(super) fn next_suffix(&mut self) -> String {
        const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
        self.made += 1;
        let bits = mix(self.seed ^ (self.made << 8));
        (0..5).map(|place| char::from(ALPHABET[(bits >> (8 * place)) as usize % ALPHABET.len()])).collect()
    }
}

/// SplitMix64's finaliser: a bijection, so that different counters give different numbers.
fn mix(number: u64) -> u64 {
    let a = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let b = (a ^ (a >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let c = (b ^ (b >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    c ^ (c >> 31)
}
