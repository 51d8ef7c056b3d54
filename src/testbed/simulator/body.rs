//! Reads request bodies as strictly as Atlas does: an unknown attribute is refused (atlas-api.md §1 "Error body").

use super::{
    problem::Problem,
    regions::{Provider, Region},
    route::Shape,
    store::Details,
};
use http::StatusCode;
use serde_json::{Map, Value};

/// A wish for a service.
pub(super) struct NewService {
    pub(super) provider: Provider,
    pub(super) region: Region,
    pub(super) port_mapped: bool,
    /// AWS only, in Atlas' spelling.
    pub(super) remote_regions: Option<Vec<String>>,
}

/// A wish for an endpoint.
pub(super) struct NewEndpoint {
    pub(super) id: String,
    pub(super) details: Details,
}

struct Attributes(Map<String, Value>);

impl Attributes {
    fn parse(body: &[u8], known: &[&str]) -> Result<Self, Problem> {
        let value = serde_json::from_slice(body).map_err(|_| Problem::malformed_json())?;
        Self::of(value, known)
    }

    fn of(value: Value, known: &[&str]) -> Result<Self, Problem> {
        let Value::Object(attributes) = value else { return Err(Problem::malformed_json()) };
        match attributes.keys().find(|name| !known.contains(&name.as_str())) {
            Some(unknown) => Err(Problem::invalid_attribute(unknown)),
            None => Ok(Self(attributes)),
        }
    }

    fn text(&self, name: &str) -> Result<&str, Problem> {
        match self.0.get(name) {
            None | Some(Value::Null) => Err(Problem::missing_attribute(name)),
            Some(Value::String(text)) => Ok(text),
            Some(_) => Err(Problem::invalid_attribute(name)),
        }
    }

    /// `None` when it is absent.
    fn flag(&self, name: &str) -> Result<Option<bool>, Problem> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(_) => Err(Problem::invalid_attribute(name)),
        }
    }

    fn list(&self, name: &str) -> Result<&[Value], Problem> {
        match self.0.get(name) {
            None | Some(Value::Null) => Err(Problem::missing_attribute(name)),
            Some(Value::Array(items)) => Ok(items),
            Some(_) => Err(Problem::invalid_attribute(name)),
        }
    }
}

impl NewService {
    pub(super) fn parse(body: &[u8], shape: Shape) -> Result<Self, Problem> {
        let known: &[&str] = match shape {
            Shape::Legacy => &["providerName", "region"],
            Shape::Cloud => &["providerName", "region", "portMappingEnabled", "supportedRemoteRegions"],
        };
        let attributes = Attributes::parse(body, known)?;
        let word = attributes.text("providerName")?;
        let provider = match (Provider::from_word(word), shape) {
            (None, _) => return Err(Problem::invalid_provider(word)),
            // "Must be AWS." (DOC 003); which code others get is inferred (INF).
            (Some(Provider::Azure | Provider::Gcp), Shape::Legacy) => return Err(Problem::unsupported_provider(word)),
            (Some(provider), _) => provider,
        };
        let name = attributes.text("region")?;
        let region = Region::parse(provider, name)
            .filter(|region| shape == Shape::Cloud || region.is_known_to_v1())
            .ok_or_else(|| Problem::invalid_region(name, provider))?;
        let port_mapped = attributes.flag("portMappingEnabled")?;
        if port_mapped.is_some() && provider != Provider::Gcp {
            return Err(Problem::invalid_attribute("portMappingEnabled"));
        }
        let remote_regions = remote_regions(&attributes, provider, &region)?;
        Ok(Self { provider, region, port_mapped: port_mapped.unwrap_or_default(), remote_regions })
    }
}

/// Regions whose VPCs may connect, too: AWS only, at most 35, in Atlas' spelling, not the service's own (atlas-api.md §2
/// "Regions"; the status and text of the last refusal are inferred, INF).
fn remote_regions(attributes: &Attributes, provider: Provider, own: &Region) -> Result<Option<Vec<String>>, Problem> {
    const NAME: &str = "supportedRemoteRegions";
    if attributes.0.get(NAME).is_none_or(Value::is_null) {
        return Ok(None);
    }
    if provider != Provider::Aws {
        return Err(Problem::unsupported_provider(provider.word()));
    }
    let mut regions = Vec::new();
    for item in attributes.list(NAME)? {
        match item.as_str().and_then(|name| Region::parse(provider, name).filter(|region| region.atlas == name)) {
            Some(region) if region == *own => {
                let detail = format!("Region {} is the region of the service itself.", own.atlas);
                return Err(Problem::new(StatusCode::BAD_REQUEST, "CROSS_REGION_PRIVATE_LINK_SELF_REGION", detail));
            }
            Some(region) if regions.len() < 35 => regions.push(region.atlas),
            Some(_) | None => return Err(Problem::invalid_attribute(NAME)),
        }
    }
    Ok(Some(regions))
}

impl NewEndpoint {
    /// `attachments`: how many service attachments the service has (GCP).
    pub(super) fn parse(
        body: &[u8],
        shape: Shape,
        provider: Provider,
        port_mapped: bool,
        attachments: usize,
    ) -> Result<Self, Problem> {
        match (shape, provider) {
            (Shape::Legacy, _) => Self::aws(body, "interfaceEndpointId"),
            (Shape::Cloud, Provider::Aws) => Self::aws(body, "id"),
            (Shape::Cloud, Provider::Azure) => Self::azure(body),
            (Shape::Cloud, Provider::Gcp) => Self::gcp(body, port_mapped, attachments),
        }
    }

    /// v2's code for a malformed id is not recorded; it gets the legacy one (INF).
    fn aws(body: &[u8], attribute: &str) -> Result<Self, Problem> {
        let attributes = Attributes::parse(body, &[attribute])?;
        let id = attributes.text(attribute)?;
        let digits = id.strip_prefix("vpce-").unwrap_or_default();
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_alphanumeric()) {
            let detail =
                "AWS interface endpoint ids must begin with 'vpce-' followed by a series of alphanumeric characters.";
            return Err(Problem::not_found("PRIVATELINK_INTERFACE_ENDPOINT_ID_MALFORMED", detail));
        }
        Ok(Self { id: id.to_owned(), details: Details::Aws })
    }

    fn azure(body: &[u8]) -> Result<Self, Problem> {
        let attributes = Attributes::parse(body, &["id", "privateEndpointIPAddress"])?;
        let (id, ip) = (attributes.text("id")?, attributes.text("privateEndpointIPAddress")?);
        let name = id
            .strip_prefix("/subscriptions/")
            .and_then(|tail| tail.split_once("/providers/Microsoft.Network/privateEndpoints/"))
            .map(|(_, name)| name)
            .filter(|name| !name.is_empty() && !name.contains('/'))
            .ok_or_else(|| Problem::invalid_attribute("id"))?;
        // The connection's name is Azure's; its form is inferred (INF).
        let details = Details::Azure { ip: ip.to_owned(), connection: format!("{name}.connection") };
        Ok(Self { id: id.to_owned(), details })
    }

    /// A port-mapped service takes exactly one endpoint, whose name becomes the group's; a legacy one as many as it has
    /// attachments (atlas-api.md §2 "Request bodies").
    fn gcp(body: &[u8], port_mapped: bool, attachments: usize) -> Result<Self, Problem> {
        let attributes = Attributes::parse(body, &["gcpProjectId", "endpointGroupName", "endpoints"])?;
        let gcp_project = attributes.text("gcpProjectId")?.to_owned();
        let group = attributes.text("endpointGroupName")?;
        let mut endpoints = Vec::new();
        for item in attributes.list("endpoints")? {
            let endpoint = Attributes::of(item.clone(), &["endpointName", "ipAddress"])?;
            endpoints.push((endpoint.text("endpointName")?.to_owned(), endpoint.text("ipAddress")?.to_owned()));
        }
        let id = match endpoints.as_slice() {
            [(name, _)] if port_mapped => name.clone(),
            all if !port_mapped && all.len() == attachments => group.to_owned(),
            _ => return Err(Problem::invalid_attribute("endpoints")),
        };
        Ok(Self { id, details: Details::Gcp { gcp_project, endpoints } })
    }
}
