//! `tillgate webhooks`: what webhook endpoints were or are to be told, from the data folder, also while a gateway runs on
//! it. Bodies and addresses are not shown: both are the tenant's own.

use std::io;

use anyhow::ensure;
use clap::{ArgGroup, Args, Subcommand};
use model::{EndpointId, RequestKey, Timestamp, Wall};
use serde::Serialize;
use store::{Kept, KeptFilter, Stage, Store};

use crate::place::{self, Place};
use crate::talk;

pub(crate) const AFTER: &str = "\
A running gateway sends what is to be sent again within a second. With --json every event is one JSON object on a line of
its own. Exit codes: 0 done; 1 it could not be read, or there was nothing to send again; 2 the command line or the
configuration is wrong; 3 another process has the data folder and it is of an older version.";

const AFTER_LIST: &str = "\
STATE is one of

  waiting     told at NEXT, unless what the endpoint was to be told of the same transaction before is told later
  delivered   the endpoint took it
  given_up    tried as often as `webhook_tries` says; kept, and told no more unless it is sent again

LAST says when it was tried last, and what the endpoint answered.";

const AFTER_RESEND: &str = "\
Whatever is over, delivered or given up, is told again as if it had never been tried: the same bytes under the same id, so
that a receiver which counts an id once is not confused. What still waits goes on waiting.";

/// Rows read at once.
const PAGE: usize = 256;

/// `tillgate webhooks`.
#[derive(Subcommand)]
#[command(after_help = AFTER)]
pub(crate) enum Command {
    /// List events, oldest first
    #[command(after_help = AFTER_LIST)]
    List(List),
    /// Send events again
    #[command(after_help = AFTER_RESEND)]
    Resend(Resend),
}

#[derive(Args)]
pub(crate) struct List {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    which: Which,
    /// Only what was given up
    #[arg(long)]
    given_up: bool,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    limit: usize,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
#[command(group(ArgGroup::new("what").required(true).multiple(true).args(["events", "given_up"])))]
pub(crate) struct Resend {
    #[command(flatten)]
    place: Place,
    /// The events' ids, as `webhooks list` shows them
    #[arg(conflicts_with = "given_up")]
    events: Vec<String>,
    /// Everything that was given up
    #[arg(long)]
    given_up: bool,
    #[command(flatten)]
    which: Which,
}

#[derive(Args)]
struct Which {
    /// Only of this group
    #[arg(long, value_name = "G")]
    group: Option<String>,
    /// Only for this endpoint
    #[arg(long, value_name = "ID", value_parser = EndpointId::parse)]
    endpoint: Option<EndpointId>,
    /// Only of this transaction
    #[arg(long, value_name = "TRANSACTION", value_parser = RequestKey::parse)]
    id: Option<RequestKey>,
}

impl Which {
    fn filter(&self, given_up: bool) -> KeptFilter {
        let (endpoint, key) = (self.endpoint.clone(), self.id.clone());
        KeptFilter { group: self.group.as_deref().map(Into::into), endpoint, key, event: None, given_up }
    }
}

pub(crate) fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::List(list) => self::list(&list),
        Command::Resend(resend) => self::resend(&resend),
    }
}

fn list(list: &List) -> anyhow::Result<()> {
    let store = place::attach(&list.place.configuration()?)?;
    let reader = store.reader().map_err(place::explain)?;
    let filter = list.which.filter(list.given_up);
    let mut all = Vec::new();
    let mut after = 0;
    while all.len() <= list.limit {
        let page = reader.kept(after, PAGE, &filter).map_err(place::explain)?;
        let Some(last) = page.last() else { break };
        after = last.place;
        all.extend(page.iter().map(Line::new));
    }
    let more = all.len() > list.limit;
    all.truncate(list.limit);
    print(&all, list.json)?;
    if more {
        talk::say(format_args!("these are the oldest {}; --limit shows more", list.limit));
    }
    Ok(())
}

fn resend(resend: &Resend) -> anyhow::Result<()> {
    let mut store = place::attach(&resend.place.configuration()?)?;
    let now = Timestamp::from_millis(place::now().millis());
    if resend.given_up {
        let count = store.send_again(&resend.which.filter(true), now).map_err(place::explain)?;
        ensure!(count > 0, "nothing was given up");
        return Ok(talk::data(format_args!("{count} sent again"))?);
    }
    let mut missed = 0;
    for event in &resend.events {
        let filter = KeptFilter { event: Some(event.as_str().into()), ..resend.which.filter(false) };
        if store.send_again(&filter, now).map_err(place::explain)? > 0 {
            talk::data(format_args!("{event} sent again"))?;
        } else {
            talk::say(format_args!("tillgate: there is no event {event} that is over"));
            missed += 1;
        }
    }
    ensure!(missed == 0, "{missed} of {} events were not there, or still wait", resend.events.len());
    Ok(())
}

/// One event; its fields are the names in JSON.
#[derive(Serialize)]
struct Line {
    event: String,
    group: String,
    endpoint: String,
    transaction_id: String,
    operation: String,
    state: &'static str,
    tries: u32,
    next_at: Option<String>,
    last_at: Option<String>,
    last: Option<String>,
}

impl Line {
    fn new(kept: &Kept) -> Self {
        let (state, next) = match kept.stage {
            Stage::Waiting(next) => ("waiting", Some(next)),
            Stage::Delivered => ("delivered", None),
            Stage::GivenUp => ("given_up", None),
        };
        let (last_at, last) = kept.last.as_ref().map(|(at, said)| (time(*at), said.to_string())).unzip();
        Self {
            event: kept.event.to_string(),
            group: kept.group.name().to_owned(),
            endpoint: kept.endpoint.to_string(),
            transaction_id: kept.key.to_string(),
            operation: kept.operation.to_string(),
            state,
            tries: kept.tries,
            next_at: next.map(time),
            last_at,
            last,
        }
    }
}

/// What is stored as a time of a process's line is printed as wall time: the line began there.
fn time(at: Timestamp) -> String {
    Wall::from_millis(at.millis()).to_string()
}

fn print(lines: &[Line], as_json: bool) -> io::Result<()> {
    if as_json {
        return talk::lines(lines.iter().map(|line| serde_json::to_string(line).unwrap_or_default()));
    }
    let head = ["EVENT", "GROUP", "ENDPOINT", "TRANSACTION", "STATE", "TRIES", "NEXT", "LAST", ""].map(str::to_owned);
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let rows = lines.iter().map(|line| {
        [
            line.event.clone(),
            line.group.clone(),
            line.endpoint.clone(),
            line.transaction_id.clone(),
            line.state.to_owned(),
            line.tries.to_string(),
            or_none(&line.next_at),
            or_none(&line.last_at),
            or_none(&line.last),
        ]
    });
    talk::table(head, rows)
}
