//! The three forms of PATCH.

use http::StatusCode;
use serde_json::Value;

use super::failure::Failure;

/// A patch that has been read, not yet applied.
#[derive(Debug, Clone)]
pub(super) enum Patch {
    Merge(Value),
    Json(json_patch::Patch),
    Apply { configuration: Value, manager: String, force: bool },
}

impl Patch {
    pub(super) fn read(content_type: &str, body: &[u8], manager: Option<&str>, force: bool) -> Result<Self, Failure> {
        let unreadable = |error: serde_json::Error| Failure::bad_request(format!("error decoding patch: {error}"));
        match content_type.split(';').next().unwrap_or_default().trim() {
            "application/merge-patch+json" => {
                let patch: Value = serde_json::from_slice(body).map_err(unreadable)?;
                if patch.is_object() { Ok(Self::Merge(patch)) } else { Err(Failure::bad_request("not an object")) }
            }
            "application/json-patch+json" => Ok(Self::Json(serde_json::from_slice(body).map_err(unreadable)?)),
            "application/apply-patch+yaml" | "application/apply-patch+cbor" => {
                let configuration = serde_json::from_slice(body).map_err(unreadable)?;
                let manager = manager.ok_or_else(|| {
                    Failure::invalid_options(
                        "PatchOptions",
                        "fieldManager",
                        "Required value: is required for apply patch",
                    )
                })?;
                Ok(Self::Apply { configuration, manager: manager.to_owned(), force })
            }
            other => Err(Failure::unsupported_media_type(other)),
        }
    }
}

/// Applies a JSON patch; one that does not fit is refused as a whole.
pub(super) fn json(patch: &json_patch::Patch, object: &mut Value) -> Result<(), Failure> {
    json_patch::patch(object, &patch.0).map_err(|error| {
        let message = format!("the server rejected our request due to an error in our request: {error}");
        Failure::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message)
    })
}
