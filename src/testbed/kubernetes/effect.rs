//! What a request does, once nothing stands in its way any more.

use http::StatusCode;
use serde_json::{Value, json};

use super::{
    discovery,
    failure::Failure,
    faults::WatchFault,
    log::{RequestRecord, Verb},
    object::metadata_only,
    patch::Patch,
    read,
    route::{Address, Call},
    selector::Selector,
    state::State,
    store::{Author, Key, Scope, Store},
    watch::{OpenWatch, Opening},
    write::{DeleteOptions, Deleted, Part},
};

/// What a request came to.
#[derive(Debug)]
pub(super) enum Outcome {
    Object(StatusCode, Value),
    Text(StatusCode, &'static str),
    Watch(Box<Opening>),
}

impl Outcome {
    pub(super) fn code(&self) -> StatusCode {
        match self {
            Self::Object(code, _) | Self::Text(code, _) => *code,
            Self::Watch(_) => StatusCode::OK,
        }
    }
}

/// A request in all its parts.
pub(super) struct Work<'a> {
    pub call: &'a Call,
    pub address: Option<&'a Address>,
    pub request: &'a RequestRecord,
    pub author: &'a Author,
    pub fault: Option<WatchFault>,
    /// Whether the method has a meaning there at all.
    pub allowed: bool,
}

/// Does what the request says.
pub(super) fn perform(state: &mut State, work: &Work<'_>) -> Result<Outcome, Failure> {
    const UNKNOWN: Outcome = Outcome::Text(StatusCode::NOT_FOUND, "404 page not found\n");
    let Some(address) = work.address else {
        return Ok(discovery::answer(&state.store, &work.call.path).unwrap_or(UNKNOWN));
    };
    let Some(resource) = state.store.served(&address.group, &address.version, &address.plural) else {
        return Ok(UNKNOWN);
    };
    if work.call.query.contains_key("dryRun") {
        return Err(Failure::bad_request("this server does not offer dry runs"));
    }
    let row = state.store.types[resource];
    let all_namespaces = row.namespaced && address.namespace.is_empty();
    match (work.request.verb, address.subresource.as_str()) {
        (_, "") => {}
        (Verb::Get | Verb::Update | Verb::Patch, "status") if row.has_status => {}
        (_, "status") if row.has_status => return Err(Failure::method_not_allowed(&row)),
        (_, _) => return Err(Failure::not_found(&row, &address.name)),
    }
    if !work.allowed || (work.request.verb == Verb::Create && !address.name.is_empty() && !row.custom) {
        let nameless = Failure::bad_request("name must be provided");
        return Err(if row.custom { nameless } else { Failure::method_not_allowed(&row) });
    }
    match work.request.verb {
        Verb::List | Verb::Watch | Verb::Discover => collection(state, work, address, resource),
        Verb::DeleteCollection if !all_namespaces => {
            let scope = scope(work.call, address, resource)?;
            delete_all(&mut state.store, work, &scope)
        }
        Verb::Get | Verb::Create | Verb::Update | Verb::Patch | Verb::Delete if !all_namespaces => {
            let key = Key { resource, namespace: address.namespace.clone(), name: address.name.clone() };
            single(state, work, &key, if address.subresource.is_empty() { Part::Main } else { Part::Status })
        }
        Verb::Get | Verb::Create | Verb::Update | Verb::Patch | Verb::Delete | Verb::DeleteCollection => {
            Err(Failure::method_not_allowed(&row))
        }
    }
}

fn scope(call: &Call, address: &Address, resource: usize) -> Result<Scope, Failure> {
    let selector = Selector::parse(call.parameter("labelSelector"), call.parameter("fieldSelector"))?;
    Ok(Scope {
        resource,
        namespace: Some(address.namespace.clone()).filter(|namespace| !namespace.is_empty()),
        selector,
    })
}

fn collection(state: &State, work: &Work<'_>, address: &Address, resource: usize) -> Result<Outcome, Failure> {
    let scope = scope(work.call, address, resource)?;
    let horizon = state.views.horizon(&work.request.client, &address.plural, state.store.revision);
    if work.request.verb == Verb::Watch {
        let open = OpenWatch { request: work.request.clone(), fault: work.fault };
        return Ok(Outcome::Watch(Box::new(Opening::read(&state.store, work.call, scope, open, horizon)?)));
    }
    let cached = work.call.takes_cached();
    let horizon = state.views.list_horizon(&work.request.client, &address.plural, cached, state.store.revision);
    Ok(Outcome::Object(StatusCode::OK, read::list(&state.store, work.call, &scope, horizon)?))
}

fn single(state: &mut State, work: &Work<'_>, key: &Key, part: Part) -> Result<Outcome, Failure> {
    let (call, author, store) = (work.call, work.author, &mut state.store);
    let shown = |object: Value| if call.metadata_only() { metadata_only(&object) } else { object };
    let ok = |object| Outcome::Object(StatusCode::OK, shown(object));
    match work.request.verb {
        Verb::Get => {
            let plural = store.types[key.resource].plural;
            let horizon = state.views.read_horizon(&work.request.client, plural, call.takes_cached(), store.revision);
            read::get(store, key, horizon).map(ok)
        }
        Verb::Create => {
            Ok(Outcome::Object(StatusCode::CREATED, shown(store.create(key.clone(), call.object()?, part, author)?)))
        }
        Verb::Update => {
            let known = store.objects.contains_key(key);
            let object = store.replace(key, call.object()?, part, author)?;
            Ok(Outcome::Object(made(known), shown(object)))
        }
        Verb::Patch => {
            let known = store.objects.contains_key(key);
            let patch =
                Patch::read(&call.content_type, &call.body, call.parameter("fieldManager"), call.flag("force"))?;
            let object = store.patch(key, &patch, part, author)?;
            Ok(Outcome::Object(made(known), shown(object)))
        }
        Verb::Delete => delete(store, work, key).map(|body| Outcome::Object(StatusCode::OK, body)),
        Verb::List | Verb::Watch | Verb::DeleteCollection | Verb::Discover => {
            Err(Failure::method_not_allowed(&store.types[key.resource]))
        }
    }
}

fn made(known: bool) -> StatusCode {
    if known { StatusCode::OK } else { StatusCode::CREATED }
}

fn delete(store: &mut Store, work: &Work<'_>, key: &Key) -> Result<Value, Failure> {
    match store.delete(key, &options(work.call)?, work.author)? {
        Deleted::Waiting(object) => Ok(object),
        Deleted::Gone(object) => {
            let row = &store.types[key.resource];
            let mut details = json!({"name": key.name, "kind": row.plural, "uid": object["metadata"]["uid"]});
            if !row.group.is_empty() {
                details["group"] = json!(row.group);
            }
            Ok(json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}))
        }
    }
}

fn options(call: &Call) -> Result<DeleteOptions, Failure> {
    if call.body.is_empty() {
        return Ok(DeleteOptions::default());
    }
    let options: DeleteOptions = serde_json::from_value(call.object()?)
        .map_err(|error| Failure::bad_request(format!("cannot read DeleteOptions: {error}")))?;
    if options.dry_run.is_empty() {
        Ok(options)
    } else {
        Err(Failure::bad_request("this server does not offer dry runs"))
    }
}

fn delete_all(store: &mut Store, work: &Work<'_>, scope: &Scope) -> Result<Outcome, Failure> {
    let options = options(work.call)?;
    let listed = read::list(store, work.call, scope, store.revision)?;
    let keys: Vec<Key> = store.list(scope, store.revision).into_iter().map(|(key, _)| key.clone()).collect();
    for key in &keys {
        store.delete(key, &options, work.author)?;
    }
    Ok(Outcome::Object(StatusCode::OK, listed))
}
