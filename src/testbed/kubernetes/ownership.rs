//! Who owns which field: as much of server-side apply as two managers need to meet. Maps are merged, lists are atomic
//! (as they are in a CRD that says nothing else), except `metadata.finalizers`, which is a set.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

/// The place of a field; the last step of a finalizer is the finalizer itself.
type Path = Vec<String>;

/// A manager is told apart by its name, by whether it applies, and by the subresource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Manager {
    pub name: String,
    pub applies: bool,
    pub subresource: Option<String>,
}

/// The owners of one object's fields.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Owners(BTreeMap<Manager, BTreeSet<Path>>);

/// A field that an apply would change although it is another's.
#[derive(Debug)]
pub(super) struct Contested {
    pub field: String,
    pub owner: String,
}

impl Owners {
    /// Records a plain write: what it changed is the writer's alone, what it removed is nobody's.
    pub(super) fn updated(&mut self, manager: Manager, before: &Value, after: &Value) {
        let (before, after) = (leaves(before), leaves(after));
        let changed: BTreeSet<Path> = after
            .iter()
            .filter(|(path, value)| before.get(*path) != Some(value))
            .map(|(path, _)| path.clone())
            .collect();
        for owned in self.0.values_mut() {
            owned.retain(|path| !changed.contains(path) && after.contains_key(path));
        }
        self.0.entry(manager).or_default().extend(changed);
        self.0.retain(|_, owned| !owned.is_empty());
    }

    /// Merges an applied configuration into `live`.
    pub(super) fn apply(
        &mut self,
        manager: &Manager,
        live: &mut Value,
        applied: &Value,
        force: bool,
    ) -> Result<(), Vec<Contested>> {
        let current = leaves(live);
        let mut wanted = leaves(applied);
        wanted.retain(|path, value| !is_map_within(&current, path, value));
        let changed: BTreeSet<&Path> =
            wanted.iter().filter(|(path, value)| current.get(*path) != Some(value)).map(|(path, _)| path).collect();
        let contested = if force { Vec::new() } else { self.contested(manager, &changed) };
        if !contested.is_empty() {
            return Err(contested);
        }
        for (other, owned) in &mut self.0 {
            if other != manager {
                owned.retain(|path| !changed.contains(path));
            }
        }
        for dropped in self.dropped(manager, &wanted) {
            remove(live, &dropped);
        }
        for (path, value) in &wanted {
            insert(live, path, value);
        }
        self.0.insert(manager.clone(), wanted.into_keys().collect());
        self.0.retain(|_, owned| !owned.is_empty());
        Ok(())
    }

    fn contested(&self, manager: &Manager, changed: &BTreeSet<&Path>) -> Vec<Contested> {
        let others = self.0.iter().filter(|(other, _)| *other != manager);
        let fields = others.flat_map(|(other, owned)| owned.iter().map(move |path| (other, path)));
        fields
            .filter(|(_, path)| changed.contains(path))
            .map(|(other, path)| Contested { field: path.join("."), owner: other.name.clone() })
            .collect()
    }

    /// What the manager applied before, does not any more, and nobody else owns.
    fn dropped(&self, manager: &Manager, wanted: &BTreeMap<Path, Value>) -> Vec<Path> {
        let others: BTreeSet<_> =
            self.0.iter().filter(|(other, _)| *other != manager).flat_map(|(_, owned)| owned).collect();
        let before = self.0.get(manager).into_iter().flatten();
        before.filter(|path| !wanted.contains_key(*path) && !others.contains(path)).cloned().collect()
    }
}

/// The fields that can be owned: identity and what the server writes cannot.
fn leaves(object: &Value) -> BTreeMap<Path, Value> {
    let mut found = BTreeMap::new();
    for (field, value) in object.as_object().into_iter().flatten() {
        match field.as_str() {
            "apiVersion" | "kind" => {}
            "metadata" => {
                for part in ["labels", "annotations", "finalizers", "ownerReferences"] {
                    collect(&value[part], vec![field.clone(), part.to_owned()], &mut found);
                }
            }
            _ => collect(value, vec![field.clone()], &mut found),
        }
    }
    found
}

/// Whether an empty map is wanted where there is a map already: it then asks for nothing.
fn is_map_within(current: &BTreeMap<Path, Value>, path: &Path, value: &Value) -> bool {
    value.is_object() && current.keys().any(|other| other.starts_with(path))
}

fn is_set(path: &[String]) -> bool {
    path.len() == 2 && path[0] == "metadata" && path[1] == "finalizers"
}

fn collect(value: &Value, path: Path, found: &mut BTreeMap<Path, Value>) {
    let child = |step: &str| [path.as_slice(), &[step.to_owned()]].concat();
    match value {
        Value::Null => {}
        Value::Object(fields) if !fields.is_empty() => {
            for (field, value) in fields {
                collect(value, child(field), found);
            }
        }
        Value::Array(items) if is_set(&path) => {
            found.extend(items.iter().filter_map(Value::as_str).map(|item| (child(item), Value::Null)));
        }
        Value::Object(_) | Value::Array(_) | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            found.insert(path, value.clone());
        }
    }
}

fn insert(target: &mut Value, path: &[String], value: &Value) {
    let Some((last, parents)) = path.split_last() else { return };
    let parent = descend(target, parents);
    if !is_set(parents) {
        parent[last] = value.clone();
        return;
    }
    if !parent.is_array() {
        *parent = json!([]);
    }
    if let Some(items) = parent.as_array_mut()
        && !items.iter().any(|item| item == last)
    {
        items.push(json!(last));
    }
}

/// The map at `path`; whatever else stands on the way gives place to it.
fn descend<'a>(target: &'a mut Value, path: &[String]) -> &'a mut Value {
    path.iter().enumerate().fold(target, |at, (depth, step)| {
        if !at.is_object() {
            *at = json!({});
        }
        let next = &mut at[step];
        if !next.is_object() && !is_set(&path[..=depth]) {
            *next = json!({});
        }
        next
    })
}

fn remove(target: &mut Value, path: &[String]) {
    let Some((last, parents)) = path.split_last() else { return };
    let pointer: String =
        parents.iter().map(|step| format!("/{}", step.replace('~', "~0").replace('/', "~1"))).collect();
    match target.pointer_mut(&pointer) {
        Some(Value::Object(fields)) => {
            fields.remove(last);
        }
        Some(Value::Array(items)) => items.retain(|item| item != last),
        Some(_) | None => {}
    }
}
