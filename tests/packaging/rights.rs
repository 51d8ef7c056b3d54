//! What a ServiceAccount may do, as its roles say, and what it did, as the audit log says.

use super::requests::texts;
use crate::cluster::{JSON, World};
use http::Method;
use serde_json::Value;
use std::collections::BTreeSet;

/// One verb on one resource: `patch atlas.privatelink.dev/atlasprivatelinks`.
pub type Rights = BTreeSet<String>;

/// Everything but what the API server does itself.
pub const AUDIT_POLICY: &str = "
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: Metadata, userGroups: ['system:serviceaccounts']}
- {level: None}
";

/// A ServiceAccount.
#[derive(Clone, Copy)]
pub struct Account<'a> {
    pub namespace: &'a str,
    pub name: &'a str,
}

impl Account<'_> {
    fn is_subject_of(&self, binding: &Value) -> bool {
        let me = |subject: &Value| {
            subject["kind"] == "ServiceAccount"
                && subject["name"] == self.name
                && subject["namespace"] == self.namespace
        };
        binding["subjects"].as_array().is_some_and(|subjects| subjects.iter().any(me))
    }

    fn user(&self) -> String {
        format!("system:serviceaccount:{}:{}", self.namespace, self.name)
    }

    /// The events of the audit log that are its doing.
    pub fn events(&self, log: &[Value]) -> Vec<Value> {
        log.iter().filter(|event| event["user"]["username"] == self.user()).cloned().collect()
    }

    /// What its roles grant, cluster-wide or anywhere.
    pub async fn granted(&self, world: &World) -> Rights {
        let list = async |plural: &str| {
            let path = format!("/apis/rbac.authorization.k8s.io/v1/{plural}");
            world.send(Method::GET, &path, JSON, &Value::Null).await.expect("a list")["items"].take()
        };
        let (roles, cluster_roles) = (list("roles").await, list("clusterroles").await);
        let (bindings, cluster_bindings) = (list("rolebindings").await, list("clusterrolebindings").await);
        let all = bindings.as_array().into_iter().chain(cluster_bindings.as_array()).flatten();
        all.filter(|binding| self.is_subject_of(binding))
            .flat_map(|binding| {
                let of_cluster = binding["roleRef"]["kind"] == "ClusterRole";
                let roles = if of_cluster { &cluster_roles } else { &roles };
                let is_it = |role: &&Value| {
                    role["metadata"]["name"] == binding["roleRef"]["name"]
                        && (of_cluster || role["metadata"]["namespace"] == binding["metadata"]["namespace"])
                };
                let role = roles.as_array().into_iter().flatten().find(is_it).expect("the role of a binding");
                rights_of(&role["rules"])
            })
            .collect()
    }
}

fn rights_of(rules: &Value) -> Rights {
    let mut rights = Rights::new();
    for rule in rules.as_array().into_iter().flatten() {
        for group in texts(&rule["apiGroups"]) {
            for resource in texts(&rule["resources"]) {
                rights.extend(texts(&rule["verbs"]).map(|verb| format!("{verb} {group}/{resource}")));
            }
        }
    }
    rights
}

/// What these events used. What is no resource stands as its URL.
pub fn used(events: &[Value]) -> Rights {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let right = |event: &Value| {
        let (object, verb) = (&event["objectRef"], text(&event["verb"]));
        if object.is_null() {
            return format!("{verb} {}", text(&event["requestURI"]));
        }
        let sub = object["subresource"].as_str().map(|sub| format!("/{sub}")).unwrap_or_default();
        format!("{verb} {}/{}{sub}", text(&object["apiGroup"]), text(&object["resource"]))
    };
    events.iter().map(right).collect()
}

/// The requests among them that were forbidden.
pub fn forbidden(events: &[Value]) -> Vec<&Value> {
    events.iter().filter(|event| event["responseStatus"]["code"] == 403).collect()
}
