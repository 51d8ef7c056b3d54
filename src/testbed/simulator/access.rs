//! Who may do what: API keys, service accounts, their roles in projects, and which projects exist.

use super::{ids::is_object_id, problem::Problem, route::Dialect, settings::Settings};
use http::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What a credential is in a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// `Project Owner`: everything.
    Owner,
    /// `Project Read Only`: v2's reads; v1.0 needs Owner for reads too (atlas-api.md §9.10).
    ReadOnly,
    /// A member without a role that helps: `USER_UNAUTHORIZED`.
    Nothing,
    /// Not a member: `NOT_IN_GROUP`.
    Stranger,
}

/// A key or a service account.
pub(super) struct Credential {
    secret: SecretString,
    pub(super) enabled: bool,
    /// Whether its API access list has the caller's address.
    pub(super) on_access_list: bool,
    /// Roles other than Owner, by project.
    roles: BTreeMap<String, Role>,
}

impl Credential {
    fn new(secret: SecretString) -> Self {
        Self { secret, enabled: true, on_access_list: true, roles: BTreeMap::new() }
    }

    /// The secret, if the credential may be used at all.
    pub(super) fn usable_secret(&self) -> Option<&str> {
        self.enabled.then(|| self.secret.expose_secret())
    }

    fn role(&self, project: &str) -> Role {
        self.roles.get(project).copied().unwrap_or(Role::Owner)
    }
}

/// All credentials and projects.
pub(super) struct Access {
    pub(super) keys: BTreeMap<String, Credential>,
    pub(super) accounts: BTreeMap<String, Credential>,
    /// `None`: every well-formed id is a project.
    projects: Option<BTreeSet<String>>,
    deleted: BTreeSet<String>,
}

impl Access {
    pub(super) fn new(settings: &Settings) -> Self {
        let known = |secrets: &[super::Secret]| {
            secrets.iter().map(|s| (s.name.clone(), Credential::new(s.secret.clone()))).collect::<BTreeMap<_, _>>()
        };
        let mut keys = known(&settings.api_keys);
        let accounts = known(&settings.service_accounts);
        if keys.is_empty() && accounts.is_empty() {
            keys.insert(super::PUBLIC_KEY.to_owned(), Credential::new(super::PRIVATE_KEY.into()));
        }
        let projects = (!settings.projects.is_empty()).then(|| settings.projects.iter().cloned().collect());
        Self { keys, accounts, projects, deleted: BTreeSet::new() }
    }

    /// The key or account of that name.
    pub(super) fn credential(&self, name: &str) -> Option<&Credential> {
        self.keys.get(name).or_else(|| self.accounts.get(name))
    }

    /// The same, to change it.
    pub(super) fn credential_mut(&mut self, name: &str) -> Option<&mut Credential> {
        self.keys.get_mut(name).or_else(|| self.accounts.get_mut(name))
    }

    /// Gives a known credential another secret, or makes a new API key.
    pub(super) fn set_secret(&mut self, name: &str, secret: SecretString) {
        match self.credential_mut(name) {
            Some(credential) => credential.secret = secret,
            None => drop(self.keys.insert(name.to_owned(), Credential::new(secret))),
        }
    }

    pub(super) fn set_role(&mut self, name: &str, project: &str, role: Role) -> bool {
        let credential = self.credential_mut(name);
        credential.map(|credential| credential.roles.insert(project.to_owned(), role)).is_some()
    }

    pub(super) fn set_project(&mut self, project: &str, exists: bool) {
        if exists {
            self.deleted.remove(project);
            if let Some(projects) = &mut self.projects {
                projects.insert(project.to_owned());
            }
        } else {
            self.deleted.insert(project.to_owned());
        }
    }

    /// The projects that were named when the simulator was started.
    pub(super) fn named_projects(&self) -> impl Iterator<Item = &String> {
        self.projects.iter().flatten().filter(|project| !self.deleted.contains(*project))
    }

    /// Whether `caller` may read or write in `project` (atlas-api.md §3 "401/403").
    pub(super) fn check(&self, caller: &str, project: &str, dialect: Dialect, write: bool) -> Result<(), Problem> {
        if !is_object_id(project) {
            return Err(Problem::invalid_group_id(project));
        }
        let named = self.projects.as_ref().is_none_or(|projects| projects.contains(project));
        if !named || self.deleted.contains(project) {
            return Err(Problem::group_not_found(project));
        }
        let lacking = match dialect {
            Dialect::V1 => StatusCode::UNAUTHORIZED,
            Dialect::V2 => StatusCode::FORBIDDEN,
        };
        match (self.credential(caller).map(|credential| credential.role(project)), dialect) {
            (Some(Role::Owner), _) => Ok(()),
            (Some(Role::ReadOnly), Dialect::V2) if !write => Ok(()),
            (Some(Role::ReadOnly | Role::Nothing), _) => Err(Problem::unauthorized(lacking)),
            (Some(Role::Stranger) | None, _) => Err(Problem::not_in_group()),
        }
    }
}
