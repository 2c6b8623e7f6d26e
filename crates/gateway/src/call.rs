//! An HTTP call of a dialect: its body is read within bounds, a short session answers it, and a caller that hangs up
//! meanwhile is gone.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use dialects::{Door, Way};
use hyper::body::{Body, Incoming};
use hyper::http::request::Parts;

use crate::core::Core;
use crate::http::{LAST, Opening, Visit, Whole, enter, error, fault, from_model, later, refused, with};
use crate::slot::Decision;

/// How long at least whoever finds every place taken is told to stay away.
const BUSY_LEAST: Duration = Duration::from_secs(1);

/// Answers a call. The connection waits with it: the next request of the same peer is read after the answer.
pub(crate) async fn call(visit: &Visit, door: Door, parts: &Parts, body: Incoming) -> hyper::Response<Whole> {
    let core = &visit.core;
    let mut request = match enter(visit, parts, Way::Call).await {
        Ok(request) => request,
        Err(refusal) => return refusal,
    };
    let Some(mut place) = Place::take(core) else { return busy(core, "too many calls at once") };
    request.body = match place.read(body).await {
        Ok(body) => body,
        Err(Unread::TooBig) => {
            let told = "the body is longer than this gateway takes";
            return refused(core, Way::Call, "too_big", error(413, "too_big", told));
        }
        Err(Unread::NoRoom) => return busy(core, "too much is sent at once"),
        Err(Unread::Broken) => {
            return refused(core, Way::Call, "bad_request", error(400, "bad_request", "the body cannot be read"));
        }
    };
    let opening = Opening::begin(core, &request, Way::Call);
    drop(request);
    place.give_back();
    // From here on the dialect decides how long it takes.
    visit.prolong_by(core.settings().call_time);
    match opening.decided().await {
        Decision::Answered(response) => {
            opening.answered();
            core.metrics().answered(door.dialect, response.status);
            // Whoever is turned away asks for admission before it may try again.
            let is_last = core.house.is_draining() || matches!(response.status, 401 | 429);
            let response = from_model(*response);
            if is_last { with(response, LAST) } else { response }
        }
        // Nothing accepts a call; and the machine still knows of it, until it is dropped here.
        Decision::Accepted | Decision::Awaited => refused(core, Way::Call, "fault", fault()),
    }
}

fn busy(core: &Core, told: &str) -> hyper::Response<Whole> {
    refused(core, Way::Call, "busy", later(core, 503, "busy", told, BUSY_LEAST))
}

/// Why a body was not read.
enum Unread {
    TooBig,
    NoRoom,
    Broken,
}

/// One of the calls that a core may have at once, with the bytes of its body. Dropped, both are free again.
struct Place {
    core: Rc<Core>,
    bytes: usize,
}

impl Place {
    fn take(core: &Rc<Core>) -> Option<Self> {
        let calls = &core.counters().calls;
        if calls.get() >= core.settings().calls_most as u64 {
            return None;
        }
        calls.add(1);
        Some(Self { core: Rc::clone(core), bytes: 0 })
    }

    /// The whole body, if it is none too big. A peer that takes its time with it is cut by the visit's deadline.
    async fn read(&mut self, mut body: Incoming) -> Result<Bytes, Unread> {
        let most = self.core.settings().call_body_most;
        if body.size_hint().lower() > most as u64 {
            return Err(Unread::TooBig);
        }
        let mut whole = BytesMut::new();
        while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
            let Ok(data) = frame.map_err(|_| Unread::Broken)?.into_data() else { continue };
            if whole.len() + data.len() > most {
                return Err(Unread::TooBig);
            }
            if !self.core.take_body_bytes(data.len()) {
                return Err(Unread::NoRoom);
            }
            self.bytes += data.len();
            whole.extend_from_slice(&data);
        }
        Ok(whole.freeze())
    }

    /// The body is the machine's business now.
    fn give_back(&mut self) {
        self.core.give_body_bytes(std::mem::take(&mut self.bytes));
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.give_back();
        self.core.counters().calls.take(1);
    }
}
