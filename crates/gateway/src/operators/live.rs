//! What is live: devices with their presence, and sessions, which can be ended. Cores are asked, each for its own.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use model::{DeviceId, DeviceSeen, GroupId, Partition, Presence, Reason, Route, SessionSeen, Sight};
use serde::Serialize;
use utoipa::ToSchema;

use super::access::{Operator, Scope};
use super::page::Wanted;
use super::problem::Problem;
use super::{Desk, bad_path, bad_query, page};

/// Something that does work on a counter.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Device {
    /// In which protocol.
    dialect: String,
    /// The tenant, as its dialect knows it.
    group: String,
    /// Its name; that of its connection when it has none.
    device: String,
    /// Whether it can be given work now.
    presence: DevicePresence,
    /// The connection it has or had last, as its dialect prints it.
    connection: Option<String>,
    /// When that connection was let in; when it was last seen, without one.
    #[schema(format = DateTime)]
    since: String,
    /// When it last said something about work, or came.
    #[schema(format = DateTime)]
    active_at: String,
}

/// Whether a device can be given work.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum DevicePresence {
    Online,
    /// Its connection ended, and may come back.
    Away,
    Offline,
}

/// Devices, group by group.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Devices {
    devices: Vec<Device>,
    /// The cursor of the next page; none when this is the last.
    next: Option<String>,
}

fn device(seen: &DeviceSeen) -> Device {
    let state = &seen.state;
    let partition = Partition::of(&seen.group);
    Device {
        dialect: seen.group.dialect().map(|dialect| dialect.to_string()).unwrap_or_default(),
        group: seen.group.name().to_owned(),
        device: state.device.to_string(),
        presence: match state.presence {
            Presence::Online => DevicePresence::Online,
            Presence::Away => DevicePresence::Away,
            Presence::Offline => DevicePresence::Offline,
        },
        connection: state.epoch.map(|epoch| epoch.connection(partition)),
        since: state.since.to_string(),
        active_at: state.active.to_string(),
    }
}

/// List devices and whether they are there, group by group.
#[utoipa::path(get, path = "/tillgate/v1/devices", tag = "live", params(Wanted),
    responses((status = 200, body = Devices), super::Refusals))]
pub(super) async fn devices(
    operator: Operator,
    State(desk): State<Desk>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<Devices>, Problem> {
    operator.may(Scope::ReadDevices)?;
    let Query(wanted) = wanted.map_err(bad_query)?;
    let limit = page::limit(wanted.limit)?;
    let after = match &wanted.cursor {
        // A group's name may hold anything but control characters.
        Some(cursor) => Some(cursor_of_device(cursor).ok_or_else(page::bad_cursor)?),
        None => None,
    };
    let sight = operator.narrowed(wanted.dialect.as_deref(), wanted.group.as_deref())?;
    let Some(sight) = sight else { return Ok(Json(Devices { devices: Vec::new(), next: None })) };
    let mut seen = Vec::new();
    for core in 0..desk.house.inboxes.len() {
        let (sight, after) = (sight.clone(), after.clone());
        seen.extend(desk.look(core, move |machine| machine.devices(&sight, after.as_ref(), limit + 1)).await?);
    }
    // As each core gives them.
    seen.sort_by_cached_key(|seen| (Partition::of(&seen.group), seen.group.clone(), seen.state.device.clone()));
    let more = page::cut(&mut seen, limit);
    let next = seen.last().filter(|_| more).map(|last| format!("{}\t{}", last.group, last.state.device));
    Ok(Json(Devices { devices: seen.iter().map(device).collect(), next }))
}

fn cursor_of_device(cursor: &str) -> Option<(GroupId, DeviceId)> {
    let (group, device) = cursor.split_once('\t')?;
    Some((GroupId::parse(group).ok()?, DeviceId::parse(device).ok()?))
}

/// A live connection that was let in.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Session {
    /// Never used again, also after a restart.
    id: String,
    /// In which protocol.
    dialect: String,
    /// The tenant, as its dialect knows it.
    group: String,
    /// `requester` or `performer`.
    role: String,
    /// Who it is.
    principal: String,
    /// The name people read.
    name: String,
    /// The device it is, when it named one.
    device: Option<String>,
    /// The address it comes from.
    peer: String,
    /// When it was opened.
    #[schema(format = DateTime)]
    since: String,
}

/// Sessions.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Sessions {
    sessions: Vec<Session>,
    /// The cursor of the next page; none when this is the last.
    next: Option<String>,
}

fn session(start: u64, seen: &SessionSeen) -> Session {
    Session {
        id: id(start, seen.route),
        dialect: seen.dialect.to_string(),
        group: seen.group.name().to_owned(),
        role: seen.role.to_string(),
        principal: seen.principal.to_string(),
        name: seen.name.to_string(),
        device: seen.device.as_ref().map(ToString::to_string),
        peer: seen.peer.to_string(),
        since: seen.since.to_string(),
    }
}

/// A session's id: of this process, of this core, never used twice.
fn id(start: u64, route: Route) -> String {
    format!("{start:x}-{:x}-{:x}", route.core, route.slot)
}

fn parse_id(start: u64, text: &str) -> Option<Route> {
    let mut parts = text.splitn(3, '-').skip(1);
    let core = u8::from_str_radix(parts.next()?, 16).ok()?;
    let route = Route { core, slot: u64::from_str_radix(parts.next()?, 16).ok()? };
    (id(start, route) == text).then_some(route)
}

/// List sessions, core by core, oldest first.
#[utoipa::path(get, path = "/tillgate/v1/sessions", tag = "live", params(Wanted),
    responses((status = 200, body = Sessions), super::Refusals))]
pub(super) async fn sessions(
    operator: Operator,
    State(desk): State<Desk>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<Sessions>, Problem> {
    operator.may(Scope::ReadSessions)?;
    let Query(wanted) = wanted.map_err(bad_query)?;
    let limit = page::limit(wanted.limit)?;
    let start = desk.house.office.start;
    let after = match &wanted.cursor {
        Some(cursor) => Some(parse_id(start, cursor).ok_or_else(page::bad_cursor)?),
        None => None,
    };
    let sight = operator.narrowed(wanted.dialect.as_deref(), wanted.group.as_deref())?;
    let Some(sight) = sight else { return Ok(Json(Sessions { sessions: Vec::new(), next: None })) };
    let mut seen: Vec<SessionSeen> = Vec::new();
    let first = after.map_or(0, |after| usize::from(after.core));
    for core in first..desk.house.inboxes.len() {
        let after = after.filter(|after| usize::from(after.core) == core).map(|after| after.slot);
        let (sight, most): (Sight, usize) = (sight.clone(), limit + 1 - seen.len());
        seen.extend(desk.look(core, move |machine| machine.sessions(&sight, after, most)).await?);
        if seen.len() > limit {
            break;
        }
    }
    let more = page::cut(&mut seen, limit);
    let next = seen.last().filter(|_| more).map(|last| id(start, last.route));
    Ok(Json(Sessions { sessions: seen.iter().map(|seen| session(start, seen)).collect(), next }))
}

/// A session that is ended.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Closed {
    session: Session,
    /// The reason its peer is told.
    reason: String,
}

/// Close a session.
///
/// Its peer is told in its dialect's words and may come back later; to keep it out, revoke its key.
#[utoipa::path(delete, path = "/tillgate/v1/sessions/{id}", tag = "live",
    params(("id" = String, Path, description = "The session's id")),
    responses((status = 200, body = Closed), (status = 404, body = Problem, description = "No such session"),
        super::Refusals))]
pub(super) async fn close(
    operator: Operator,
    State(desk): State<Desk>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<Closed>, Problem> {
    operator.may(Scope::CloseSessions)?;
    let Path(text) = path.map_err(bad_path)?;
    let none = || Problem::none("session");
    let start = desk.house.office.start;
    let route = parse_id(start, &text).ok_or_else(none)?;
    let core = usize::from(route.core);
    if core >= desk.house.inboxes.len() {
        return Err(none());
    }
    let seen = desk.look(core, move |machine| machine.session(route)).await?;
    let seen = seen.filter(|seen| operator.sight.sees(&seen.group)).ok_or_else(none)?;
    tracing::info!(
        session = text,
        principal = %seen.principal,
        by = %operator.credential,
        name = operator.name,
        "session closed by an operator"
    );
    desk.house.dismiss(route);
    Ok(Json(Closed { session: session(start, &seen), reason: Reason::Dismissed.label().to_owned() }))
}
