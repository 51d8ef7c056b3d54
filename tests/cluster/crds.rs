//! The schema of both kinds as the API server enforces it: what it refuses, with which words, and what it lets pass.

use super::world::*;
use http::{Method, Request, header};
use serde_json::{Value, json};

/// A change of a good manifest, and what of the API server's answer must tell why it is refused.
type Refused = (Value, &'static str);

fn spec(change: Value) -> Value {
    json!({ "spec": change })
}

async fn dry_create(world: &World, manifest: &Value) -> Result<Value, String> {
    let plural = if manifest["kind"] == "AtlasPrivateLink" { LINKS } else { ENDPOINTS };
    let path = format!("/apis/atlas.privatelink.dev/v1alpha1/namespaces/{}/{plural}?dryRun=All", world.namespace);
    world.send(Method::POST, &path, JSON, manifest).await.map_err(|error| error.to_string())
}

async fn dry_merge(world: &World, plural: &str, name: &str, change: &Value) -> Result<Value, String> {
    world.merge(plural, &format!("{name}?dryRun=All"), change).await.map_err(|error| error.to_string())
}

fn refused(what: &Value, answer: Result<Value, String>, expected: &str) {
    match answer {
        Ok(_) => panic!("taken: {what}"),
        Err(said) => assert!(said.contains(expected), "{what}\nis refused with {said}\nand not for {expected}"),
    }
}

async fn all_refused_at_creation(world: &World, good: &Value, table: &[Refused]) {
    for (change, expected) in table {
        refused(change, dry_create(world, &with_nulls(good.clone(), change)).await, expected);
    }
}

async fn all_taken_at_creation(world: &World, good: &Value, changes: &[Value]) {
    for change in changes {
        if let Err(error) = dry_create(world, &with(good.clone(), change)).await {
            panic!("refused: {change}\n{error}");
        }
    }
}

/// As [`with`], but a null stays one: what a manifest with `field: null` says.
fn with_nulls(mut manifest: Value, change: &Value) -> Value {
    match (&mut manifest, change) {
        (Value::Object(fields), Value::Object(changes)) => {
            for (name, change) in changes {
                let before = fields.remove(name).unwrap_or(Value::Null);
                fields.insert(name.clone(), with_nulls(before, change));
            }
            manifest
        }
        _ => change.clone(),
    }
}

/// A null is no value: the field is not there then, so that no rule of the schema, and no diff, ever sees one.
#[tokio::test]
async fn a_null_is_an_absent_field() {
    let world = World::new(Nature::default()).await;
    let nulls = spec(json!({"adoptionPolicy": null, "deletionPolicy": null, "suspend": null}));
    let made = dry_create(&world, &with_nulls(link("orders"), &nulls)).await.expect("taken");
    assert_eq!(made["spec"], link("orders")["spec"]);
    let nulls = spec(json!({"interfaceEndpointIdFrom": null, "deletionPolicy": null}));
    let good = endpoint("a", "orders", VPCE);
    let made = dry_create(&world, &with_nulls(good.clone(), &nulls)).await.expect("taken");
    assert_eq!(made["spec"], good["spec"]);
    let nulls = spec(json!({"interfaceEndpointId": null}));
    let good = endpoint_from("a", "orders", "vpc-a", "id");
    let made = dry_create(&world, &with_nulls(good.clone(), &nulls)).await.expect("taken");
    assert_eq!(made["spec"], good["spec"]);
}

fn without(mut manifest: Value, field: &str) -> Value {
    manifest["spec"].as_object_mut().expect("a spec").remove(field);
    manifest
}

fn long(length: usize) -> String {
    "a".repeat(length)
}

#[tokio::test]
async fn links_are_checked_when_they_are_created() {
    let world = World::new(Nature::default()).await;
    let good = link("orders");
    let policy = "deletionPolicy Delete cannot go with adoptionPolicy AdoptOnly, which never deletes";
    let table = [
        (spec(json!({"projectId": "5df264b8f10fab7d2cad2f0"})), "spec.projectId"),
        (spec(json!({"projectId": "5df264b8f10fab7d2cad2f0d0"})), "spec.projectId"),
        (spec(json!({"projectId": "5DF264B8F10FAB7D2CAD2F0D"})), "spec.projectId"),
        (spec(json!({"projectId": "../../../../groups/aaaaa"})), "spec.projectId"),
        (spec(json!({"projectId": "5df264b8f10fab7d2cad2f0\n"})), "spec.projectId"),
        (spec(json!({"projectId": null})), "spec.projectId"),
        (spec(json!({"provider": "aws"})), "supported values"),
        (spec(json!({"provider": "OCI"})), "supported values"),
        (spec(json!({"provider": null})), "spec.provider"),
        (spec(json!({"region": ""})), "spec.region"),
        (spec(json!({"region": "a"})), "spec.region"),
        (spec(json!({"region": long(65)})), "spec.region"),
        (spec(json!({"region": "-us-east-1"})), "spec.region"),
        (spec(json!({"region": "us east 1"})), "spec.region"),
        (spec(json!({"region": "us-east-1/.."})), "spec.region"),
        (spec(json!({"region": null})), "spec.region"),
        (spec(json!({"credentialsRef": null})), "spec.credentialsRef"),
        (spec(json!({"credentialsRef": {"name": null}})), "spec.credentialsRef.name"),
        (spec(json!({"credentialsRef": {"name": ""}})), "spec.credentialsRef.name"),
        (spec(json!({"credentialsRef": {"name": "Upper"}})), "spec.credentialsRef.name"),
        (spec(json!({"credentialsRef": {"name": "../other/secret"}})), "spec.credentialsRef.name"),
        (spec(json!({"credentialsRef": {"name": long(254)}})), "spec.credentialsRef.name"),
        (spec(json!({"adoptionPolicy": "Sometimes"})), "supported values"),
        (spec(json!({"deletionPolicy": "delete"})), "supported values"),
        (spec(json!({"adoptionPolicy": "AdoptOnly", "deletionPolicy": "Delete"})), policy),
        (spec(json!({"suspend": "yes"})), "spec.suspend"),
        (json!({"spec": null}), "spec"),
    ];
    all_refused_at_creation(&world, &good, &table).await;
    for field in ["projectId", "provider", "region", "credentialsRef"] {
        refused(&json!(field), dry_create(&world, &without(good.clone(), field)).await, &format!("spec.{field}"));
    }
    let mut changes = Vec::new();
    for provider in ["AWS", "AZURE", "GCP"] {
        changes.push(spec(json!({"provider": provider})));
    }
    for region in ["US_EAST_1", "eu", "EASTERN_US", &long(64)] {
        changes.push(spec(json!({"region": region})));
    }
    for (adoption, deletion) in [
        ("AdoptOrCreate", "Delete"),
        ("AdoptOrCreate", "Retain"),
        ("CreateOnly", "Delete"),
        ("CreateOnly", "Retain"),
        ("AdoptOnly", "Retain"),
    ] {
        changes.push(spec(json!({"adoptionPolicy": adoption, "deletionPolicy": deletion})));
    }
    changes.push(spec(json!({"adoptionPolicy": "AdoptOnly"})));
    changes.push(spec(json!({"deletionPolicy": "Delete"})));
    changes.push(spec(json!({"suspend": true})));
    changes.push(spec(json!({"credentialsRef": {"name": long(253)}})));
    changes.push(spec(json!({"credentialsRef": {"name": "a.b-c"}})));
    all_taken_at_creation(&world, &good, &changes).await;
}

#[tokio::test]
async fn links_are_checked_when_they_are_changed() {
    let world = World::new(Nature::default()).await;
    let made = world.create(&link("orders")).await.expect("created");
    assert_eq!(made["spec"], link("orders")["spec"], "nothing is added to a spec");
    assert_eq!(made["status"], json!({"observedGeneration": -1}));
    let table = [
        (json!({"projectId": project(1)}), "projectId cannot be changed; create another AtlasPrivateLink"),
        (json!({"provider": "GCP"}), "provider cannot be changed; create another AtlasPrivateLink"),
        (json!({"region": "us-east-2"}), "region cannot be changed; create another AtlasPrivateLink"),
        // Another spelling is another text: which one a manifest has is its own business, but it stays.
        (json!({"region": "US_EAST_1"}), "region cannot be changed; create another AtlasPrivateLink"),
        (json!({"projectId": null}), "spec.projectId"),
        (json!({"provider": null}), "spec.provider"),
        (json!({"region": null}), "spec.region"),
        (json!({"credentialsRef": null}), "spec.credentialsRef"),
        (json!({"adoptionPolicy": "AdoptOnly", "deletionPolicy": "Delete"}), "deletionPolicy Delete cannot go with"),
        (json!({"adoptionPolicy": "adoptOnly"}), "supported values"),
    ];
    for (change, expected) in table {
        let change = spec(change);
        refused(&change, dry_merge(&world, LINKS, "orders", &change).await, expected);
    }
    for change in [
        json!({"projectId": PROJECT, "provider": "AWS", "region": "us-east-1"}),
        json!({"credentialsRef": {"name": "other"}}),
        json!({"adoptionPolicy": "CreateOnly"}),
        json!({"adoptionPolicy": "AdoptOnly"}),
        json!({"deletionPolicy": "Delete"}),
        json!({"deletionPolicy": "Retain", "suspend": true}),
        json!({"suspend": null}),
    ] {
        if let Err(error) = dry_merge(&world, LINKS, "orders", &spec(change.clone())).await {
            panic!("refused: {change}\n{error}");
        }
    }
    // One after the other comes to the same as both at once.
    world.merge(LINKS, "orders", &spec(json!({"adoptionPolicy": "AdoptOnly"}))).await.expect("taken");
    let delete = spec(json!({"deletionPolicy": "Delete"}));
    refused(&delete, dry_merge(&world, LINKS, "orders", &delete).await, "deletionPolicy Delete cannot go with");
}

const EXACTLY_ONE: &str = "exactly one of interfaceEndpointId and interfaceEndpointIdFrom must be set";

fn from(name: &str, key: &str) -> Value {
    json!({"configMapKeyRef": {"name": name, "key": key}})
}

#[tokio::test]
async fn endpoints_are_checked_when_they_are_created() {
    let world = World::new(Nature::default()).await;
    let (literal, read) = (endpoint("a", "orders", VPCE), endpoint_from("a", "orders", "vpc-a", "id"));
    let id = |id: &str| (spec(json!({"interfaceEndpointId": id})), "spec.interfaceEndpointId");
    // Who is refused is told what an id begins with.
    let told = |id: &str| (spec(json!({"interfaceEndpointId": id})), "should match '^vpce-");
    let table = [
        told(""),
        told("my-endpoint"),
        told("vpce-"),
        told("vpce-0b9c570"),
        id("vpce-0b9c5701325cb15dd0"),
        told("vpce-0B9C5701325CB15DD"),
        id("vpce-svc-0b9c5701325cb1"),
        id(".."),
        id("vpce-../../groups"),
        id("vpce-%2e%2e%2f12345"),
        id("vpce-0b9c5701325cb15dd\n"),
        (spec(json!({"interfaceEndpointIdFrom": from("vpc-a", "id")})), EXACTLY_ONE),
        (spec(json!({"interfaceEndpointId": null})), EXACTLY_ONE),
        (spec(json!({"privateLinkRef": null})), "spec.privateLinkRef"),
        (spec(json!({"privateLinkRef": {"name": ""}})), "spec.privateLinkRef.name"),
        (spec(json!({"privateLinkRef": {"name": "Orders"}})), "spec.privateLinkRef.name"),
        (spec(json!({"privateLinkRef": {"name": long(254)}})), "spec.privateLinkRef.name"),
        (spec(json!({"deletionPolicy": "Keep"})), "supported values"),
        (spec(json!({"suspend": 1})), "spec.suspend"),
    ];
    all_refused_at_creation(&world, &literal, &table).await;
    let map = "spec.interfaceEndpointIdFrom.configMapKeyRef";
    let table = [
        (spec(json!({"interfaceEndpointIdFrom": from("", "id")})), map),
        (spec(json!({"interfaceEndpointIdFrom": from("../x", "id")})), map),
        (spec(json!({"interfaceEndpointIdFrom": from(&long(254), "id")})), map),
        (spec(json!({"interfaceEndpointIdFrom": from("vpc-a", "")})), map),
        (spec(json!({"interfaceEndpointIdFrom": from("vpc-a", "a/b")})), map),
        (spec(json!({"interfaceEndpointIdFrom": from("vpc-a", &long(254))})), map),
        (spec(json!({"interfaceEndpointIdFrom": {"configMapKeyRef": null}})), map),
        (spec(json!({"interfaceEndpointIdFrom": {"configMapKeyRef": {"key": null}}})), map),
        (spec(json!({"interfaceEndpointIdFrom": null})), EXACTLY_ONE),
    ];
    all_refused_at_creation(&world, &read, &table).await;
    let neither = without(literal.clone(), "interfaceEndpointId");
    refused(&neither, dry_create(&world, &neither).await, EXACTLY_ONE);
    refused(&json!("no link"), dry_create(&world, &without(literal.clone(), "privateLinkRef")).await, "privateLinkRef");
    let taken = [
        spec(json!({"interfaceEndpointId": "vpce-0b9c5701"})),
        spec(json!({"privateLinkRef": {"name": long(253)}})),
        spec(json!({"deletionPolicy": "Delete", "suspend": true})),
        spec(json!({"deletionPolicy": "Retain", "suspend": false})),
    ];
    all_taken_at_creation(&world, &literal, &taken).await;
    let taken = [spec(json!({"interfaceEndpointIdFrom": from("a.b", "Some_Key.txt")}))];
    all_taken_at_creation(&world, &read, &taken).await;
}

#[tokio::test]
async fn endpoints_are_checked_when_they_are_changed() {
    let world = World::new(Nature::default()).await;
    let made = world.create(&endpoint("a", "orders", VPCE)).await.expect("created");
    assert_eq!(made["spec"], endpoint("a", "orders", VPCE)["spec"], "nothing is added to a spec");
    assert_eq!(made["status"], json!({"observedGeneration": -1}));
    let table = [
        (
            json!({"privateLinkRef": {"name": "others"}}),
            "privateLinkRef cannot be changed; create another AtlasInterfaceEndpoint",
        ),
        (json!({"privateLinkRef": null}), "spec.privateLinkRef"),
        (json!({"interfaceEndpointIdFrom": from("vpc-a", "id")}), EXACTLY_ONE),
        (json!({"interfaceEndpointId": null}), EXACTLY_ONE),
        (json!({"interfaceEndpointId": "vpce-svc"}), "spec.interfaceEndpointId"),
    ];
    for (change, expected) in table {
        let change = spec(change);
        refused(&change, dry_merge(&world, ENDPOINTS, "a", &change).await, expected);
    }
    for change in [
        json!({"privateLinkRef": {"name": "orders"}}),
        json!({"interfaceEndpointId": vpce(1)}),
        json!({"interfaceEndpointId": null, "interfaceEndpointIdFrom": from("vpc-a", "id")}),
        json!({"suspend": true, "deletionPolicy": "Retain"}),
    ] {
        if let Err(error) = dry_merge(&world, ENDPOINTS, "a", &spec(change.clone())).await {
            panic!("refused: {change}\n{error}");
        }
    }
}

fn condition(change: Value) -> Value {
    let good = json!({
        "type": "Ready", "status": "True", "reason": "Available", "message": "",
        "lastTransitionTime": "2026-11-21T08:00:00Z", "observedGeneration": 1,
    });
    with(good, &change)
}

#[tokio::test]
async fn a_status_is_checked_too() {
    let world = World::new(Nature::default()).await;
    world.create(&link("orders")).await.expect("created");
    let status = async |conditions: Value| {
        let patch = json!({"status": {"conditions": conditions}});
        world.merge(LINKS, "orders/status?dryRun=All", &patch).await.map_err(|error| error.to_string())
    };
    assert!(status(json!([condition(json!({})), condition(json!({"type": "Stalled"}))])).await.is_ok());
    for (change, expected) in [
        (json!({"status": "Maybe"}), "supported values"),
        (json!({"reason": ""}), "reason"),
        (json!({"reason": "two words"}), "reason"),
        (json!({"type": "not a type"}), "type"),
        (json!({"message": long(32769)}), "message"),
        (json!({"observedGeneration": -1}), "observedGeneration"),
        (json!({"lastTransitionTime": "yesterday"}), "lastTransitionTime"),
    ] {
        refused(&change, status(json!([condition(change.clone())])).await, expected);
    }
    let twice = json!([condition(json!({})), condition(json!({"status": "False"}))]);
    refused(&twice, status(twice.clone()).await, "Duplicate value");
    let origin = world.merge(LINKS, "orders/status?dryRun=All", &json!({"status": {"origin": "Found"}})).await;
    refused(&json!("origin"), origin.map_err(|error| error.to_string()), "supported values");
}

/// What `kubectl get` shows, wide columns with their mark.
async fn columns(world: &World, plural: &str) -> (Vec<String>, Vec<Value>) {
    let path = format!("/apis/atlas.privatelink.dev/v1alpha1/namespaces/{}/{plural}", world.namespace);
    let request = Request::get(path)
        .header(header::ACCEPT, "application/json;as=Table;v=v1;g=meta.k8s.io")
        .body(Vec::new())
        .expect("a request");
    let table: Value = world.client.request(request).await.expect("a table");
    let name = |column: &Value| {
        let wide = if column["priority"] == 1 { " (wide)" } else { "" };
        format!("{}{wide}", column["name"].as_str().expect("a name"))
    };
    let names = table["columnDefinitions"].as_array().expect("columns").iter().map(name).collect();
    let cells = table["rows"][0]["cells"].as_array().cloned().expect("a row");
    (names, cells)
}

#[tokio::test]
async fn kubectl_shows_what_matters() {
    let world = World::new(Nature::default()).await;
    world.create(&link("orders")).await.expect("created");
    world.create(&endpoint("a", "orders", VPCE)).await.expect("created");
    let conditions = json!([condition(json!({"message": "fine"}))]);
    let status =
        json!({"status": {"conditions": conditions, "privateLinkId": PROJECT, "endpointServiceName": "com.x"}});
    world.merge(LINKS, "orders/status", &status).await.expect("taken");
    let conditions = json!([condition(json!({"status": "False", "reason": "Attaching", "message": "soon"}))]);
    let status =
        json!({"status": {"conditions": conditions, "interfaceEndpointId": VPCE, "connectionStatus": "PENDING"}});
    world.merge(ENDPOINTS, "a/status", &status).await.expect("taken");

    let (names, cells) = columns(&world, LINKS).await;
    let expected =
        ["Name", "Ready", "Status", "Provider", "Region", "ID", "Age", "Service-Name (wide)", "Message (wide)"];
    assert_eq!(names, expected);
    let shown: Vec<_> = [0, 1, 2, 3, 4, 5, 7, 8].map(|n| cells[n].clone()).into();
    assert_eq!(json!(shown), json!(["orders", "True", "Available", "AWS", "us-east-1", PROJECT, "com.x", "fine"]));

    let (names, cells) = columns(&world, ENDPOINTS).await;
    assert_eq!(names, ["Name", "Ready", "Status", "Endpoint", "Connection", "Link", "Age", "Message (wide)"]);
    let shown: Vec<_> = [0, 1, 2, 3, 4, 5, 7].map(|n| cells[n].clone()).into();
    assert_eq!(json!(shown), json!(["a", "False", "Attaching", VPCE, "PENDING", "orders", "soon"]));
}

#[tokio::test]
async fn both_kinds_have_short_names_and_a_category() {
    let world = World::new(Nature::default()).await;
    let path = "/apis/atlas.privatelink.dev/v1alpha1";
    let list = world.send(Method::GET, path, JSON, &Value::Null).await.expect("discovery");
    for (plural, kind, short) in [(LINKS, "AtlasPrivateLink", "apl"), (ENDPOINTS, "AtlasInterfaceEndpoint", "aie")] {
        let resources = list["resources"].as_array().expect("resources");
        let of = |name: &str| resources.iter().find(|resource| resource["name"] == name).cloned();
        let resource = of(plural).expect("served");
        assert_eq!(resource["kind"], kind);
        assert_eq!(resource["namespaced"], true);
        assert_eq!(resource["shortNames"], json!([short]));
        assert_eq!(resource["categories"], json!(["atlas"]));
        assert_eq!(resource["singularName"], kind.to_lowercase());
        assert!(of(&format!("{plural}/status")).is_some(), "no status subresource");
    }
}
