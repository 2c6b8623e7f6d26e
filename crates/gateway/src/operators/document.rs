//! The API's own description.

use std::mem::take;

use axum::Json;
use utoipa::openapi::RefOr;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::access::Operator;
use super::problem;

/// Everything that is described.
#[derive(OpenApi)]
#[openapi(
    info(title = "Tillgate operators' API", description = "What operators of any dialect see and do."),
    paths(
        super::operations::list,
        super::operations::get,
        super::operations::get_by_key,
        super::operations::cancel,
        super::live::devices,
        super::live::sessions,
        super::live::close,
        super::keys::list,
        super::keys::create,
        super::keys::revoke,
        super::events::events,
    ),
    security(("key" = [])),
    modifiers(&Key, &Problems)
)]
struct Api;

struct Key;

impl Modify for Key {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        api.components.get_or_insert_default().add_security_scheme("key", SecurityScheme::Http(scheme));
    }
}

/// What is refused has a type of its own.
struct Problems;

impl Modify for Problems {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let operations =
            api.paths.paths.values_mut().flat_map(|path| [&mut path.get, &mut path.post, &mut path.delete]);
        for (status, response) in operations.flatten().flat_map(|operation| &mut operation.responses.responses) {
            if let RefOr::T(response) = response
                && status.starts_with(['4', '5'])
            {
                response.content = take(&mut response.content)
                    .into_values()
                    .map(|it| (problem::CONTENT_TYPE.to_owned(), it))
                    .collect();
            }
        }
    }
}

/// The description, for whoever has any operator's key.
pub(super) async fn document(_: Operator) -> Json<utoipa::openapi::OpenApi> {
    Json(Api::openapi())
}
