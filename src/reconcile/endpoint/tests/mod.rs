mod deletion;
mod live;
mod objects;
mod properties;
mod replacing;
mod status;

use super::Plan;
use crate::api::{Reason, Standing};

/// What a plan says, in short.
fn says(plan: &Plan) -> (Standing, Reason) {
    (plan.verdict.standing, plan.verdict.reason)
}
