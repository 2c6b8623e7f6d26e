//! One connection's machine, or that of one call, on a stage, driven by a program of every kind of input.
//!
//! ```text
//! >{"type":"ping"}    a text frame; `b` binary, `i` control ping, `I` pong
//! +                   the directory says who it is; `-2`: it refuses
//! A                   it is let in; `N1`: it is not
//! RK2 aK wK2 tK1      about `K`: refused, accepted, withdrawn, what became of an answer
//! D V L d U u         displaced, revoked, reloaded, drained; telemetry dropped, room again
//! @1500               time passes, in milliseconds
//! ```
//!
//! Every other letter is a dialect's own, and so is what these mean before it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use dialects::{Config, Door, Session};
use model::{
    Ask, AskId, CallId, Denied, Done, Epoch, Fence, Frame, Input, NotAdmitted, Now, OperationId, OutcomeKind, Output,
    Partition, Principal, Refusal, Request, RequestKey, Response, Submit, Taken, Tell, Window,
};

use crate::program::{self, first, name, number};

/// The longest sleep.
const SLEEP_MOST: u64 = 200_000;
/// Longer than any socket may be silent, and any call may wait.
const END: Duration = Duration::from_secs(200);
/// The seed of every machine.
const SEED: u64 = 7;

/// Who is at the other end, in one dialect.
pub(crate) trait Peer: Copy {
    /// Whether it is let in before its upgrade is accepted, rather than by a frame afterwards.
    const LET_IN_FIRST: bool;

    /// Whether it has a socket, or makes a call.
    fn has_socket(self) -> bool;

    /// Who it proves to be.
    fn principal(self, rest: &str) -> Arc<Principal>;

    /// What a partition lends it when it lets it in.
    fn windows(self, now: Now, rest: &str) -> Vec<Window>;

    /// Plays a line of the dialect's own. Gives whether it was one.
    fn play(stage: &mut Stage<Self>, op: char, rest: &str) -> bool;

    /// Looks whether every peer can read a frame.
    fn message(text: &[u8]);

    /// Looks whether every peer can read a response.
    fn response(response: &Response);
}

/// A machine, and what has come of it.
pub(crate) struct Stage<P> {
    pub(crate) peer: P,
    machine: Session,
    pub(crate) now: Now,
    call: Option<CallId>,
    admit: Option<AskId>,
    asked: Vec<AskId>,
    seen: BTreeSet<u32>,
    pub(crate) admitted: bool,
    pub(crate) accepted: bool,
    pub(crate) closed: bool,
    lent: usize,
    /// What was asked for, by its id.
    pub(crate) submits: BTreeMap<RequestKey, Submit>,
    /// Everything that was said.
    said: Vec<Output>,
}

/// Plays a program on a new stage: a machine accepts or refuses once, a call responds once; nothing is said after the end;
/// it asks to be let in first and once, names each ask anew, has one question to the directory at a time, never lets a
/// deadline pass in silence, and does all of it again from the same seed.
pub(crate) fn check<P: Peer>(data: &[u8], open: impl Fn(&str) -> Stage<P>) {
    let play = || {
        let (head, lines) = program::lines(data);
        let mut stage = open(&head);
        for line in lines {
            stage.play(&line);
        }
        stage.end()
    };
    assert_eq!(play(), play(), "the same from the same seed");
}

impl<P: Peer> Stage<P> {
    pub(crate) fn new(peer: P, config: &Config, door: Door, now: Now) -> Self {
        Self {
            peer,
            machine: Session::new(config, door, SEED, now).expect("there is one"),
            now,
            call: None,
            admit: None,
            asked: Vec::new(),
            seen: BTreeSet::new(),
            admitted: false,
            accepted: false,
            closed: false,
            lent: 0,
            submits: BTreeMap::new(),
            said: Vec::new(),
        }
    }

    /// The first input: a request for a socket, or a call.
    pub(crate) fn open(&mut self, request: &Request) {
        let opened = if self.peer.has_socket() { Input::Open(request) } else { Input::Request(request) };
        self.input(opened);
    }

    /// It is who it says, and is let in.
    pub(crate) fn enter(&mut self) {
        self.play("+");
        self.play("A");
    }

    /// What was asked for.
    pub(crate) fn submits(&self) -> impl Iterator<Item = &Submit> {
        self.submits.values()
    }

    /// What it has said so far.
    pub(crate) fn said(&self) -> &[Output] {
        &self.said
    }

    /// Hands one input in and holds what comes against what a machine may say.
    pub(crate) fn input(&mut self, input: Input<'_>) -> Vec<Output> {
        let mut out = Vec::new();
        self.machine.handle(self.now, input, &mut out);
        assert!(!self.closed || out.is_empty(), "something after the end: {out:?}");
        let has_socket = self.peer.has_socket();
        for (at, output) in out.iter().enumerate() {
            let is_last = at + 1 == out.len();
            match output {
                Output::Send { text, .. } => {
                    assert!(self.accepted, "said before the upgrade");
                    P::message(text);
                }
                Output::Close { .. } => {
                    assert!(is_last && self.accepted, "a close that is not the end of a socket: {out:?}");
                    self.closed = true;
                }
                Output::Refuse(response) => {
                    assert!(is_last && has_socket && !self.accepted, "refused what was accepted: {out:?}");
                    P::response(response);
                    self.closed = true;
                }
                Output::Respond(response) => {
                    assert!(is_last && !has_socket, "no answer to a call: {out:?}");
                    P::response(response);
                    self.closed = true;
                }
                Output::Accept => {
                    assert!(has_socket && !self.accepted, "accepted twice");
                    assert_eq!(self.admitted, P::LET_IN_FIRST, "accepted who was not let in, or too late");
                    self.accepted = true;
                }
                Output::Limit(bytes) => assert!(self.accepted && *bytes > 0),
                Output::Ask { id, ask } => {
                    assert!(self.seen.insert(id.0), "an ask's id came again");
                    if let Ask::Submit(submit) = ask {
                        self.submits.insert(submit.key.clone(), Submit::clone(submit));
                    }
                    match ask {
                        Ask::Admit(_) => assert!(self.admit.replace(*id).is_none(), "a second wish to be let in"),
                        _ => {
                            assert!(self.admitted, "asked before it was let in: {ask:?}");
                            self.asked.push(*id);
                        }
                    }
                }
                Output::Call { id, .. } => {
                    assert!(self.call.replace(*id).is_none(), "two questions at once");
                }
                Output::Ping => panic!("in both dialects the client pings, not we"),
            }
        }
        if self.closed {
            assert_eq!(self.machine.deadline(), None, "a closed machine waits for something");
            assert!(!self.machine.is_logging_in());
        } else {
            assert!(self.machine.deadline().is_some(), "an open machine waits for nothing");
        }
        self.said.extend(out.iter().cloned());
        out
    }

    pub(crate) fn frame(&mut self, text: &str) -> Vec<Output> {
        self.bare(Frame::Text(text))
    }

    /// A frame comes only on a socket that was accepted, and the node holds frames back while a login is on its way.
    fn bare(&mut self, frame: Frame<'_>) -> Vec<Output> {
        if self.accepted && !self.machine.is_logging_in() { self.input(Input::Frame(frame)) } else { Vec::new() }
    }

    pub(crate) fn tell(&mut self, ask: Option<AskId>, tell: Tell) -> Vec<Output> {
        self.input(Input::Tell { ask, tell })
    }

    /// Answers the oldest ask.
    pub(crate) fn answer(&mut self, tell: Tell) -> Vec<Output> {
        let ask = if self.asked.is_empty() { None } else { Some(self.asked.remove(0)) };
        self.tell(ask, tell)
    }

    fn proven(&mut self, result: Result<Arc<Principal>, Denied>) {
        if let Some(call) = self.call.take() {
            self.input(Input::Done { call, done: Done::Authenticated(result) });
        }
    }

    /// Slow work is done.
    pub(crate) fn worked(&mut self, done: Done) -> Vec<Output> {
        let call = self.call.take().expect("work that was asked for");
        self.input(Input::Done { call, done })
    }

    pub(crate) fn play(&mut self, line: &str) {
        let Some((op, rest)) = first(line) else { return };
        if P::play(self, op, rest) {
            return;
        }
        match op {
            '>' => drop(self.frame(rest)),
            'b' => drop(self.bare(Frame::Binary(rest.as_bytes()))),
            'i' => drop(self.bare(Frame::Ping)),
            'I' => drop(self.bare(Frame::Pong)),
            '+' => self.proven(Ok(self.peer.principal(rest))),
            '-' => {
                let all = [
                    Denied::Unknown,
                    Denied::Expired,
                    Denied::Revoked,
                    Denied::WrongRole,
                    Denied::BadProof,
                    Denied::WrongCertificate,
                    Denied::Throttled(Duration::from_millis(1)),
                ];
                self.proven(Err(all[usize::try_from(number(rest, 6)).unwrap_or(0)]));
            }
            // Once it was let in a partition does not let it in again.
            'A' if self.admit.is_some() && !self.admitted => {
                self.admitted = true;
                let windows = self.peer.windows(self.now, rest);
                self.lent = windows.len();
                let epoch = Epoch { fence: Fence(1), n: 1 };
                self.tell(self.admit, Tell::Admitted { epoch, windows, owed: 0 });
            }
            'N' if self.admit.is_some() && !self.admitted => {
                let why = match number(rest, 1) {
                    0 => NotAdmitted::Occupied,
                    _ => NotAdmitted::Damped(Duration::from_millis(1_001)),
                };
                self.tell(self.admit, Tell::NotAdmitted(why));
            }
            'R' | 'a' | 'w' | 't' if self.admitted => self.told(op, rest),
            'D' if self.admit.is_some() => drop(self.tell(None, Tell::Displaced)),
            'V' if self.admit.is_some() => drop(self.tell(None, Tell::Revoked)),
            'L' if self.admit.is_some() => drop(self.tell(None, Tell::Reloaded)),
            'd' => {
                self.input(Input::Drain { retry_after: Duration::from_millis(number(rest, SLEEP_MOST)) });
            }
            'U' => drop(self.input(Input::Dropped(3))),
            'u' => drop(self.input(Input::Room)),
            '@' => self.sleep(Duration::from_millis(number(rest, SLEEP_MOST))),
            _ => {}
        }
    }

    /// What a partition says to whom it has let in.
    fn told(&mut self, op: char, rest: &str) {
        let (key, nth) = about(rest);
        let operation = operation(self.now);
        match op {
            'R' => {
                let all = [
                    Refusal::Duplicate,
                    Refusal::Conflict,
                    Refusal::Busy,
                    Refusal::Absent,
                    Refusal::Unknown,
                    Refusal::Foreign,
                    Refusal::NotFound,
                    Refusal::Full,
                ];
                self.answer(Tell::Refused { key, why: all[nth % all.len()] });
            }
            'a' => drop(self.answer(Tell::Accepted { operation, key })),
            'w' => {
                let all = [OutcomeKind::Expired, OutcomeKind::Failed, OutcomeKind::Cancelled, OutcomeKind::Completed];
                drop(self.tell(None, Tell::Withdrawn { operation, key, how: all[nth % all.len()] }));
            }
            _ => {
                let all = [
                    Taken::Ended(OutcomeKind::Completed),
                    Taken::Ended(OutcomeKind::Declined),
                    Taken::Noted,
                    Taken::Again,
                    Taken::Late(None),
                    Taken::Late(Some(OutcomeKind::Expired)),
                    Taken::Deciding,
                    Taken::NotYours,
                ];
                let taken = all[nth % all.len()];
                self.answer(Tell::Taken { operation: Some(operation), key: Some(key), taken });
            }
        }
    }

    fn sleep(&mut self, duration: Duration) {
        let end = self.now.at.after(duration);
        while let Some(deadline) = self.machine.deadline().filter(|deadline| *deadline <= end) {
            let by = deadline.since(self.now.at);
            self.now = Now { at: self.now.at.after(by), wall: self.now.wall.after(by) };
            self.input(Input::Wake);
            assert!(self.machine.deadline().is_none_or(|next| next > deadline), "a deadline passed in silence");
        }
        let by = end.since(self.now.at);
        self.now = Now { at: end, wall: self.now.wall.after(by) };
    }

    /// A peer that says nothing more is closed, a call is answered, and what was lent comes back once. Gives everything
    /// that was said.
    pub(crate) fn end(mut self) -> Vec<Output> {
        self.sleep(END);
        assert!(self.closed, "a silent peer is kept for ever");
        assert_eq!(self.machine.leave().len(), self.lent, "what was lent comes back");
        assert!(self.machine.leave().is_empty(), "what was lent came back twice");
        assert!(self.input(Input::Frame(Frame::Text("{}"))).is_empty());
        self.said
    }
}

/// Which work a line is about, and the number behind that.
pub(crate) fn about(rest: &str) -> (RequestKey, usize) {
    let (id, more) = name(rest);
    let key = RequestKey::parse(id).expect("letters and digits are an id");
    (key, usize::try_from(number(more.trim_start(), 99)).unwrap_or(0))
}

pub(crate) fn operation(now: Now) -> OperationId {
    OperationId::next(Partition(7), now.at.millis(), None)
}

/// The one message among what comes of a frame, if there is one.
pub(crate) fn sent(out: &[Output]) -> Option<&str> {
    let mut texts = out.iter().filter_map(|output| match output {
        Output::Send { text, .. } => Some(std::str::from_utf8(text).expect("what is sent is text")),
        _ => None,
    });
    let text = texts.next();
    assert_eq!(texts.next(), None, "two answers to one frame");
    text
}
