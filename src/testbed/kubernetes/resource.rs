//! What the server serves: one row per resource.

/// A resource that the server serves, and where it behaves unlike its neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResourceType {
    /// API group; empty for the core group.
    pub group: &'static str,
    /// API version.
    pub version: &'static str,
    /// Plural name, as in paths.
    pub plural: &'static str,
    /// Kind, as in manifests.
    pub kind: &'static str,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// Whether there is a status subresource: then the main resource's writes cannot touch the status.
    pub has_status: bool,
    /// Whether objects count the generations of their spec.
    pub has_generation: bool,
    /// Whether a PUT may leave out `metadata.resourceVersion`.
    pub unconditional_update: bool,
    /// Whether a PUT of what is not there creates it.
    pub create_on_update: bool,
    /// Whether an absent status reads as `{observedGeneration: -1}`, the default of our CRDs.
    pub starts_unobserved: bool,
    /// Whether it is defined by a CRD.
    pub custom: bool,
}

impl ResourceType {
    /// A namespaced resource defined by a CRD, with a status subresource.
    pub const fn custom(group: &'static str, version: &'static str, plural: &'static str, kind: &'static str) -> Self {
        Self {
            group,
            version,
            plural,
            kind,
            namespaced: true,
            has_status: true,
            has_generation: true,
            unconditional_update: false,
            create_on_update: false,
            starts_unobserved: true,
            custom: true,
        }
    }

    /// A namespaced resource of Kubernetes itself, without status or generation.
    pub const fn builtin(group: &'static str, version: &'static str, plural: &'static str, kind: &'static str) -> Self {
        Self {
            group,
            version,
            plural,
            kind,
            namespaced: true,
            has_status: false,
            has_generation: false,
            unconditional_update: true,
            create_on_update: false,
            starts_unobserved: false,
            custom: false,
        }
    }

    /// `apiVersion` of its objects.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_owned() } else { format!("{}/{}", self.group, self.version) }
    }

    /// The name that error messages and CRDs use: `plural.group`.
    pub fn qualified(&self) -> String {
        if self.group.is_empty() { self.plural.to_owned() } else { format!("{}.{}", self.plural, self.group) }
    }
}

/// Plural of the resource that decides which custom resources are served.
pub(super) const CRDS: &str = "customresourcedefinitions";
/// Plural of the resource whose objects hold the others.
pub(super) const NAMESPACES: &str = "namespaces";

const ATLAS: &str = "atlas.privatelink.dev";

/// What every server serves.
pub(super) const STANDARD: &[ResourceType] = &[
    ResourceType::custom(ATLAS, "v1alpha1", "atlasprivatelinks", "AtlasPrivateLink"),
    ResourceType::custom(ATLAS, "v1alpha1", "atlasinterfaceendpoints", "AtlasInterfaceEndpoint"),
    ResourceType::builtin("", "v1", "secrets", "Secret"),
    ResourceType::builtin("", "v1", "configmaps", "ConfigMap"),
    ResourceType { namespaced: false, has_status: true, ..ResourceType::builtin("", "v1", NAMESPACES, "Namespace") },
    ResourceType { create_on_update: true, ..ResourceType::builtin("events.k8s.io", "v1", "events", "Event") },
    ResourceType {
        create_on_update: true,
        unconditional_update: false,
        ..ResourceType::builtin("coordination.k8s.io", "v1", "leases", "Lease")
    },
    ResourceType {
        namespaced: false,
        has_status: true,
        has_generation: true,
        unconditional_update: false,
        ..ResourceType::builtin("apiextensions.k8s.io", "v1", CRDS, "CustomResourceDefinition")
    },
];
