//! A machine that repeats texts and bodies and obeys a few words.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use dialects::{Door, Way};
use gateway::Machine;
use model::{Class, CloseCode, Dialect, Frame, Now, Reason, Request, Response, Route, Timestamp};
use node::{Input, Output, Wire};

#[derive(Debug)]
pub(crate) struct Parrot {
    core: u8,
    next: u64,
    open: BTreeMap<u64, ()>,
    /// Calls without an answer.
    calls: BTreeMap<u64, ()>,
    /// When to say something to whom, or to answer whose call.
    alarms: BTreeMap<Timestamp, Route>,
    /// What has ended, for whoever asks.
    endings: Vec<String>,
    draining: bool,
}

impl Parrot {
    pub(crate) fn new(core: u8) -> Self {
        let (open, calls, alarms) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { core, next: 0, open, calls, alarms, endings: Vec::new(), draining: false }
    }

    fn obey(&mut self, now: Now, route: Route, text: &str) -> Vec<Wire> {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        let number = rest.parse().unwrap_or(0);
        let say = |text: String, class| Wire::Send { text: Bytes::from(text), class };
        match word {
            "close" => vec![Wire::Close { code: CloseCode(4409), reason: Reason::Displaced }],
            "farewell" => vec![
                say("bye".to_owned(), Class::Answer),
                Wire::Close { code: CloseCode::NORMAL, reason: Reason::Finished },
                say("never".to_owned(), Class::Answer),
            ],
            "limit" => vec![Wire::Limit(number)],
            "ping" => vec![Wire::Ping],
            "answers" => (0..number).map(|index| say(format!("{index:01000}"), Class::Answer)).collect(),
            "telemetry" => (0..number).map(|index| say(format!("{index:01000}"), Class::Telemetry)).collect(),
            "pause" => {
                self.alarms.insert(now.at.after(Duration::from_millis(100)), route);
                vec![Wire::Pause]
            }
            "endings" => vec![say(self.endings.join(" "), Class::Answer)],
            "panic" => panic!("as told"),
            _ => vec![say(text.to_owned(), Class::Answer)],
        }
    }
}

impl Machine for Parrot {
    fn route(&mut self) -> Route {
        self.next += 1;
        Route { core: self.core, slot: self.next }
    }

    fn handle(&mut self, now: Now, input: Input<'_>, out: &mut Vec<Output>) {
        let mut wire = |route, wire| out.push(Output::Wire { route, wire });
        match input {
            Input::Open { route, .. } if self.draining => {
                let mut response = Response::json(503, r#"{"no":"going away"}"#);
                response.headers.push(("retry-after", "1".to_owned()));
                wire(route, Wire::Refuse(response));
            }
            Input::Open { route, request } => match &*request.path {
                "/refuse" => wire(route, Wire::Refuse(Response::json(401, r#"{"no":true}"#))),
                "/silence" => {}
                "/greeting" => {
                    self.open.insert(route.slot, ());
                    wire(route, Wire::Accept);
                    wire(route, Wire::Send { text: "hello".into(), class: Class::Answer });
                }
                _ => {
                    self.open.insert(route.slot, ());
                    wire(route, Wire::Accept);
                }
            },
            Input::Request { route, request } => {
                self.calls.insert(route.slot, ());
                match &*request.path {
                    "/call/never" => {}
                    "/call/later" => drop(self.alarms.insert(now.at.after(Duration::from_millis(300)), route)),
                    "/call/panic" => panic!("as told"),
                    "/call/401" | "/call/409" | "/call/429" => {
                        self.calls.remove(&route.slot);
                        let status = request.path["/call/".len()..].parse().unwrap();
                        wire(route, Wire::Respond(Response::json(status, r#"{"no":true}"#)));
                    }
                    _ => {
                        self.calls.remove(&route.slot);
                        let body = format!(r#"{{"method":"{}","bytes":{}}}"#, request.method, request.body.len());
                        wire(route, Wire::Respond(Response::json(201, body)));
                    }
                }
            }
            Input::Frame { route, frame } => match frame {
                Frame::Text(text) => {
                    for order in self.obey(now, route, text) {
                        out.push(Output::Wire { route, wire: order });
                    }
                }
                Frame::Binary(_) => {
                    wire(route, Wire::Close { code: CloseCode::UNSUPPORTED, reason: Reason::Binary });
                }
                Frame::Ping | Frame::Pong => {}
            },
            Input::Fault { route, reason } => wire(route, Wire::Close { code: reason.code(), reason }),
            Input::Dropped { route, count } => {
                wire(route, Wire::Send { text: format!("dropped {count}").into(), class: Class::Answer });
            }
            Input::Room { route } => wire(route, Wire::Send { text: "room".into(), class: Class::Answer }),
            Input::Gone { route, ending } => {
                self.open.remove(&route.slot);
                self.calls.remove(&route.slot);
                self.endings.push(format!("{}/{}", ending.reason, ending.completed));
            }
            Input::Wake => {
                while let Some(entry) = self.alarms.first_entry().filter(|entry| *entry.key() <= now.at) {
                    let route = entry.remove();
                    if self.calls.remove(&route.slot).is_some() {
                        wire(route, Wire::Respond(Response::json(200, "{}")));
                        continue;
                    }
                    wire(route, Wire::Send { text: "again".into(), class: Class::Answer });
                    wire(route, Wire::Resume);
                }
            }
            Input::Drain { .. } => {
                self.draining = true;
                for slot in std::mem::take(&mut self.calls).into_keys() {
                    let mut response = Response::json(503, r#"{"no":"going away"}"#);
                    response.headers.push(("retry-after", "1".to_owned()));
                    wire(Route { core: self.core, slot }, Wire::Respond(response));
                }
                for slot in self.open.keys() {
                    let route = Route { core: self.core, slot: *slot };
                    wire(route, Wire::Close { code: CloseCode::GOING_AWAY, reason: Reason::Drained });
                }
            }
            Input::Committed { .. }
            | Input::Earlier { .. }
            | Input::Loaded { .. }
            | Input::Done { .. }
            | Input::Mail(_)
            | Input::Directory(_)
            | Input::TakeBack { .. }
            | Input::Dismiss { .. } => {}
        }
    }

    fn deadline(&self) -> Option<Timestamp> {
        self.alarms.keys().next().copied()
    }

    fn loading(&self) -> usize {
        0
    }

    /// It would answer every call that is not for the shell itself.
    fn door(&self, request: &Request, way: Way) -> Option<Door> {
        let mine = way == Way::Call && (request.path.starts_with("/call") || request.path.starts_with("/health"));
        mine.then_some(Door { dialect: Dialect::Modulus, role: None, way })
    }
}
