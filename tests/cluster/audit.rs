//! What the API server says of the requests that it got: who, which verb on what, and how it ended.

use atlas_privatelink_operator::testbed::control_plane::AuditLog;
use serde_json::Value;

/// Every request, without its bodies. Those of the control plane's own parts are left out.
pub const POLICY: &str = "
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: None, users: ['system:apiserver', 'system:kube-controller-manager']}
- {level: None, nonResourceURLs: ['/livez*', '/readyz*', '/openapi*', '/apis*', '/api*']}
- {level: Metadata}
";

/// One request.
#[derive(Debug, Clone)]
pub struct Call {
    pub user: String,
    pub agent: String,
    pub verb: String,
    /// `group/plural`, and `/subresource` where there is one; `/secrets` is of the core group.
    pub resource: String,
    pub namespace: String,
    pub name: String,
    pub code: u64,
}

impl Call {
    fn read(event: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let of = &event["objectRef"];
        let sub = of["subresource"].as_str().map(|sub| format!("/{sub}")).unwrap_or_default();
        Self {
            user: text(&event["user"]["username"]),
            agent: text(&event["userAgent"]),
            verb: text(&event["verb"]),
            resource: format!("{}/{}{sub}", text(&of["apiGroup"]), text(&of["resource"])),
            namespace: text(&of["namespace"]),
            name: text(&of["name"]),
            code: event["responseStatus"]["code"].as_u64().unwrap_or_default(),
        }
    }

    /// Whether the operator's binary sent it, whoever it was for the API server.
    pub fn is_operator(&self) -> bool {
        self.agent == concat!("atlas-privatelink-operator/", env!("CARGO_PKG_VERSION"))
    }

    /// The resource without its group and subresource.
    pub fn plural(&self) -> &str {
        self.resource.split('/').nth(1).unwrap_or_default()
    }
}

/// The requests in whose record `word` stands (a namespace, a user), oldest first. A watch has two: it began, it ended.
pub fn calls(log: &AuditLog, word: &str) -> Vec<Call> {
    log.events_with(word).expect("an audit log").iter().map(Call::read).collect()
}
