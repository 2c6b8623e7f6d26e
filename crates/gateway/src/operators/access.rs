//! Who asks, and what they may: a Bearer key, its scopes and the groups it sees.

use std::net::IpAddr;
use std::sync::PoisonError;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use model::{CredentialId, Denied, Dialect, Digest, GroupId, NetworkId, Permissions, Secret, Sight};

use super::Desk;
use super::problem::Problem;

/// What an operator's key may be allowed, in the words of its permissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// See operations.
    ReadOperations,
    /// Take operations back.
    CancelOperations,
    /// See devices and their presence.
    ReadDevices,
    /// See sessions.
    ReadSessions,
    /// End sessions.
    CloseSessions,
    /// See keys, without their secrets.
    ReadKeys,
    /// Make and revoke keys.
    WriteKeys,
    /// Hear events.
    ReadEvents,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::ReadOperations,
        Self::CancelOperations,
        Self::ReadDevices,
        Self::ReadSessions,
        Self::CloseSessions,
        Self::ReadKeys,
        Self::WriteKeys,
        Self::ReadEvents,
    ];

    /// The word of the permission.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ReadOperations => "operations:read",
            Self::CancelOperations => "operations:cancel",
            Self::ReadDevices => "devices:read",
            Self::ReadSessions => "sessions:read",
            Self::CloseSessions => "sessions:close",
            Self::ReadKeys => "keys:read",
            Self::WriteKeys => "keys:write",
            Self::ReadEvents => "events:read",
        }
    }
}

/// Where a request comes from, as the connection knows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller {
    pub(crate) address: IpAddr,
    pub(crate) certificate: Option<Digest>,
}

/// Somebody whose key is good.
#[derive(Debug)]
pub(super) struct Operator {
    pub(super) credential: CredentialId,
    pub(super) name: Box<str>,
    pub(super) sight: Sight,
    pub(super) network: NetworkId,
    permissions: Permissions,
}

impl Operator {
    /// Whether the key allows that.
    pub(super) fn may(&self, scope: Scope) -> Result<(), Problem> {
        if self.permissions.allow(scope.name()) {
            return Ok(());
        }
        let told = format!("this key lacks the permission {}", scope.name());
        Err(Problem::forbidden(told))
    }

    /// What is seen of what was asked for; none when nothing of it may be seen.
    pub(super) fn narrowed(&self, dialect: Option<&str>, group: Option<&str>) -> Result<Option<Sight>, Problem> {
        let dialect = dialect.map(|word| word.parse::<Dialect>().map_err(|error| Problem::bad(error.to_string())));
        let wanted = match (dialect.transpose()?, group) {
            (None, None) => return Ok(Some(self.sight.clone())),
            (None, Some(_)) => return Err(Problem::bad("group: name its dialect too")),
            (Some(dialect), None) => Sight::Dialect(dialect),
            (Some(dialect), Some(group)) => {
                Sight::Group(GroupId::of(dialect, group).map_err(|error| Problem::bad(format!("group: {error}")))?)
            }
        };
        Ok(match (&self.sight, &wanted) {
            (Sight::Group(own), wanted) => wanted.sees(own).then(|| self.sight.clone()),
            (Sight::Every | Sight::Dialect(_), _) => Some(wanted),
        })
    }
}

impl FromRequestParts<Desk> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, desk: &Desk) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Caller>().copied();
        let caller = caller.ok_or_else(|| Problem::later("the request came from nowhere"))?;
        let now = desk.house.clock.now();
        let who = caller.address.to_string();
        let presented = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let secret = presented.and_then(|value| {
            let (scheme, secret) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| Secret::new(secret.trim()))
        });
        let Some(secret) = secret else {
            return Err(Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", "expected Authorization: Bearer KEY"));
        };
        let found = desk.house.office.directory().operator(now.wall, &secret, caller.certificate);
        let mut throttle = desk.house.office.throttle.lock().unwrap_or_else(PoisonError::into_inner);
        // A good key is never held off: others behind its address may guess as they like.
        let denied = match found {
            Ok(principal) => {
                return Ok(Self {
                    credential: principal.credential.clone(),
                    name: principal.name.clone(),
                    sight: Sight::of(&principal.group),
                    network: principal.network.clone(),
                    permissions: principal.permissions.clone(),
                });
            }
            Err(denied) => denied,
        };
        if let Some(wait) = throttle.wait(now.at, caller.address, &who) {
            let told = "too many wrong keys from this address";
            return Err(
                Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", told).after(wait.as_secs() + 1)
            );
        }
        throttle.failed(now.at, caller.address, &who);
        tracing::warn!(peer = %caller.address, denied = denied.label(), "operator's key refused");
        Err(match denied {
            Denied::WrongRole => Problem::forbidden("this key is no operator's"),
            Denied::Unknown
            | Denied::Expired
            | Denied::Revoked
            | Denied::BadProof
            | Denied::WrongCertificate
            | Denied::Throttled(_) => Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", "this key is not good"),
        })
    }
}
