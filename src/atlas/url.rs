//! Where Atlas is: the one base address, and request targets that cannot lead elsewhere.

use super::{
    ids::{EndpointId, ProjectId, ServiceId},
    region::Provider,
};
use http::{
    Uri,
    uri::{Authority, PathAndQuery, Scheme},
};
use std::{fmt, net::IpAddr};

/// The origin of the Atlas Administration API, such as `https://cloud.mongodb.com`. An operator flag, never a field of
/// a resource: credentials go wherever it points.
#[derive(Clone, PartialEq, Eq)]
pub struct BaseUrl {
    scheme: Scheme,
    authority: Authority,
}

/// Why a text is not a base URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBaseUrl {
    #[error("the Atlas base URL is not a URL such as https://cloud.mongodb.com")]
    Malformed,
    #[error("the Atlas base URL must use https; plain http is only for loopback hosts, or with --allow-http")]
    Insecure,
    #[error("the Atlas base URL must not contain credentials; they belong in a Secret")]
    Credentials,
    #[error(
        "the Atlas base URL ends after the host; leave out the path (the operator adds /api/atlas/…) and the query"
    )]
    Path,
}

impl BaseUrl {
    /// Parses the flag.
    ///
    /// # Errors
    /// When it is not an https origin. Plain http is accepted for a loopback host, or any host with `allow_http`.
    pub fn parse(text: &str, allow_http: bool) -> Result<Self, InvalidBaseUrl> {
        if text.contains(['?', '#']) {
            return Err(InvalidBaseUrl::Path);
        }
        let parts = text.parse::<Uri>().map_err(|_| InvalidBaseUrl::Malformed)?.into_parts();
        let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else {
            return Err(InvalidBaseUrl::Malformed);
        };
        if authority.as_str().contains('@') {
            return Err(InvalidBaseUrl::Credentials);
        }
        if parts.path_and_query.is_some_and(|path| path.as_str() != "/") {
            return Err(InvalidBaseUrl::Path);
        }
        if authority.host().is_empty() || (authority.as_str() != authority.host() && authority.port_u16().is_none()) {
            return Err(InvalidBaseUrl::Malformed);
        }
        // `[::1]x:1` and `cloud.1` have a host for `http` and none for the client, and `0x7f.1` another one.
        let client = reqwest::Url::parse(text).map_err(|_| InvalidBaseUrl::Malformed)?;
        if !client.host_str().is_some_and(|host| host.eq_ignore_ascii_case(authority.host())) {
            return Err(InvalidBaseUrl::Malformed);
        }
        let secure = scheme == Scheme::HTTPS;
        let tolerated = scheme == Scheme::HTTP && (allow_http || is_loopback(authority.host()));
        if secure || tolerated { Ok(Self { scheme, authority }) } else { Err(InvalidBaseUrl::Insecure) }
    }

    /// The address of `path` at this origin. `None` cannot happen: a [`Path`] holds nothing that a URI refuses.
    pub(super) fn join(&self, path: &Path) -> Option<Uri> {
        let target = PathAndQuery::try_from(path.as_str()).ok()?;
        Uri::builder().scheme(self.scheme.clone()).authority(self.authority.clone()).path_and_query(target).build().ok()
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.authority)
    }
}

impl fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BaseUrl({self})")
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// What may stand between two slashes: types whose text has no character that means something in a path.
pub(super) trait Segment: fmt::Display {}
impl Segment for ProjectId {}
impl Segment for ServiceId {}
impl Segment for EndpointId {}
impl Segment for Provider {}

/// A request path, built of literals and typed segments only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path(String);

impl Path {
    pub(super) fn new(root: &'static str) -> Self {
        Self(root.to_owned())
    }

    pub(super) fn literal(mut self, segment: &'static str) -> Self {
        self.0.push('/');
        self.0.push_str(segment);
        self
    }

    pub(super) fn segment(self, segment: &impl Segment) -> Self {
        Self(format!("{}/{segment}", self.0))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_origin_is_accepted_and_nothing_else() {
        for text in [
            "https://cloud.mongodb.com",
            "https://cloud.mongodbgov.com/",
            "http://127.0.0.1:8080",
            "http://[::1]:1",
            "http://localhost",
        ] {
            assert!(BaseUrl::parse(text, false).is_ok(), "{text}");
        }
        for (text, error) in [
            ("http://cloud.mongodb.com", InvalidBaseUrl::Insecure),
            ("http://127.0.0.1.evil.example", InvalidBaseUrl::Insecure),
            ("ftp://cloud.mongodb.com", InvalidBaseUrl::Insecure),
            ("https://user:pass@cloud.mongodb.com", InvalidBaseUrl::Credentials),
            ("https://127.0.0.1@evil.example", InvalidBaseUrl::Credentials),
            ("https://cloud.mongodb.com/api/atlas/v1.0", InvalidBaseUrl::Path),
            ("https://cloud.mongodb.com?x", InvalidBaseUrl::Path),
            ("https://cloud.mongodb.com#x", InvalidBaseUrl::Path),
            ("cloud.mongodb.com", InvalidBaseUrl::Malformed),
            ("https://", InvalidBaseUrl::Malformed),
            ("https://host:port", InvalidBaseUrl::Malformed),
            ("https://[::1]x:8080", InvalidBaseUrl::Malformed),
            ("https://cloud.1111", InvalidBaseUrl::Malformed),
            ("https://0x7f.1", InvalidBaseUrl::Malformed),
            ("https://cloud.mongodb.com\n", InvalidBaseUrl::Malformed),
            ("", InvalidBaseUrl::Malformed),
        ] {
            assert_eq!(BaseUrl::parse(text, false), Err(error), "{text:?}");
        }
        assert!(BaseUrl::parse("http://atlas.test", true).is_ok());
    }

    #[test]
    fn errors_do_not_repeat_credentials() {
        let error = BaseUrl::parse("https://user:hunter2@cloud.mongodb.com", false).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }

    proptest! {
        #[test]
        fn no_text_that_parses_as_an_id_changes_origin_or_segments(
            project in "\\PC{0,30}|[a-f0-9]{24}", service in "\\PC{0,30}|[a-f0-9]{24}",
            endpoint in "\\PC{0,30}|vpce-\\PC{8,17}|vpce-[0-9a-f]{8,17}",
        ) {
            let base = BaseUrl::parse("https://cloud.mongodb.com", false).unwrap();
            if let (Ok(project), Ok(service), Ok(endpoint)) =
                (project.parse::<ProjectId>(), service.parse::<ServiceId>(), endpoint.parse::<EndpointId>())
            {
                let path = Path::new("/api").segment(&project).segment(&service).literal("x").segment(&endpoint);
                let uri = base.join(&path).unwrap();
                prop_assert_eq!(uri.scheme_str(), Some("https"));
                prop_assert_eq!(uri.authority().map(Authority::as_str), Some("cloud.mongodb.com"));
                prop_assert_eq!(uri.query(), None);
                prop_assert_eq!(uri.path(), path.as_str());
                // What the HTTP client makes of it, dot segments and percent signs resolved, is the same path.
                let parsed = reqwest::Url::parse(&uri.to_string()).unwrap();
                prop_assert_eq!(parsed.path(), path.as_str());
                prop_assert_eq!(parsed.path_segments().unwrap().count(), 5);
            }
        }

        #[test]
        fn nothing_but_an_endpoint_id_parses_as_one(text in "\\PC{0,40}|vpce-\\PC{0,20}|vpce-[./%0-9a-fA-F?#]{8,17}|vpce-[0-9a-f]{4,8}[./%?#A-Z-][0-9a-f]{4,8}"
        ) {
            if let Ok(id) = text.parse::<EndpointId>() {
                prop_assert!(id.as_str().bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'));
            }
        }
    }
}
