//! Operations: listed and read from what is stored, waited for, taken back.

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use model::setting::parse_duration;
use model::{
    DeviceId, Dialect, FailCause, GroupId, Now, OperationId, OperationRow, Outcome, OutcomeKind, RequestKey, Sight,
    Target, Timestamp, Wall,
};
use serde::{Deserialize, Serialize};
use store::{Filter, Progress};
use utoipa::{IntoParams, ToSchema};

use super::access::{Operator, Scope};
use super::problem::Problem;
use super::{Desk, bad_path, bad_query, page};

/// How long a cancel waits for the outcome it brings about.
const CANCELLED_WITHIN: Duration = Duration::from_secs(5);

/// A piece of work. What was asked and what was answered is between its requester and the device, and not shown.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Operation {
    /// Our id; grows with time.
    id: String,
    /// In which protocol.
    dialect: String,
    /// The tenant, as its dialect knows it.
    group: String,
    /// What kind of work, in the dialect's word.
    kind: String,
    /// The requester's id for it; unique in its group.
    key: String,
    /// Who asked.
    requester: String,
    /// The requester's name as people read it.
    requester_name: String,
    /// For whom it is: `device`, `any_of_group`, `first_idle` or `serving`.
    target: String,
    /// The device or the served name, where the target has one.
    target_name: Option<String>,
    /// How it stands.
    state: OperationState,
    /// What is not completed or declined: `not_delivered` (safe to retry) or `unknown` (ask the device).
    certainty: Option<String>,
    /// Why it failed: `performer_lost`, `performer`, `absent` or `service`.
    cause: Option<String>,
    /// When it was accepted.
    #[schema(format = DateTime)]
    accepted_at: String,
    /// Until when a device must have it.
    #[schema(format = DateTime)]
    deliver_by: Option<String>,
    /// Until when it must have an outcome.
    #[schema(format = DateTime)]
    answer_by: String,
    /// When it ended.
    #[schema(format = DateTime)]
    ended_at: Option<String>,
    /// When the device said something after the end.
    #[schema(format = DateTime)]
    late_answer_at: Option<String>,
    /// The work this one makes good for.
    compensates: Option<String>,
    /// The work that makes good for this one.
    compensated_by: Option<String>,
}

/// How a piece of work stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum OperationState {
    /// It has no outcome yet.
    Running,
    Completed,
    Declined,
    Failed,
    Expired,
    Cancelled,
}

impl OperationState {
    fn of(row: &OperationRow) -> Self {
        match Progress::of(row) {
            Progress::Running => Self::Running,
            Progress::Ended(OutcomeKind::Completed) => Self::Completed,
            Progress::Ended(OutcomeKind::Declined) => Self::Declined,
            Progress::Ended(OutcomeKind::Failed) => Self::Failed,
            Progress::Ended(OutcomeKind::Expired) => Self::Expired,
            Progress::Ended(OutcomeKind::Cancelled) => Self::Cancelled,
        }
    }

    const fn progress(self) -> Progress {
        Progress::Ended(match self {
            Self::Running => return Progress::Running,
            Self::Completed => OutcomeKind::Completed,
            Self::Declined => OutcomeKind::Declined,
            Self::Failed => OutcomeKind::Failed,
            Self::Expired => OutcomeKind::Expired,
            Self::Cancelled => OutcomeKind::Cancelled,
        })
    }
}

fn shown(now: Now, row: &OperationRow) -> Operation {
    let time = |at: Timestamp| now.wall_at(at).to_string();
    let (target, target_name) = match &row.target {
        Target::Device(device) => ("device", Some(device.to_string())),
        Target::AnyOfGroup => ("any_of_group", None),
        Target::FirstIdle => ("first_idle", None),
        Target::Serving(name) => ("serving", Some(name.to_string())),
    };
    let cause = match &row.outcome {
        Some((Outcome::Failed { cause, .. }, _)) => Some(FailCause::label(*cause).to_owned()),
        Some(_) | None => None,
    };
    let certainty = row.outcome.as_ref().and_then(|(outcome, _)| outcome.certainty());
    Operation {
        id: row.id.to_string(),
        dialect: row.dialect.to_string(),
        group: row.group.name().to_owned(),
        kind: row.kind.to_string(),
        key: row.key.to_string(),
        requester: row.requester.to_string(),
        requester_name: row.requester_name.to_string(),
        target: target.to_owned(),
        target_name,
        state: OperationState::of(row),
        certainty: certainty.map(|certainty| certainty.label().to_owned()),
        cause,
        accepted_at: time(row.accepted_at),
        deliver_by: row.deliver_by.map(time),
        answer_by: time(row.answer_by),
        ended_at: row.outcome.as_ref().map(|(_, at)| time(*at)),
        late_answer_at: row.late.as_ref().map(|(_, at)| time(*at)),
        compensates: row.about.map(|about| about.to_string()),
        compensated_by: row.compensation.as_ref().map(|(by, _)| by.to_string()),
    }
}

/// Which operations are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Of this protocol.
    dialect: Option<String>,
    /// Of this group; its dialect is needed too.
    group: Option<String>,
    /// For this device and no other.
    device: Option<String>,
    /// Asked for under this key.
    key: Option<String>,
    /// That stand like this.
    #[param(inline)]
    state: Option<OperationState>,
    /// Accepted then or later.
    #[param(format = DateTime)]
    since: Option<String>,
    /// Accepted before then.
    #[param(format = DateTime)]
    until: Option<String>,
    /// Work of the gateway's own too, that makes good for other work.
    with_compensations: Option<bool>,
    /// What an earlier page called `next`.
    cursor: Option<String>,
    /// How many at most.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u64>,
}

/// Operations, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Operations {
    operations: Vec<Operation>,
    /// The cursor of the next page; none when this is the last.
    next: Option<String>,
}

/// List operations, oldest first.
#[utoipa::path(get, path = "/tillgate/v1/operations", tag = "operations", params(Wanted),
    responses((status = 200, body = Operations), super::Refusals))]
pub(super) async fn list(
    operator: Operator,
    State(desk): State<Desk>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<Operations>, Problem> {
    operator.may(Scope::ReadOperations)?;
    let Query(wanted) = wanted.map_err(bad_query)?;
    let limit = page::limit(wanted.limit)?;
    let after = match &wanted.cursor {
        Some(cursor) => Some(parse_id(cursor).ok_or_else(page::bad_cursor)?),
        None => None,
    };
    let now = desk.house.clock.now();
    let time = |name: &str, text: &Option<String>| match text {
        None => Ok(None),
        Some(text) => Wall::parse(text)
            .map(|wall| Some(now.at_wall(wall)))
            .ok_or_else(|| Problem::bad(format!("{name}: expected a time such as 2031-03-04T05:10:00Z"))),
    };
    let parsed = |name: &str, error: model::BadId| Problem::bad(format!("{name}: {error}"));
    let mut filter = Filter {
        dialect: None,
        group: None,
        device: wanted.device.as_deref().map(DeviceId::parse).transpose().map_err(|error| parsed("device", error))?,
        key: wanted.key.as_deref().map(RequestKey::parse).transpose().map_err(|error| parsed("key", error))?,
        progress: wanted.state.map(OperationState::progress),
        since: time("since", &wanted.since)?,
        until: time("until", &wanted.until)?,
        with_compensations: wanted.with_compensations.unwrap_or(false),
    };
    match operator.narrowed(wanted.dialect.as_deref(), wanted.group.as_deref())? {
        None => return Ok(Json(Operations { operations: Vec::new(), next: None })),
        Some(Sight::Every) => {}
        Some(Sight::Dialect(dialect)) => filter.dialect = Some(dialect),
        Some(Sight::Group(group)) => (filter.dialect, filter.group) = (group.dialect(), Some(group.name().into())),
    }
    let mut found = desk.read(move |ledger| ledger.page(after, limit + 1, &filter)).await?;
    let more = page::cut(&mut found, limit);
    let next = found.last().filter(|_| more).map(|last| last.id.to_string());
    Ok(Json(Operations { operations: found.iter().map(|row| shown(now, row)).collect(), next }))
}

/// Whether to wait.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wait {
    /// Answer when it has its outcome, or after so long with what there is: at most `operator_wait_most`, which is `60s`.
    #[param(example = "30s", pattern = r"^([0-9]|[1-5][0-9]|60)s$")]
    wait: Option<String>,
}

impl Wait {
    fn span(&self, desk: &Desk) -> Result<Duration, Problem> {
        let Some(text) = &self.wait else { return Ok(Duration::ZERO) };
        let most = desk.house.settings.operator_wait_most;
        let span = parse_duration(text).filter(|span| *span <= most);
        span.ok_or_else(|| Problem::bad(format!("wait: expected a duration such as 30s, at most {most:?}")))
    }
}

/// How an operation is found.
#[derive(Clone)]
enum Name {
    Id(OperationId),
    Key(GroupId, RequestKey),
}

/// The operation, if it may be seen.
async fn find(desk: &Desk, operator: &Operator, name: &Name) -> Result<OperationRow, Problem> {
    let asked = name.clone();
    let row = desk
        .read(move |ledger| match asked {
            Name::Id(id) => {
                let filter = Filter { with_compensations: true, ..Filter::default() };
                let before = id.number().checked_sub(1).map(OperationId::from_number);
                let rows = ledger.page(before, 1, &filter)?;
                Ok(rows.into_iter().next().filter(|row| row.id == id))
            }
            Name::Key(group, key) => ledger.newest(&group, &key),
        })
        .await?;
    row.filter(|row| operator.sight.sees(&row.group)).ok_or_else(|| Problem::none("operation"))
}

/// The operation once it has its outcome, or as it is after a while.
async fn find_ended(desk: &Desk, operator: &Operator, name: &Name, wait: Duration) -> Result<OperationRow, Problem> {
    let ring = &desk.house.office.ring;
    let until = desk.house.clock.now().at.after(wait);
    let mut bell = ring.listen();
    let mut from = ring.next();
    loop {
        let row = find(desk, operator, name).await?;
        if row.outcome.is_some() || wait.is_zero() {
            return Ok(row);
        }
        loop {
            let is_over = tokio::select! {
                biased;
                changed = bell.changed() => changed.is_err() || desk.house.is_draining(),
                () = desk.house.clock.until(until) => true,
            };
            if is_over {
                return find(desk, operator, name).await;
            }
            let (ended, next) = ring.may_have_ended(row.id, from);
            from = next;
            if ended {
                break;
            }
        }
    }
}

/// Get one operation by our id.
#[utoipa::path(get, path = "/tillgate/v1/operations/{id}", tag = "operations",
    params(("id" = String, Path, description = "Our id for it"), Wait),
    responses((status = 200, body = Operation), (status = 404, body = Problem, description = "No such operation"),
        super::Refusals))]
pub(super) async fn get(
    operator: Operator,
    State(desk): State<Desk>,
    id: Result<Path<String>, PathRejection>,
    wait: Result<Query<Wait>, QueryRejection>,
) -> Result<Json<Operation>, Problem> {
    operator.may(Scope::ReadOperations)?;
    let Path(id) = id.map_err(bad_path)?;
    let wait = wait.map_err(bad_query)?.0.span(&desk)?;
    let name = Name::Id(parse_id(&id).ok_or_else(|| Problem::none("operation"))?);
    let row = find_ended(&desk, &operator, &name, wait).await?;
    Ok(Json(shown(desk.house.clock.now(), &row)))
}

/// Get the newest operation of a group under its requester's key.
#[utoipa::path(get, path = "/tillgate/v1/groups/{dialect}/{group}/operations/{key}", tag = "operations",
    params(("dialect" = String, Path, description = "Its protocol"), ("group" = String, Path, description = "Its group"),
        ("key" = String, Path, description = "The requester's id for it"), Wait),
    responses((status = 200, body = Operation), (status = 404, body = Problem, description = "No such operation"),
        super::Refusals))]
pub(super) async fn get_by_key(
    operator: Operator,
    State(desk): State<Desk>,
    path: Result<Path<(String, String, String)>, PathRejection>,
    wait: Result<Query<Wait>, QueryRejection>,
) -> Result<Json<Operation>, Problem> {
    operator.may(Scope::ReadOperations)?;
    let Path((dialect, group, key)) = path.map_err(bad_path)?;
    let wait = wait.map_err(bad_query)?.0.span(&desk)?;
    let none = || Problem::none("operation");
    let dialect: Dialect = dialect.parse().map_err(|_| none())?;
    let group = GroupId::of(dialect, &group).map_err(|_| none())?;
    if !operator.sight.sees(&group) {
        return Err(none());
    }
    let name = Name::Key(group, RequestKey::parse(&key).map_err(|_| none())?);
    let row = find_ended(&desk, &operator, &name, wait).await?;
    Ok(Json(shown(desk.house.clock.now(), &row)))
}

/// Cancel an operation, whoever asked for it.
///
/// Its requester hears the outcome. Whether the device had begun says `certainty`.
#[utoipa::path(post, path = "/tillgate/v1/operations/{id}/cancel", tag = "operations",
    params(("id" = String, Path, description = "Our id for it")),
    responses((status = 200, body = Operation, description = "It is cancelled"),
        (status = 202, body = Operation, description = "An answer is being decided upon: it ends with that or is cancelled"),
        (status = 404, body = Problem, description = "No such operation"),
        (status = 409, body = Problem, description = "It has ended otherwise, or makes good for other work"),
        super::Refusals))]
pub(super) async fn cancel(
    operator: Operator,
    State(desk): State<Desk>,
    id: Result<Path<String>, PathRejection>,
) -> Result<(StatusCode, Json<Operation>), Problem> {
    operator.may(Scope::CancelOperations)?;
    let Path(id) = id.map_err(bad_path)?;
    let id = parse_id(&id).ok_or_else(|| Problem::none("operation"))?;
    let row = find(&desk, &operator, &Name::Id(id)).await?;
    if row.about.is_some() {
        let told = "it makes good for other work, and that is not stopped";
        return Err(Problem::new(StatusCode::CONFLICT, "not_cancellable", told));
    }
    if row.outcome.is_none() {
        tracing::info!(operation = %id, by = %operator.credential, name = operator.name, "operation cancelled by an operator");
        desk.house.take_back(id);
    }
    let row = find_ended(&desk, &operator, &Name::Id(id), CANCELLED_WITHIN).await?;
    let shown = Json(shown(desk.house.clock.now(), &row));
    match OperationState::of(&row) {
        OperationState::Cancelled => Ok((StatusCode::OK, shown)),
        OperationState::Running => Ok((StatusCode::ACCEPTED, shown)),
        ended @ (OperationState::Completed
        | OperationState::Declined
        | OperationState::Failed
        | OperationState::Expired) => {
            let told = format!("it has ended: {}", format!("{ended:?}").to_lowercase());
            Err(Problem::new(StatusCode::CONFLICT, "ended", told))
        }
    }
}

/// Our id, exactly as we write it.
fn parse_id(text: &str) -> Option<OperationId> {
    let number = u64::from_str_radix(text, 16).ok().filter(|number| i64::try_from(*number).is_ok())?;
    let id = OperationId::from_number(number);
    (id.to_string() == text).then_some(id)
}
