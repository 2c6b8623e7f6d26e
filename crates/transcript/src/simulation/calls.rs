//! Tills that call over HTTP: what a till says as a frame goes out as a signed call, and what comes back is a frame.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use bytes::Bytes;
use model::{Request, Response};

use super::frames;
use super::plan::{Link, Millis, Peer};
use super::street::{Due, Heard, Owner, Street, name};
use super::{Effect, Failure};
use crate::json::Json;
use crate::world::{Life, Shown, Socket};

/// A till asks again at least so much later.
const PAUSE: Millis = 1_000;
/// A till gives a call up after so long, whatever became of it.
const GIVES_UP: Duration = Duration::from_secs(100);

impl Street {
    /// A till's frame has travelled: it becomes a call.
    pub(crate) fn call(&mut self, till: usize, text: String) {
        let Some((frame, mut request)) = frames::read(text.as_bytes()).and_then(|frame| {
            let request = request(&frame, till)?;
            Some((frame, request))
        }) else {
            return;
        };
        crate::request::sign(&mut request, &format!("secret-till{till}"), self.world.now().wall);
        self.book.till_said(till, &frame);
        self.say(|| {
            let body = String::from_utf8_lossy(&request.body);
            format!("till{till}> {} {}\n  {body}", request.method, request.path)
        });
        let core = u8::try_from(self.dice.below(u64::from(self.plan.cores))).unwrap_or(0);
        let _ = self.world.call(core, &request);
        self.owners.push(Owner::Call { till, text });
        let socket = Socket(self.owners.len() - 1);
        self.calls.insert(socket, self.world.now().at.after(GIVES_UP));
    }

    /// A call is answered.
    pub(crate) fn answered(
        &mut self,
        socket: Socket,
        till: usize,
        text: String,
        response: &Response,
    ) -> Result<(), Failure> {
        let body = String::from_utf8_lossy(&response.body).into_owned();
        self.say(|| format!("till{till}< {}\n  {body}", response.status));
        let Some(due) = self.calls.remove(&socket) else { return Ok(()) };
        if due < self.world.now().at {
            return Err(Failure::new("every deadline", format!("till{till} heard after {GIVES_UP:?}: {body}")));
        }
        let (asked, told) = match (frames::read(text.as_bytes()), frames::read(body.as_bytes())) {
            (Some(asked), Some(told)) => (asked, told),
            _ => return Err(Failure::new("the surface", format!("till{till} hears no JSON: {body}"))),
        };
        let action = match (response.status, frames::text(&asked, "action")) {
            (200, Some("payment")) => "paymentComplete",
            (200, Some("getTerminals")) => "terminalsResponse",
            (200, _) => "transaction",
            _ => "error",
        };
        let again = matches!(
            frames::text(&told, "code"),
            Some("TIMEOUT" | "SERVICE_UNAVAILABLE" | "TIMESTAMP_EXPIRED" | "TOO_MANY_REQUESTS")
        );
        if again {
            self.call_again(till, text);
            return Ok(());
        }
        let frame = match told {
            Json::Object(mut members) => {
                members.insert(0, ("action".to_owned(), Json::Text(action.to_owned())));
                Json::Object(members)
            }
            other => other,
        };
        self.book.told_till(&self.plan, till, &frame)?;
        let peer = Peer::Till(till);
        let era = self.wires.get(&peer).map_or(0, |wire| wire.era);
        self.travel(peer, era, Heard::Shown(Shown::Text(frame.to_string().into())));
        Ok(())
    }

    fn call_again(&mut self, till: usize, text: String) {
        let pause = self.plan.tills[till].link.patience.max(PAUSE);
        self.soon(pause, Due::Say(Peer::Till(till), text));
    }

    /// Every call of a till, or of everybody, is lost: it asks again.
    pub(crate) fn calls_lost(&mut self, of: Option<usize>, by_us: bool) {
        let lost: Vec<Socket> = self.calls.keys().copied().collect();
        for socket in lost {
            let Owner::Call { till, text } = &self.owners[socket.0] else { continue };
            let (till, text) = (*till, text.clone());
            if of.is_some_and(|of| of != till) || (!by_us && self.world.life(socket) != Life::Over) {
                continue;
            }
            if by_us {
                self.say(|| format!("! drop {}", name(Peer::Till(till))));
                self.world.lose(socket);
            }
            self.calls.remove(&socket);
            self.call_again(till, text);
        }
    }

    /// A till that calls is there: it has no socket.
    pub(crate) fn there(&mut self, till: usize) {
        let peer = Peer::Till(till);
        let wire = self.wires.entry(peer).or_default();
        if !wire.is_open {
            wire.is_open = true;
            let mut effects = Vec::new();
            self.tills[till].connected(false, &mut effects);
            self.effects(peer, effects);
        }
    }

    /// In the end a till lists the terminals, and looks up what it asked for where it can.
    pub(crate) fn look_round(&mut self, till: usize) {
        let mut effects = vec![Effect::Say(frames::plain("getTerminals"))];
        self.tills[till].listed = false;
        if self.plan.tills[till].calls {
            let ids = self.tills[till].asked.keys();
            effects.extend(ids.map(|id| Effect::Say(frames::named("lookup", id))));
        }
        self.effects(Peer::Till(till), effects);
    }

    /// The delays of a peer.
    pub(crate) fn link(&self, peer: Peer) -> Link {
        match peer {
            Peer::Till(till) => self.plan.tills[till].link,
            Peer::Terminal(terminal) => self.plan.terminals[terminal].link,
        }
    }
}

fn request(frame: &Json, till: usize) -> Option<Request> {
    let (method, path, body) = match frames::text(frame, "action")? {
        "payment" => {
            let path = format!("/v1/terminals/{}/payments", frames::text(frame, "terminalId")?);
            ("POST", path, frame.get("paymentRequest")?.to_string())
        }
        "getTerminals" => ("GET", "/v1/terminals".to_owned(), String::new()),
        "lookup" => ("GET", format!("/v1/transactions/{}", frames::transaction(frame)?), String::new()),
        _ => return None,
    };
    let [high, low] = u16::try_from(till).unwrap_or(u16::MAX).to_be_bytes();
    Some(Request {
        method: method.into(),
        path: path.into(),
        query: Vec::new(),
        headers: vec![("x-api-key".into(), format!("key-till{till}").into())],
        body: Bytes::from(body),
        peer: IpAddr::V4(Ipv4Addr::new(10, 0, high, low)),
        certificate: None,
    })
}
