use super::*;

async fn status(atlas: &Simulator, provider: &str, id: &str) -> String {
    let got = get(atlas, &format!("{V2}/{provider}/endpointService/{id}")).await.json();
    got["status"].as_str().unwrap_or("gone").to_owned()
}

async fn connection(atlas: &Simulator, service: &str) -> (String, Value) {
    let got = get(atlas, &format!("{V1}/{service}/interfaceEndpoints/{VPCE}")).await.json();
    (got["connectionStatus"].as_str().unwrap_or("gone").to_owned(), got["errorMessage"].clone())
}

async fn add(atlas: &Simulator, service: &str) -> Got {
    post(atlas, &format!("{V2}/AWS/endpointService/{service}/endpoint"), json!({"id": VPCE})).await
}

#[tokio::test(start_paused = true)]
async fn services_take_the_recorded_time() {
    for (provider, region, seconds) in [("AWS", "us-east-1", 165), ("AZURE", "eastus2", 61), ("GCP", "us-east4", 310)] {
        let atlas = atlas();
        let body = json!({"providerName": provider, "region": region});
        let id = post(&atlas, &format!("{V2}/endpointService"), body).await.json()["id"].as_str().unwrap().to_owned();
        pass(seconds - 1).await;
        assert_eq!(status(&atlas, provider, &id).await, "INITIATING");
        pass(1).await;
        assert_eq!(status(&atlas, provider, &id).await, "AVAILABLE");
        delete(&atlas, &format!("{V2}/{provider}/endpointService/{id}")).await;
        pass(29).await;
        assert_eq!(status(&atlas, provider, &id).await, "DELETING");
        pass(1).await;
        assert_eq!(status(&atlas, provider, &id).await, "gone");
        assert_eq!(get(&atlas, &format!("{V2}/{provider}/endpointService")).await.json(), json!([]));
    }
}

#[tokio::test(start_paused = true)]
async fn the_time_scale_shortens_delays_and_not_the_clock() {
    let atlas = atlas_with(Settings { time_scale: 165.0, ..Settings::default() });
    let body = json!({"providerName": "AWS", "region": "us-east-1"});
    let id = post(&atlas, &format!("{V2}/endpointService"), body).await.json()["id"].as_str().unwrap().to_owned();
    pass(1).await;
    assert_eq!(status(&atlas, "AWS", &id).await, "AVAILABLE");
    let got = get(&atlas, V2).await;
    assert_eq!(got.header("date"), "Mon, 10 Aug 2026 03:03:05 GMT");
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_goes_through_its_stages_and_away() {
    let atlas = atlas();
    let id = service(&atlas, "us-east-1").await;
    assert_eq!(add(&atlas, &id).await.status, 201);
    for (seconds, expected) in [(0, "NONE"), (10, "PENDING_ACCEPTANCE"), (20, "PENDING"), (30, "AVAILABLE")] {
        pass(seconds).await;
        assert_eq!(connection(&atlas, &id).await.0, expected);
    }
    add(&atlas, &id).await.is(409, "PRIVATELINK_INTERFACE_ENDPOINT_ALREADY_EXISTS");
    let path = format!("{V2}/AWS/endpointService/{id}");
    delete(&atlas, &path).await.is(409, "CANNOT_DELETE_PRIVATELINK_WITH_ENDPOINTS");
    assert_eq!(delete(&atlas, &format!("{path}/endpoint/{VPCE}")).await.status, 202);
    let leaving = get(&atlas, &format!("{path}/endpoint/{VPCE}")).await.json();
    assert_eq!((&leaving["connectionStatus"], &leaving["deleteRequested"]), (&json!("DELETING"), &json!(true)));
    delete(&atlas, &path).await.is(409, "CANNOT_DELETE_PRIVATELINK_WITH_ENDPOINTS");
    pass(20).await;
    get(&atlas, &format!("{path}/endpoint/{VPCE}")).await.is(404, "PRIVATE_ENDPOINT_SERVICE_NOT_FOUND");
    assert_eq!(status(&atlas, "AWS", &id).await, "AVAILABLE", "the service stays");
    assert_eq!(delete(&atlas, &path).await.status, 202);
    let ledger = atlas.ledger();
    assert_eq!((ledger.endpoint_adds(), ledger.endpoint_deletes()), (vec![VPCE], vec![VPCE]));
    assert_eq!(ledger.service_deletes(), [id.as_str()]);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_is_not_accepted_before_its_service_is_ready() {
    let atlas = atlas();
    let body = json!({"providerName": "AWS", "region": "us-east-1"});
    let id = post(&atlas, V1, body).await.json()["id"].as_str().unwrap().to_owned();
    add(&atlas, &id).await.is(409, "PRIVATELINK_CANNOT_ACCEPT_ENDPOINTS");
}

#[tokio::test(start_paused = true)]
async fn a_service_may_go_with_its_last_endpoint() {
    let switches = Switches { auto_remove_service: true, ..Switches::default() };
    let atlas = atlas_with(Settings { switches, ..Settings::default() });
    let id = service(&atlas, "us-east-1").await;
    add(&atlas, &id).await;
    delete(&atlas, &format!("{V1}/{id}/interfaceEndpoints/{VPCE}")).await;
    pass(20).await;
    assert_eq!(status(&atlas, "AWS", &id).await, "DELETING");
    pass(30).await;
    assert_eq!(status(&atlas, "AWS", &id).await, "gone");
    assert!(atlas.ledger().service_deletes().is_empty(), "nobody asked for it");
}

#[tokio::test(start_paused = true)]
async fn a_vpc_endpoint_belongs_to_one_service_name() {
    let atlas = atlas();
    let first = service(&atlas, "us-east-1").await;
    add(&atlas, &first).await;
    pass(60).await;
    assert_eq!(connection(&atlas, &first).await.0, "AVAILABLE");
    atlas.change(Change::DeleteService { project: PROJECT.to_owned(), service: first }).unwrap();
    let second = service(&atlas, "us-east-1").await;
    add(&atlas, &second).await;
    pass(30).await;
    let message = json!(format!("Interface endpoint {VPCE} was not found."));
    assert_eq!(connection(&atlas, &second).await, ("REJECTED".to_owned(), message));
    pass(3600).await;
    assert_eq!(connection(&atlas, &second).await.0, "REJECTED", "it stays so");
}

#[tokio::test(start_paused = true)]
async fn what_aws_knows_can_be_declared() {
    let atlas = atlas();
    let id = service(&atlas, "us-east-1").await;
    let name = get(&atlas, &format!("{V1}/{id}")).await.json()["endpointServiceName"].as_str().unwrap().to_owned();
    let path = format!("{V1}/{id}/interfaceEndpoints/{VPCE}");
    for (standing, expected) in [
        (Standing::Unknown, "REJECTED"),
        (Standing::KnownFor("another".to_owned()), "REJECTED"),
        (Standing::KnownFor(name), "AVAILABLE"),
        (Standing::Undeclared, "AVAILABLE"),
    ] {
        atlas.change(Change::DeclareEndpoint { endpoint: VPCE.to_owned(), standing }).unwrap();
        add(&atlas, &id).await;
        pass(60).await;
        assert_eq!(connection(&atlas, &id).await.0, expected);
        delete(&atlas, &path).await;
        pass(20).await;
    }
    let standing = Standing::RejectedTimes(1);
    atlas.change(Change::DeclareEndpoint { endpoint: VPCE.to_owned(), standing }).unwrap();
    for expected in ["REJECTED", "AVAILABLE"] {
        add(&atlas, &id).await;
        pass(60).await;
        assert_eq!(connection(&atlas, &id).await.0, expected);
        delete(&atlas, &path).await;
        pass(20).await;
    }
}

#[tokio::test(start_paused = true)]
async fn services_fail_on_demand_and_hold_their_region() {
    let atlas = atlas();
    let fail = |named| {
        Change::FailServices(ServiceFailure {
            provider: Provider::Aws,
            region: "us-east-1".to_owned(),
            times: 1,
            named,
            message: "A system failure has occurred.".to_owned(),
        })
    };
    for named in [false, true] {
        atlas.change(fail(named)).unwrap();
        let id = service(&atlas, "us-east-1").await;
        let got = get(&atlas, &format!("{V1}/{id}")).await.json();
        assert_eq!(
            (&got["status"], &got["errorMessage"]),
            (&json!("FAILED"), &json!("A system failure has occurred."))
        );
        assert_eq!(got["endpointServiceName"].is_string(), named);
        add(&atlas, &id).await.is(409, "PRIVATELINK_CANNOT_ACCEPT_ENDPOINTS");
        let again = post(&atlas, V1, json!({"providerName": "AWS", "region": "us-east-1"})).await;
        assert_eq!(again.status, 409);
        delete(&atlas, &format!("{V1}/{id}")).await;
        pass(30).await;
    }
    let id = service(&atlas, "us-east-1").await;
    assert_eq!(status(&atlas, "AWS", &id).await, "AVAILABLE", "only so many times");
}

#[tokio::test(start_paused = true)]
async fn switches_change_what_is_disputed() {
    let switches =
        Switches { v2_waiting_for_user: true, duplicate_services: true, single_endpoint: true, ..Switches::default() };
    let atlas = atlas_with(Settings { switches, ..Settings::default() });
    let id = service(&atlas, "us-east-1").await;
    assert_eq!(status(&atlas, "AWS", &id).await, "WAITING_FOR_USER");
    service(&atlas, "us-east-1").await;
    let key = (PROJECT.to_owned(), Provider::Aws, "US_EAST_1".to_owned(), false);
    assert_eq!(atlas.ledger().creates()[&key], 2);
    assert!(atlas.ledger().ever_more_than_one_live().contains(&key));
    add(&atlas, &id).await;
    let path = format!("{V2}/AWS/endpointService/{id}/endpoint");
    post(&atlas, &path, json!({"id": "vpce-11111111"}))
        .await
        .is(409, "MULTIPLE_PRIVATE_ENDPOINTS_RESTRICTED_TO_SINGLE_REGION");
}

#[tokio::test(start_paused = true)]
async fn the_world_changes_behind_the_back() {
    let atlas = atlas();
    let create = Change::CreateService {
        project: PROJECT.to_owned(),
        provider: Provider::Aws,
        region: "us-east-1".to_owned(),
        port_mapped: false,
        ready: true,
    };
    let id = atlas.change(create).unwrap().unwrap();
    assert_eq!(status(&atlas, "AWS", &id).await, "AVAILABLE");
    let (project, service, endpoint) = (PROJECT.to_owned(), id.clone(), VPCE.to_owned());
    let place = || (project.clone(), service.clone(), endpoint.clone());
    let (project, service, endpoint) = place();
    atlas.change(Change::AddEndpoint { project, service, endpoint, ready: true }).unwrap();
    assert_eq!(connection(&atlas, &id).await.0, "AVAILABLE");
    let (project, service, endpoint) = place();
    let again = Change::AddEndpoint { project, service, endpoint, ready: true };
    assert_eq!(atlas.change(again), Err(Refused::Attached));
    let (project, service, endpoint) = (PROJECT.to_owned(), id.clone(), VPCE.to_owned());
    let error = Some("no".to_owned());
    let state = EndpointState::Rejected;
    atlas.change(Change::SetEndpointState { project, service, endpoint, state, error }).unwrap();
    assert_eq!(connection(&atlas, &id).await, ("REJECTED".to_owned(), json!("no")));
    let (project, service, endpoint) = (PROJECT.to_owned(), id.clone(), VPCE.to_owned());
    atlas.change(Change::DeleteEndpoint { project, service, endpoint }).unwrap();
    assert_eq!(connection(&atlas, &id).await.0, "gone");
    let (project, service, state) = (PROJECT.to_owned(), id.clone(), ServiceState::Failed);
    atlas.change(Change::SetServiceState { project, service, state, error: None }).unwrap();
    assert_eq!(status(&atlas, "AWS", &id).await, "FAILED");
    let (project, service) = (PROJECT.to_owned(), id.clone());
    atlas.change(Change::DeleteService { project, service }).unwrap();
    assert_eq!(status(&atlas, "AWS", &id).await, "gone");
    let again = Change::DeleteService { project: PROJECT.to_owned(), service: id };
    assert_eq!(atlas.change(again), Err(Refused::Missing));
    let ledger = atlas.ledger();
    assert!(ledger.creates().is_empty() && ledger.service_deletes().is_empty(), "nobody asked for it");
    // What was made ready has become so with a line of its own.
    assert_eq!(ledger.iter().filter(|entry| entry.cause == Cause::BehindTheBack).count(), 8);
}
