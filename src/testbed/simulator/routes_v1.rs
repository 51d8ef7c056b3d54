//! v1.0 paths below `/groups/{G}/privateEndpoint`: the five pages (atlas-api.md §1) and the multi-cloud ones (§2).

use super::{
    problem::Problem,
    regions::Provider,
    route::{Action, Shape},
    routes_v2,
};
use http::Method;

/// The providers' words and the multi-cloud nouns can't be connection ids, which are 24 digits.
pub(super) fn action(method: &Method, path: &str, tail: &[&str]) -> Result<(Shape, Action), Problem> {
    let aws = Provider::Aws;
    let legacy = |action| Ok((Shape::Legacy, action));
    match (tail, method.as_str()) {
        ([], "GET") => legacy(Action::ListServices(aws)),
        ([], "POST") => legacy(Action::CreateService),
        ([] | [_, "interfaceEndpoints"] | [_, "interfaceEndpoints", _], _) if !fits(method, tail) => {
            Err(Problem::method_not_allowed())
        }
        ([id, "interfaceEndpoints"], _) => legacy(Action::AddEndpoint(aws, (*id).to_owned())),
        ([id, "interfaceEndpoints", endpoint], "GET") => {
            legacy(Action::GetEndpoint(aws, (*id).to_owned(), (*endpoint).to_owned()))
        }
        ([id, "interfaceEndpoints", endpoint], _) => {
            legacy(Action::DeleteEndpoint(aws, (*id).to_owned(), (*endpoint).to_owned()))
        }
        (["regionalMode" | "endpointService"], _) | ([_, _, ..], _) => {
            routes_v2::action(method, path, tail).map(|action| (Shape::Cloud, action))
        }
        ([id], "GET") => legacy(Action::GetService(aws, (*id).to_owned())),
        ([id], "DELETE") => legacy(Action::DeleteService(aws, (*id).to_owned())),
        (_, _) => Err(Problem::method_not_allowed()),
    }
}

/// Whether the path has that verb.
fn fits(method: &Method, tail: &[&str]) -> bool {
    match tail {
        [_, _] => method == Method::POST,
        [_, _, _] => [Method::GET, Method::DELETE].contains(method),
        _ => false,
    }
}
