//! kube's watcher against the server's lists and watches.

use std::{collections::BTreeMap, pin::pin, sync::Arc, sync::Mutex};

use atlas_privatelink_operator::testbed::kubernetes::{ApiServer, Fault, Matcher, Rule, Verb, View, WatchFault};
use futures::{StreamExt, TryStreamExt};
use http::StatusCode;
use kube::{
    ResourceExt,
    api::{DeleteParams, ListParams, WatchEvent, WatchParams},
    runtime::{WatchStreamExt, watcher, watcher::Event},
};
use tokio::task::JoinHandle;

use super::{LINKS, code, link, links, minutes, server};

/// What a watcher has been told: region by name, and every deletion.
type Seen = Arc<Mutex<BTreeMap<String, String>>>;

fn follow(server: &ApiServer, config: watcher::Config) -> (Seen, JoinHandle<()>) {
    let seen = Seen::default();
    let (told, api) = (seen.clone(), links(server.client()));
    let task = tokio::spawn(async move {
        let mut events = pin!(watcher(api, config).default_backoff());
        while let Some(event) = events.next().await {
            let mut told = told.lock().expect("unpoisoned");
            match event {
                Ok(Event::Apply(link) | Event::InitApply(link)) => {
                    let region = link.data["spec"]["region"].as_str().unwrap_or_default().to_owned();
                    told.insert(link.name_any(), region);
                }
                Ok(Event::Delete(link)) => {
                    told.remove(&link.name_any());
                }
                Ok(Event::Init) => told.clear(),
                Ok(Event::InitDone) | Err(_) => {}
            }
        }
    });
    (seen, task)
}

fn region(seen: &Seen, name: &str) -> Option<String> {
    seen.lock().expect("unpoisoned").get(name).cloned()
}

fn counts(server: &ApiServer) -> (usize, usize) {
    let log = server.log();
    (log.count(Verb::List, LINKS), log.count(Verb::Watch, LINKS))
}

#[tokio::test(start_paused = true)]
async fn a_watcher_resumes_where_it_was() {
    let server = server();
    server.apply(link("a", "1")).expect("the link");
    let (seen, _task) = follow(&server, watcher::Config::default());
    minutes(1).await;
    for (fault, round) in [(WatchFault::Close, "2"), (WatchFault::Sever, "3")] {
        assert_eq!(server.disturb_watches(&Matcher::any(), fault), 1);
        server.apply(link("a", round)).expect("an edit");
        minutes(2).await;
        assert_eq!(region(&seen, "a").as_deref(), Some(round));
    }
    server.delete(LINKS, "default", "a").expect("deleted");
    minutes(1).await;
    assert_eq!(region(&seen, "a"), None);
    assert_eq!(counts(&server).0, 1, "nothing was listed again");
}

#[tokio::test(start_paused = true)]
async fn bookmarks_keep_a_quiet_watch_from_growing_too_old() {
    let server = server();
    server.apply(link("a", "1")).expect("the link");
    let (seen, _task) = follow(&server, watcher::Config::default());
    minutes(1).await;
    for round in 0..10 {
        server
            .apply(serde_json::json!({
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": "m", "namespace": "default"}, "data": {"k": round.to_string()},
            }))
            .expect("something else happens");
        server.compact();
        // Never within the two seconds between a watch's last bookmark and its end, every 290 s.
        minutes(8).await;
    }
    let (lists, watches) = counts(&server);
    assert_eq!(lists, 1, "a bookmark came before each end");
    assert!(watches > 10, "a watch lives 290 s: {watches}");
    assert_eq!(region(&seen, "a").as_deref(), Some("1"));
}

#[tokio::test(start_paused = true)]
async fn a_watcher_that_is_too_old_lists_again() {
    let server = server();
    let (seen, _task) = follow(&server, watcher::Config::default());
    minutes(1).await;
    server.inject(Rule::new(Matcher::any().verb(Verb::Watch), Fault::dropped()));
    server.disturb_watches(&Matcher::any(), WatchFault::Close);
    server.apply(link("a", "1")).expect("the link");
    server.compact();
    minutes(5).await;
    assert_eq!(region(&seen, "a").as_deref(), Some("1"));
    assert_eq!(counts(&server).0, 2);
    // The same, said three other ways.
    server.disturb_watches(&Matcher::any(), WatchFault::Expire);
    minutes(5).await;
    assert_eq!(counts(&server).0, 3);
    server.inject(Rule::new(Matcher::any().verb(Verb::Watch), Fault::Watch(WatchFault::Expire)));
    server.disturb_watches(&Matcher::any(), WatchFault::Close);
    minutes(5).await;
    assert_eq!(counts(&server).0, 4);
    server.inject(Rule::new(Matcher::any().verb(Verb::Watch), Fault::status(StatusCode::GONE)));
    server.disturb_watches(&Matcher::any(), WatchFault::Close);
    minutes(5).await;
    assert_eq!(region(&seen, "a").as_deref(), Some("1"));
}

#[tokio::test(start_paused = true)]
async fn a_silent_watch_says_nothing_until_it_is_given_up() {
    let server = server();
    let (seen, _task) = follow(&server, watcher::Config::default());
    minutes(1).await;
    assert_eq!(server.disturb_watches(&Matcher::any(), WatchFault::Silence), 1);
    server.apply(link("a", "1")).expect("the link");
    minutes(3).await;
    assert_eq!(region(&seen, "a"), None);
    server.restore_watches(&Matcher::any());
    minutes(1).await;
    assert_eq!(region(&seen, "a").as_deref(), Some("1"));
    server.disturb_watches(&Matcher::any(), WatchFault::Silence);
    server.apply(link("a", "2")).expect("an edit");
    minutes(6).await;
    assert_eq!(region(&seen, "a").as_deref(), Some("2"), "kube gives it up after its timeout and 5 s");
}

#[tokio::test(start_paused = true)]
async fn a_frozen_view_stands_still_for_one_client() {
    let server = server();
    server.apply(link("a", "1")).expect("the link");
    let (seen, _task) = follow(&server, watcher::Config::default());
    minutes(1).await;
    server.apply(link("gone", "1")).expect("one that is not there any more");
    server.delete(LINKS, "default", "gone").expect("deleted");
    server.freeze(View::of("operator").with_reads());
    server.apply(link("a", "2")).expect("an edit");
    server.apply(link("b", "1")).expect("another");
    minutes(20).await;
    assert_eq!((region(&seen, "a").as_deref(), region(&seen, "b")), (Some("1"), None));
    let (frozen, other) = (links(server.client()), links(server.client_as("other")));
    assert_eq!(code(frozen.get("b").await), 404);
    assert_eq!(code(frozen.get("gone").await), 404);
    assert_eq!(frozen.list(&ListParams::default()).await.expect("a list").items.len(), 1);
    assert_eq!(other.list(&ListParams::default()).await.expect("a list").items.len(), 2);
    server.release("operator");
    minutes(1).await;
    assert_eq!((region(&seen, "a").as_deref(), region(&seen, "b").as_deref()), (Some("2"), Some("1")));
}

#[tokio::test(start_paused = true)]
async fn a_streaming_list_and_a_list_in_pages_show_the_same() {
    let server = server();
    for number in 0..7 {
        server.apply(link(&format!("l{number}"), "1")).expect("a link");
    }
    let (streamed, _one) = follow(&server, watcher::Config::default().streaming_lists());
    minutes(1).await;
    assert_eq!(counts(&server), (0, 1));
    let (paged, _two) = follow(&server, watcher::Config::default().page_size(3));
    minutes(1).await;
    assert_eq!(counts(&server), (3, 2));
    assert_eq!(streamed.lock().expect("unpoisoned").len(), 7);
    assert_eq!(*streamed.lock().expect("unpoisoned"), *paged.lock().expect("unpoisoned"));
}

#[tokio::test(start_paused = true)]
async fn a_page_shows_the_past_and_may_have_grown_too_old() {
    let server = server();
    for name in ["a", "b", "c"] {
        server.apply(link(name, "1")).expect("a link");
    }
    let api = links(server.client());
    let first = api.list(&ListParams::default().limit(1)).await.expect("a page");
    server.delete(LINKS, "default", "b").expect("deleted");
    let next = ListParams::default().limit(5).continue_token(&first.metadata.continue_.expect("more"));
    let second = api.list(&next).await.expect("a page");
    assert_eq!(second.iter().map(ResourceExt::name_any).collect::<Vec<_>>(), ["b", "c"]);
    server.compact();
    assert_eq!(code(api.list(&next).await), 410);
}

#[tokio::test(start_paused = true)]
async fn a_watch_ends_in_time_after_a_last_bookmark() {
    let server = server();
    let api = links(server.client());
    let events = api.watch(&WatchParams::default().timeout(90), "0").await.expect("a watch");
    let start = tokio::time::Instant::now();
    let events: Vec<_> =
        events.map_ok(|event| matches!(event, WatchEvent::Bookmark(_))).try_collect().await.expect("events");
    assert_eq!(events, [true, true]);
    assert_eq!(start.elapsed().as_secs(), 90);
}

#[tokio::test(start_paused = true)]
async fn a_watch_tells_at_once() {
    let server = server();
    let mut events = links(server.client()).watch(&WatchParams::default(), "0").await.expect("a watch").boxed();
    let start = tokio::time::Instant::now();
    for kind in ["ADDED", "MODIFIED"] {
        let telling = async { events.try_next().await.expect("a line").expect("an event") };
        let writing = async {
            tokio::time::sleep(std::time::Duration::from_secs(10)).await;
            server.apply(link("a", kind)).expect("a write");
        };
        let (event, ()) = tokio::join!(telling, writing);
        match (kind, event) {
            ("ADDED", WatchEvent::Added(link)) | ("MODIFIED", WatchEvent::Modified(link)) => {
                assert_eq!(link.data["spec"]["region"], kind);
            }
            (_, other) => panic!("{other:?}"),
        }
    }
    let (event, ()) = tokio::join!(events.try_next(), async {
        tokio::time::sleep(std::time::Duration::from_secs(20)).await;
        links(server.client_as("other")).delete("a", &DeleteParams::default()).await.expect("deleted");
    });
    assert!(matches!(event.expect("a line"), Some(WatchEvent::Deleted(_))));
    assert_eq!(start.elapsed().as_secs(), 40);
}
