use super::*;
use base64::{Engine, engine::general_purpose::STANDARD};

fn stale(got: &Got) -> bool {
    assert_eq!(got.status, 401);
    got.header("www-authenticate").ends_with("stale=true")
}

async fn challenge(atlas: &Simulator) -> String {
    let got = send(atlas, request("GET", V2, "")).await.unwrap();
    got.header("www-authenticate").to_owned()
}

#[tokio::test(start_paused = true)]
async fn the_challenge_is_the_recorded_one() {
    let atlas = atlas();
    let got = send(&atlas, request("GET", V2, "")).await.unwrap();
    let header = got.header("www-authenticate").to_owned();
    let nonce = header
        .strip_prefix("Digest realm=\"MMS Public API\", domain=\"\", nonce=\"")
        .and_then(|tail| tail.strip_suffix("\", algorithm=MD5, qop=\"auth\", stale=false"))
        .unwrap();
    assert_eq!((nonce.len(), STANDARD.decode(nonce).unwrap().len()), (32, 24));
    assert_eq!(got.header("content-type"), "application/json");
    assert_eq!(
        got.body,
        "{\n  \"error\" : 401,\n  \"reason\" : \"Unauthorized\",\n  \"detail\" : \"You are not authorized for this \
         resource.\",\n  \"errorCode\" : \"UNEXPECTED_ERROR\"\n}"
    );
    assert_ne!(challenge(&atlas).await, header, "every challenge has its own nonce");
    atlas.change(Change::Switch(Switches { plain_challenge: true, ..Switches::default() })).unwrap();
    let got = send(&atlas, request("GET", V2, "")).await.unwrap();
    assert!(!String::from_utf8_lossy(&got.body).contains("errorCode"));
}

#[tokio::test(start_paused = true)]
async fn wrong_keys_get_the_same_challenge_again() {
    let atlas = atlas();
    let path = format!("{V2}/AWS/endpointService");
    for user in [("public", "wrong"), ("nobody", "private")] {
        let got = attempt(&atlas, user, "GET", &path, "").await.unwrap();
        assert!(!stale(&got), "{user:?}");
    }
    let enable = |enabled| Change::Enable { name: "public".to_owned(), enabled };
    atlas.change(enable(false)).unwrap();
    assert_eq!(get(&atlas, &path).await.status, 401);
    atlas.change(enable(true)).unwrap();
    assert_eq!(get(&atlas, &path).await.status, 200);
    atlas.change(Change::Rotate { name: "public".to_owned(), secret: "other".into() }).unwrap();
    assert_eq!(get(&atlas, &path).await.status, 401);
    assert_eq!(attempt(&atlas, ("public", "other"), "GET", &path, "").await.unwrap().status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_nonce_lives_a_minute_and_counts_each_once() {
    let atlas = atlas();
    let path = format!("{V2}/AWS/endpointService");
    let challenge = challenge(&atlas).await;
    let mut prompt = digest_auth::parse(&challenge).unwrap();
    let context = AuthContext::new(PUBLIC_KEY, PRIVATE_KEY, path.clone());
    let mut with = |nc: u32| {
        prompt.nc = nc;
        let header = prompt.respond(&context).unwrap().to_string();
        let mut request = request("GET", &path, "");
        request.headers_mut().insert("authorization", header.parse().unwrap());
        request
    };
    // The library counts before it signs.
    assert_eq!(send(&atlas, with(0)).await.unwrap().status, 200);
    assert_eq!(atlas.replays(), 0);
    assert!(!stale(&send(&atlas, with(0)).await.unwrap()), "a replay is not stale");
    assert_eq!(atlas.replays(), 1);
    assert_eq!(send(&atlas, with(4)).await.unwrap().status, 200, "gaps are allowed");
    assert_eq!(send(&atlas, with(2)).await.unwrap().status, 200, "so is any order");
    assert_eq!(send(&atlas, with(1022)).await.unwrap().status, 200);
    assert!(stale(&send(&atlas, with(1023)).await.unwrap()), "1024 is too many");
    pass(60).await;
    assert_eq!(send(&atlas, with(5)).await.unwrap().status, 200);
    pass(1).await;
    assert!(stale(&send(&atlas, with(6)).await.unwrap()), "expired");
    atlas.change(Change::ForgetNonces).unwrap();
    assert!(stale(&send(&atlas, with(7)).await.unwrap()), "unknown");
}

#[tokio::test(start_paused = true)]
async fn a_nonce_may_be_used_up_early() {
    let atlas = atlas_with(Settings { nonce_uses: 1, ..Settings::default() });
    let challenge = challenge(&atlas).await;
    let path = format!("{V2}/AWS/endpointService");
    let mut prompt = digest_auth::parse(&challenge).unwrap();
    let context = AuthContext::new(PUBLIC_KEY, PRIVATE_KEY, path.clone());
    for expected in [200, 401] {
        let mut request = request("GET", &path, "");
        let header = prompt.respond(&context).unwrap().to_string();
        request.headers_mut().insert("authorization", header.parse().unwrap());
        let got = send(&atlas, request).await.unwrap();
        assert_eq!(got.status, expected);
        assert!(expected == 200 || stale(&got));
    }
}

#[tokio::test(start_paused = true)]
async fn the_signed_uri_is_the_request_target_to_the_byte() {
    let atlas = atlas();
    let challenge = challenge(&atlas).await;
    let path = format!("{V2}/AWS/endpointService");
    let other = signed(request("GET", &format!("{path}?pretty=true"), ""), &challenge, (PUBLIC_KEY, PRIVATE_KEY));
    let mut moved = request("GET", &path, "");
    moved.headers_mut().insert("authorization", other.headers()["authorization"].clone());
    assert!(!stale(&send(&atlas, moved).await.unwrap()));
    let mut garbage = request("GET", &path, "");
    garbage.headers_mut().insert("authorization", "Digest nonsense".parse().unwrap());
    assert_eq!(send(&atlas, garbage).await.unwrap().status, 401);
}

#[tokio::test(start_paused = true)]
async fn roles_projects_and_access_lists_are_told_apart() {
    let atlas = atlas_with(Settings { projects: vec![PROJECT.to_owned()], ..Settings::default() });
    let v2 = format!("{V2}/AWS/endpointService");
    let create = format!("{V2}/endpointService");
    let body = json!({"providerName": "AWS", "region": "us-east-1"});
    let elsewhere = "/api/atlas/v2/groups/111111111111111111111111/privateEndpoint/AWS/endpointService";
    let got = get(&atlas, elsewhere).await;
    got.is(404, "GROUP_NOT_FOUND");
    assert_eq!(
        got.body,
        "{\"detail\":\"No group with ID 111111111111111111111111 exists.\",\"error\":404,\"errorCode\":\
         \"GROUP_NOT_FOUND\",\"parameters\":[\"111111111111111111111111\"],\"reason\":\"Not Found\"}",
    );
    get(&atlas, "/api/atlas/v2/groups/x/privateEndpoint/AWS/endpointService").await.is(404, "INVALID_GROUP_ID");

    let role = |role| Change::SetRole { name: "public".to_owned(), project: PROJECT.to_owned(), role };
    atlas.change(role(Role::ReadOnly)).unwrap();
    assert_eq!(get(&atlas, &v2).await.status, 200);
    post(&atlas, &create, body.clone()).await.is(403, "USER_UNAUTHORIZED");
    get(&atlas, V1).await.is(401, "USER_UNAUTHORIZED");
    atlas.change(role(Role::Nothing)).unwrap();
    get(&atlas, &v2).await.is(403, "USER_UNAUTHORIZED");
    atlas.change(role(Role::Stranger)).unwrap();
    get(&atlas, &v2).await.is(401, "NOT_IN_GROUP");
    atlas.change(role(Role::Owner)).unwrap();

    atlas.change(Change::SetAccessList { name: "public".to_owned(), allowed: false }).unwrap();
    get(&atlas, &v2).await.is(403, "IP_ADDRESS_NOT_ON_ACCESS_LIST");
    atlas.change(Change::SetAccessList { name: "public".to_owned(), allowed: true }).unwrap();
    atlas.change(Change::DeleteProject { project: PROJECT.to_owned() }).unwrap();
    get(&atlas, &v2).await.is(404, "GROUP_NOT_FOUND");
    atlas.change(Change::RestoreProject { project: PROJECT.to_owned() }).unwrap();
    assert_eq!(post(&atlas, &create, body).await.status, 201);
}

fn token_request(path: &str, basic: &str, body: &str) -> HttpRequest<Bytes> {
    HttpRequest::builder()
        .method("POST")
        .uri(format!("http://atlas.invalid{path}"))
        .header("authorization", format!("Basic {}", STANDARD.encode(basic)))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Bytes::from(body.to_owned()))
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn service_accounts_take_tokens_for_v2() {
    let accounts = vec![Secret::new("mdb_sa_id_1", "mdb_sa_sk_1")];
    let atlas = atlas_with(Settings { service_accounts: accounts, token_limit: 2, ..Settings::default() });
    let take = || token_request("/api/oauth/token", "mdb_sa_id_1:mdb_sa_sk_1", "grant_type=client_credentials");
    let got = send(&atlas, take()).await.unwrap();
    assert_eq!(got.status, 200);
    assert_eq!((&got.json()["expires_in"], &got.json()["token_type"]), (&json!(3600), &json!("Bearer")));
    let token = got.json()["access_token"].as_str().unwrap().to_owned();
    let with = |path: &str| {
        let mut request = request("GET", path, "");
        request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        request
    };
    let v2 = format!("{V2}/AWS/endpointService");
    assert_eq!(send(&atlas, with(&v2)).await.unwrap().status, 200);
    assert!(send(&atlas, with(V1)).await.unwrap().header("www-authenticate").starts_with("Digest "));

    assert_eq!(send(&atlas, take()).await.unwrap().status, 200);
    let refused = send(&atlas, take()).await.unwrap();
    assert_eq!((refused.status.as_u16(), &refused.json()["error"]), (403, &json!("access_denied")));
    let wrong = token_request("/api/oauth/token", "mdb_sa_id_1:no", "grant_type=client_credentials");
    assert_eq!(send(&atlas, wrong).await.unwrap().status, 401);
    let odd = token_request("/api/oauth/token", "mdb_sa_id_1:mdb_sa_sk_1", "grant_type=password");
    assert_eq!(send(&atlas, odd).await.unwrap().status, 400);

    pass(3600).await;
    assert_eq!(send(&atlas, with(&v2)).await.unwrap().status, 401);
    let got = send(&atlas, take()).await.unwrap();
    let again = got.json()["access_token"].as_str().unwrap().to_owned();
    let revoke = token_request(
        "/api/oauth/revoke",
        "mdb_sa_id_1:mdb_sa_sk_1",
        &format!("token={again}&token_type_hint=access_token"),
    );
    assert_eq!(send(&atlas, revoke).await.unwrap().status, 200);
    let mut revoked = request("GET", &v2, "");
    revoked.headers_mut().insert("authorization", format!("Bearer {again}").parse().unwrap());
    assert_eq!(send(&atlas, revoked).await.unwrap().status, 401);
    assert_eq!(atlas.ledger().count(Operation::Token), 6);
}
