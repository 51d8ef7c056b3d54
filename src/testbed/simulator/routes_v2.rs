//! v2 paths below `/groups/{G}/privateEndpoint`, which are also v1.0's multi-cloud ones (atlas-api.md §2).

use super::{problem::Problem, regions::Provider, route::Action};
use http::Method;

pub(super) fn action(method: &Method, path: &str, tail: &[&str]) -> Result<Action, Problem> {
    let refuse = || Err(Problem::method_not_allowed());
    match tail {
        ["regionalMode"] if method == Method::GET => Ok(Action::GetRegionalMode),
        ["endpointService"] if method == Method::POST => Ok(Action::CreateService),
        ["regionalMode" | "endpointService"] => refuse(),
        [word, "endpointService"] => match (provider(word)?, method.as_str()) {
            (provider, "GET") => Ok(Action::ListServices(provider)),
            (_, _) => refuse(),
        },
        [word, "endpointService", id] => match (provider(word)?, (*id).to_owned(), method.as_str()) {
            (provider, id, "GET") => Ok(Action::GetService(provider, id)),
            (provider, id, "DELETE") => Ok(Action::DeleteService(provider, id)),
            (_, _, _) => refuse(),
        },
        [word, "endpointService", id, "endpoint"] => match (provider(word)?, method.as_str()) {
            (provider, "POST") => Ok(Action::AddEndpoint(provider, (*id).to_owned())),
            (_, _) => refuse(),
        },
        [word, "endpointService", id, "endpoint", endpoint] => {
            let (id, endpoint) = ((*id).to_owned(), (*endpoint).to_owned());
            match (provider(word)?, method.as_str()) {
                (provider, "GET") => Ok(Action::GetEndpoint(provider, id, endpoint)),
                (provider, "DELETE") => Ok(Action::DeleteEndpoint(provider, id, endpoint)),
                (_, _) => refuse(),
            }
        }
        _ => Err(Problem::no_such_resource(path)),
    }
}

/// Which code an unknown provider in the path gets is not recorded (INF).
fn provider(word: &str) -> Result<Provider, Problem> {
    Provider::from_word(word).ok_or_else(|| Problem::invalid_provider(word))
}
