//! No text of a manifest, a Secret or an answer changes where a request goes: it is refused before anything is sent, or
//! host, path and headers are those of a harmless one.

use super::{corpus::config, recorder::*};
use atlas_privatelink_operator::atlas::{
    Caller, WriteKey,
    dialect::Dialect,
    ids::{EndpointId, ServiceId},
    region::{Provider, Region},
};
use bytes::Bytes;
use http::{Request, Response};
use proptest::{option, prelude::*, sample::select};
use serde_json::json;
use std::{collections::BTreeSet, sync::Arc};

/// Which half of a credential is what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Key,
    Account,
}

/// A text for every place from which one could get into a request.
#[derive(Debug, Clone)]
struct Texts {
    dialect: Dialect,
    provider: Provider,
    kind: Kind,
    project: String,
    region: String,
    service: String,
    endpoint: String,
    /// The Secret.
    name: String,
    secret: String,
    /// What Atlas answers with.
    told_service: String,
    told_endpoint: String,
    realm: String,
    nonce: String,
    opaque: Option<String>,
    token: String,
}

impl Texts {
    fn harmless(dialect: Dialect, provider: Provider, kind: Kind) -> Self {
        Self {
            dialect,
            provider,
            kind,
            project: PROJECT.into(),
            region: region(provider).atlas_name().into(),
            service: SERVICE.into(),
            endpoint: ENDPOINT.into(),
            name: "abcdefgh".into(),
            secret: SECRET.into(),
            told_service: SERVICE.into(),
            told_endpoint: ENDPOINT.into(),
            realm: "MMS Public API".into(),
            nonce: "0123456789abcdef".into(),
            opaque: None,
            token: "eyJ.abc.def".into(),
        }
    }

    /// An Atlas that answers with these texts.
    fn atlas(&self) -> Arc<Recorder> {
        let texts = self.clone();
        Recorder::new(move |request| texts.answer(request))
    }

    fn answer(&self, request: &Request<Bytes>) -> Response<Bytes> {
        if is_token_request(request) {
            return answer(200, json!({"access_token": self.token, "expires_in": 3600}).to_string());
        }
        if !is_signed(request) {
            let opaque = self.opaque.as_ref().map(|text| format!(r#", opaque="{text}""#)).unwrap_or_default();
            let (realm, nonce) = (&self.realm, &self.nonce);
            let challenge = format!(
                r#"Digest realm="{realm}", domain="{realm}", nonce="{nonce}"{opaque}, algorithm=MD5, qop="auth""#
            );
            return with(answer(401, "{}"), "www-authenticate", challenge.as_bytes());
        }
        let service = json!({
            "id": self.told_service, "cloudProvider": self.provider.as_str(), "regionName": self.region,
            "status": "AVAILABLE", "interfaceEndpoints": [self.told_endpoint],
            "endpointServiceName": format!("com.amazonaws.vpce.{}.vpce-svc-1", self.region),
        });
        let endpoint = json!({"interfaceEndpointId": self.told_endpoint, "connectionStatus": "AVAILABLE"});
        match (request.method().as_str(), request.uri().path().contains("vpce-")) {
            ("DELETE", _) => answer(200, "{}"),
            ("GET", true) => answer(200, endpoint.to_string()),
            ("GET", false) if !request.uri().path().ends_with(&self.told_service) => {
                answer(200, json!([service]).to_string())
            }
            _ => answer(200, service.to_string()),
        }
    }

    /// All that the client can do with them; what it would have sent.
    async fn exercise(&self) -> Vec<Request<Bytes>> {
        let names = match self.kind {
            Kind::Key => ["publicKey", "privateKey"],
            Kind::Account => ["clientId", "clientSecret"],
        };
        let credential = credential([(names[0], self.name.as_bytes()), (names[1], self.secret.as_bytes())]);
        let (Some(credential), Ok(project)) = (credential, self.project.parse()) else { return Vec::new() };
        let (caller, recorder) = (Caller { credential, project }, self.atlas());
        let atlas = client(self.dialect, recorder.clone());
        // Each is tried with what the manifest says and with what Atlas told.
        let mut services: Vec<ServiceId> = self.service.parse().into_iter().collect();
        let mut endpoints: Vec<EndpointId> = self.endpoint.parse().into_iter().collect();
        if let Ok(told) = atlas.list_services(&caller, self.provider).await {
            endpoints.extend(told.value.iter().flat_map(|told| &told.endpoints).filter_map(|id| id.parse().ok()));
            services.extend(told.value.iter().map(|told| told.id));
        }
        if let Ok(region) = Region::parse(self.provider, &self.region) {
            let basis = basis(&atlas, WriteKey::Service(project, region.clone()));
            let _ = atlas.create_service(&caller, &region, &basis).await;
        }
        let any_region = region(self.provider);
        for service in services {
            let _ = atlas.get_service(&caller, self.provider, service).await;
            for id in &endpoints {
                let _ = atlas.get_endpoint(&caller, service, id).await;
                let key = || WriteKey::Endpoint(service, id.clone());
                let _ = atlas.add_endpoint(&caller, service, id, &basis(&atlas, key())).await;
                let _ = atlas.remove_endpoint(&caller, service, id, &basis(&atlas, key())).await;
            }
            let basis = basis(&atlas, WriteKey::Service(project, any_region.clone()));
            let _ = atlas.delete_service(&caller, self.provider, service, &basis).await;
        }
        recorder.seen()
    }
}

const DIALECTS: [Dialect; 2] = [Dialect::V1, Dialect::V2];
const PROVIDERS: [Provider; 3] = [Provider::Aws, Provider::Azure, Provider::Gcp];
const KINDS: [Kind; 2] = [Kind::Key, Kind::Account];

/// Every request that harmless texts lead to. Each may also be the first of a digest session, which is not signed.
fn harmless(dialect: Dialect) -> BTreeSet<Outline> {
    let mut all = BTreeSet::new();
    for kind in KINDS {
        for provider in PROVIDERS {
            let requests = played(Texts::harmless(dialect, provider, kind).exercise());
            all.extend(requests.iter().map(Outline::of));
            if kind == Kind::Key {
                all.extend(requests.iter().map(|request| Outline::of(request).unsigned()));
            }
        }
    }
    all
}

/// What turns a path, a header or a URL into another, if anything does.
pub const HOSTILE: &[&str] = &[
    "",
    ".",
    "..",
    "/",
    "../..",
    "../../x",
    "%2e%2e",
    "%2e%2e%2f",
    "a?b=c#d",
    "?",
    "#",
    "//evil.example/",
    "@evil.example",
    "evil.example:443",
    "\r\nX-Evil: 1",
    "\n",
    "\0",
    "\t",
    " ",
    "\"",
    "\\",
    "\", uri=\"/",
    "a\", nc=1, x=\"",
    "é",
    "\u{202e}",
    "*",
];

/// Any text, a hostile one, a good one, or a good one with something before or after it.
fn text(good: &'static str) -> impl Strategy<Value = String> {
    prop_oneof![
        6 => Just(good.to_owned()),
        2 => select(HOSTILE.to_vec()).prop_map(str::to_owned),
        2 => select(HOSTILE.to_vec()).prop_map(move |more| format!("{good}{more}")),
        1 => select(HOSTILE.to_vec()).prop_map(move |more| format!("{more}{good}")),
        1 => (0..good.len(), select(HOSTILE.to_vec())).prop_map(move |(at, more)| format!("{}{more}{}", &good[..at], &good[at..])),
        1 => any::<String>(),
    ]
}

fn texts() -> impl Strategy<Value = Texts> {
    let shape = (select(DIALECTS.to_vec()), select(PROVIDERS.to_vec()), select(KINDS.to_vec()));
    let manifest = (text(PROJECT), text("us-east-1"), text(SERVICE), text(ENDPOINT));
    let secret = (text("abcdefgh"), text(SECRET));
    let told = (text(SERVICE), text(ENDPOINT), text("MMS Public API"), text("0123456789abcdef"));
    let more = (option::of(text("opaque")), text("eyJ.abc.def"));
    (shape, manifest, secret, told, more).prop_map(|(shape, manifest, secret, told, more)| Texts {
        dialect: shape.0,
        provider: shape.1,
        kind: shape.2,
        project: manifest.0,
        region: manifest.1,
        service: manifest.2,
        endpoint: manifest.3,
        name: secret.0,
        secret: secret.1,
        told_service: told.0,
        told_endpoint: told.1,
        realm: told.2,
        nonce: told.3,
        opaque: more.0,
        token: more.1,
    })
}

#[test]
fn harmless_texts_reach_every_operation() {
    // LIST, GET and DELETE of a service, POST of one, and the three of an endpoint, signed and not.
    let signed = |outline: &&Outline| format!("{outline:?}").contains("authorization");
    for dialect in DIALECTS {
        let all = harmless(dialect);
        let tokens = usize::from(dialect == Dialect::V2);
        assert_eq!(all.iter().filter(signed).count(), 7 + tokens, "{dialect}: {all:#?}");
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn no_text_changes_the_host_the_path_or_the_headers_of_a_request(texts in texts()) {
        let harmless = harmless_of(texts.dialect);
        for request in played(texts.exercise()) {
            let outline = Outline::of(&request);
            prop_assert!(harmless.contains(&outline), "{outline:#?}");
            if let Some(value) = request.headers().get("authorization") {
                prop_assert!(value.is_sensitive());
                let value = value.to_str().expect("printable");
                prop_assert!(value.bytes().all(|byte| matches!(byte, b' ' | b'\t') || byte.is_ascii_graphic()), "{value}");
                let scheme = value.split(' ').next().unwrap_or_default();
                match (texts.kind, is_token_request(&request)) {
                    (Kind::Key, _) => signs(value, &request, &texts)?,
                    (Kind::Account, true) => prop_assert_eq!((scheme, value.split(' ').count()), ("Basic", 2)),
                    (Kind::Account, false) => prop_assert_eq!((scheme, value.split(' ').count()), ("Bearer", 2)),
                }
            }
        }
    }
}

/// A digest says what it is to say, of the user and of the target, whatever the challenge was.
fn signs(value: &str, request: &Request<Bytes>, texts: &Texts) -> Result<(), TestCaseError> {
    let told = digest_auth::AuthorizationHeader::parse(value)
        .map_err(|error| TestCaseError::fail(format!("{error}: {value}")))?;
    prop_assert_eq!(&told.uri, request.uri().path());
    prop_assert_eq!(told.username.as_str(), texts.name.trim_end_matches(['\r', '\n']));
    Ok(())
}

/// Made once: it is the same for every case.
pub fn harmless_of(dialect: Dialect) -> &'static BTreeSet<Outline> {
    static ALL: std::sync::OnceLock<[BTreeSet<Outline>; 2]> = std::sync::OnceLock::new();
    let [v1, v2] = ALL.get_or_init(|| DIALECTS.map(harmless));
    match dialect {
        Dialect::V1 => v1,
        Dialect::V2 => v2,
    }
}
