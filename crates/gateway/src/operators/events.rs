//! Events as they happen, over server-sent events. A listener reads the ring at its own pace; one that falls behind what
//! is kept is told so and let go, and nobody waits for it.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hyper::body::Frame;
use model::{Alert, CredentialId, Event, Happening, Sight, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use utoipa::{IntoParams, ToSchema};

use super::access::{Operator, Scope};
use super::problem::Problem;
use super::ring::Read;
use super::{Desk, EVENT_STREAM, Place, bad_query};

/// How often something is said when nothing happens.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(15);
/// Events said in one piece.
const EVENTS_AT_ONCE: usize = 64;

/// Whose events are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Of this protocol.
    dialect: Option<String>,
    /// Of this group; its dialect is needed too.
    group: Option<String>,
}

/// The `data` of an event. Its `event` is the word in `what`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Said {
    /// `presence`, `accepted`, `ended` or `alert`.
    what: &'static str,
    /// In which protocol.
    dialect: String,
    /// The tenant, as its dialect knows it.
    group: String,
    /// When it happened.
    #[schema(format = DateTime)]
    at: String,
    /// Which operation, where it is about one.
    operation: Option<String>,
    /// The id a device named, where there is no operation of that id.
    key: Option<String>,
    /// Which device, where it is about one.
    device: Option<String>,
    /// Who, where it is about somebody.
    principal: Option<String>,
    /// Accepted: the kind of work. Presence: `online`, `away`, `offline`. Ended: how. Alert: which.
    detail: String,
}

fn said(event: &Event) -> Said {
    let mut said = Said {
        what: "presence",
        dialect: event.group.dialect().map(|dialect| dialect.to_string()).unwrap_or_default(),
        group: event.group.name().to_owned(),
        at: event.wall.to_string(),
        operation: None,
        key: None,
        device: None,
        principal: None,
        detail: String::new(),
    };
    match &event.happening {
        Happening::Presence { device, presence, .. } => {
            said.device = Some(device.to_string());
            presence.label().clone_into(&mut said.detail);
        }
        Happening::Accepted { operation, kind } => {
            said.what = "accepted";
            said.operation = Some(operation.to_string());
            said.detail = kind.to_string();
        }
        Happening::Ended { operation, how } => {
            said.what = "ended";
            said.operation = Some(operation.to_string());
            how.label().clone_into(&mut said.detail);
        }
        Happening::Alert(alert) => {
            said.what = "alert";
            alert.label().clone_into(&mut said.detail);
            match alert {
                Alert::TakeoverWar { principal } => said.principal = Some(principal.to_string()),
                Alert::Contradiction { operation, device } => {
                    said.operation = Some(operation.to_string());
                    said.device = Some(device.to_string());
                }
                Alert::Unasked { key, device } => {
                    said.key = Some(key.to_string());
                    said.device = Some(device.to_string());
                }
                Alert::NotCompensated { operation } => said.operation = Some(operation.to_string()),
                Alert::GivenUp { operation, principal } => {
                    said.operation = Some(operation.to_string());
                    said.principal = Some(principal.to_string());
                }
            }
        }
    }
    said
}

/// Hear events as they happen, as server-sent events.
///
/// With the header `Last-Event-ID` it goes on behind that one; when some are missing since, the first is `gap`. The last
/// one is `end`, with the reason: `too_slow`, `draining` or `revoked`.
#[utoipa::path(get, path = "/tillgate/v1/events", tag = "events",
    params(Wanted, ("Last-Event-ID" = Option<String>, Header, description = "The last event heard")),
    responses((status = 200, content_type = "text/event-stream", body = Said), super::Refusals))]
pub(super) async fn events(
    operator: Operator,
    State(desk): State<Desk>,
    headers: HeaderMap,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, Problem> {
    operator.may(Scope::ReadEvents)?;
    let Query(wanted) = wanted.map_err(bad_query)?;
    let sight = operator.narrowed(wanted.dialect.as_deref(), wanted.group.as_deref())?;
    let nothing = || Problem::forbidden("this key is for another group");
    let sight = sight.ok_or_else(nothing)?;
    let office = &desk.house.office;
    let bell = office.ring.listen();
    let (mut next, mut first) = (office.ring.next(), String::from("retry: 2000\n"));
    if let Some(last) = headers.get("last-event-id") {
        let bad = || Problem::bad("Last-Event-ID: expected the id of an event");
        let (start, number) = last.to_str().ok().and_then(parse_id).ok_or_else(bad)?;
        let known = start == office.start && number < next && office.ring.read(number + 1, &sight, 0) != Read::Gap;
        if known {
            next = number + 1;
        } else {
            first.push_str("event: gap\ndata: {}\n");
        }
    }
    // Where it stands is said at once, so that whoever is cut before the first event can come back.
    let _ = write!(first, "id: {:x}-{}\n\n", office.start, next - 1);
    let place = Place::take(&desk.house.metrics.streams_open, desk.house.settings.operator_streams_most);
    let place = place.ok_or_else(|| Problem::later("too many listeners at once"))?;
    let said_at = desk.house.clock.now().at;
    let credential = operator.credential;
    let listener = Listener { desk, sight, credential, bell, next, said_at, ended: None, _place: place };
    let body = Body::new(Stream { first: Some(first.into()), reading: Some(Box::pin(listener.hear())) });
    let kind = [(header::CONTENT_TYPE, EVENT_STREAM), (header::CACHE_CONTROL, "no-store")];
    Ok((kind, body).into_response())
}

fn parse_id(text: &str) -> Option<(u64, u64)> {
    let (start, number) = text.split_once('-')?;
    Some((u64::from_str_radix(start, 16).ok()?, number.parse().ok()?))
}

/// One that listens.
struct Listener {
    desk: Desk,
    sight: Sight,
    credential: CredentialId,
    bell: watch::Receiver<()>,
    /// The number of the event it has not seen yet.
    next: u64,
    said_at: Timestamp,
    /// Why it is let go, once it was told.
    ended: Option<&'static str>,
    _place: Place,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.desk.house.metrics.stream_ended(self.ended.unwrap_or("gone"));
    }
}

impl Listener {
    /// The next thing to say; none after the last.
    async fn hear(mut self) -> Option<(Bytes, Self)> {
        if self.ended.is_some() {
            return None;
        }
        let house = Arc::clone(&self.desk.house);
        loop {
            let now = house.clock.now();
            let read = house.office.ring.read(self.next, &self.sight, EVENTS_AT_ONCE);
            let ends = if !house.office.directory().is_good(&self.credential, now.wall) {
                Some("revoked")
            } else if matches!(read, Read::Gap) {
                Some("too_slow")
            } else if house.is_draining() {
                Some("draining")
            } else {
                None
            };
            let mut text = String::new();
            if let Some(reason) = ends {
                tracing::info!(key = %self.credential, reason, "an operator's listener is let go");
                self.ended = Some(reason);
                let _ = write!(text, "event: end\ndata: {{\"reason\":\"{reason}\"}}\n\n");
                return Some((text.into(), self));
            }
            let heartbeat_at = self.said_at.after(HEARTBEAT_EVERY);
            if let Read::Events(events, next) = read {
                self.next = next;
                for (number, event) in &events {
                    let said = said(event);
                    let data = serde_json::to_string(&said).unwrap_or_default();
                    let start = house.office.start;
                    let _ = write!(text, "event: {}\nid: {start:x}-{number}\ndata: {data}\n\n", said.what);
                }
            }
            if text.is_empty() && now.at >= heartbeat_at {
                // Others' events may have gone by: with the number of the last one a return is no gap.
                let _ = write!(text, ": heartbeat\nid: {:x}-{}\n\n", house.office.start, self.next - 1);
            }
            if !text.is_empty() {
                self.said_at = now.at;
                return Some((text.into(), self));
            }
            tokio::select! {
                biased;
                _ = self.bell.changed() => {}
                () = house.clock.until(heartbeat_at) => {}
            }
        }
    }
}

type Reading = Pin<Box<dyn Future<Output = Option<(Bytes, Listener)>> + Send>>;

/// What a listener hears, as a body.
struct Stream {
    first: Option<Bytes>,
    reading: Option<Reading>,
}

impl hyper::body::Body for Stream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        let Some(reading) = &mut self.reading else { return Poll::Ready(None) };
        let heard = ready!(reading.as_mut().poll(context));
        self.reading = None;
        Poll::Ready(heard.map(|(bytes, listener)| {
            self.reading = Some(Box::pin(listener.hear()));
            Ok(Frame::data(bytes))
        }))
    }
}
