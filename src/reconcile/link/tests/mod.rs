mod creation;
mod deletion;
mod live;
mod objects;
mod properties;
mod status;

use super::{Plan, Step};
use crate::api::{Reason, Standing};

/// What a plan says, in short.
fn says(plan: &Plan) -> (Standing, Reason) {
    (plan.verdict.standing, plan.verdict.reason)
}

fn created(plan: &Plan) -> &crate::reconcile::attempt::Attempt {
    match &plan.step {
        Some(Step::Create(attempt)) => attempt,
        other => panic!("it should create, and takes {other:?}: {}", plan.verdict.message),
    }
}
