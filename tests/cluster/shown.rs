//! Whether the operator's own binary shows a secret: in its log, in objects, on its pages, or in what it sends.

use super::{process, world::*};
use crate::harness::canary::{shown, tells};
use atlas_privatelink_operator::testbed::control_plane::tail;
use axum::body::Bytes;
use http::{header, request::Parts};
use std::sync::{Arc, Mutex};

/// What told a secret in a request. Clones are the same.
#[derive(Clone, Default)]
pub struct Shown(Arc<Mutex<Vec<String>>>);

impl Shown {
    /// Reads a request, but for its proof.
    pub fn read(&self, head: &Parts, body: &Bytes) {
        self.0.lock().unwrap().extend(shown(&head.uri, &head.headers, body, &[header::AUTHORIZATION]));
    }
}

/// None of the secrets, as they are, as they stand in Secrets, or in a header; and no header that proves anything.
pub fn no_secret_in(what: &str, text: &str) {
    assert!(!tells(text), "{what} show a secret");
    for header in ["Digest username=", "Bearer "] {
        assert!(!text.contains(header), "{what} show a header: {header}");
    }
}

fn tokens_in(kubeconfig: &str) -> Vec<String> {
    let lines = kubeconfig.lines().map(str::trim);
    lines.filter_map(|line| line.strip_prefix("token: ")).map(|token| token.trim_matches('"').to_owned()).collect()
}

impl World {
    /// What must hold after anything: nothing was created twice, no secret was shown, nothing crashed.
    pub async fn always(&self) {
        let twice = self.ledger().ever_more_than_one_live();
        assert!(twice.is_empty(), "more than one service at a time: {twice:?}");
        self.shows_no_secret().await;
        for log in self.logs() {
            let text = std::fs::read_to_string(&log).expect("a log");
            assert!(!text.contains("panicked"), "the operator panicked:\n{}", tail(&log, 40));
        }
    }

    /// Neither in what stands there now, nor in any log so far, nor on the pages of operators that live, nor in any request
    /// that came through a gate.
    pub async fn shows_no_secret(&self) {
        let tokens = self.tokens();
        let shows_none = |what: &str, text: &str| {
            no_secret_in(what, text);
            assert!(!tokens.iter().any(|token| text.contains(token)), "{what} show a token of the API server");
        };
        for plural in [LINKS, ENDPOINTS, EVENTS] {
            self.list(plural).await.iter().for_each(|object| shows_none("the objects", &object.to_string()));
        }
        for log in self.logs() {
            let text = std::fs::read_to_string(&log).expect("a log");
            shows_none("a log", &text);
            if let Some(pages) = process::pages(&text).await {
                shows_none("the pages", &pages);
            }
        }
        assert_eq!(*self.shown.0.lock().unwrap(), Vec::<String>::new(), "requests that tell a secret");
    }

    /// What the operators prove with who they are to the API server.
    fn tokens(&self) -> Vec<String> {
        let all = [self.nature.plane.kubeconfig.clone(), self.kubeconfig_of_the_operator()];
        let texts = all.into_iter().filter_map(|path| std::fs::read_to_string(path).ok());
        let tokens: Vec<_> = texts.flat_map(|text| tokens_in(&text)).collect();
        assert!(tokens.iter().any(|token| token.len() >= 32), "a kubeconfig without a token");
        tokens
    }
}
