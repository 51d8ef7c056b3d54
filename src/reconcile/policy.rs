//! What becomes of Atlas' side when a resource is deleted.

use crate::api::{DeletionPolicy, Origin};
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// What the operator does for a resource whose spec has no `deletionPolicy`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DefaultDeletionPolicy {
    /// Delete what the resource created, keep what it adopted.
    #[default]
    Created,
    /// Keep everything.
    Retain,
}

impl FromStr for DefaultDeletionPolicy {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "Created" => Ok(Self::Created),
            "Retain" => Ok(Self::Retain),
            _ => Err(format!("{text:?} is neither Created nor Retain")),
        }
    }
}

/// What is to become of what a resource has in Atlas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposal {
    /// All of it is kept; nothing in Atlas needs to be looked at.
    KeepAll,
    /// What it created is deleted.
    DeleteCreated,
    /// It is deleted, whoever made it.
    DeleteAll,
}

impl Disposal {
    pub fn of(policy: Option<DeletionPolicy>, default: DefaultDeletionPolicy) -> Self {
        match (policy, default) {
            (Some(DeletionPolicy::Retain), _) | (None, DefaultDeletionPolicy::Retain) => Self::KeepAll,
            (Some(DeletionPolicy::Delete), _) => Self::DeleteAll,
            (None, DefaultDeletionPolicy::Created) => Self::DeleteCreated,
        }
    }

    /// Whether something of this origin is deleted.
    pub fn deletes(self, origin: Origin) -> bool {
        match (self, origin) {
            (Self::KeepAll, _) | (Self::DeleteCreated, Origin::Adopted) => false,
            (Self::DeleteCreated, Origin::Created) | (Self::DeleteAll, _) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_default_policy_is_read_from_its_word() {
        assert_eq!("Created".parse(), Ok(DefaultDeletionPolicy::Created));
        assert_eq!("Retain".parse(), Ok(DefaultDeletionPolicy::Retain));
        assert_eq!("Delete".parse::<DefaultDeletionPolicy>(), Err("\"Delete\" is neither Created nor Retain".into()));
    }
}
