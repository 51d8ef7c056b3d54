use super::*;
use std::collections::BTreeSet;

const CREATE: &str = r#"{"providerName":"AWS","region":"us-east-1"}"#;

async fn create(atlas: &Simulator) -> Result<Got, TransportError> {
    attempt(atlas, (PUBLIC_KEY, PRIVATE_KEY), "POST", &format!("{V2}/endpointService"), CREATE).await
}

fn text(got: &Got) -> String {
    String::from_utf8_lossy(&got.body).into_owned()
}

/// What the caller gets of each fault.
fn check(fault: &Fault, got: Result<Got, TransportError>) {
    let answer = match (fault, got) {
        (Fault::AnswerLost | Fault::DroppedBefore, got) => {
            return assert!(matches!(got, Err(TransportError::NoAnswer(_))));
        }
        (Fault::RefusedBefore, got) => return assert!(matches!(got, Err(TransportError::NotConnected(_)))),
        (Fault::HugeBody, got) => return assert!(matches!(got, Err(TransportError::TooLarge(_)))),
        (_, got) => got.unwrap(),
    };
    let is = |status: u16, code: &str| answer.is(status, code);
    match fault {
        Fault::Status { .. } => assert_eq!((answer.status.as_u16(), answer.body.len()), (418, 0)),
        Fault::StatusAfter { .. } => assert_eq!((answer.status.as_u16(), answer.code().as_str()), (500, "")),
        Fault::ThrottledSeconds { .. } => {
            is(429, "RATE_LIMITED_TOKEN_BUCKET");
            assert_eq!(answer.header("retry-after"), "7");
        }
        Fault::ThrottledDate { .. } => {
            is(429, "RATE_LIMITED_TOKEN_BUCKET");
            assert_eq!(answer.header("retry-after"), "Mon, 10 Aug 2026 03:03:11 GMT");
        }
        Fault::ThrottledSilent => {
            is(429, "RATE_LIMITED_TOKEN_BUCKET");
            assert_eq!(answer.header("retry-after"), "");
        }
        Fault::UnexpectedError => is(500, "UNEXPECTED_ERROR"),
        Fault::BadGateway => assert_eq!((answer.status.as_u16(), answer.header("content-type")), (502, "text/html")),
        Fault::Unavailable { .. } => {
            assert_eq!((answer.status.as_u16(), answer.header("content-type")), (503, "text/plain"));
            assert_eq!(answer.header("retry-after"), "5");
        }
        Fault::GatewayTimeout => assert_eq!(answer.status, 504),
        Fault::AppUpgrade => is(405, "WRITES_NOT_ALLOWED_DURING_APP_UPGRADES"),
        Fault::NoCapacity => is(400, "ATLAS_GENERAL_ERROR"),
        Fault::WrongCredentials => assert!(answer.header("www-authenticate").ends_with("stale=false")),
        Fault::StaleNonce => assert!(answer.header("www-authenticate").ends_with("stale=true")),
        Fault::PaymentRequired => is(402, "NO_PAYMENT_INFORMATION_FOUND"),
        Fault::AccessList => is(403, "IP_ADDRESS_NOT_ON_ACCESS_LIST"),
        Fault::NotFoundJson => is(404, "RESOURCE_NOT_FOUND"),
        Fault::NotFoundHtml => assert_eq!((answer.status.as_u16(), answer.header("content-type")), (404, "text/html")),
        Fault::ConflictUnknown => is(409, "SOMETHING_NOBODY_KNOWS"),
        Fault::CannotAccept => is(409, "PRIVATELINK_CANNOT_ACCEPT_ENDPOINTS"),
        Fault::HtmlOk => assert!(answer.status == 200 && text(&answer).starts_with("<html>")),
        Fault::TruncatedJson => {
            assert!(answer.status == 201 && serde_json::from_slice::<Value>(&answer.body).is_err());
        }
        Fault::WrongContentType => {
            assert_eq!((answer.header("content-type"), answer.status.as_u16()), ("text/plain", 201))
        }
        Fault::UnknownWord => assert_eq!(answer.json()["status"], "PONDERING"),
        Fault::MissingId => assert!(answer.json().get("id").is_none() && answer.json()["status"] == "INITIATING"),
        Fault::AnotherObject => {
            let (id, region) = (&answer.json()["id"], &answer.json()["regionName"]);
            assert_eq!((id, region), (&"5df264b8f10fab7d2cad2f0d".into(), &"US_WEST_2".into()));
        }
        Fault::Nulls => assert!(answer.json().as_object().unwrap().values().all(Value::is_null)),
        Fault::ExtraFields => assert!(answer.json()["futureField"].is_object() && answer.json()["id"].is_string()),
        Fault::InvalidUtf8 => assert!(answer.status == 201 && std::str::from_utf8(&answer.body).is_err()),
        Fault::Slow { .. } | Fault::Drip { .. } => assert_eq!(answer.json()["status"], "INITIATING"),
        Fault::Redirect { .. } => {
            assert_eq!((answer.status.as_u16(), answer.header("location")), (302, "https://elsewhere.invalid/"));
        }
        Fault::AnswerLost | Fault::DroppedBefore | Fault::RefusedBefore | Fault::HungBefore | Fault::HugeBody => {
            unreachable!()
        }
    }
}

#[tokio::test(start_paused = true)]
async fn each_fault_does_what_its_name_says() {
    for fault in Fault::all() {
        let atlas = atlas();
        atlas.inject(Rule::once(Operation::CreateService, fault.clone()));
        let begun = tokio::time::Instant::now();
        let got = tokio::time::timeout(Duration::from_secs(3600), create(&atlas)).await;
        let took = begun.elapsed().as_secs();
        match got {
            Err(_) => assert_eq!(fault, Fault::HungBefore),
            Ok(got) => check(&fault, got),
        }
        match fault {
            Fault::Slow { .. } => assert_eq!(took, 45),
            Fault::Drip { .. } => assert!((28..=29).contains(&took), "{took}"),
            _ => assert!(took == 0 || fault == Fault::HungBefore),
        }
        let made = get(&atlas, &format!("{V2}/AWS/endpointService")).await.json().as_array().unwrap().len();
        assert_eq!(made == 1, fault.takes_effect(), "{}", fault.name());
        let ledger = atlas.ledger();
        let request = ledger.requests().find(|request| request.operation == Some(Operation::CreateService)).unwrap();
        assert_eq!(request.fault, Some(fault.name()));
        assert_eq!(ledger.creates().len(), made);
    }
}

/// Which faults leave a write done is what the operator's rules about lost answers hang on.
#[test]
fn these_faults_and_no_others_take_effect() {
    let all = Fault::all();
    let after: Vec<_> = all.iter().filter(|fault| fault.takes_effect()).map(Fault::name).collect();
    let expected = [
        "answer-lost",
        "status-after",
        "html-ok",
        "truncated-json",
        "wrong-content-type",
        "unknown-word",
        "missing-id",
        "another-object",
        "nulls",
        "extra-fields",
        "huge-body",
        "invalid-utf8",
        "slow",
        "drip",
    ];
    assert_eq!(after, expected);
}

#[test]
fn names_are_unique_and_the_ones_in_json() {
    let all = Fault::all();
    let names: BTreeSet<_> = all.iter().map(Fault::name).collect();
    assert_eq!((names.len(), all.len()), (36, 36));
    for fault in all {
        let text = serde_json::to_value(&fault).unwrap();
        assert_eq!(text["name"], fault.name());
        assert_eq!(serde_json::from_value::<Fault>(text).unwrap(), fault);
    }
}

#[tokio::test(start_paused = true)]
async fn rules_choose_their_requests() {
    let atlas = atlas();
    let id = service(&atlas, "us-east-1").await;
    let path = format!("{V2}/AWS/endpointService");
    atlas.inject(Rule::always(Operation::ListServices, Fault::UnexpectedError).after(2).times(2));
    for status in [200, 200, 500, 500, 200] {
        assert_eq!(get(&atlas, &path).await.status, status);
    }
    let when = Matcher { service: Some(id.clone()), ..Matcher::default() };
    let rule = atlas.inject(Rule { when, ..Rule::always(Operation::GetService, Fault::GatewayTimeout) });
    assert_eq!(get(&atlas, &path).await.status, 200);
    for _ in 0..3 {
        assert_eq!(get(&atlas, &format!("{path}/{id}")).await.status, 504);
    }
    atlas.remove_fault(rule);
    assert_eq!(get(&atlas, &format!("{path}/{id}")).await.status, 200);
    atlas.inject(Rule::always(Operation::ListServices, Fault::UnexpectedError));
    atlas.clear_faults();
    assert_eq!(get(&atlas, &path).await.status, 200);
    atlas.inject(Rule::everywhere(Fault::RefusedBefore).times(1));
    assert!(matches!(send(&atlas, request("GET", V2, "")).await, Ok(got) if got.status == 401), "no operation");
    assert!(matches!(send(&atlas, request("GET", &path, "")).await, Err(TransportError::NotConnected(_))));
    assert_eq!(get(&atlas, &path).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn in_process_a_request_can_be_dropped_before_and_after_its_effect() {
    let settings = Settings { latency: 20, ..Settings::default() };
    let atlas = Simulator::new(settings, Clock::system());
    for (millis, effects) in [(10, 0), (30, 1)] {
        let challenged =
            atlas.transport().send(request("POST", &format!("{V2}/endpointService"), CREATE)).await.unwrap();
        let challenge = challenged.headers()["www-authenticate"].to_str().unwrap().to_owned();
        let signed =
            signed(request("POST", &format!("{V2}/endpointService"), CREATE), &challenge, (PUBLIC_KEY, PRIVATE_KEY));
        let sent = tokio::time::timeout(Duration::from_millis(millis), atlas.transport().send(signed)).await;
        assert!(sent.is_err());
        assert_eq!(atlas.ledger().creates().values().sum::<usize>(), effects);
    }
}
