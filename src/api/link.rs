//! `AtlasPrivateLink`: the Atlas side of a private connection.

#![expect(clippy::duplicated_attributes, reason = "one printcolumn for each column is how kube has it")]

use super::{DeletionPolicy, LocalReference, Origin, common_status};
use crate::atlas::region::Provider;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

/// Whether a service that is already there may be used: AdoptOrCreate (when absent), CreateOnly or AdoptOnly.
#[derive(schemars::JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AdoptionPolicy {
    /// Use the one that is there, or create it.
    #[default]
    AdoptOrCreate,
    /// Create it, and refuse to use one that is already there.
    CreateOnly,
    /// Use one that somebody else makes; never create or delete it.
    AdoptOnly,
}

/// The endpoint service of one Atlas project in one cloud region: what interface endpoints of your network connect to.
/// It is Ready as soon as it accepts connection requests, with or without an endpoint attached.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "atlas.privatelink.dev",
    version = "v1alpha1",
    kind = "AtlasPrivateLink",
    plural = "atlasprivatelinks",
    singular = "atlasprivatelink",
    shortname = "apl",
    category = "atlas",
    namespaced,
    status = "AtlasPrivateLinkStatus",
    derive = "PartialEq",
    doc = "AtlasPrivateLink is the Atlas side of a private connection: the endpoint service of one Atlas project in one cloud region.",
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "Status", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#),
    printcolumn(name = "Provider", type_ = "string", json_path = ".spec.provider"),
    printcolumn(name = "Region", type_ = "string", json_path = ".spec.region"),
    printcolumn(name = "ID", type_ = "string", json_path = ".status.privateLinkId"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Service-Name", type_ = "string", json_path = ".status.endpointServiceName", priority = 1),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].message"#,
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = (
    "!(has(self.adoptionPolicy) && self.adoptionPolicy == 'AdoptOnly' && has(self.deletionPolicy) && self.deletionPolicy == 'Delete')",
    "deletionPolicy Delete cannot go with adoptionPolicy AdoptOnly, which never deletes"
))]
pub struct AtlasPrivateLinkSpec {
    /// Id of the Atlas project (24 hexadecimal digits), as its settings page shows it. Cannot be changed.
    #[schemars(length(min = 24, max = 24), regex(pattern = r"^[a-f0-9]{24}$"))]
    #[x_kube(validation = ("self == oldSelf", "projectId cannot be changed; create another AtlasPrivateLink"))]
    pub project_id: String,

    /// Cloud provider: AWS, AZURE or GCP. Cannot be changed.
    #[x_kube(validation = ("self == oldSelf", "provider cannot be changed; create another AtlasPrivateLink"))]
    pub provider: Provider,

    /// Region, in the cloud's spelling (us-east-1) or in Atlas' (US_EAST_1). Cannot be changed.
    #[schemars(length(min = 2, max = 64), regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9_-]*$"))]
    #[x_kube(validation = ("self == oldSelf", "region cannot be changed; create another AtlasPrivateLink"))]
    pub region: String,

    /// Secret of the same namespace with the credential for Atlas: publicKey and privateKey of an API key, or clientId
    /// and clientSecret of a service account.
    pub credentials_ref: LocalReference,

    /// Whether a service that is already there may be used: AdoptOrCreate (when absent), CreateOnly or AdoptOnly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adoption_policy: Option<AdoptionPolicy>,

    /// What happens to the service in Atlas when this resource is deleted: Delete or Retain. When absent, the operator
    /// decides by its flag --default-deletion-policy: normally it deletes what this resource created and keeps what it
    /// adopted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,

    /// While true, nothing is written to Atlas for this resource, its deletion included. When absent: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
}

/// What was last seen of the service. Fields are absent until they are known.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct AtlasPrivateLinkStatus {
    /// The metadata.generation that the conditions speak of; -1 until the operator has seen the resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// The metadata.uid of the resource that this status was written for. On any other one it is a copy, whose origin proves
    /// nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_uid: Option<String>,

    /// Id of the service in Atlas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_link_id: Option<String>,

    /// Atlas' word for the state of the service: INITIATING, WAITING_FOR_USER, AVAILABLE, FAILED or DELETING.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,

    /// The region in Atlas' spelling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region_name: Option<String>,

    /// AWS: the service name to create the VPC endpoint for (com.amazonaws.vpce.REGION.vpce-svc-…).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint_service_name: Option<String>,

    /// AZURE: name of the private link service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_link_service_name: Option<String>,

    /// AZURE: resource id of the private link service, to create the private endpoint for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_link_service_resource_id: Option<String>,

    /// GCP: the service attachments to create forwarding rules for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub service_attachment_names: Vec<String>,

    /// The endpoints that are attached to the service, whoever attached them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub interface_endpoints: Vec<String>,

    /// What Atlas says went wrong with the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,

    /// Created: this resource made the service, and deletes it. Adopted: it was there before, or another resource owns it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,

    /// How often a failed service was deleted and created again; absent when the last try succeeded.
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

impl AtlasPrivateLinkStatus {
    fn origins_mut(&mut self) -> impl Iterator<Item = &mut Origin> {
        self.origin.iter_mut()
    }
}

common_status!(AtlasPrivateLinkStatus);
