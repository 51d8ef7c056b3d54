//! The table of verdicts that users of GitOps tools are promised, row by row.

/// Where an object may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// The API server has just stored it.
    Created,
    /// Atlas is making the service.
    Initiating,
    /// The service takes endpoints, or the endpoint is connected.
    Usable,
    SecretMissing,
    SecretKeyMissing,
    ConfigMapMissing,
    ConfigMapKeyMissing,
    /// The endpoint's link is not there, or not Ready.
    LinkMissing,
    /// AdoptOnly, and nobody has made the service.
    ServiceMissing,
    PendingAcceptance,
    Pending,
    CredentialsRefused,
    InputRefused,
    /// CreateOnly, and the service is another's.
    AlreadyExists,
    /// By the cloud, and for the last time.
    Rejected,
    /// In Atlas, and for the last time.
    Failed,
    /// 429, and it was never Ready.
    ThrottledAtFirst,
    /// 5xx, and it was never Ready.
    ErrorsAtFirst,
    /// 429 or 5xx, and it was Ready no longer than three resync intervals ago.
    Blip,
    /// The same, for longer.
    Silence,
    /// The operator has not seen the newest generation yet, be it a new field, `suspend` or its end.
    Edited,
    /// `spec.suspend` is true, and Ready was seen last.
    SuspendedReady,
    /// `spec.suspend` is true, and Stalled was seen last.
    SuspendedStalled,
    /// `spec.suspend` was true from the start.
    SuspendedUnseen,
    Deleting,
}

/// What is said of a state. What the conditions are is said where it is promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    pub argocd: &'static str,
    pub kstatus: &'static str,
    /// The status of Ready, and the abnormal condition that is there.
    pub conditions: Option<(&'static str, Option<&'static str>)>,
    /// The reason of Ready.
    pub reason: Option<&'static str>,
    /// Whether `kubectl wait --for=condition=Ready` is content, where that says anything.
    pub waited: Option<bool>,
}

impl Row {
    const fn of(argocd: &'static str, kstatus: &'static str) -> Self {
        Self { argocd, kstatus, conditions: None, reason: None, waited: None }
    }

    const fn progressing(reason: &'static str) -> Self {
        Self {
            conditions: Some(("False", Some("Reconciling"))),
            reason: Some(reason),
            waited: Some(false),
            ..Self::of("Progressing", "InProgress")
        }
    }

    const fn healthy() -> Self {
        Self {
            conditions: Some(("True", None)),
            reason: Some("Available"),
            waited: Some(true),
            ..Self::of("Healthy", "Current")
        }
    }

    const fn degraded(reason: &'static str) -> Self {
        Self {
            conditions: Some(("False", Some("Stalled"))),
            reason: Some(reason),
            waited: Some(false),
            ..Self::of("Degraded", "Failed")
        }
    }

    const fn suspended(self) -> Self {
        Self { argocd: "Suspended", ..self }
    }

    /// Argo CD's word and kstatus'.
    pub const fn verdicts(&self) -> (&'static str, &'static str) {
        (self.argocd, self.kstatus)
    }
}

impl State {
    /// The table.
    pub const fn row(self) -> Row {
        match self {
            Self::Created => Row { waited: Some(false), ..Row::of("Progressing", "InProgress") },
            Self::Initiating => Row::progressing("Creating"),
            Self::Usable | Self::Blip => Row::healthy(),
            Self::SecretMissing | Self::SecretKeyMissing => Row::progressing("WaitingForCredentials"),
            Self::ConfigMapMissing | Self::ConfigMapKeyMissing => Row::progressing("WaitingForEndpointId"),
            Self::LinkMissing => Row::progressing("WaitingForLink"),
            Self::ServiceMissing => Row::progressing("WaitingForService"),
            Self::PendingAcceptance | Self::Pending => Row::progressing("PendingAcceptance"),
            Self::CredentialsRefused => Row::degraded("CredentialsRefused"),
            Self::InputRefused => Row::degraded("InvalidRequest"),
            Self::AlreadyExists => Row::degraded("AlreadyExists"),
            Self::Rejected => Row::degraded("Rejected"),
            Self::Failed => Row::degraded("Failed"),
            Self::ThrottledAtFirst => Row::progressing("Throttled"),
            Self::ErrorsAtFirst => Row::progressing("AtlasUnreachable"),
            Self::Silence => {
                Row { conditions: Some(("Unknown", Some("Reconciling"))), ..Row::progressing("AtlasUnreachable") }
            }
            Self::Edited => Row { waited: Some(false), ..Row::of("Progressing", "InProgress") },
            Self::SuspendedReady => Row::healthy().suspended(),
            Self::SuspendedStalled => Row::degraded("CredentialsRefused").suspended(),
            Self::SuspendedUnseen => Row::progressing("Suspended").suspended(),
            Self::Deleting => Row::of("Progressing", "Terminating"),
        }
    }
}

/// The states that a link can be in.
pub const OF_A_LINK: [State; 19] = [
    State::Created,
    State::Initiating,
    State::Usable,
    State::SecretMissing,
    State::SecretKeyMissing,
    State::ServiceMissing,
    State::CredentialsRefused,
    State::InputRefused,
    State::AlreadyExists,
    State::Failed,
    State::ThrottledAtFirst,
    State::ErrorsAtFirst,
    State::Blip,
    State::Silence,
    State::Edited,
    State::SuspendedReady,
    State::SuspendedStalled,
    State::SuspendedUnseen,
    State::Deleting,
];

/// The states that an endpoint can be in.
pub const OF_AN_ENDPOINT: [State; 19] = [
    State::Created,
    State::Usable,
    State::ConfigMapMissing,
    State::ConfigMapKeyMissing,
    State::LinkMissing,
    State::PendingAcceptance,
    State::Pending,
    State::CredentialsRefused,
    State::InputRefused,
    State::Rejected,
    State::ThrottledAtFirst,
    State::ErrorsAtFirst,
    State::Blip,
    State::Silence,
    State::Edited,
    State::SuspendedReady,
    State::SuspendedStalled,
    State::SuspendedUnseen,
    State::Deleting,
];
