//! The samples of `deploy/samples/`, as the demo applies and deletes them.

use super::args::AtlasApi;
use kube::{
    Api, Client,
    api::{DeleteParams, DynamicObject, Patch, PatchParams},
    core::{ApiResource, GroupVersionKind},
};
use std::time::Duration;
use tokio::time::Instant;

/// The namespace of the demo.
pub const NAMESPACE: &str = "default";
const FIELD_MANAGER: &str = "atlas-privatelink-demo";
/// How long the API server may take to serve a resource that it has established.
const DEADLINE: Duration = Duration::from_secs(120);

/// The files in the order in which they are applied, and whether v1.0 knows what they describe.
const FILES: [(&str, bool); 6] = [
    (include_str!("../../../deploy/samples/secret.yaml"), true),
    (include_str!("../../../deploy/samples/atlasprivatelink.yaml"), true),
    (include_str!("../../../deploy/samples/atlasinterfaceendpoint.yaml"), true),
    (include_str!("../../../deploy/samples/endpoint-id-from-configmap.yaml"), true),
    (include_str!("../../../deploy/samples/atlasprivatelink-azure.yaml"), false),
    (include_str!("../../../deploy/samples/atlasprivatelink-gcp.yaml"), false),
];

/// A resource of the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    AtlasPrivateLink,
    AtlasInterfaceEndpoint,
}

impl Kind {
    /// Both, links first.
    pub const ALL: [Self; 2] = [Self::AtlasPrivateLink, Self::AtlasInterfaceEndpoint];

    /// As manifests write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::AtlasPrivateLink => "AtlasPrivateLink",
            Self::AtlasInterfaceEndpoint => "AtlasInterfaceEndpoint",
        }
    }

    /// How the API server knows it.
    pub fn resource(self) -> ApiResource {
        resource(&GroupVersionKind::gvk("atlas.privatelink.dev", "v1alpha1", self.name()))
    }
}

/// All kinds among the samples have a regular plural.
fn resource(kind: &GroupVersionKind) -> ApiResource {
    ApiResource::from_gvk_with_plural(kind, &format!("{}s", kind.kind.to_lowercase()))
}

/// What the demo puts into the cluster.
pub struct Samples {
    /// Applied at once, in this order.
    first: Vec<DynamicObject>,
    /// ConfigMaps: what another tool writes when it is ready for it, so the demo does so a little later.
    later: Vec<DynamicObject>,
}

/// Why a sample is not in the cluster, or not out of it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("a sample cannot be read: {0}")]
    Yaml(#[from] serde_saphyr::Error),
    #[error("a sample has no kind or name")]
    Nameless,
    #[error("{object}: {source}")]
    Kubernetes { object: String, source: Box<kube::Error> },
}

impl Samples {
    /// The samples that make sense in a dialect.
    ///
    /// # Errors
    /// When one of them is not a manifest; a test makes sure that this doesn't happen.
    pub fn load(dialect: AtlasApi) -> Result<Self, Error> {
        let mut objects = Vec::new();
        for (text, in_v1) in FILES {
            if in_v1 || dialect == AtlasApi::V2 {
                objects.extend(serde_saphyr::from_multiple::<DynamicObject>(text)?);
            }
        }
        let (later, first) = objects.into_iter().partition(|object| kind_of(object) == Some("ConfigMap"));
        Ok(Self { first, later })
    }

    /// How many resources of the operator there will be.
    pub fn resources(&self) -> usize {
        self.first.iter().filter(|object| is_resource(object)).count()
    }

    /// The API key of the Secret among them, public and private half, for the simulated Atlas to know.
    pub fn api_key() -> Option<(String, String)> {
        let samples = Self::load(AtlasApi::V1).ok()?;
        let secret = samples.first.iter().find(|object| kind_of(object) == Some("Secret"))?;
        let half = |name| secret.data["stringData"][name].as_str().map(str::to_owned);
        Some((half("publicKey")?, half("privateKey")?))
    }

    /// Applies all but what another tool would write later.
    pub async fn apply_first(&self, client: &Client) -> Result<(), Error> {
        apply_all(client, &self.first).await
    }

    /// Applies what another tool would write later.
    pub async fn apply_later(&self, client: &Client) -> Result<(), Error> {
        apply_all(client, &self.later).await
    }

    /// Deletes the resources of the operator, endpoints and links alike.
    pub async fn delete_resources(&self, client: &Client) -> Result<(), Error> {
        delete_all(client, self.first.iter().rev().filter(|object| is_resource(object))).await
    }

    /// Deletes the rest, which the operator needs as long as there are resources.
    pub async fn delete_rest(&self, client: &Client) -> Result<(), Error> {
        delete_all(client, self.first.iter().chain(&self.later).filter(|object| !is_resource(object))).await
    }
}

fn kind_of(object: &DynamicObject) -> Option<&str> {
    object.types.as_ref().map(|types| types.kind.as_str())
}

fn is_resource(object: &DynamicObject) -> bool {
    kind_of(object).is_some_and(|kind| Kind::ALL.iter().any(|known| known.name() == kind))
}

async fn apply_all(client: &Client, objects: &[DynamicObject]) -> Result<(), Error> {
    for object in objects {
        let (api, name) = address(client, object)?;
        let patch = Patch::Apply(object);
        let parameters = PatchParams::apply(FIELD_MANAGER).force();
        // A custom resource that was established a moment ago may not be served yet.
        let deadline = Instant::now() + DEADLINE;
        while let Err(error) = api.patch(&name, &parameters, &patch).await {
            if !is_not_found(&error) || Instant::now() > deadline {
                return Err(failed(object, error));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    Ok(())
}

async fn delete_all(client: &Client, objects: impl Iterator<Item = &DynamicObject>) -> Result<(), Error> {
    for object in objects {
        let (api, name) = address(client, object)?;
        match api.delete(&name, &DeleteParams::default()).await {
            Err(error) if !is_not_found(&error) => return Err(failed(object, error)),
            _ => {}
        }
    }
    Ok(())
}

fn address(client: &Client, object: &DynamicObject) -> Result<(Api<DynamicObject>, String), Error> {
    let types = object.types.as_ref().ok_or(Error::Nameless)?;
    let kind = GroupVersionKind::try_from(types).map_err(|_| Error::Nameless)?;
    let name = object.metadata.name.clone().ok_or(Error::Nameless)?;
    Ok((Api::namespaced_with(client.clone(), NAMESPACE, &resource(&kind)), name))
}

fn is_not_found(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}

fn failed(object: &DynamicObject, source: kube::Error) -> Error {
    let name = object.metadata.name.as_deref().unwrap_or_default();
    Error::Kubernetes { object: format!("{} {name}", kind_of(object).unwrap_or_default()), source: Box::new(source) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(objects: &[DynamicObject]) -> Vec<String> {
        let name = |object: &DynamicObject| object.metadata.name.clone().unwrap();
        objects.iter().map(|object| format!("{} {}", kind_of(object).unwrap(), name(object))).collect()
    }

    #[test]
    fn every_sample_is_a_manifest_and_the_secret_comes_first() {
        let samples = Samples::load(AtlasApi::V2).unwrap();
        let first = names(&samples.first);
        assert_eq!(first[0], "Secret atlas-credentials");
        assert_eq!(names(&samples.later), ["ConfigMap orders-vpc-b"]);
        assert_eq!(samples.resources(), first.len() - 1);
        assert!(samples.resources() > Samples::load(AtlasApi::V1).unwrap().resources());
    }

    #[test]
    fn v1_is_aws_only_and_nothing_is_suspended_or_named_twice() {
        let all = |dialect| {
            let samples = Samples::load(dialect).unwrap();
            samples.first.into_iter().chain(samples.later).collect::<Vec<_>>()
        };
        for object in all(AtlasApi::V1) {
            let provider = &object.data["spec"]["provider"];
            assert!(provider.is_null() || provider == "AWS", "{provider}");
        }
        let objects = all(AtlasApi::V2);
        assert!(objects.iter().all(|object| object.data["spec"]["suspend"].is_null()));
        assert!(objects.iter().all(|object| object.metadata.namespace.as_deref().unwrap_or(NAMESPACE) == NAMESPACE));
        let mut names = names(&objects);
        names.sort();
        names.dedup();
        assert_eq!(names.len(), objects.len());
    }

    #[test]
    fn no_file_of_the_folder_is_forgotten() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/samples");
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(FILES.iter().any(|(known, _)| *known == text), "{} is not in FILES", path.display());
        }
    }

    #[test]
    fn the_simulated_atlas_can_be_told_the_key() {
        assert_eq!(Samples::api_key().map(|(public, _)| public).as_deref(), Some("abcdefgh"));
    }
}
