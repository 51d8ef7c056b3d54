use super::*;

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test(start_paused = true)]
async fn v2_answers_in_the_recorded_bytes() {
    let atlas = atlas();
    let created =
        post(&atlas, &format!("{V2}/endpointService"), json!({"providerName": "AWS", "region": "eu-west-1"})).await;
    assert_eq!(created.status, 201);
    let id = created.json()["id"].as_str().unwrap().to_owned();
    assert!(id.starts_with("6a793f68") && id.len() == 24, "{id}: an ObjectId of its second");
    assert_eq!(
        created.body,
        format!(
            "{{\"cloudProvider\":\"AWS\",\"endpointServiceName\":null,\"errorMessage\":null,\"id\":\"{id}\",\
             \"interfaceEndpoints\":[],\"regionName\":\"EU_WEST_1\",\"status\":\"INITIATING\",\
             \"supportedRemoteRegions\":null}}"
        )
    );
    assert_eq!(created.header("content-type"), "application/vnd.atlas.2023-01-01+json;charset=utf-8");
    assert_eq!(created.header("x-java-method"), "ApiAtlasPrivateEndpointResource::addEndpointService");
    assert_eq!(created.header("ratelimit-limit"), "4000");
    assert_eq!(created.header("ratelimit-remaining"), "3999");
    assert_eq!(created.header("server"), "mdbws");
    assert_eq!(created.header("x-frame-options"), "DENY");
    assert_eq!(created.header("x-content-type-options"), "nosniff");
    assert_eq!(created.header("date"), "Mon, 10 Aug 2026 03:03:04 GMT");
    assert!(!created.header("strict-transport-security").is_empty());

    let path = format!("{V2}/AWS/endpointService");
    let list = get(&atlas, &path).await;
    assert_eq!(list.body, format!("[{}]", String::from_utf8_lossy(&created.body)));
    assert_eq!(list.header("x-java-method"), "ApiAtlasPrivateEndpointResource::getEndPointServices");
    pass(165).await;
    let ready = get(&atlas, &format!("{path}/{id}")).await.json();
    assert_eq!(ready["status"], "AVAILABLE");
    let name = ready["endpointServiceName"].as_str().unwrap();
    assert_eq!(name.strip_prefix("com.amazonaws.vpce.eu-west-1.vpce-svc-").unwrap().len(), 17);
    let deleted = delete(&atlas, &format!("{path}/{id}")).await;
    assert_eq!((deleted.status.as_u16(), deleted.body.as_ref()), (202, b"{}".as_slice()));
    assert_eq!(deleted.header("x-java-method"), "ApiAtlasPrivateEndpointResource::deleteEndpointService");
}

#[tokio::test(start_paused = true)]
async fn v1_shows_the_same_services_in_its_own_words() {
    let atlas = atlas();
    let body = json!({"providerName": "AWS", "region": "US_EAST_1"});
    let created = post(&atlas, &format!("{V1}/"), body.clone()).await;
    assert_eq!(created.status, 201);
    assert_eq!(created.header("content-type"), "application/json");
    assert_eq!(created.header("x-java-method"), "");
    assert_eq!(keys(&created.json()), ["endpointServiceName", "errorMessage", "id", "interfaceEndpoints", "status"]);
    post(&atlas, V1, body.clone()).await.is(409, "PRIVATELINK_ENDPOINT_SERVICE_ALREADY_EXISTS_FOR_REGION");
    let refused = post(&atlas, &format!("{V2}/endpointService"), body).await;
    refused.is(409, "PRIVATE_ENDPOINT_SERVICE_ALREADY_EXISTS_FOR_REGION");
    assert_eq!(refused.json()["parameters"], json!(["AWS", "US_EAST_1"]));
    pass(165).await;
    let id = created.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(get(&atlas, &format!("{V1}/{id}")).await.json()["status"], "WAITING_FOR_USER");
    assert_eq!(get(&atlas, &format!("{V2}/AWS/endpointService/{id}")).await.json()["status"], "AVAILABLE");
    let both = get(&atlas, &format!("{V1}/AWS/endpointService/{id}")).await.json();
    assert_eq!((&both["status"], &both["regionName"]), (&json!("WAITING_FOR_USER"), &json!("US_EAST_1")));

    let added = post(&atlas, &format!("{V1}/{id}/interfaceEndpoints"), json!({"interfaceEndpointId": VPCE})).await;
    assert_eq!(added.status, 201);
    assert_eq!(
        added.json(),
        json!({"connectionStatus": "NONE", "deleteRequested": false, "errorMessage": null, "interfaceEndpointId": VPCE})
    );
    let seen = get(&atlas, &format!("{V2}/AWS/endpointService/{id}/endpoint/{VPCE}")).await.json();
    assert_eq!((&seen["connectionStatus"], &seen["cloudProvider"]), (&json!("PENDING_ACCEPTANCE"), &json!("AWS")));
    assert_eq!(get(&atlas, V1).await.json()[0]["interfaceEndpoints"], json!([VPCE]));

    get(&atlas, &format!("{V1}/{PROJECT}")).await.is(404, "PRIVATELINK_NOT_FOUND");
    get(&atlas, &format!("{V1}/{id}/interfaceEndpoints/vpce-1"))
        .await
        .is(404, "PRIVATELINK_INTERFACE_ENDPOINT_NOT_FOUND");
    get(&atlas, &format!("{V2}/AWS/endpointService/{PROJECT}")).await.is(404, "PRIVATE_ENDPOINT_SERVICE_NOT_FOUND");
    get(&atlas, &format!("{V2}/GCP/endpointService/{id}")).await.is(404, "PRIVATE_ENDPOINT_SERVICE_NOT_FOUND");
    let removed = delete(&atlas, &format!("{V1}/{id}/interfaceEndpoints/{VPCE}")).await;
    assert_eq!((removed.status.as_u16(), removed.body.as_ref()), (202, b"{}".as_slice()));
}

#[tokio::test(start_paused = true)]
async fn azure_services_and_their_encoded_endpoints() {
    let atlas = atlas();
    let body = json!({"providerName": "AZURE", "region": "southeastasia"});
    let created = post(&atlas, &format!("{V2}/endpointService"), body).await.json();
    assert_eq!(created["regionName"], "ASIA_SOUTH_EAST");
    assert_eq!(created["privateLinkServiceName"], Value::Null);
    pass(61).await;
    let path = format!("{V2}/AZURE/endpointService/{}", created["id"].as_str().unwrap());
    let ready = get(&atlas, &path).await.json();
    let name = ready["privateLinkServiceName"].as_str().unwrap();
    assert_eq!(name.strip_prefix("pls_").unwrap().len(), 24);
    assert!(ready["privateLinkServiceResourceId"].as_str().unwrap().ends_with(&format!("/privateLinkServices/{name}")));

    let id = "/subscriptions/1/resourceGroups/rg/providers/Microsoft.Network/privateEndpoints/pe";
    let body = json!({"id": id, "privateEndpointIPAddress": "10.0.0.4"});
    let added = post(&atlas, &format!("{path}/endpoint"), body).await;
    assert_eq!((added.status.as_u16(), &added.json()["status"]), (201, &json!("INITIATING")));
    pass(60).await;
    let one = get(&atlas, &format!("{path}/endpoint/{}", id.replace('/', "%2F"))).await.json();
    assert_eq!((&one["status"], &one["privateEndpointResourceId"]), (&json!("AVAILABLE"), &json!(id)));
    get(&atlas, &format!("{path}/endpoint/{id}")).await.is(404, "RESOURCE_NOT_FOUND");
    assert_eq!(get(&atlas, &path).await.json()["privateEndpoints"], json!([id]));
}

#[tokio::test(start_paused = true)]
async fn gcp_services_of_both_kinds_coexist() {
    let atlas = atlas();
    let path = format!("{V2}/endpointService");
    let mapped = json!({"providerName": "GCP", "region": "us-east4", "portMappingEnabled": true});
    let created = post(&atlas, &path, mapped.clone()).await.json();
    assert_eq!((&created["portMappingEnabled"], &created["serviceAttachmentNames"]), (&json!(true), &json!([])));
    assert_eq!(post(&atlas, &path, json!({"providerName": "GCP", "region": "US_EAST_4"})).await.status, 201);
    post(&atlas, &path, mapped).await.is(409, "PRIVATE_ENDPOINT_SERVICE_ALREADY_EXISTS_FOR_REGION");
    pass(310).await;
    let list = get(&atlas, &format!("{V2}/GCP/endpointService")).await.json();
    let attachments = |n: usize| list[n]["serviceAttachmentNames"].as_array().unwrap().len();
    assert_eq!((attachments(0), attachments(1)), (1, 50));

    let path = format!("{V2}/GCP/endpointService/{}/endpoint", created["id"].as_str().unwrap());
    let one = json!({"endpointName": "grp-0", "ipAddress": "10.0.0.4"});
    let body = |endpoints: Value| json!({"gcpProjectId": "p-1", "endpointGroupName": "any", "endpoints": endpoints});
    post(&atlas, &path, body(json!([one, one]))).await.is(400, "INVALID_ATTRIBUTE");
    assert_eq!(post(&atlas, &path, body(json!([one]))).await.status, 201);
    pass(30).await;
    let seen = get(&atlas, &format!("{path}/grp-0")).await.json();
    assert_eq!((&seen["status"], &seen["endpoints"][0]["status"]), (&json!("VERIFIED"), &json!("INITIATING")));
}

#[tokio::test(start_paused = true)]
async fn pretty_envelope_and_paging_are_honoured() {
    let atlas = atlas();
    let id = service(&atlas, "us-east-1").await;
    service(&atlas, "us-west-1").await;
    let pretty = get(&atlas, &format!("{V1}/{id}?pretty=true")).await;
    let text = String::from_utf8(pretty.body.to_vec()).unwrap();
    assert!(text.starts_with("{\n  \"endpointServiceName\" : \"com.amazonaws"), "{text}");
    assert!(text.contains("\"interfaceEndpoints\" : [ ],\n"), "{text}");
    let list = get(&atlas, &format!("{V1}?pretty=true")).await;
    assert!(list.body.starts_with(b"[ {\n"));
    let wrapped = get(&atlas, &format!("{V1}/{id}?envelope=true")).await.json();
    assert_eq!((&wrapped["status"], &wrapped["content"]["id"]), (&json!(200), &json!(id)));
    let wrapped = get(&atlas, &format!("{V1}/{PROJECT}?envelope=true")).await.json();
    assert_eq!((&wrapped["status"], &wrapped["content"]["errorCode"]), (&json!(404), &json!("PRIVATELINK_NOT_FOUND")));
    let all = get(&atlas, V1).await.json();
    let page = async |query: &str| get(&atlas, &format!("{V1}?{query}")).await.json();
    assert_eq!(page("itemsPerPage=2&includeCount=true").await, all, "a bare array, with nothing to count in");
    assert_eq!(page("pageNum=1&itemsPerPage=1").await, json!([all[0]]));
    assert_eq!(page("pageNum=2&itemsPerPage=1").await, json!([all[1]]));
    assert_eq!(page("pageNum=2").await, json!([]), "a page has a hundred");
    let newer = get(&atlas, &format!("{V2}/AWS/endpointService?itemsPerPage=1")).await.json();
    assert_eq!(newer.as_array().unwrap().len(), 2, "v2 has no paging here");
    for query in ["pageNum=0", "itemsPerPage=501", "includeCount=x", "pretty=x", "envelope="] {
        get(&atlas, &format!("{V1}?{query}")).await.is(400, "INVALID_QUERY_PARAMETER");
    }
}

#[tokio::test(start_paused = true)]
async fn bodies_and_paths_are_read_strictly() {
    let atlas = atlas();
    let create = |body: Value| {
        let atlas = atlas.clone();
        async move { post(&atlas, &format!("{V2}/endpointService"), body).await }
    };
    create(json!({"providerName": "AWS", "region": "us-east-1", "x": 1})).await.is(400, "INVALID_ATTRIBUTE");
    create(json!({"providerName": "AWS"})).await.is(400, "MISSING_ATTRIBUTE");
    create(json!({"providerName": "AWS", "region": 1})).await.is(400, "INVALID_ATTRIBUTE");
    create(json!({"providerName": "OCI", "region": "x"})).await.is(400, "INVALID_PROVIDER");
    create(json!({"providerName": "AWS", "region": "MOON_BASE_1"})).await.is(400, "INVALID_REGION");
    create(json!({"providerName": "AWS", "region": "us-east-1", "portMappingEnabled": true}))
        .await
        .is(400, "INVALID_ATTRIBUTE");
    let remote = |provider: &str, region: &str, remote: &str| json!({"providerName": provider, "region": region, "supportedRemoteRegions": [remote]});
    create(remote("AWS", "us-east-1", "eu-west-1")).await.is(400, "INVALID_ATTRIBUTE");
    create(remote("AWS", "us-east-1", "US_EAST_1")).await.is(400, "CROSS_REGION_PRIVATE_LINK_SELF_REGION");
    create(remote("GCP", "us-east4", "US_EAST_4")).await.is(404, "PROVIDER_UNSUPPORTED");
    let created = create(remote("AWS", "eu-west-2", "EU_WEST_1")).await;
    assert_eq!(created.json()["supportedRemoteRegions"], json!(["EU_WEST_1"]));
    create(json!([])).await.is(400, "MALFORMED_JSON");
    call(&atlas, "POST", &format!("{V2}/endpointService"), "{").await.is(400, "MALFORMED_JSON");
    post(&atlas, V1, json!({"providerName": "AZURE", "region": "eastus"})).await.is(404, "PROVIDER_UNSUPPORTED");
    post(&atlas, V1, json!({"providerName": "AWS", "region": "af-south-1"})).await.is(400, "INVALID_REGION");
    get(&atlas, &format!("{V2}/OCI/endpointService")).await.is(400, "INVALID_PROVIDER");
    get(&atlas, &format!("{V2}/nothing")).await.is(404, "RESOURCE_NOT_FOUND");
    get(&atlas, V2).await.is(404, "RESOURCE_NOT_FOUND");
    call(&atlas, "PUT", V1, "{}").await.is(405, "METHOD_NOT_ALLOWED");
    let id = service(&atlas, "us-east-1").await;
    let add = format!("{V1}/{id}/interfaceEndpoints");
    post(&atlas, &add, json!({"interfaceEndpointId": "pe-1"}))
        .await
        .is(404, "PRIVATELINK_INTERFACE_ENDPOINT_ID_MALFORMED");
    post(&atlas, &add, json!({"id": VPCE})).await.is(400, "INVALID_ATTRIBUTE");
    for media in ["application/vnd.atlas.2023-01-01+json", "application/x-www-form-urlencoded"] {
        let mut odd = request("POST", V1, "{}");
        odd.headers_mut().insert("content-type", media.parse().unwrap());
        let challenge = send(&atlas, request("GET", V2, "")).await.unwrap();
        let odd = signed(odd, challenge.header("www-authenticate"), (PUBLIC_KEY, PRIVATE_KEY));
        send(&atlas, odd).await.unwrap().is(415, "UNSUPPORTED_MEDIA_TYPE");
    }
    let mut dated = request("POST", &format!("{V2}/endpointService"), "{}");
    dated.headers_mut().insert("content-type", "application/vnd.atlas.2023-01-01+json".parse().unwrap());
    let challenge = send(&atlas, request("GET", V2, "")).await.unwrap();
    let dated = signed(dated, challenge.header("www-authenticate"), (PUBLIC_KEY, PRIVATE_KEY));
    send(&atlas, dated).await.unwrap().is(400, "MISSING_ATTRIBUTE");
    let mut old = request("GET", &format!("{V2}/AWS/endpointService"), "");
    old.headers_mut().insert("accept", "application/vnd.atlas.2022-01-01+json".parse().unwrap());
    let challenge = send(&atlas, request("GET", V2, "")).await.unwrap();
    let old = signed(old, challenge.header("www-authenticate"), (PUBLIC_KEY, PRIVATE_KEY));
    send(&atlas, old).await.unwrap().is(406, "INVALID_VERSION_DATE");
}

#[tokio::test(start_paused = true)]
async fn the_neighbouring_resources_answer() {
    let atlas = atlas_with(Settings { projects: vec![PROJECT.to_owned()], ..Settings::default() });
    let status = get(&atlas, "/api/atlas/v2").await.json();
    assert_eq!(status["apiKey"]["publicKey"], "public");
    assert_eq!(status["apiKey"]["roles"], json!([{"groupId": PROJECT, "roleName": "GROUP_OWNER"}]));
    assert_eq!(get(&atlas, "/api/atlas/v1.0/").await.json()["appName"], "MongoDB Atlas");
    let project = get(&atlas, &format!("/api/atlas/v2/groups/{PROJECT}")).await.json();
    assert_eq!((&project["id"], &project["clusterCount"]), (&json!(PROJECT), &json!(0)));
    assert_eq!(get(&atlas, &format!("{V2}/regionalMode")).await.json(), json!({"enabled": false}));
    assert_eq!(get(&atlas, &format!("{V1}/regionalMode")).await.json(), json!({"enabled": false}));
}
