//! What a manifest names is looked for in its own namespace, under the very name it gives, or not at all. The API server
//! of these tests takes any name, as one would whose schema was loosened.

use super::{
    corpus::config,
    recorder::Outline,
    requests::{HOSTILE, harmless_of},
};
use crate::harness::{alone::alone, world::*};
use atlas_privatelink_operator::{
    api::{ATTEMPT_ANNOTATION, Standing, is_object_name},
    atlas::{
        dialect::Dialect,
        transport::{Transport, TransportError},
    },
    testbed::kubernetes::{RequestRecord, Verb},
};
use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response};
use proptest::{prelude::*, sample::select, test_runner::Config};
use serde_json::{Value, json};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

const ELSEWHERE: &str = "other";

/// Names that would lead to the Secret, the ConfigMap or the link of the other namespace, or to another request.
fn names_of(plural: &str, name: &str) -> Vec<String> {
    vec![
        format!("{ELSEWHERE}/{name}"),
        format!("../{ELSEWHERE}/{plural}/{name}"),
        format!("../../{ELSEWHERE}/{plural}/{name}"),
        format!("/api/v1/namespaces/{ELSEWHERE}/{plural}/{name}"),
        format!("..%2F..%2F{ELSEWHERE}%2F{plural}%2F{name}"),
        format!("{name}.{ELSEWHERE}"),
        format!("{name}?namespace={ELSEWHERE}"),
        format!("{name}#{ELSEWHERE}"),
        format!("{name}/status"),
        "..".to_owned(),
        ".".to_owned(),
        String::new(),
    ]
}

/// A world in which the other namespace has all that a manifest could name, and the own one has nothing.
fn world() -> World {
    let world = World::new(Nature::default());
    world.kube.create_namespace(ELSEWHERE).expect("a namespace");
    world.secret(ELSEWHERE, "atlas-credentials", &KEY);
    world.apply(with(link("orders"), json!({"metadata": {"namespace": ELSEWHERE}})));
    world.apply(json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": ELSEWHERE, "name": "vpc-a"},
        "data": {"id": VPCE},
    }));
    world
}

/// What the operator asked for by name.
fn gets(world: &World, wanted: impl Fn(&RequestRecord) -> bool) -> Vec<Arc<RequestRecord>> {
    world.kube.log().matching(|record| record.client.starts_with("operator") && wanted(record)).0
}

/// Of the namespace of the manifest, and of nothing else, is anything read for it.
fn reads_stay_at_home(world: &World) {
    let asked = gets(world, |record| matches!(record.verb, Verb::Get | Verb::Discover));
    for record in asked {
        let known = ["secrets", "configmaps", LINKS, ENDPOINTS].contains(&record.resource.as_str());
        // Both namespaces have a link of their own.
        let home = [NAMESPACE, ELSEWHERE].contains(&record.namespace.as_str()) && is_object_name(&record.name);
        let own = record.namespace == NAMESPACE || record.name == "atlas-credentials";
        assert!(known && home && own && record.subresource.is_empty() && record.query.is_empty(), "{record:?}");
    }
}

#[test]
fn no_name_of_a_secret_leads_to_another_namespace() {
    for name in names_of("secrets", "atlas-credentials") {
        let run = async {
            let mut world = world();
            world.apply(with(link("thief"), json!({"spec": {"credentialsRef": {"name": name}}})));
            let _operator = world.start();
            world.until(MINUTES, "the other's is Ready", |world| ready(world, LINKS, ELSEWHERE, "orders")).await;
            let waits = |world: &World| world.link_is("thief", Standing::Reconciling, "WaitingForCredentials");
            world.until(MINUTES, "it waits", waits).await;
            reads_stay_at_home(&world);
        };
        alone(|| run).unwrap_or_else(|words| panic!("{name:?}: {words}"));
    }
}

#[test]
fn no_name_of_a_config_map_leads_to_another_namespace() {
    for name in names_of("configmaps", "vpc-a") {
        let run = async {
            let mut world = world();
            world.credentials();
            world.apply(link("own"));
            let reference = json!({"name": name, "key": "id"});
            world.apply(json!({
                "apiVersion": "atlas.privatelink.dev/v1alpha1", "kind": "AtlasInterfaceEndpoint",
                "metadata": {"name": "thief", "namespace": NAMESPACE},
                "spec": {"privateLinkRef": {"name": "own"}, "interfaceEndpointIdFrom": {"configMapKeyRef": reference}},
            }));
            let _operator = world.start();
            let waits = |world: &World| world.endpoint_is("thief", Standing::Reconciling, "WaitingForEndpointId");
            world.until(MINUTES, "it waits", waits).await;
            world.pass(MINUTES).await;
            assert!(waits(&world), "{}", world.picture());
            reads_stay_at_home(&world);
        };
        alone(|| run).unwrap_or_else(|words| panic!("{name:?}: {words}"));
    }
}

#[test]
fn no_name_of_a_link_leads_to_another_namespace() {
    for name in names_of(LINKS, "orders") {
        let run = async {
            let mut world = world();
            world.credentials();
            let _operator = world.start();
            // Only then: nothing of another namespace wakes it.
            world.until(MINUTES, "the other's is Ready", |world| ready(world, LINKS, ELSEWHERE, "orders")).await;
            world.apply(endpoint("thief", &name, VPCE));
            let waits = |world: &World| world.endpoint_is("thief", Standing::Reconciling, "WaitingForLink");
            world.until(MINUTES, "it waits", waits).await;
            world.pass(MINUTES).await;
            assert!(waits(&world), "{}", world.picture());
            reads_stay_at_home(&world);
        };
        alone(|| run).unwrap_or_else(|words| panic!("{name:?}: {words}"));
    }
}

/// No reference has a field for a namespace; one that is there all the same means nothing.
#[test]
fn a_namespace_beside_a_name_means_nothing() {
    let run = async {
        let mut world = world();
        let reference = json!({"name": "atlas-credentials", "namespace": ELSEWHERE});
        world.apply(with(link("thief"), json!({"spec": {"credentialsRef": reference}})));
        let _operator = world.start();
        let waits = |world: &World| world.link_is("thief", Standing::Reconciling, "WaitingForCredentials");
        world.until(MINUTES, "it waits", waits).await;
        reads_stay_at_home(&world);
    };
    alone(|| run).unwrap();
}

const MINUTES: Duration = Duration::from_secs(180);

fn ready(world: &World, plural: &str, namespace: &str, name: &str) -> bool {
    let found = world.kube.get(plural, namespace, name).unwrap_or_default();
    found["status"]["conditions"][0]["status"] == "True"
}

/// The way to Atlas, with a note of every request.
struct Noting(Arc<dyn Transport>, Arc<Mutex<Vec<Request<Bytes>>>>);

impl Transport for Noting {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'static, Result<Response<Bytes>, TransportError>> {
        self.1.lock().expect("not poisoned").push(request.clone());
        self.0.send(request)
    }
}

/// A good text, a hostile one, or both.
fn text(good: &'static str) -> impl Strategy<Value = String> {
    prop_oneof![
        4 => Just(good.to_owned()),
        2 => select(HOSTILE.to_vec()).prop_map(str::to_owned),
        2 => select(HOSTILE.to_vec()).prop_map(move |more| format!("{good}{more}")),
        1 => any::<String>(),
    ]
}

/// Both manifests and what they name, of texts that no schema has looked at.
fn manifests() -> impl Strategy<Value = Vec<Value>> {
    let link_texts = (text(PROJECT), text("us-east-1"), text("atlas-credentials"), text("AWS"));
    let endpoint_texts = (text("orders"), text(VPCE), text("vpc-a"), text("id"), any::<bool>());
    let rest = (text("abcdefgh"), text(PRIVATE), text(VPCE), text(r#"{"uid":"x"}"#));
    (link_texts, endpoint_texts, rest).prop_map(|(of_link, of_endpoint, rest)| {
        let (project, region, secret, provider) = of_link;
        let (link_name, id, map, key, literal) = of_endpoint;
        let (public, private, value, record) = rest;
        let spec = json!({"projectId": project, "region": region, "credentialsRef": {"name": secret}, "provider": provider});
        let annotations = json!({ATTEMPT_ANNOTATION: record});
        let id = match literal {
            true => json!({"interfaceEndpointId": id}),
            false => json!({"interfaceEndpointIdFrom": {"configMapKeyRef": {"name": map, "key": key}}, "interfaceEndpointId": null}),
        };
        vec![
            with(link("orders"), json!({"spec": spec, "metadata": {"annotations": annotations}})),
            with(with(endpoint("orders-a", &link_name, VPCE), json!({"metadata": {"annotations": annotations}})), json!({"spec": id})),
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": NAMESPACE, "name": "vpc-a"}, "data": {"id": value}}),
            secret_of(&public, &private),
        ]
    })
}

fn secret_of(public: &str, private: &str) -> Value {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let data = json!({"publicKey": STANDARD.encode(public), "privateKey": STANDARD.encode(private)});
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"namespace": NAMESPACE, "name": "atlas-credentials"}, "data": data})
}

/// A case is a whole operator: fewer of them.
fn fewer() -> Config {
    let usual = config();
    Config { cases: usual.cases.div_ceil(4), ..usual }
}

proptest! {
    #![proptest_config(fewer())]

    #[test]
    fn whatever_manifests_say_requests_go_where_they_should(manifests in manifests()) {
        let notes = Arc::<Mutex<Vec<Request<Bytes>>>>::default();
        let run = async {
            let mut world = World::new(Nature::default());
            for manifest in manifests {
                // What even this API server refuses never reaches the operator.
                let _ = world.kube.apply(manifest);
            }
            let way = Arc::new(Noting(world.atlas.transport(), notes.clone()));
            let operator = world.start_over(way);
            world.pass(MINUTES).await;
            for (plural, name) in [(ENDPOINTS, "orders-a"), (LINKS, "orders")] {
                let _ = world.kube.delete(plural, NAMESPACE, name);
            }
            world.pass(MINUTES).await;
            assert!(!operator.has_ended(), "the operator ended");
            reads_stay_at_home(&world);
        };
        alone(|| run).map_err(TestCaseError::fail)?;
        for request in notes.lock().expect("not poisoned").iter() {
            let outline = Outline::of(request);
            prop_assert!(harmless_of(Dialect::V2).contains(&outline), "{outline:#?}");
        }
    }
}
