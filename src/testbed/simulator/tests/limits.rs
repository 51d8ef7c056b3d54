use super::*;

#[tokio::test(start_paused = true)]
async fn buckets_refill_by_interval() {
    let bucket = BucketSize { capacity: 3, refill: 2, seconds: 60 };
    let atlas = atlas_with(Settings { bucket, ..Settings::default() });
    let path = format!("{V2}/AWS/endpointService");
    for left in ["2", "1", "0"] {
        let got = get(&atlas, &path).await;
        assert_eq!((got.status.as_u16(), got.header("ratelimit-remaining")), (200, left));
        assert_eq!(got.header("ratelimit-limit"), "3");
    }
    pass(5).await;
    let refused = get(&atlas, &path).await;
    refused.is(429, "RATE_LIMITED_TOKEN_BUCKET");
    assert_eq!((refused.header("retry-after"), refused.header("ratelimit-remaining")), ("55", "0"));
    let resource = format!("api/atlas/v2/groups/{PROJECT}/privateEndpoint");
    assert_eq!(refused.json()["parameters"], json!([resource, 55, 3, 2, 60]));
    assert_eq!(
        refused.json()["detail"],
        format!(
            "Rate limit exceeded for {resource}. Please retry after 55 seconds. Request capacity: 3. Refill rate: 2 \
             per 60 seconds."
        )
    );
    pass(54).await;
    assert_eq!(get(&atlas, &path).await.status, 429, "nothing trickles in between");
    let other = path.replace("5df264b8", "5df264b9");
    assert_eq!(get(&atlas, &other).await.status, 200, "another project has its own");
    pass(1).await;
    for status in [200, 200, 429] {
        assert_eq!(get(&atlas, &path).await.status, status);
    }
    pass(6000).await;
    assert_eq!(get(&atlas, &path).await.header("ratelimit-remaining"), "2", "never more than its capacity");
}

#[test]
fn arguments_are_read_and_secrets_are_not_shown() {
    use clap::{Args, FromArgMatches};
    let read = |arguments: &[&str]| {
        let command = Settings::augment_args(clap::Command::new("simulator").no_binary_name(true));
        command.try_get_matches_from(arguments).and_then(|matches| Settings::from_arg_matches(&matches))
    };
    let defaults = read(&[]).unwrap();
    assert_eq!(format!("{defaults:?}"), format!("{:?}", Settings::default()));
    let set = read(&[
        "--api-key",
        "pub:s3cret",
        "--service-account",
        "id:s3cret",
        "--bucket",
        "10/5/60",
        "--time-scale",
        "60",
        "--auto-remove-service",
        "--project",
        PROJECT,
    ])
    .unwrap();
    assert_eq!(set.bucket, BucketSize { capacity: 10, refill: 5, seconds: 60 });
    assert!(set.switches.auto_remove_service);
    assert!(!format!("{set:?}").contains("s3cret"));
    for wrong in [["--api-key", "s3cret"], ["--bucket", "1/2"], ["--bucket", "1/2/0"], ["--time-scale", "0"]] {
        assert!(read(&wrong).is_err(), "{wrong:?}");
    }
}
