//! The ledger and the admin API.

use super::*;

#[tokio::test(start_paused = true)]
async fn the_ledger_tells_everything_but_secrets() {
    let atlas = atlas();
    let id = service(&atlas, "us-east-1").await;
    atlas.change(Change::Rotate { name: "public".to_owned(), secret: "s3cret".into() }).unwrap();
    let ledger = atlas.ledger();
    assert_eq!(ledger.len(), 4, "a challenge, a creation, that it became ready, and the new key");
    let text = serde_json::to_value(&ledger).unwrap();
    assert_eq!((&text[0]["challenged"], &text[0]["status"]), (&json!(true), &json!(401)));
    assert_eq!(
        text[1],
        json!({
            "order": 1, "at": "2026-08-10T03:03:04Z", "cause": "request", "method": "POST",
            "path": format!("{V2}/endpointService"), "operation": "create-service", "dialect": "v2",
            "caller": "public", "status": 201, "challenged": false, "fault": null, "duration_ms": 0,
            "effect": {"kind": "service-created", "project": PROJECT, "provider": "AWS", "region": "US_EAST_1",
                       "port_mapped": false, "service": id},
        })
    );
    assert_eq!((&text[2]["cause"], &text[2]["at"]), (&json!("by-itself"), &json!("2026-08-10T03:05:49Z")));
    assert_eq!(ledger.count(Operation::CreateService), 1);
    assert!(ledger.ever_more_than_one_live().is_empty());
    assert!(!text.to_string().contains("nonce") && !text.to_string().contains("s3cret"));
}

#[tokio::test(start_paused = true)]
async fn one_after_another_is_not_more_than_one() {
    let atlas = atlas();
    for _ in 0..2 {
        let id = service(&atlas, "us-east-1").await;
        delete(&atlas, &format!("{V1}/{id}")).await;
        pass(30).await;
    }
    assert!(atlas.ledger().ever_more_than_one_live().is_empty());
    assert_eq!(atlas.ledger().creates().values().sum::<usize>(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_id_that_is_attached_to_two_services_is_attached_twice() {
    let atlas = atlas();
    let services = [service(&atlas, "us-east-1").await, service(&atlas, "us-west-2").await];
    let add = async |service: &str| {
        post(&atlas, &format!("{V2}/AWS/endpointService/{service}/endpoint"), json!({"id": VPCE})).await
    };
    add(&services[0]).await;
    assert!(atlas.ledger().ever_attached_twice().is_empty());
    add(&services[1]).await;
    assert_eq!(atlas.ledger().ever_attached_twice().into_iter().collect::<Vec<_>>(), [VPCE]);
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_makes_the_same_names() {
    let mut seen = Vec::new();
    for seed in [7, 7, 8] {
        let atlas = atlas_with(Settings { seed, ..Settings::default() });
        seen.push(service(&atlas, "us-east-1").await);
    }
    assert!(seen[0] == seen[1] && seen[1] != seen[2]);
}

#[tokio::test(start_paused = true)]
async fn the_admin_api_does_the_same() {
    let atlas = atlas();
    let admin = |method: &'static str, path: &'static str, body: Value| {
        let atlas = atlas.clone();
        async move { send(&atlas, request(method, path, &body.to_string())).await.unwrap() }
    };
    let create = json!({"change": "create-service", "project": PROJECT, "provider": "AWS", "region": "us-east-1"});
    let id = admin("POST", "/simulator/behind-the-back", create).await.json()["id"].as_str().unwrap().to_owned();
    let state = admin("GET", "/simulator/state", Value::Null).await.json();
    assert_eq!((&state["services"][0]["id"], &state["services"][0]["state"]), (&json!(id), &json!("INITIATING")));
    let rule = json!({"fault": {"name": "unexpected-error"}, "when": {"operation": "list-services"}, "times": 1});
    let added = admin("POST", "/simulator/faults", rule).await;
    assert_eq!((added.status.as_u16(), added.json()), (201, json!({"id": 0})));
    assert_eq!(admin("GET", "/simulator/faults", Value::Null).await.json().as_array().unwrap().len(), 1);
    assert_eq!(get(&atlas, V1).await.status, 500);
    assert_eq!(get(&atlas, V1).await.status, 200);
    admin("POST", "/simulator/faults", json!({"fault": {"name": "drip", "millis": 5}})).await;
    assert_eq!(admin("DELETE", "/simulator/faults?id=x", Value::Null).await.status, 400);
    assert_eq!(admin("DELETE", "/simulator/faults?id=1", Value::Null).await.status, 200);
    assert_eq!(admin("GET", "/simulator/faults", Value::Null).await.json(), json!([]));
    assert_eq!(admin("POST", "/simulator/faults", json!({"fault": {"name": "no-such"}})).await.status, 400);
    for (change, status) in [
        (json!({"change": "rotate", "name": "public", "secret": "another"}), 200),
        (json!({"change": "set-role", "name": "public", "project": PROJECT, "role": "read-only"}), 200),
        (json!({"change": "declare-endpoint", "endpoint": VPCE, "standing": "unknown"}), 200),
        (json!({"change": "declare-endpoint", "endpoint": VPCE, "standing": {"rejected-times": 2}}), 200),
        (json!({"change": "switch", "auto_remove_service": true}), 200),
        (json!({"change": "fail-services", "provider": "AWS", "region": "us-east-1", "times": 1, "message": "x"}), 200),
        (json!({"change": "set-bucket", "capacity": 1, "refill": 1, "seconds": 60}), 200),
        (json!({"change": "set-service-state", "project": PROJECT, "service": id, "state": "FAILED"}), 200),
        (json!({"change": "delete-service", "project": PROJECT, "service": PROJECT}), 409),
        (json!({"change": "enable", "name": "nobody", "enabled": true}), 409),
        (json!({"change": "no-such"}), 400),
    ] {
        let got = admin("POST", "/simulator/behind-the-back", change.clone()).await;
        assert_eq!(got.status, status, "{change}: {}", String::from_utf8_lossy(&got.body));
    }
    let ledger = admin("GET", "/simulator/ledger", Value::Null).await.json();
    assert_eq!(ledger[0]["cause"], "behind-the-back");
}

/// Nobody need look at the moment at which something happens.
#[tokio::test(start_paused = true)]
async fn what_happened_meanwhile_is_entered_in_order_at_its_own_time() {
    let atlas = atlas();
    for (provider, region) in [("GCP", "us-east4"), ("AWS", "us-east-1"), ("AZURE", "eastus2")] {
        let body = json!({"providerName": provider, "region": region});
        assert_eq!(post(&atlas, &format!("{V2}/endpointService"), body).await.status, 201);
    }
    pass(3600).await;
    let ledger = atlas.ledger();
    let times: Vec<_> =
        ledger.iter().filter(|entry| entry.cause == Cause::ByItself).map(|entry| entry.at.to_string()).collect();
    assert_eq!(times, ["2026-08-10T03:04:05Z", "2026-08-10T03:05:49Z", "2026-08-10T03:08:14Z"]);
}
