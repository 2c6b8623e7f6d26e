//! A machine that repeats texts and obeys a few words.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use gateway::Machine;
use model::{Class, CloseCode, Frame, Now, Reason, Response, Route, Timestamp};
use node::{Input, Output, Wire};

#[derive(Debug)]
pub(crate) struct Parrot {
    core: u8,
    next: u64,
    open: BTreeMap<u64, ()>,
    /// When to say something to whom.
    alarms: BTreeMap<Timestamp, Route>,
    /// What has ended, for whoever asks.
    endings: Vec<String>,
    draining: bool,
}

impl Parrot {
    pub(crate) fn new(core: u8) -> Self {
        Self { core, next: 0, open: BTreeMap::new(), alarms: BTreeMap::new(), endings: Vec::new(), draining: false }
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
                self.endings.push(format!("{}/{}", ending.reason, ending.completed));
            }
            Input::Wake => {
                while let Some(entry) = self.alarms.first_entry().filter(|entry| *entry.key() <= now.at) {
                    let route = entry.remove();
                    wire(route, Wire::Send { text: "again".into(), class: Class::Answer });
                    wire(route, Wire::Resume);
                }
            }
            Input::Drain { .. } => {
                self.draining = true;
                for slot in self.open.keys() {
                    let route = Route { core: self.core, slot: *slot };
                    wire(route, Wire::Close { code: CloseCode::GOING_AWAY, reason: Reason::Drained });
                }
            }
            Input::Committed { .. }
            | Input::Earlier { .. }
            | Input::Loaded { .. }
            | Input::Mail(_)
            | Input::Directory(_) => {}
        }
    }

    fn deadline(&self) -> Option<Timestamp> {
        self.alarms.keys().next().copied()
    }

    fn loading(&self) -> usize {
        0
    }
}
