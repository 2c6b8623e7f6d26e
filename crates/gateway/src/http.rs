//! What a connection speaks before it is a WebSocket: the upgrade, health and metrics; calls are `call`.
//!
//! hyper reads requests and writes answers; one deadline covers every request from its first byte to the end of the
//! answer, so that a peer that says or reads nothing is gone after [`handshake_time`](crate::Settings::handshake_time). Only while a
//! dialect owes the answer to a call it is [`call_time`](crate::Settings::call_time).

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use dialects::Way;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use model::{Digest, Reason, Request, Response, Timestamp};
use node::Ending;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use websocket::handshake::{Accepted, check_request};

use crate::accept::stand_in_line;
use crate::admission::{Over, Verdict};
use crate::call::call;
use crate::core::{Core, decided};
use crate::listen::{Front, Serves};
use crate::metrics::CONTENT_TYPE;
use crate::operators::{self, Caller};
use crate::proxied::{is_forwarded, origin};
use crate::request::{model, wants_websocket};
use crate::slot::{Decision, Slot};

/// Whether there is room for one more connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// There is.
    Free,
    /// There is none: upgrades are refused.
    Full,
    /// Too many come at once: upgrades are refused and told to come back after so long.
    Over(Over, Duration),
}

/// Who is at the other end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Visitor {
    /// Where the connection comes from; said by the proxy when there is one that speaks the PROXY protocol.
    pub(crate) address: IpAddr,
    pub(crate) front: Front,
    pub(crate) serves: Serves,
    /// Of the certificate it showed, when that is one of an authority we trust.
    pub(crate) certificate: Option<Digest>,
}

/// A connection whose upgrade is done.
pub(crate) struct Opened<S> {
    pub(crate) io: S,
    /// What hyper had read beyond the request: perhaps the first frames.
    pub(crate) leftover: Bytes,
    pub(crate) opening: Opening,
}

/// A connection the machine knows of and that is not a WebSocket yet, or a call without its answer. Dropped, it is gone.
pub(crate) struct Opening {
    core: Rc<Core>,
    slot: Rc<RefCell<Slot>>,
    armed: bool,
}

impl Opening {
    /// Tells the machine of it.
    pub(crate) fn begin(core: &Rc<Core>, request: &Request, way: Way) -> Self {
        core.house.connection_began();
        Self { core: Rc::clone(core), slot: core.open(request, way), armed: true }
    }

    /// What the machine makes of it.
    pub(crate) async fn decided(&self) -> Decision {
        decided(&self.slot).await
    }

    /// The WebSocket exists: from here on its connection says when it is gone, and is counted off then.
    pub(crate) fn taken(mut self) -> Rc<RefCell<Slot>> {
        self.armed = false;
        Rc::clone(&self.slot)
    }

    /// The machine has answered, and knows of it no more.
    pub(crate) fn answered(mut self) {
        self.armed = false;
        self.core.house.connection_ended();
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        if self.armed {
            let route = self.slot.borrow().route;
            self.core.gone(route, Ending { reason: Reason::PeerLost, completed: false });
            self.core.house.connection_ended();
        }
    }
}

/// What the requests of one connection share.
pub(crate) struct Visit {
    pub(crate) core: Rc<Core>,
    visitor: Visitor,
    room: Room,
    deadline: Cell<Timestamp>,
    /// Its answer goes on for as long as the peer reads.
    listens: Cell<bool>,
    /// Rings when the deadline has become an earlier one.
    hurry: Notify,
    opening: RefCell<Option<Opening>>,
}

impl Visit {
    /// Gives the peer time for the answer to be read and the next request to come.
    pub(crate) fn prolong(&self) {
        self.prolong_by(if self.listens.get() { operators::UNREAD_MOST } else { Duration::ZERO });
    }

    /// The same, and so much more.
    pub(crate) fn prolong_by(&self, wait: Duration) {
        let deadline = self.core.now().at.after(self.core.settings().handshake_time + wait);
        if self.deadline.replace(deadline) > deadline {
            self.hurry.notify_one();
        }
    }

    /// Who asks, as far as trusted proxies say it.
    fn address(&self, parts: &Parts) -> IpAddr {
        let settings = self.core.settings();
        origin(self.visitor.address, &parts.headers, settings.forwarded_header, &settings.trusted_proxies)
    }

    /// Whether what only operators should know may be told: on their listener, and to this machine itself.
    fn is_operator(&self, parts: &Parts) -> bool {
        match self.visitor.serves {
            Serves::Operators => true,
            Serves::Peers => {
                let visitor = self.visitor;
                visitor.address.is_loopback() && visitor.front == Front::Direct && !is_forwarded(&parts.headers)
            }
        }
    }
}

/// Serves HTTP until the connection ends or has become a WebSocket.
pub(crate) async fn serve<S>(core: Rc<Core>, io: S, visitor: Visitor, room: Room) -> Option<Opened<S>>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let visit = Rc::new(Visit {
        core: Rc::clone(&core),
        visitor,
        room,
        deadline: Cell::new(core.now().at.after(core.settings().handshake_time)),
        listens: Cell::new(false),
        hurry: Notify::new(),
        opening: RefCell::new(None),
    });
    let service = service_fn(|request| {
        let visit = Rc::clone(&visit);
        async move {
            visit.prolong();
            let response = answer(&visit, request).await;
            visit.prolong();
            Ok::<_, Infallible>(response)
        }
    });
    let settings = core.settings();
    let served = http1::Builder::new()
        .max_headers(settings.headers_most)
        .max_buf_size(settings.header_bytes_most)
        .serve_connection(TokioIo::new(io), service)
        .without_shutdown();
    let peer = visitor.address;
    let served = tokio::select! {
        served = served => served,
        () = overdue(&visit) => {
            tracing::debug!(%peer, "request took too long, connection is cut");
            return None;
        }
    };
    match served {
        Ok(parts) => {
            let opening = visit.opening.take();
            let mut io = parts.io.into_inner();
            let Some(opening) = opening else {
                // The last answer is written; say so before the socket goes.
                let _ = tokio::io::AsyncWriteExt::shutdown(&mut io).await;
                return None;
            };
            Some(Opened { io, leftover: parts.read_buf, opening })
        }
        Err(error) => {
            tracing::debug!(%peer, %error, "request could not be served");
            None
        }
    }
}

/// Ends when the connection's deadline has passed without being moved on.
async fn overdue(visit: &Visit) {
    loop {
        let deadline = visit.deadline.get();
        tokio::select! {
            biased;
            () = visit.hurry.notified() => {}
            () = visit.core.clock().until(deadline) => if visit.deadline.get() == deadline {
                return;
            },
        }
    }
}

async fn answer(visit: &Rc<Visit>, request: hyper::Request<Incoming>) -> hyper::Response<Answer> {
    let (parts, body) = request.into_parts();
    if operators::is_theirs(parts.uri.path()) {
        operate(visit, parts, body).await
    } else {
        answer_peer(visit, parts, body).await.map(Answer::Whole)
    }
}

async fn answer_peer(visit: &Visit, parts: Parts, body: Incoming) -> hyper::Response<Whole> {
    let core = &visit.core;
    if wants_websocket(&parts) {
        return upgrade(visit, &parts).await;
    }
    let knocks = |way| core.door(&model(&parts, visit.address(&parts), None), way);
    let get = parts.method == "GET" || parts.method == "HEAD";
    match (get, parts.uri.path()) {
        (true, "/health") => health(core),
        (true, "/healthz") => whole(200, &[("content-type", "text/plain; charset=utf-8")], "ok\n"),
        (true, "/readyz") => match core.house.not_ready() {
            None => whole(200, &[("content-type", "text/plain; charset=utf-8")], "ready\n"),
            Some(why) => whole(503, &[("content-type", "text/plain; charset=utf-8")], format!("{why}\n")),
        },
        (true, "/metrics") if !visit.is_operator(&parts) => {
            error(403, "operators_only", "metrics are told to this machine and on operators' listeners only")
        }
        (true, "/metrics") => whole(200, &[("content-type", CONTENT_TYPE)], core.metrics().text()),
        (false, "/health" | "/healthz" | "/readyz" | "/metrics") => {
            with(error(405, "method_not_allowed", "use GET"), &[("allow", "GET, HEAD")])
        }
        (true | false, _) => match (knocks(Way::Call), get) {
            (Some(door), _) => call(visit, door, &parts, body).await,
            (None, true) if knocks(Way::Socket).is_some() => match handshake(&parts) {
                Err(refusal) => refused(core, Way::Socket, refusal.name(), handshake_response(refusal)),
                Ok(_) => error(400, "bad_request", "this is a WebSocket endpoint"),
            },
            (None, _) => error(404, "not_found", "nothing is served under this path"),
        },
    }
}

/// Answers an operator, who may wait for it, and may listen for as long as it reads.
async fn operate(visit: &Rc<Visit>, parts: Parts, body: Incoming) -> hyper::Response<Answer> {
    let caller = Caller { address: visit.address(&parts), certificate: visit.visitor.certificate };
    visit.prolong_by(operators::patience(visit.core.settings()));
    let response = operators::answer(&visit.core, caller, hyper::Request::from_parts(parts, body)).await;
    let listens = response.headers().get("content-type").is_some_and(|it| it == operators::EVENT_STREAM);
    visit.listens.set(listens);
    let visit = listens.then(|| Rc::clone(visit));
    response.map(|body| Answer::Operators { body, visit })
}

/// `{status, version, timestamp}`, the same for every dialect.
fn health(core: &Core) -> hyper::Response<Whole> {
    let (status, word) = match core.house.not_ready() {
        None => (200, "ok"),
        Some(why) => (503, why),
    };
    let version = &core.house.version;
    let body = format!(r#"{{"status":"{word}","version":"{version}","timestamp":"{}"}}"#, core.now().wall);
    whole(status, &[("content-type", "application/json"), ("cache-control", "no-store")], body)
}

fn handshake(parts: &Parts) -> Result<Accepted, websocket::handshake::Refusal> {
    let version = match parts.version {
        hyper::Version::HTTP_11 => (1, 1),
        hyper::Version::HTTP_10 => (1, 0),
        _ => (0, 0),
    };
    let headers = parts.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    check_request(parts.method.as_str(), version, headers)
}

fn handshake_response(refusal: websocket::handshake::Refusal) -> hyper::Response<Whole> {
    with(error(refusal.status(), refusal.name(), &refusal.to_string()), refusal.headers())
}

/// An upgrade: strict about the handshake, about room and about browsers; then the machine decides.
async fn upgrade(visit: &Visit, parts: &Parts) -> hyper::Response<Whole> {
    let core = &visit.core;
    let accepted = match handshake(parts) {
        Ok(accepted) => accepted,
        Err(refusal) => return refused(core, Way::Socket, refusal.name(), handshake_response(refusal)),
    };
    let request = match enter(visit, parts, Way::Socket).await {
        Ok(request) => request,
        Err(refusal) => return refusal,
    };
    let opening = Opening::begin(core, &request, Way::Socket);
    drop(request);
    match opening.decided().await {
        Decision::Accepted => {
            core.counters().upgraded.add(1);
            visit.opening.replace(Some(opening));
            let mut response = hyper::Response::new(Whole(None));
            *response.status_mut() = hyper::StatusCode::SWITCHING_PROTOCOLS;
            with(response, &accepted.headers())
        }
        Decision::Answered(response) => {
            opening.answered();
            let word = match response.status {
                503 if core.house.is_draining() => "draining",
                status => status_word(status),
            };
            refused(core, Way::Socket, word, from_model(*response))
        }
        // The machine still knows of it, until it is dropped here.
        Decision::Awaited => refused(core, Way::Socket, "fault", fault()),
    }
}

/// Whether there is room for one more, and a browser's page is no stranger: the request as sessions see it.
///
/// # Errors
/// What is answered instead, which has been counted then.
pub(crate) async fn enter(visit: &Visit, parts: &Parts, way: Way) -> Result<Request, hyper::Response<Whole>> {
    let core = &visit.core;
    if visit.visitor.serves == Serves::Operators {
        let told = "peers are not served on this listener";
        return Err(refused(core, way, "operators_only", error(404, "not_found", told)));
    }
    match visit.room {
        Room::Free => {}
        Room::Full => {
            let told = "the gateway holds as many connections as it may";
            return Err(refused(core, way, "full", later(core, 503, "full", told, Duration::from_secs(1))));
        }
        Room::Over(over, hint) => return Err(too_many(core, way, over, Some(hint))),
    }
    let address = visit.address(parts);
    if address != visit.visitor.address {
        match core.house.admission.ask_address(core.now().at, address) {
            Verdict::Welcome => {}
            Verdict::Wait(wait) => {
                visit.prolong_by(wait);
                stand_in_line(core, wait).await;
                visit.prolong();
            }
            Verdict::Refused(over, hint) => return Err(too_many(core, way, over, Some(hint))),
            Verdict::Cut(over) => return Err(too_many(core, way, over, None)),
        }
    }
    let request = model(parts, address, visit.visitor.certificate);
    if let Some(setting) = foreign_origin(core, &request, way) {
        let told = "this origin is not allowed";
        tracing::warn!(origin = request.header("origin"), setting, "browser origin refused, the setting allows it");
        return Err(refused(core, way, "origin", error(403, "origin_not_allowed", told)));
    }
    Ok(request)
}

/// The setting that would let a browser's page in, when nothing lets it in now.
fn foreign_origin(core: &Core, request: &Request, way: Way) -> Option<&'static str> {
    let origin = request.header("origin")?;
    let door = core.door(request, way)?;
    core.settings().origin_allowed(door.dialect, origin).err()
}

/// Counts a refusal. Whoever asks badly asks anew.
pub(crate) fn refused(
    core: &Core,
    way: Way,
    reason: &'static str,
    response: hyper::Response<Whole>,
) -> hyper::Response<Whole> {
    core.metrics().refused(way, reason);
    with(response, LAST)
}

/// The machine broke over it.
pub(crate) fn fault() -> hyper::Response<Whole> {
    error(500, "fault", "the gateway failed at this request")
}

/// What makes a response the last one of its connection.
pub(crate) const LAST: &[(&str, &str)] = &[("connection", "close")];

/// The bounded label of a refusal that the machine decided.
const fn status_word(status: u16) -> &'static str {
    match status {
        400 => "bad_request",
        401 => "unauthorized",
        403 => "forbidden",
        404 => "not_found",
        409 => "conflict",
        429 => "too_many_requests",
        503 => "unavailable",
        _ => "other",
    }
}

/// Too many came at once, from one address or from everywhere.
fn too_many(core: &Core, way: Way, over: Over, hint: Option<Duration>) -> hyper::Response<Whole> {
    let (status, told) = match over {
        Over::Address => (429, "too many connections from this address at once"),
        Over::All => (503, "too many connections at once"),
    };
    let answer = error(status, over.label(), told);
    let answer = match hint {
        Some(hint) => with(answer, &[("retry-after", &whole_seconds(hint))]),
        None => answer,
    };
    refused(core, way, over.label(), answer)
}

/// Come back, not before so long, and not all at once.
pub(crate) fn later(core: &Core, status: u16, code: &str, told: &str, least: Duration) -> hyper::Response<Whole> {
    let hint = least + core.house.admission.share(core.settings().admission_spread);
    with(error(status, code, told), &[("retry-after", &whole_seconds(hint))])
}

fn whole_seconds(duration: Duration) -> String {
    (duration.as_secs() + u64::from(duration.subsec_nanos() > 0)).max(1).to_string()
}

pub(crate) fn from_model(response: Response) -> hyper::Response<Whole> {
    let headers: Vec<(&str, &str)> = response.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    whole(response.status, &headers, response.body)
}

/// A JSON body in the one form of the shell's own errors. `code` and `told` are fixed texts.
pub(crate) fn error(status: u16, code: &str, told: &str) -> hyper::Response<Whole> {
    let body = format!(r#"{{"error":{{"code":"{code}","message":"{told}"}}}}"#);
    whole(status, &[("content-type", "application/json")], body)
}

fn whole(status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) -> hyper::Response<Whole> {
    let mut response = hyper::Response::new(Whole(Some(body.into())));
    *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or(hyper::StatusCode::INTERNAL_SERVER_ERROR);
    with(response, headers)
}

pub(crate) fn with(mut response: hyper::Response<Whole>, headers: &[(&str, &str)]) -> hyper::Response<Whole> {
    for (name, value) in headers {
        match (HeaderName::try_from(*name), HeaderValue::try_from(*value)) {
            (Ok(name), Ok(value)) => {
                response.headers_mut().insert(name, value);
            }
            (Err(_), _) | (_, Err(_)) => tracing::error!(name, "response header cannot be written, left out"),
        }
    }
    response
}

/// A body that is there as a whole.
pub(crate) struct Whole(Option<Bytes>);

impl Whole {
    pub(crate) const fn new(bytes: Bytes) -> Self {
        Self(Some(bytes))
    }
}

impl Body for Whole {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(Bytes::is_empty)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

/// What a request is answered with.
enum Answer {
    Whole(Whole),
    /// An operator's, which may come bit by bit. Whoever reads what it asked to hear is no slow peer.
    Operators {
        body: axum::body::Body,
        visit: Option<Rc<Visit>>,
    },
}

impl Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match self.get_mut() {
            Self::Whole(whole) => Pin::new(whole).poll_frame(context).map_err(|never| match never {}),
            Self::Operators { body, visit } => {
                let polled = Pin::new(body).poll_frame(context);
                if let (Poll::Ready(part), Some(visit)) = (&polled, visit) {
                    visit.listens.set(part.is_some());
                    visit.prolong();
                }
                polled
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(whole) => whole.is_end_stream(),
            Self::Operators { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(whole) => whole.size_hint(),
            Self::Operators { body, .. } => body.size_hint(),
        }
    }
}
