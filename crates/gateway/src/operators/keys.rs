//! Keys: listed, made and revoked. How a secret is made is not known here.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use model::{Credential, CredentialId, Dialect, GroupId, NetworkId, Permissions, Role, Secret, Wall};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::{Operator, Scope};
use super::page::Wanted;
use super::problem::Problem;
use super::{Desk, bad_path, bad_query, page};

/// What an operator wants a key for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewKey {
    /// Which protocol accepts it.
    pub dialect: Dialect,
    /// What it lets its holder be.
    pub role: Role,
    /// What its group shares with others: that of the operator.
    pub network: NetworkId,
    /// The holder's group, as its dialect knows it.
    pub group: String,
    /// The device it is for.
    pub device: Option<String>,
    /// The name people read.
    pub name: Option<String>,
    /// What it allows, in the dialect's words; nothing listed is everything.
    pub permissions: Vec<String>,
    /// When it stops working.
    pub expires_at: Option<Wall>,
}

/// A fresh credential and its secrets, in the words of the vendor's documentation.
pub struct Minted {
    /// What is stored.
    pub credential: Credential,
    /// What its holder is told, once.
    pub secrets: Vec<(&'static str, Secret)>,
}

/// Why a key cannot be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MintError {
    /// What was wanted cannot be.
    Wrong(String),
    /// We cannot now.
    Failed(String),
}

impl fmt::Display for MintError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wrong(told) | Self::Failed(told) => f.write_str(told),
        }
    }
}

impl std::error::Error for MintError {}

/// Makes a key and its secrets, without storing it.
pub type Mint = Arc<dyn Fn(&NewKey, Wall) -> Result<Minted, MintError> + Send + Sync>;

/// A key, without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Key {
    id: String,
    /// Which protocol accepts it; of an operator's key for every group it means nothing.
    dialect: String,
    /// `requester`, `performer` or `admin`.
    role: String,
    /// The holder's group, as its dialect knows it; `*` for an operator's key for every group.
    group: String,
    /// Who it proves.
    principal: String,
    /// The name presented beside the secret, where a protocol has one.
    subject: Option<String>,
    /// The device it is for, when it names one.
    device: Option<String>,
    /// The name people read.
    name: String,
    /// What it allows; none for everything.
    permissions: Option<Vec<String>>,
    /// Whether it works.
    state: KeyState,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    #[schema(format = DateTime)]
    revoked_at: Option<String>,
}

/// Whether a key works.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum KeyState {
    Good,
    Expired,
    Revoked,
}

fn shown(now: Wall, credential: &Credential) -> Key {
    let has_come = |at: Option<Wall>| at.is_some_and(|at| at <= now);
    Key {
        id: credential.id.to_string(),
        dialect: credential.dialect.to_string(),
        role: credential.role.to_string(),
        group: credential.group.name().to_owned(),
        principal: credential.principal.to_string(),
        subject: credential.subject.as_deref().map(str::to_owned),
        device: credential.device.as_ref().map(ToString::to_string),
        name: credential.name.to_string(),
        permissions: match &credential.permissions {
            Permissions::All => None,
            Permissions::Only(listed) => Some(listed.iter().map(ToString::to_string).collect()),
        },
        state: if has_come(credential.revoked_at) {
            KeyState::Revoked
        } else if has_come(credential.expires_at) {
            KeyState::Expired
        } else {
            KeyState::Good
        },
        created_at: credential.created_at.to_string(),
        expires_at: credential.expires_at.map(|at| at.to_string()),
        revoked_at: credential.revoked_at.map(|at| at.to_string()),
    }
}

/// Keys, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Keys {
    keys: Vec<Key>,
    /// The cursor of the next page; none when this is the last.
    next: Option<String>,
}

/// List keys, oldest first, without their secrets.
#[utoipa::path(get, path = "/tillgate/v1/keys", tag = "keys", params(Wanted),
    responses((status = 200, body = Keys), super::Refusals))]
pub(super) async fn list(
    operator: Operator,
    State(desk): State<Desk>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<Keys>, Problem> {
    operator.may(Scope::ReadKeys)?;
    let Query(wanted) = wanted.map_err(bad_query)?;
    let limit = page::limit(wanted.limit)?;
    let sight = operator.narrowed(wanted.dialect.as_deref(), wanted.group.as_deref())?;
    let Some(sight) = sight else { return Ok(Json(Keys { keys: Vec::new(), next: None })) };
    let all = desk.read(|ledger| ledger.credentials()).await?;
    let mut seen = all.iter().filter(|credential| sight.sees(&credential.group)).peekable();
    if let Some(cursor) = &wanted.cursor {
        seen.find(|credential| credential.id.as_str() == cursor).ok_or_else(page::bad_cursor)?;
    }
    let mut few: Vec<&Credential> = seen.take(limit + 1).collect();
    let more = page::cut(&mut few, limit);
    let next = few.last().filter(|_| more).map(|last| last.id.to_string());
    let now = desk.house.clock.now().wall;
    Ok(Json(Keys { keys: few.into_iter().map(|credential| shown(now, credential)).collect(), next }))
}

/// A key to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Create {
    /// Which protocol accepts it.
    #[schema(example = "modulus", pattern = "^(modulus|boop)$")]
    dialect: String,
    /// `requester` or `performer`; operators' keys are made on the command line.
    #[schema(example = "performer", pattern = "^(requester|performer)$")]
    role: String,
    /// The holder's group; for boop the vendor's id.
    #[schema(example = "store-1", min_length = 1, max_length = 100)]
    group: String,
    /// The device it is for; boop performers need one.
    device: Option<String>,
    /// The name people read.
    name: Option<String>,
    /// Allow only this, in the dialect's words.
    permissions: Option<Vec<String>>,
    /// When it stops working; without it never.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
}

/// A key that was just made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Created {
    key: Key,
    /// In the words of the vendor's documentation, such as `api_key`; shown this once.
    secrets: BTreeMap<&'static str, String>,
}

/// Make a key and show its secrets, once.
#[utoipa::path(post, path = "/tillgate/v1/keys", tag = "keys", request_body = Create,
    responses((status = 201, body = Created), (status = 413, body = Problem, description = "The body is too long"),
        (status = 415, body = Problem, description = "The body is no JSON by its type"),
        (status = 422, body = Problem, description = "The body is JSON of another shape"), super::Refusals))]
pub(super) async fn create(
    operator: Operator,
    State(desk): State<Desk>,
    create: Result<Json<Create>, JsonRejection>,
) -> Result<(StatusCode, Json<Created>), Problem> {
    operator.may(Scope::WriteKeys)?;
    let Json(create) =
        create.map_err(|rejection| Problem::new(rejection.status(), "bad_request", rejection.body_text()))?;
    let now = desk.house.clock.now().wall;
    let new = wish(create, &operator, now)?;
    let group = GroupId::of(new.dialect, &new.group).map_err(|error| Problem::bad(format!("group: {error}")))?;
    if !operator.sight.sees(&group) {
        return Err(Problem::forbidden("this key is for another group"));
    }
    let mint = desk.house.office.mint.clone().ok_or_else(|| Problem::later("keys cannot be made here"))?;
    let Minted { credential, secrets } = mint(&new, now).map_err(|error| match error {
        MintError::Wrong(told) => Problem::bad(told),
        MintError::Failed(told) => Problem::later(told),
    })?;
    let stored = credential.clone();
    desk.change(move |store| store.add_credentials(&[stored])).await?;
    tracing::info!(key = %credential.id, by = %operator.credential, name = operator.name, "key made by an operator");
    let secrets = secrets.into_iter().map(|(word, secret)| (word, secret.reveal().to_owned())).collect();
    Ok((StatusCode::CREATED, Json(Created { key: shown(now, &credential), secrets })))
}

fn wish(create: Create, operator: &Operator, now: Wall) -> Result<NewKey, Problem> {
    let dialect = create.dialect.parse().map_err(|error: model::UnknownDialect| Problem::bad(error.to_string()))?;
    let role = match create.role.parse() {
        Ok(Role::Admin) => return Err(Problem::bad("role: operators' keys are made on the command line")),
        Ok(role @ (Role::Requester | Role::Performer)) => role,
        Err(error) => return Err(Problem::bad(error.to_string())),
    };
    let expires_at = match create.expires_at.as_deref().map(Wall::parse) {
        None => None,
        Some(Some(at)) if at > now => Some(at),
        Some(_) => return Err(Problem::bad("expires_at: expected a time to come, such as 2031-03-04T05:10:00Z")),
    };
    Ok(NewKey {
        dialect,
        role,
        network: operator.network.clone(),
        group: create.group,
        device: create.device,
        name: create.name,
        permissions: create.permissions.unwrap_or_default(),
        expires_at,
    })
}

/// Revoke a key, and end the sessions that logged in with it.
///
/// Doing it twice is the same as doing it once.
#[utoipa::path(delete, path = "/tillgate/v1/keys/{id}", tag = "keys",
    params(("id" = String, Path, description = "The key's id")),
    responses((status = 200, body = Key), (status = 404, body = Problem, description = "No such key"),
        super::Refusals))]
pub(super) async fn revoke(
    operator: Operator,
    State(desk): State<Desk>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<Key>, Problem> {
    operator.may(Scope::WriteKeys)?;
    let Path(id) = id.map_err(bad_path)?;
    let id = CredentialId::parse(&id).map_err(|_| Problem::none("key"))?;
    let now = desk.house.clock.now().wall;
    find(&desk, &operator, &id).await?;
    let ended = id.clone();
    desk.change(move |store| store.end_credential(&ended, now, now)).await?;
    let revoked = find(&desk, &operator, &id).await?;
    tracing::info!(key = %revoked.id, by = %operator.credential, name = operator.name, "key revoked by an operator");
    Ok(Json(shown(now, &revoked)))
}

/// A key, if it may be seen.
async fn find(desk: &Desk, operator: &Operator, id: &CredentialId) -> Result<Credential, Problem> {
    let all = desk.read(|ledger| ledger.credentials()).await?;
    let seen = |credential: &Credential| credential.id == *id && operator.sight.sees(&credential.group);
    all.into_iter().find(seen).ok_or_else(|| Problem::none("key"))
}
