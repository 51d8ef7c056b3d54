//! What Atlas holds, in the words of this program: both dialects decode into these.

use super::{
    ids::{EndpointId, ServiceId},
    region::{Provider, Region},
};
use std::fmt;

/// One endpoint service: "private endpoint connection" in v1.0, "endpoint service" in v2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    pub id: ServiceId,
    pub provider: Provider,
    /// `None` where the answer doesn't show it: in v1.0 as long as the service has no name.
    pub region: Option<Region>,
    pub state: ServiceState,
    /// AWS: `com.amazonaws.vpce.<region>.vpce-svc-…`.
    pub endpoint_service_name: Option<String>,
    /// Azure.
    pub private_link_service_name: Option<String>,
    /// Azure.
    pub private_link_service_resource_id: Option<String>,
    /// GCP.
    pub service_attachment_names: Vec<String>,
    /// GCP: whether the service was made with port mapping. `false` for other providers.
    pub port_mapping: bool,
    /// The endpoints attached to it, as Atlas names them: VPC endpoint ids, Azure resource ids or GCP group names.
    /// Only shown and compared; one that is to enter a path is parsed as an [`EndpointId`].
    pub endpoints: Vec<String>,
    pub error_message: Option<String>,
}

impl Service {
    /// Whether `id` is attached, in whatever state.
    pub fn has_endpoint(&self, id: &EndpointId) -> bool {
        self.endpoints.iter().any(|endpoint| endpoint == id.as_str())
    }
}

/// One interface endpoint (v1.0) or AWS private endpoint (v2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    pub id: EndpointId,
    pub status: ConnectionStatus,
    pub delete_requested: bool,
    pub error_message: Option<String>,
}

/// Declares an enum of Atlas' words that keeps a word it does not know, so that it is shown but never counts as ready.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
            /// A word this version does not know.
            Unknown(String),
        }

        impl From<&str> for $name {
            fn from(word: &str) -> Self {
                match word {
                    $($word => Self::$variant,)+
                    other => Self::Unknown(other.chars().take(64).collect()),
                }
            }
        }

        impl $name {
            /// Atlas' own word.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)+
                    Self::Unknown(word) => word,
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// `status` of an endpoint service.
    ServiceState {
        Initiating = "INITIATING",
        /// Usable; the word of v1.0.
        WaitingForUser = "WAITING_FOR_USER",
        /// Usable; the word recorded from v2.
        Available = "AVAILABLE",
        Failed = "FAILED",
        Deleting = "DELETING",
    }
}

words! {
    /// `connectionStatus` of an interface endpoint.
    ConnectionStatus {
        /// v1.0 only.
        None = "NONE",
        PendingAcceptance = "PENDING_ACCEPTANCE",
        Pending = "PENDING",
        Available = "AVAILABLE",
        Rejected = "REJECTED",
        Failed = "FAILED",
        Deleting = "DELETING",
    }
}
