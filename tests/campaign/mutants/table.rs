//! The mutants.

use super::{Edit, Mutant};

pub const MUTANTS: [Mutant; 86] = [
    Mutant {
        name: "the record comes after the request",
        edits: &[Edit {
            file: "src/controller/send.rs",
            old: "    let object = write::record(ctx, object, Some(attempt)).await?;\n    let subject = Subject::of(&object, false);\n    let failure = match remembered(ctx, &subject, attempt, call()).await {\n        Ok(_) => return Ok(Applied::Changed(Box::new(object))),",
            new: "    let subject = Subject::of(object, false);\n    let failure = remembered(ctx, &subject, attempt, call()).await;\n    let object = write::record(ctx, object, Some(attempt)).await?;\n    let failure = match failure {\n        Ok(_) => return Ok(Applied::Changed(Box::new(object))),",
        }],
        only: "crash/good-luck",
    },
    Mutant {
        name: "the record leaves the finalizer out",
        edits: &[Edit {
            file: "src/controller/write.rs",
            old: "            json!({\"finalizers\": finalizers, \"annotations\": {ATTEMPT_ANNOTATION: attempt.to_annotation()}})",
            new: "            json!({\"annotations\": {ATTEMPT_ANNOTATION: attempt.to_annotation()}})",
        }],
        only: "crash/good-luck",
    },
    Mutant {
        name: "writes to Kubernetes carry no resourceVersion",
        edits: &[Edit {
            file: "src/controller/write.rs",
            old: "        metadata.insert(\"resourceVersion\".to_owned(), json!(object.resource_version()));",
            new: "        metadata.insert(\"labels\".to_owned(), json!({}));",
        }],
        only: "touched",
    },
    Mutant {
        name: "status is written over whatever is there",
        edits: &[Edit {
            file: "src/controller/write.rs",
            old: "    next.managed_fields_mut().clear();",
            new: "    next.managed_fields_mut().clear();\n    next.meta_mut().resource_version = None;",
        }],
        only: "twins/",
    },
    Mutant {
        name: "a refusal is not recorded",
        edits: &[Edit {
            file: "src/reconcile/attempt.rs",
            old: "        Self { refusal: Some(refusal), ..self.clone() }",
            new: "        Self { refusal: None.filter(|_| refusal.conflict), ..self.clone() }",
        }],
        only: "crash/beaten",
    },
    Mutant {
        name: "a refused attempt may have had its effect",
        edits: &[Edit {
            file: "src/reconcile/attempt.rs",
            old: "    if attempt.refusal.is_some() {\n        return false;\n    }",
            new: "",
        }],
        only: "crash/beaten",
    },
    Mutant {
        name: "an attempt made whatever it did not see",
        edits: &[Edit {
            file: "src/reconcile/attempt.rs",
            old: "        !self.shown.contains(&id) && from <= created && created <= until",
            new: "        created >= Timestamp::UNIX_EPOCH && from <= until",
        }],
        only: "made-long-after",
    },
    Mutant {
        name: "nothing is ever ours by its attempt",
        edits: &[Edit {
            file: "src/reconcile/attempt.rs",
            old: "        !self.shown.contains(&id) && from <= created && created <= until",
            new: "        self.shown.contains(&id) && from <= created && created <= until",
        }],
        only: "crash/good-luck",
    },
    Mutant {
        name: "Atlas' time is taken for ours",
        edits: &[Edit {
            file: "src/atlas/inventory.rs",
            old: "        let offset = answer.date.map_or(SignedDuration::ZERO, |date| date.duration_since(ours));",
            new: "        let offset = answer.date.map_or(SignedDuration::ZERO, |_| ours.duration_since(ours));",
        }],
        only: "clock/",
    },
    Mutant {
        name: "another holder's attempt is not waited for",
        edits: &[Edit {
            file: "src/reconcile/attempt.rs",
            old: "pub const HOLD: Duration = Duration::from_secs(90);",
            new: "pub const HOLD: Duration = Duration::from_secs(0);",
        }],
        only: "crash/",
    },
    Mutant {
        name: "an unanswered request is never repeated",
        edits: &[Edit {
            file: "src/reconcile/attempt.rs",
            old: "held(sending.at + HOLD, read, now, read.sequence > *ended)",
            new: "held(sending.at + HOLD * 1000, read, now, read.sequence < *ended)",
        }],
        only: "atlas/plain",
    },
    Mutant {
        name: "a service that is found is taken for created",
        edits: &[Edit {
            file: "src/reconcile/link/plan.rs",
            old: "            AdoptionPolicy::AdoptOrCreate | AdoptionPolicy::AdoptOnly => self.has(service, Origin::Adopted),",
            new: "            AdoptionPolicy::AdoptOrCreate | AdoptionPolicy::AdoptOnly => self.has(service, Origin::Created),",
        }],
        only: "crash/adopts",
    },
    Mutant {
        name: "an endpoint that is found is taken for created",
        edits: &[Edit {
            file: "src/reconcile/endpoint/plan.rs",
            old: "                self.connection(&Held { attachment: target.clone(), origin: self.origin_of(target) })",
            new: "                self.connection(&Held { attachment: target.clone(), origin: Origin::Created })",
        }],
        only: "crash/adopts",
    },
    Mutant {
        name: "a service is let go as soon as its deletion is asked for",
        edits: &[Edit {
            file: "src/reconcile/link/delete.rs",
            old: "    if service.state == ServiceState::Deleting {",
            new: "    if service.state == ServiceState::Deleting {\n        return let_go(case, Farewell::Deleted);\n    }\n    if service.state == ServiceState::Deleting {",
        }],
        only: "crash/good-luck",
    },
    Mutant {
        name: "attached endpoints hold no deletion back",
        edits: &[Edit {
            file: "src/reconcile/link/delete.rs",
            old: "    if !service.endpoints.is_empty() {",
            new: "    if service.endpoints.len() > 100 {",
        }],
        only: "behind/service-stays/aws/v2",
    },
    Mutant {
        name: "nothing is handed over",
        edits: &[Edit {
            file: "src/reconcile/ownership.rs",
            old: "    if let Some(heir) = heir {\n        return Succession::HandOver(heir);\n    }",
            new: "    if heir.is_some() {\n        return Succession::Free;\n    }",
        }],
        only: "kubernetes/",
    },
    Mutant {
        name: "nobody is heard before something is deleted",
        edits: &[Edit {
            file: "src/reconcile/ownership.rs",
            old: "    if !waiting.is_empty() {",
            new: "    if waiting.len() > 1000 {",
        }],
        only: "heard-first",
    },
    Mutant {
        name: "the old endpoint is let go without being detached",
        edits: &[Edit {
            file: "src/reconcile/endpoint/connection.rs",
            old: "        let gone = !self.is_listed(&old.attachment);",
            new: "        let gone = self.is_listed(&old.attachment);",
        }],
        only: "crash/id-changes",
    },
    Mutant {
        name: "tries are not counted",
        edits: &[Edit {
            file: "src/reconcile/link/plan.rs",
            old: "self.attempt(write).with_tries(tries + 1)",
            new: "self.attempt(write).with_tries(tries)",
        }],
        only: "state/pair/aws/v2/service-failed",
    },
    Mutant {
        name: "Ready while Atlas is still creating",
        edits: &[Edit {
            file: "src/reconcile/link/plan.rs",
            old: "            ServiceState::WaitingForUser | ServiceState::Available => Plan {",
            new: "            ServiceState::WaitingForUser | ServiceState::Available | ServiceState::Initiating => Plan {",
        }],
        only: "crash/good-luck",
    },
    Mutant {
        name: "an unknown word is Ready",
        edits: &[Edit {
            file: "src/reconcile/link/plan.rs",
            old: "            ServiceState::WaitingForUser | ServiceState::Available => Plan {",
            new: "            ServiceState::WaitingForUser | ServiceState::Available | ServiceState::Unknown(_) => Plan {",
        }],
        only: "unknown-word",
    },
    Mutant {
        name: "the last answer counts, whenever it was asked for",
        edits: &[Edit {
            file: "src/atlas/inventory.rs",
            old: "            for noted in entries.iter().filter(|noted| noted.answered.sequence > view.read.sequence) {",
            new: "            for noted in entries.iter().filter(|noted| noted.answered.sequence < view.read.sequence) {",
        }],
        only: "crash/good-luck",
    },
    Mutant {
        name: "a write may rest on an old read",
        edits: &[Edit {
            file: "src/atlas/order.rs",
            old: "    !overtaken && now.saturating_duration_since(read.at) <= FRESH",
            new: "    !overtaken && now.saturating_duration_since(read.at) <= FRESH * 100",
        }],
        only: "zombie-without-refusal",
    },
    Mutant {
        name: "Retry-After is ignored",
        edits: &[Edit {
            file: "src/atlas/budget.rs",
            old: "            Signal::Wait(pause) => self.extend(now, pause),",
            new: "            Signal::Wait(_) => {}",
        }],
        only: "throttled",
    },
    Mutant {
        name: "a failure is asked again at once",
        edits: &[Edit {
            file: "src/atlas/shared.rs",
            old: "                let retry_at = Instant::now() + pause(failure.error.class, state.failures);",
            new: "                let retry_at = Instant::now() + pause(failure.error.class, state.failures) / 1000;",
        }],
        only: "atlas/plain",
    },
    Mutant {
        name: "a stale nonce is a refusal",
        edits: &[Edit {
            file: "src/atlas/auth/digest.rs",
            old: "        let Some(challenge) = challenge(&first) else {",
            new: "        let Some(challenge) = challenge(&first).filter(|_| session.nonce_since.is_none()) else {",
        }],
        only: "stale-nonce-once",
    },
    Mutant {
        name: "two sessions share a nonce",
        edits: &[Edit {
            file: "src/atlas/auth/digest.rs",
            old: "        exchange.challenged();\n",
            new: "        exchange.challenged();\n        if let Some(same) = Challenge::read(challenge.text.trim_start_matches(\"Digest \")) {\n            let mut twin = Session::new(key);\n            drop(twin.authorize(template, Some(same)));\n            self.idle.lock().unwrap_or_else(PoisonError::into_inner).entry(key.id).or_default().push(twin);\n        }\n",
        }],
        only: "flood/pair/aws/v2/project-",
    },
    Mutant {
        name: "a Secret is never read again",
        edits: &[Edit {
            file: "src/credentials.rs",
            old: "pub const LIFETIME: Duration = Duration::from_secs(60);",
            new: "pub const LIFETIME: Duration = Duration::from_secs(600_000);",
        }],
        only: "state/",
    },
    Mutant {
        name: "a suspended object writes to Atlas",
        edits: &[Edit {
            file: "src/controller/driver.rs",
            old: "        if subject.suspended && !subject.deleting {\n            return suspended(ctx, &object, &subject).await;\n        }",
            new: "",
        }],
        only: "state/pair/aws/v2/suspended",
    },
    Mutant {
        name: "a version of somebody else is old news",
        edits: &[Edit {
            file: "src/controller/memory.rs",
            old: "            self.foreign_version = Some((version.to_owned(), at, now));",
            new: "            let _ = (at, now);",
        }],
        only: "two-opinions",
    },
    Mutant {
        name: "troubles are never forgotten",
        edits: &[Edit {
            file: "src/controller/driver.rs",
            old: "            ctx.memories.with_known(&uid, |memory| memory.troubles = 0);\n",
            new: "",
        }],
        only: "trouble-is-forgotten",
    },
    Mutant {
        name: "a panic ends the operator",
        edits: &[Edit {
            file: "src/controller/driver.rs",
            old: "    let (run, started) = (AssertUnwindSafe(run(ctx, object.clone())).catch_unwind(), Instant::now());",
            new: "    let (run, started) = (run(ctx, object.clone()).map(Ok::<_, Box<dyn std::any::Any + Send>>), Instant::now());",
        }],
        only: "flood/",
    },
    Mutant {
        name: "the log tells the key",
        edits: &[Edit {
            file: "src/atlas/auth/digest.rs",
            old: "        Self { inner: DigestAuthSession::new(key.public, key.private.expose_secret()), nonce_since: None }",
            new: "        tracing::debug!(key = key.private.expose_secret(), \"a session\");\n        Self { inner: DigestAuthSession::new(key.public, key.private.expose_secret()), nonce_since: None }",
        }],
        only: "crash/adopts",
    },
    Mutant {
        name: "the log tells the access token",
        edits: &[Edit {
            file: "src/atlas/auth/oauth.rs",
            old: "    let life = Duration::from_secs(",
            new: "    tracing::trace!(token, \"a token\");\n    let life = Duration::from_secs(",
        }],
        only: "crash/service-account",
    },
    Mutant {
        name: "the time of a transition is that of the last write",
        edits: &[Edit {
            file: "src/api/condition.rs",
            old: "find(|c| c.type_ == type_ && c.status == status);",
            new: "find(|c| c.type_ == type_ && c.status == status && c.message == self.message);",
        }],
        only: "state/pair/aws/v2/initiating",
    },
    Mutant {
        name: "a Lease that cannot be renewed is kept",
        edits: &[Edit {
            file: "src/lease/election.rs",
            old: "        self.renewed.map(|sent| sent + self.timing.renew_deadline())",
            new: "        self.renewed.map(|sent| sent + self.timing.renew_deadline() * 100)",
        }],
        only: "twins/lease-between/aws/v2/atlas-post-service-1/after-effect/without-kubernetes",
    },
    Mutant {
        name: "what stands in the region is deleted",
        edits: &[Edit {
            file: "src/reconcile/link/case.rs",
            old: "        self.observed.services.value.iter().find(|service| service.id == id)\n    }\n\n    /// The service that stands",
            new: "        let region = &self.desired.region;\n        self.observed.services.value.iter().find(|service| service.id == id || stands_for(service, region))\n    }\n\n    /// The service that stands",
        }],
        only: "another-in-its-place",
    },
    Mutant {
        name: "a 409 is not remembered as one",
        edits: &[Edit {
            file: "src/reconcile/attempt.rs",
            old: "            conflict: error.status == Some(409) && matches!(error.class, Class::Exists | Class::NotYet),",
            new: "            conflict: false,",
        }],
        only: "asked-for-by-another",
    },
    Mutant {
        name: "any 404 means that nothing is there",
        edits: &[Edit {
            file: "src/reconcile/endpoint/resolve.rs",
            old: "            if lists(&services, &attachment) {",
            new: "            if lists(&services, &attachment) && services.value.is_empty() {",
        }],
        only: "atlas/",
    },
    Mutant {
        name: "a project that is not found is one without services",
        edits: &[Edit {
            file: "src/atlas/classify.rs",
            old: "            code => project(code).unwrap_or(Class::Missing),",
            new: "            _ => Class::Missing,",
        }],
        only: "project-not-found",
    },
    Mutant {
        name: "the next generation is observed already",
        edits: &[Edit {
            file: "src/reconcile/report.rs",
            old: "    let conditions = verdict.conditions(status.conditions(), subject.generation, now);",
            new: "    let next = subject.generation.map(|generation| generation + 1);\n    let conditions = verdict.conditions(status.conditions(), next, now);",
        }],
        only: "crash/good-luck",
    },
    Mutant {
        name: "an id is taken from whatever is answered",
        edits: &[Edit {
            file: "src/atlas/mod.rs",
            old: "            if elsewhere || !told.is_recent(&service.id) { Err(another()) } else { Ok(service) }",
            new: "            if elsewhere && told.body.is_empty() { Err(another()) } else { Ok(service) }",
        }],
        only: "another-object",
    },
    Mutant {
        name: "who waits for a leaving link is waited for",
        edits: &[Edit {
            file: "src/reconcile/endpoint/sharers.rs",
            old: "    if knows_its_own || (hearing.waits_for_link && link.metadata.deletion_timestamp.is_some()) {",
            new: "    if knows_its_own {",
        }],
        only: "through-leaving-link",
    },
    Mutant {
        name: "what was made for a gone service is waited for",
        edits: &[Edit {
            file: "src/reconcile/endpoint/sharers.rs",
            old: "target.as_ref().filter(|target| !is_of_a_gone_service(target))",
            new: "target.as_ref().filter(|target| !is_of_a_gone_service(target) || !target.endpoint.to_string().is_empty())",
        }],
        only: "service-replaced",
    },
    Mutant {
        name: "nobody waits for a request that may still arrive",
        edits: &[Edit {
            file: "src/reconcile/attempt.rs",
            old: "(answered && !self.repeated) || (long_ago && self.is_past(moment.atlas_time))",
            new: "(answered && !self.repeated) || long_ago || self.first <= self.last",
        }],
        only: "/found/",
    },
    Mutant {
        name: "a repeat is told by its time alone",
        edits: &[Edit {
            file: "src/reconcile/attempt.rs",
            old: "last: at.max(self.last), repeated: true, ..self.clone() }",
            new: "last: at.max(self.last), repeated: at > self.last, ..self.clone() }",
        }],
        only: "/found/",
    },
    Mutant {
        name: "what was adopted is let go unseen",
        edits: &[Edit {
            file: "src/reconcile/endpoint/delete.rs",
            old: "        AttemptedWrite::AddEndpoint { .. } => true,",
            new: "        AttemptedWrite::AddEndpoint { service, .. } => recorded.held.as_ref().is_none_or(|held| held.attachment.service != *service),",
        }],
        only: "/found/",
    },
    Mutant {
        name: "who is suspended with another service is waited for",
        edits: &[Edit {
            file: "src/reconcile/link/mod.rs",
            old: "        self.claim.suspended && self.service.is_some_and(",
            new: "        self.claim.suspended && false && self.service.is_some_and(",
        }],
        only: "/found/",
    },
    Mutant {
        name: "what another process wrote is no reason to look anew",
        edits: &[Edit {
            file: "src/controller/memory.rs",
            old: "        let same = substance.is_some() && self.substance == substance;",
            new: "        let same = substance.is_some() && self.substance.is_some();",
        }],
        only: "twins/",
    },
    Mutant {
        name: "what is suspended is deleted in Atlas all the same",
        edits: &[Edit {
            file: "src/controller/driver.rs",
            old: "            Demand::Atlas(_) if subject.suspended => return",
            new: "            Demand::Atlas(_) if subject.suspended && !subject.deleting => return",
        }],
        only: "state/",
    },
    Mutant {
        name: "what a service that is gone was called stands beside the next one's id",
        edits: &[Edit {
            file: "src/reconcile/link/status.rs",
            old: "    status.endpoint_service_name = endpoint_service_name;",
            new: "    status.endpoint_service_name = endpoint_service_name.or(status.endpoint_service_name.take());",
        }],
        only: "/aws/v2/",
    },
    Mutant {
        name: "who was locked out trusts an old look",
        edits: &[Edit {
            file: "src/controller/way.rs",
            old: "            !Reason::LOCKED_OUT.iter().any(",
            new: "            true || !Reason::LOCKED_OUT.iter().any(",
        }],
        only: "/found/",
    },
    Mutant {
        name: "what came to nothing is never forgotten",
        edits: &[Edit {
            file: "src/reconcile/endpoint/case.rs",
            old: "            let open = attempt.refusal.is_none() && !self.is_listed(attempted);",
            new: "            let open = attempt.refusal.is_some() && !self.is_listed(attempted);",
        }],
        only: "/found/",
    },
    Mutant {
        name: "who wants something else is waited for",
        edits: &[Edit {
            file: "src/reconcile/endpoint/sharers.rs",
            old: "    wanted(other).is_none_or(",
            new: "    true || wanted(other).is_none_or(",
        }],
        only: "/found/",
    },
    Mutant {
        name: "a link of another project is a way",
        edits: &[Edit {
            file: "src/reconcile/endpoint/link.rs",
            old: "desired.recorded.project.map_or_else(same_service, |project| project == self.project)",
            new: "desired.recorded.project.map_or_else(same_service, |_| true)",
        }],
        only: "/found/",
    },
    Mutant {
        name: "a list that was asked for before the answer of a write is newer than it",
        edits: &[Edit {
            file: "src/atlas/inventory.rs",
            old: "Sent { sequence: self.sequence(), at: Instant::now() }",
            new: "Sent { sequence: Sequence::FIRST, at: Instant::now() }",
        }],
        only: "/found/",
    },
    Mutant {
        name: "several writes of a project at a time",
        edits: &[
            Edit {
                file: "src/atlas/inventory.rs",
                old: "        let pass = turnstile.enter_or_come_back().await.ok()?;",
                new: "        let pass = Turnstile::default().enter_or_come_back().await.ok()?;",
            },
            Edit {
                file: "src/atlas/call.rs",
                old: "            Some(_) => Some(exchange.gate.turn().await),",
                new: "            Some(_) => Some(exchange.gate.turn()),",
            },
        ],
        only: "flood/",
    },
    Mutant {
        name: "what shows no effect is done again at once",
        edits: &[Edit {
            file: "src/controller/driver.rs",
            old: "    Err(Trouble::Lagging)\n}",
            new: "    Ok(Action::requeue(SHORTLY))\n}",
        }],
        only: "stale/rename",
    },
    Mutant {
        name: "a Secret that is gone goes on working",
        edits: &[Edit {
            file: "src/controller/way.rs",
            old: "    let last = last.filter(|way| subject.deleting && way.caller.project == project);",
            new: "    let last = last.filter(|way| way.caller.project == project);",
        }],
        only: "state/found/aws/v2/secret-deleted",
    },
    Mutant {
        name: "a replaced endpoint is detached on what a watch shows",
        edits: &[Edit {
            file: "src/reconcile/endpoint/kind.rs",
            old: "            Step::RemoveFailed(..) | Step::RemoveRetired(..) | Step::Remove(_) => Demand::Atlas(Care::EverythingNow),",
            new: "            Step::RemoveFailed(..) | Step::RemoveRetired(..) => Demand::Atlas(Care::AtlasNow),\n            Step::Remove(_) => Demand::Atlas(Care::EverythingNow),",
        }],
        only: "state/found/aws/v2/shared-behind-watch",
    },
    Mutant {
        name: "a connection may be shown as it was before",
        edits: &[Edit {
            file: "src/controller/way.rs",
            old: "    let need = Need { not_before: ctx.memories.with(&subject.uid, |memory| memory.endpoint_seen), ..need };\n",
            new: "",
        }],
        only: "state/found/aws/v2/turned-back-to-an-old-look",
    },
    Mutant {
        name: "who has replaced it is its owner",
        edits: &[Edit {
            file: "src/reconcile/ownership.rs",
            old: "other.counts() && other.may_own() && other.stake.cares();",
            new: "other.counts() && other.may_own();",
        }],
        only: "state/found/aws/v2/wanted-no-more",
    },
    Mutant {
        name: "what is kept by default is deleted",
        edits: &[Edit {
            file: "src/reconcile/policy.rs",
            old: " | (None, DefaultDeletionPolicy::Retain) => Self::KeepAll,",
            new: " => Self::KeepAll,\n            (None, DefaultDeletionPolicy::Retain) => Self::DeleteCreated,",
        }],
        only: "state/found/aws/v2/kept-by-default",
    },
    Mutant {
        name: "a status is believed, whoever it was of",
        edits: &[Edit {
            file: "src/api/mod.rs",
            old: "self.observed_uid().is_some_and(|observed| observed != uid)",
            new: "self.observed_uid().is_some_and(|observed| observed != uid && uid.is_empty())",
        }],
        only: "state/found/aws/v2/restored-elsewhere",
    },
    Mutant {
        name: "an attempt is believed, whoever it was of",
        edits: &[Edit {
            file: "src/reconcile/attempt.rs",
            old: "(attempt.uid == uid).then_some(attempt)",
            new: "(!uid.is_empty()).then_some(attempt)",
        }],
        only: "state/found/aws/v2/restored-elsewhere",
    },
    Mutant {
        name: "nobody is heard before what was replaced goes",
        edits: &[Edit {
            file: "src/reconcile/endpoint/connection.rs",
            old: "            _ if !self.observed.unheard.is_empty() => Plan { look: Look::Shortly, ..plan },\n",
            new: "",
        }],
        only: "state/found/aws/v2/heard-before-it-is-detached",
    },
    Mutant {
        name: "two leave it to each other",
        edits: &[Edit {
            file: "src/reconcile/ownership.rs",
            old: "keeps(other) && other.may_own()",
            new: "other.counts() && other.may_own()",
        }],
        only: "state/found/aws/v2/left-to-each-other",
    },
    Mutant {
        name: "what is found answers all requests of an attempt",
        edits: &[Edit {
            file: "src/reconcile/link/mod.rs",
            old: "!attempt.is_repeat() && attempt.is_over(moment)",
            new: "attempt.is_over(moment)",
        }],
        only: "state/found/aws/v2/made-by-both-requests",
    },
    Mutant {
        name: "the record of a creation is given up too early",
        edits: &[Edit {
            file: "src/reconcile/link/plan.rs",
            old: "Retry::Now if self.progress().is_open() =>",
            new: "Retry::Now if tries > 9 =>",
        }],
        only: "state/found/aws/v2/failed-between-both-requests",
    },
    Mutant {
        name: "the record of an addition is given up too early",
        edits: &[Edit {
            file: "src/reconcile/endpoint/connection.rs",
            old: "Retry::Now if self.progress().is_open() =>",
            new: "Retry::Now if tries > 9 =>",
        }],
        only: "state/found/aws/v2/rejected-between-both-requests",
    },
    Mutant {
        name: "what status has is known to have come",
        edits: &[Edit {
            file: "src/reconcile/endpoint/plan.rs",
            old: "self.progress().is_open().then(|| {",
            new: "(!known && self.progress().is_open()).then(|| {",
        }],
        only: "state/found/aws/v2/changed-while-it-is-attached-again",
    },
    Mutant {
        name: "pauses between reads hardly grow",
        edits: &[Edit {
            file: "src/atlas/shared.rs",
            old: "const LONGEST_PAUSE: Duration = Duration::from_secs(60);",
            new: "const LONGEST_PAUSE: Duration = Duration::from_secs(10);",
        }],
        only: "atlas/plain/aws/v2/making-list-services",
    },
    Mutant {
        name: "what others need has its turn like all else",
        edits: &[Edit {
            file: "src/reconcile/endpoint/delete.rs",
            old: "Fate::Open(Turn::HeldBack, Box::new(plan))",
            new: "Fate::open(plan)",
        }],
        only: "state/found/aws/v2/detached-beside-what-is-needed",
    },
    Mutant {
        name: "what is handed over waits for what is to be detached",
        edits: &[Edit {
            file: "src/reconcile/endpoint/mod.rs",
            old: "if recorded { Turn::Recorded } else { Turn::InOrder }",
            new: "if recorded { Turn::InOrder } else { Turn::InOrder }",
        }],
        only: "state/found/aws/v2/handed-over-while-suspended",
    },
    Mutant {
        name: "what another one lives on is detached",
        edits: &[Edit {
            file: "src/reconcile/ownership.rs",
            old: "            Self::Replaced { needs, .. } => needs,",
            new: "            Self::Replaced { needs, cares } => needs && cares,",
        }],
        only: "state/found/aws/v2/needed-until-replaced",
    },
    Mutant {
        name: "what another process said is never said in other words",
        edits: &[Edit {
            file: "src/controller/driver.rs",
            old: "since.elapsed() < ctx.settings.resync_interval / 2",
            new: "since.elapsed() < ctx.settings.resync_interval * 200",
        }],
        only: "state/found/aws/v2/answer-of-status-lost",
    },
    Mutant {
        name: "who has replaced something waits for a link unheard",
        edits: &[Edit {
            file: "src/reconcile/endpoint/resolve.rs",
            old: "let has_something = desired.recorded.all().next().is_some();",
            new: "let has_something = desired.recorded.held.is_some();",
        }],
        only: "state/found/aws/v2/replaced-while",
    },
    Mutant {
        name: "what was told to be deleted is left to one that has replaced it",
        edits: &[Edit {
            file: "src/reconcile/ownership.rs",
            old: "keeps(other) && other.may_inherit()",
            new: "other.counts() && other.may_inherit()",
        }],
        only: "state/found/aws/v2/deleted-as-told",
    },
    Mutant {
        name: "a Secret that is gone for a moment costs what is shared",
        edits: &[Edit {
            file: "src/controller/memory.rs",
            old: "    const GRACE: Duration = Duration::from_secs(600);",
            new: "    const GRACE: Duration = Duration::from_secs(0);",
        }],
        only: "state/found/aws/v2/without-secret-for-minutes",
    },
    Mutant {
        name: "a removal is waited for, though it cannot arrive any more",
        edits: &[Edit {
            file: "src/reconcile/endpoint/sharers.rs",
            old: "attempt.may_remove(&attachment) && !attempt.is_past(atlas_time);",
            new: "attempt.may_remove(&attachment) && atlas_time >= Timestamp::UNIX_EPOCH;",
        }],
        only: "state/found/aws/v2/detached-by-suspended",
    },
    Mutant {
        name: "who only adopts holds nothing back",
        edits: &[Edit {
            file: "src/reconcile/ownership.rs",
            old: "    if holders.is_empty() { Succession::Free } else { Succession::HeldBy(holders) }",
            new: "    if holders.len() < 1000 { Succession::Free } else { Succession::HeldBy(holders) }",
        }],
        only: "state/found/aws/v2/held-by-reader",
    },
    Mutant {
        name: "what a dead operator may still detach is attached",
        edits: &[Edit {
            file: "src/reconcile/endpoint/plan.rs",
            old: "                .or_else(|| self.being_removed_elsewhere(target))",
            new: "                .or_else(|| self.being_removed_elsewhere(target).filter(|_| self.desired.link_leaving))",
        }],
        only: "state/found/aws/v2/detached-twice",
    },
    Mutant {
        name: "a deletion that is asked for in vain never says so",
        edits: &[Edit { file: "src/reconcile/blocked.rs", old: ">= WORTH_TELLING)", new: ">= WORTH_TELLING * 1000)" }],
        only: "state/found/aws/v2/asked-in-vain",
    },
    Mutant {
        name: "whoever bears the heir's name inherits",
        edits: &[Edit {
            file: "src/controller/handover.rs",
            old: "found.meta().uid.as_ref() == Some(uid)",
            new: "!uid.is_empty()",
        }],
        only: "state/found/aws/v2/heir-made-anew",
    },
    Mutant {
        name: "a generation is observed before it is acted on",
        edits: &[Edit {
            file: "src/reconcile/blocked.rs",
            old: "            lost.then(unconfirmed)\n",
            new: "            Some(if lost { unconfirmed() } else { Verdict::ready(\"as before\") })\n",
        }],
        only: "wish-in-a-blip",
    },
    Mutant {
        name: "a service without port mapping is used in GCP",
        edits: &[Edit {
            file: "src/reconcile/link/case.rs",
            old: " && (region.provider() != Provider::Gcp || service.port_mapping)",
            new: " && (region.provider() != Provider::Gcp || service.port_mapping || !service.port_mapping)",
        }],
        only: "crash/link/gcp",
    },
];
