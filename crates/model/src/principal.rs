//! Who a credential proves, and what that allows.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use crate::{CredentialId, DeviceId, GroupId, NetworkId, Partition, PrincipalId};

/// One vendor's protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dialect {
    /// Modulus Labs Terminal Gateway.
    Modulus,
    /// Fingerprint Service.
    Fingerprint,
    /// Fieldpine FD1.
    Fd1,
    /// PowerEPOS Order N Pay.
    Ordernpay,
    /// BOOP vendor socket.
    Boop,
}

impl Dialect {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 5] = [Self::Modulus, Self::Fingerprint, Self::Fd1, Self::Ordernpay, Self::Boop];

    /// The word used in code, logs, configuration and documentation.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Modulus => "modulus",
            Self::Fingerprint => "fingerprint",
            Self::Fd1 => "fd1",
            Self::Ordernpay => "ordernpay",
            Self::Boop => "boop",
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A word that names no dialect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownDialect(pub String);

impl fmt::Display for UnknownDialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no dialect is called {:?}; there are modulus, fingerprint, fd1, ordernpay and boop", self.0)
    }
}

impl std::error::Error for UnknownDialect {}

impl std::str::FromStr for Dialect {
    type Err = UnknownDialect;

    fn from_str(text: &str) -> Result<Self, UnknownDialect> {
        Self::ALL.into_iter().find(|dialect| dialect.name() == text).ok_or_else(|| UnknownDialect(text.to_owned()))
    }
}

/// What a principal may be on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Asks for work.
    Requester,
    /// Does the work.
    Performer,
    /// Looks after it.
    Admin,
}

impl Role {
    /// The word used in code, logs, configuration and documentation.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Requester => "requester",
            Self::Performer => "performer",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A word that names no role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownRole(pub String);

impl fmt::Display for UnknownRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no role is called {:?}; there are requester, performer and admin", self.0)
    }
}

impl std::error::Error for UnknownRole {}

impl std::str::FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        [Self::Requester, Self::Performer, Self::Admin]
            .into_iter()
            .find(|role| role.name() == text)
            .ok_or_else(|| UnknownRole(text.to_owned()))
    }
}

/// What a credential allows beyond its roles.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Permissions {
    /// Everything its roles can mean: the default of a credential made without a list.
    #[default]
    All,
    /// Only what is listed, each in the dialect's own words.
    Only(BTreeSet<Box<str>>),
}

impl Permissions {
    /// Whether `what` is allowed.
    #[must_use]
    pub fn allow(&self, what: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(listed) => listed.contains(what),
        }
    }
}

/// Who a credential proves. Only the directory makes one from a presented secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Stable across key rotation.
    pub id: PrincipalId,
    /// The protocol it speaks.
    pub dialect: Dialect,
    /// What its group shares with others.
    pub network: NetworkId,
    /// The tenant scope it lives in.
    pub group: GroupId,
    /// The group's partition, computed once.
    pub partition: Partition,
    /// What it may be.
    pub role: Role,
    /// The device it is, for a performer whose key names one.
    pub device: Option<DeviceId>,
    /// The credential that proved it; revoking that ends its sessions.
    pub credential: CredentialId,
    /// The name people read, such as a shop's.
    pub name: Box<str>,
    /// What it may do beyond its role.
    pub permissions: Permissions,
}

/// Why a presented credential was not accepted. What the peer hears is the dialect's business.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// No such credential, or the wrong secret for it: peers never learn which.
    Unknown,
    /// The right secret, but its time is over.
    Expired,
    /// The right secret, but it was revoked.
    Revoked,
    /// The right secret, but for another role than this door's.
    WrongRole,
    /// The right name, but what it signed was not signed with its secret.
    BadProof,
    /// Another certificate than the one the credential is bound to, or none.
    WrongCertificate,
    /// Too many wrong tries from this address or for this name; come back after the duration.
    Throttled(Duration),
}

impl Denied {
    /// The bounded word for logs and metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::WrongRole => "wrong_role",
            Self::BadProof => "bad_proof",
            Self::WrongCertificate => "wrong_certificate",
            Self::Throttled(_) => "throttled",
        }
    }
}
