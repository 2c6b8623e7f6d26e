//! What an operator may see of the groups, and what is shown of live things.

use std::net::IpAddr;

use crate::{DeviceId, DeviceState, Dialect, GroupId, PrincipalId, Role, Route, Wall};

/// Which groups somebody may see. What lies outside does not exist for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sight {
    /// Every group there is.
    Every,
    /// Those of one protocol.
    Dialect(Dialect),
    /// One group.
    Group(GroupId),
}

impl Sight {
    /// What a credential of that group may see.
    #[must_use]
    pub fn of(group: &GroupId) -> Self {
        if group.is_every() { Self::Every } else { Self::Group(group.clone()) }
    }

    /// Whether a group lies within.
    #[must_use]
    pub fn sees(&self, group: &GroupId) -> bool {
        match self {
            Self::Every => true,
            Self::Dialect(dialect) => group.dialect() == Some(*dialect),
            Self::Group(only) => only == group,
        }
    }
}

/// A device, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceSeen {
    /// Its group.
    pub group: GroupId,
    /// What is known of it.
    pub state: DeviceState,
}

/// A live session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionSeen {
    /// Where it lives.
    pub route: Route,
    /// In which protocol.
    pub dialect: Dialect,
    /// In which role.
    pub role: Role,
    /// Whose group.
    pub group: GroupId,
    /// Who it is.
    pub principal: PrincipalId,
    /// The name people read.
    pub name: Box<str>,
    /// The device it is, when it named one.
    pub device: Option<DeviceId>,
    /// Where it comes from.
    pub peer: IpAddr,
    /// When it was opened.
    pub since: Wall,
}
