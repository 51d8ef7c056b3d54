//! The boundary: what attackers may try, and what shows that it fails. An attacker here is somebody who may write
//! manifests, or Secrets, in one namespace; somebody on the network; an Atlas that lies; somebody who reads logs; and
//! the author of a dependency.
//!
//! | goal | shown by |
//! |---|---|
//! | S1 rights: Secrets are got, never listed or watched; what is granted is used, and what is used is granted | `tests/cluster/rbac.rs::the_rights_of_the_readme_are_those_it_uses` `tests/packaging/contract.rs::the_rights_are_those_that_are_used` `tests/simulated/secrets.rs::each_namespace_has_its_own_secret` |
//! | S2 a reference stays in its namespace; there is no other kind of reference | `tests/boundary/references.rs::no_name_of_a_secret_leads_to_another_namespace` `tests/boundary/references.rs::no_name_of_a_config_map_leads_to_another_namespace` `tests/boundary/references.rs::no_name_of_a_link_leads_to_another_namespace` `tests/boundary/references.rs::a_namespace_beside_a_name_means_nothing` `tests/boundary/sources.rs::no_field_of_a_resource_says_where_atlas_is_or_names_another_namespace` |
//! | S3 a Secret is used only where a manifest beside it names it. No label has to be set on it: who may write a manifest in a namespace may use what is there | `tests/simulated/secrets.rs::a_secret_in_use_is_read_once_a_minute_for_all_who_use_it` `tests/cluster/bad_input/people.rs::secrets_that_are_no_credentials` |
//! | S4 where Atlas is, is a flag: https, an origin, no redirects, no proxy of the environment. There is no list of good addresses: whoever sets the flag runs the operator | `tests/boundary/sources.rs::no_field_of_a_resource_says_where_atlas_is_or_names_another_namespace` `src/atlas/url.rs::an_origin_is_accepted_and_nothing_else` `tests/cluster/flags.rs::http_is_for_this_machine_or_for_those_who_ask_for_it` `src/atlas/https.rs::a_redirect_is_not_followed` `tests/cluster/bad_input/atlas.rs::redirects_to_another_host` `tests/cluster/tls.rs::proxies_of_the_environment_are_not_used` |
//! | S5 TLS by rustls; a bad certificate is told nothing, and no switch turns that off | `tests/boundary/sockets.rs::a_bad_certificate_is_told_nothing` `tests/boundary/sources.rs::nobody_turns_off_the_checking_of_certificates` `tests/cluster/tls.rs::a_private_ca_is_trusted_where_it_is_given` `.cargo/deny.toml` |
//! | S6 digest: the stronger algorithm, a client nonce for each signature, counts without holes, no answer to a challenge without `qop=auth`, to a long one, or to one of anything but Atlas' own 401. Realms may change: one host is all there is | `src/atlas/tests/digest.rs::the_stronger_algorithm_is_answered_wherever_it_stands` `src/atlas/tests/digest.rs::every_signature_has_a_client_nonce_of_its_own` `src/atlas/tests/digest.rs::a_challenge_that_leaves_out_our_nonce_is_not_answered` `src/atlas/tests/digest.rs::no_other_answer_is_a_challenge_and_no_challenge_leads_elsewhere` `src/atlas/tests/digest.rs::hostile_challenges_are_refusals_not_crashes` `src/atlas/tests/digest.rs::two_credentials_share_no_session` |
//! | S7 no secret is shown, whoever repeats it | `src/atlas/tests/secrets.rs::an_atlas_that_repeats_the_secret_is_not_quoted` `src/atlas/tests/secrets.rs::a_refused_token_request_that_repeats_the_secret_is_not_quoted` `src/atlas/tests/secrets.rs::no_request_shows_its_authorization` `src/atlas/tests/secrets.rs::no_log_level_shows_a_secret` `tests/simulated/secrets.rs::no_line_of_the_log_shows_a_secret_at_any_level` `tests/harness/oracle.rs::no_secret_is_shown` `src/atlas/credential.rs::debug_shows_the_kind_only` |
//! | S8 definitions: ids cannot be changed, every text has a limit, words are enums, conditions are a map; and what the operator writes keeps within | `src/api/crds.rs::every_text_is_limited` `src/api/crds.rs::conditions_are_a_map_by_type` `src/api/condition.rs::a_message_is_never_longer_than_the_schema_allows` `tests/boundary/readers.rs::a_long_request_to_reconcile_is_cut_as_status_is` `tests/cluster/rules.rs::every_rule_of_a_link_refuses_something` `tests/cluster/rules.rs::every_rule_of_an_endpoint_refuses_something` `tests/cluster/policy.rs::a_second_link_for_one_service_is_refused` |
//! | S9 the pod is let into a restricted namespace, and talks to nobody but DNS, the API server and Atlas where the policy is on | `tests/packaging/restricted.rs::every_pod_of_ours_is_let_in` `tests/packaging/features.rs::each_value_does_what_it_says` `tests/packaging/image.rs::the_image_is_what_the_chart_runs` |
//! | S10 supply chain: licences, sources and advisories, few crates, pinned actions, a list of what is in the image | `.cargo/deny.toml` `.ci/run` `tests/packaging/dependencies.rs::few_crates_are_in_the_image_and_none_of_the_tests` `tests/packaging/workflows.rs::every_action_is_a_commit_with_its_version_beside_it` `tests/packaging/image.rs::the_list_of_what_is_in_it_names_the_crates` |
//! | S11 nothing that is read ends a task, or leads elsewhere | `tests/boundary/readers.rs::of_every_corpus_something_is_read` `tests/boundary/requests.rs::no_text_changes_the_host_the_path_or_the_headers_of_a_request` `tests/boundary/references.rs::whatever_manifests_say_requests_go_where_they_should` `tests/boundary/sources.rs::nothing_that_can_panic_is_let_in` `src/reconcile/link/tests/properties.rs` `src/reconcile/endpoint/tests/properties.rs` |
//! | S12 nobody uses up what others need: limits on bodies, heads, time and how much is done at once | `src/atlas/https.rs::no_body_over_a_mebibyte_is_read` `tests/boundary/sockets.rs::headers_without_an_end_are_not_listened_to` `src/atlas/tests/calls.rs::no_call_outlasts_its_deadline` `tests/simulated/concurrency.rs::so_many_objects_of_a_kind_are_worked_on_at_once_and_not_more` `tests/simulated/isolation.rs::a_dead_project_with_many_links_does_not_delay_the_others` `tests/simulated/isolation.rs::an_object_that_cannot_be_decoded_is_left_alone` |
//! | S13 what was not created by us is deleted only where a manifest says so. There is no brake on many deletions at once: a manifest asked for each, and the operator's default may be Retain | `tests/simulated/policies.rs::the_manifest_goes_before_the_operators_default_and_that_before_who_made_it` `tests/simulated/policies.rs::under_a_default_of_retain_each_kind_is_deleted_only_where_its_own_manifest_says_so` `tests/harness/oracle.rs::only_ours_is_deleted` |
//! | S14 no target, query or body in what people read | `tests/boundary/sockets.rs::no_failure_repeats_a_target_or_a_body` `src/atlas/tests/traps.rs::trap_9_no_envelope_and_no_pages_are_asked_for` `src/atlas/detail.rs::never_longer_than_the_limit` |
//!
//! # Looking further
//!
//! Everything that reads has a corpus in `tests/corpus`, read whole every time, and a property that edits it. A run of
//! the tests tries the same few hundred cases for each, on every machine; `.ci/run` many more, others for each commit. To
//! look for longer, say for an hour:
//!
//! ```text
//! PROPTEST_CASES=1000000 PROPTEST_RNG_SEED=$RANDOM cargo test --test integration -- boundary:: --skip sockets
//! ```
//!
//! What is found is told in full, goes into the corpus as a file, and stays there.

mod corpus;
mod readers;
mod recorder;
mod references;
mod requests;
mod sockets;
pub mod sources;

use std::{collections::BTreeSet, path::Path};

/// A row for each goal, and no row names what is not there.
#[test]
fn every_goal_is_shown_by_something_that_exists() {
    let rows: Vec<_> = include_str!("mod.rs").lines().filter_map(|line| line.strip_prefix("//! | S")).collect();
    let numbers: BTreeSet<u8> = rows.iter().filter_map(|row| row.split(' ').next()?.parse().ok()).collect();
    assert!(numbers.iter().copied().eq(1..=14) && rows.len() == 14, "{numbers:?}");
    for row in rows {
        let shown = row.trim_end_matches([' ', '|']).rsplit('|').next().unwrap_or_default();
        let named: Vec<_> = shown.split('`').skip(1).step_by(2).collect();
        assert!(named.len() >= 2, "{row}");
        for name in named {
            let (file, test) = name.split_once("::").unwrap_or((name, ""));
            let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file));
            let text = text.unwrap_or_else(|error| panic!("{file}: {error}"));
            assert!(test.is_empty() || text.contains(&format!("fn {test}(")), "{file} has no {test}");
        }
    }
}
