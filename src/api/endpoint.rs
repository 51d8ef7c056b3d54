//! `AtlasInterfaceEndpoint`: one endpoint of the user's network, attached to a link's service.

#![expect(clippy::duplicated_attributes, reason = "one printcolumn for each column is how kube has it")]

use super::{DeletionPolicy, LocalReference, Origin, common_status};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

/// One interface endpoint of your VPC, attached to the service of an AtlasPrivateLink.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "atlas.privatelink.dev",
    version = "v1alpha1",
    kind = "AtlasInterfaceEndpoint",
    plural = "atlasinterfaceendpoints",
    singular = "atlasinterfaceendpoint",
    shortname = "aie",
    category = "atlas",
    namespaced,
    status = "AtlasInterfaceEndpointStatus",
    derive = "PartialEq",
    doc = "AtlasInterfaceEndpoint attaches one interface endpoint of your VPC to the service of an AtlasPrivateLink.",
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "Status", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#),
    printcolumn(name = "Endpoint", type_ = "string", json_path = ".status.interfaceEndpointId"),
    printcolumn(name = "Connection", type_ = "string", json_path = ".status.connectionStatus"),
    printcolumn(name = "Link", type_ = "string", json_path = ".spec.privateLinkRef.name"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].message"#,
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = (
    "has(self.interfaceEndpointId) != has(self.interfaceEndpointIdFrom)",
    "exactly one of interfaceEndpointId and interfaceEndpointIdFrom must be set"
))]
pub struct AtlasInterfaceEndpointSpec {
    /// The AtlasPrivateLink of the same namespace whose service it is attached to. Cannot be changed.
    #[x_kube(validation = ("self == oldSelf", "privateLinkRef cannot be changed; create another AtlasInterfaceEndpoint"))]
    pub private_link_ref: LocalReference,

    /// Id of the interface endpoint (AWS: vpce-…). After a change, the new endpoint is attached before the old one is
    /// detached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    // Without a least length, which would be told in place of the pattern, and say nothing of `vpce-`.
    #[schemars(length(max = 22), regex(pattern = r"^vpce-[0-9a-f]{8,17}$"))]
    pub interface_endpoint_id: Option<String>,

    /// Where the id is to be read, if something else writes it down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface_endpoint_id_from: Option<InterfaceEndpointIdSource>,

    /// What happens to the attachment in Atlas when this resource is deleted: Delete or Retain. When absent, the operator
    /// decides by its flag --default-deletion-policy: normally it deletes what this resource created and keeps what it
    /// adopted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,

    /// While true, nothing is written to Atlas for this resource, its deletion included. When absent: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
}

/// Where the id of an interface endpoint is read.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct InterfaceEndpointIdSource {
    /// A key of a ConfigMap of the same namespace. It need not exist yet.
    pub config_map_key_ref: ConfigMapKeyReference,
}

/// A key of a ConfigMap of the same namespace.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct ConfigMapKeyReference {
    /// Name of the ConfigMap.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub name: String,
    /// The key whose value is the id.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub key: String,
}

/// What was last seen of the endpoint. Fields are absent until they are known.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct AtlasInterfaceEndpointStatus {
    /// The metadata.generation that the conditions speak of; -1 until the operator has seen the resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// The metadata.uid of the resource that this status was written for. On any other one it is a copy, whose origin proves
    /// nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_uid: Option<String>,

    /// The project of the service that the endpoint is attached to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_id: Option<String>,

    /// Id of the service that the endpoint is attached to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_link_id: Option<String>,

    /// Id of the attached endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface_endpoint_id: Option<String>,

    /// Atlas' word for the connection: NONE, PENDING_ACCEPTANCE, PENDING, AVAILABLE, REJECTED or DELETING.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_status: Option<String>,

    /// Whether Atlas was asked to remove the endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete_requested: Option<bool>,

    /// What Atlas says went wrong with the endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,

    /// Created: this resource attached the endpoint, and detaches it. Adopted: it was attached before, or another resource
    /// owns it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,

    /// Endpoints that this resource had before its id was changed, and that are still to be detached.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub retiring: Vec<Retiring>,

    /// How often a rejected endpoint was removed and added again; absent when the last try succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,

    /// The last value of the annotation atlas.privatelink.dev/reconcile-requested-at that was acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,

    /// Ready always; Reconciling or Stalled while that is the case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

/// An endpoint that was replaced by another and is still to be detached.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Retiring {
    /// Id of the replaced endpoint.
    pub interface_endpoint_id: String,
    /// Id of the service that it was attached to.
    pub private_link_id: String,
    /// Created: it is detached. Adopted: it is kept.
    pub origin: Origin,
}

impl AtlasInterfaceEndpointStatus {
    fn origins_mut(&mut self) -> impl Iterator<Item = &mut Origin> {
        self.origin.iter_mut().chain(self.retiring.iter_mut().map(|old| &mut old.origin))
    }
}

common_status!(AtlasInterfaceEndpointStatus);
