//! The API's own description.

use axum::Json;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::access::Operator;

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
    modifiers(&Key)
)]
struct Api;

struct Key;

impl Modify for Key {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        api.components.get_or_insert_default().add_security_scheme("key", SecurityScheme::Http(scheme));
    }
}

/// The description, for whoever has any operator's key.
pub(super) async fn document(_: Operator) -> Json<utoipa::openapi::OpenApi> {
    Json(Api::openapi())
}
