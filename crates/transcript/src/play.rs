//! A story played on a World or another theatre: its acts handed in, its clock moved, what came compared step by step.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use model::{MemberId, Money};
use store::Store;

use crate::binding::Bindings;
use crate::check::{Got, Mismatch, Order, check, said_text};
use crate::print::span;
use crate::request::{call, upgrade};
use crate::scene::{credential_id, keeper, network, stage};
use crate::story::{Act, Given, Happen, Line, Message, Output, Peer, Said, Say, Step, Story};
use crate::theatre::Theatre;
use crate::update::{Rewrite, rewrite};
use crate::world::{Hearing, Life, Posting, Seen, Sent, Shown, Sight, Socket};

/// Lines of a step that a failure shows at most.
const MOST_SHOWN: usize = 30;

/// Why a story does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The file.
    pub story: String,
    /// The line to look at.
    pub line: usize,
    /// Where it was played, when that is not one core of a World.
    pub place: String,
    /// What is written there.
    pub expected: Option<String>,
    /// What came instead.
    pub got: Option<String>,
    /// What differs, or what went wrong.
    pub why: String,
    /// Everything that came in that step.
    pub came: Vec<String>,
}

impl Failure {
    /// A line of which nothing more is to be shown than what went wrong.
    #[must_use]
    pub fn new(story: &Story, place: String, line: usize, why: String) -> Box<Self> {
        let story = story.name.clone();
        Box::new(Self { story, line, place, expected: None, got: None, why, came: Vec::new() })
    }
}

/// `file:line`, then expected and got as lines of the language.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.place.is_empty() { String::new() } else { format!(" ({})", self.place) };
        writeln!(f, "{}:{}{place}: {}", self.story, self.line, self.why)?;
        if self.expected.is_some() || self.got.is_some() {
            writeln!(f, "  expected  {}", self.expected.as_deref().unwrap_or("nothing"))?;
            writeln!(f, "  got       {}", self.got.as_deref().unwrap_or("nothing"))?;
        }
        if self.came.len() > 1 {
            writeln!(f, "  all that came in this step:")?;
            self.came.iter().try_for_each(|line| writeln!(f, "    {line}"))?;
        }
        Ok(())
    }
}

/// What is done about a step that does not hold.
#[derive(Debug)]
pub enum Mode<'a> {
    /// The story fails.
    Check,
    /// Its outputs are to be rewritten so.
    Update(&'a mut Vec<Rewrite>),
}

/// Plays a story on a World of so many cores.
///
/// # Errors
/// The first thing that does not hold.
pub fn play(story: &Story, cores: u8, order: Order, store: Box<dyn Store>, mode: Mode<'_>) -> Result<(), Box<Failure>> {
    let mut world = stage(story, cores, store).map_err(|(line, why)| Failure::new(story, String::new(), line, why))?;
    play_on(story, &mut world, order, mode)
}

/// Plays a story where everything it gives is there already.
///
/// # Errors
/// The first thing that does not hold.
pub fn play_on(story: &Story, theatre: &mut dyn Theatre, order: Order, mut mode: Mode<'_>) -> Result<(), Box<Failure>> {
    let place = theatre.place();
    let failure = |line: usize, why: String| Failure::new(story, place.clone(), line, why);
    let mut stage = Stage {
        story,
        peers: story.peers().collect(),
        theatre,
        sockets: BTreeMap::new(),
        calls: Vec::new(),
        posts: Vec::new(),
        names: BTreeMap::new(),
        opened: BTreeSet::new(),
        bindings: Bindings::default(),
    };
    let begins = story.givens().map(|(line, _)| line).last().unwrap_or(1);
    for step in story.steps() {
        let first = step.acts.first().map_or(begins, |(line, _)| line.number);
        let got = stage.act(&step).map_err(|(line, why)| failure(line, why))?;
        let before = stage.bindings.clone();
        let missed = match check(&step.outputs, &got, order, &mut stage.bindings) {
            Ok(()) => None,
            Err(missed) => match &mut mode {
                Mode::Check => Some(missed),
                Mode::Update(rewrites) => {
                    stage.bindings = before;
                    rewrites.push(rewrite(story, &step, &got, &mut stage.bindings));
                    None
                }
            },
        };
        if let Some(Mismatch { line, expected, got: came, why }) = missed {
            let said = gathered(&got);
            return Err(Box::new(Failure { expected, got: came, came: said, ..*failure(line.unwrap_or(first), why) }));
        }
        stage.balances(story, &step).map_err(|(line, why)| failure(line, why))?;
    }
    Ok(())
}

struct Stage<'a> {
    story: &'a Story,
    peers: Vec<&'a Peer>,
    theatre: &'a mut dyn Theatre,
    /// The latest socket of each peer.
    sockets: BTreeMap<&'a str, Socket>,
    /// Calls that may not be answered yet, and whose they are.
    calls: Vec<(&'a str, Socket)>,
    /// Calls of ours that may not be answered yet, and whom they are for.
    posts: Vec<(&'a str, u64)>,
    /// Whose each socket or call is or was.
    names: BTreeMap<Socket, &'a str>,
    /// Sockets opened in this step: their accept is not written.
    opened: BTreeSet<Socket>,
    bindings: Bindings,
}

type Stopped = (usize, String);

impl<'a> Stage<'a> {
    fn act(&mut self, step: &Step<'a>) -> Result<Vec<Got>, Stopped> {
        self.opened.clear();
        let mut last = 1;
        for (line, act) in &step.acts {
            last = line.number;
            let stopped = |why: String| (line.number, why);
            match act {
                Act::Say { peer, times, say, .. } => {
                    for count in 1..=*times {
                        self.say(peer, say, count).map_err(stopped)?;
                    }
                }
                Act::Sleep(duration) => self.sleep(line, *duration)?,
                Act::Happen(happen) => self.happen(happen).map_err(stopped)?,
            }
        }
        self.theatre.settle();
        if let Some(broken) = self.theatre.take_broken().first() {
            return Err((last, format!("the node broke its contract: {broken}")));
        }
        for (name, socket) in &self.sockets {
            if self.theatre.waits_for_upgrade(*socket) {
                return Err((last, format!("`{name}` speaks before its upgrade is answered")));
            }
        }
        let seen = self.theatre.take_seen();
        Ok(seen.into_iter().filter_map(|seen| self.got(seen)).collect())
    }

    fn peer(&self, name: &str) -> (usize, &'a Peer) {
        let found = self.peers.iter().copied().enumerate().find(|(_, peer)| peer.name == name);
        found.expect("the parser knows every peer")
    }

    fn open(&mut self, name: &str, target: Option<&str>, headers: &[(String, String)]) -> Result<Socket, String> {
        let (index, peer) = self.peer(name);
        if let Some(socket) = self.sockets.get(name)
            && self.theatre.life(*socket) != Life::Over
        {
            return Err(format!("the socket of `{name}` is still there"));
        }
        let target = target.map(|target| self.bindings.fill(target, 1)).transpose()?;
        let filled = headers.iter().map(|(name, value)| Ok((name.clone(), self.bindings.fill(value, 1)?)));
        let headers: Vec<(String, String)> = filled.collect::<Result<_, String>>()?;
        let request = upgrade(peer, index, target.as_deref(), &headers)?;
        let hearing = if peer.deaf { Hearing::Deaf } else { Hearing::Hears };
        let socket = self.theatre.open(core_of(index), &request, hearing);
        self.sockets.insert(&peer.name, socket);
        self.names.insert(socket, &peer.name);
        self.opened.insert(socket);
        Ok(socket)
    }

    /// The socket of a peer. One that we closed in this same step still takes what the peer had sent by then.
    fn socket(&self, name: &str) -> Result<Socket, String> {
        let socket = self.sockets.get(name).copied().ok_or_else(|| format!("`{name}` never opened a socket"))?;
        match self.theatre.life(socket) {
            Life::Over => Err(format!("the socket of `{name}` is over; `! open {name}` makes another")),
            Life::Opening | Life::Open | Life::Closing => Ok(socket),
        }
    }

    fn call(&mut self, name: &str, message: &Message, count: u32) -> Result<(), String> {
        let (index, peer) = self.peer(name);
        let request = call(peer, index, message, self.theatre.now().wall, &self.bindings, count)?;
        let socket = self.theatre.call(core_of(index), &request);
        self.calls.push((&peer.name, socket));
        self.names.insert(socket, &peer.name);
        Ok(())
    }

    /// A receiver answers the oldest call of ours that it has not answered.
    fn answer(&mut self, name: &str, message: &Message) -> Result<(), String> {
        let status = message.start.parse().map_err(|_| format!("expected a status, got `{}`", message.start))?;
        while let Some(at) = self.posts.iter().position(|(whose, _)| *whose == name) {
            let (_, number) = self.posts.remove(at);
            if self.theatre.answer(number, status) {
                return Ok(());
            }
        }
        Err(format!("no call waits for an answer of `{name}`"))
    }

    /// The connections of a peer that are there: its calls and its socket.
    fn lose(&mut self, name: &str) -> Result<(), String> {
        let theatre = &self.theatre;
        self.calls.retain(|(_, call)| theatre.life(*call) != Life::Over);
        let calls: Vec<Socket> = self.calls.iter().filter(|(whose, _)| *whose == name).map(|(_, call)| *call).collect();
        match self.socket(name) {
            Ok(socket) => self.theatre.lose(socket),
            Err(why) if calls.is_empty() => return Err(why),
            Err(_) => {}
        }
        calls.into_iter().for_each(|call| self.theatre.lose(call));
        Ok(())
    }

    /// The socket a peer speaks on; its first word opens one.
    fn speaking(&mut self, name: &str) -> Result<Socket, String> {
        match self.sockets.contains_key(name) {
            true => self.socket(name),
            false => self.open(name, None, &[]),
        }
    }

    fn say(&mut self, name: &str, say: &Say, count: u32) -> Result<(), String> {
        let sent = match say {
            Say::Json(text) => Sent::Text(self.bindings.fill_json(text, count)?),
            Say::Text(text) => Sent::Text(self.bindings.fill(text, count)?),
            Say::Binary(bytes) => Sent::Binary(bytes.clone()),
            Say::Ping => Sent::Ping,
            Say::Pong => Sent::Pong,
            Say::Close { code, reason } => {
                let socket = self.speaking(name)?;
                self.theatre.close(socket, *code, reason);
                return Ok(());
            }
            Say::Http(message) if self.peer(name).1.url.is_some() => return self.answer(name, message),
            Say::Http(message) => return self.call(name, message, count),
        };
        let socket = self.speaking(name)?;
        self.theatre.send(socket, sent);
        Ok(())
    }

    /// Moves the clock from deadline to deadline; nothing may come before the end.
    fn sleep(&mut self, line: &Line, duration: Duration) -> Result<(), Stopped> {
        let begin = self.theatre.now().at;
        let end = begin.after(duration);
        loop {
            let next = self.theatre.deadline().filter(|next| *next < end).unwrap_or(end);
            self.theatre.advance(next);
            let at = self.theatre.now().at;
            if at >= end {
                return Ok(());
            }
            if let Some(broken) = self.theatre.take_broken().first() {
                return Err((line.number, format!("the node broke its contract: {broken}")));
            }
            let seen = self.theatre.take_seen();
            let came: Vec<String> =
                seen.into_iter().filter_map(|seen| self.got(seen)).map(|got| got.written(true).to_string()).collect();
            if let Some(first) = came.first() {
                let (whole, slept) = (span(duration), span(at.since(begin)));
                return Err((
                    line.number,
                    format!("`@ +{whole}` sleeps past what comes at `@ +{slept}`: {first}{}", more(came.len())),
                ));
            }
        }
    }

    fn happen(&mut self, happen: &Happen) -> Result<(), String> {
        match happen {
            Happen::Open { peer, target, headers } => drop(self.open(peer, target.as_deref(), headers)?),
            Happen::Drop(peer) => self.lose(peer)?,
            Happen::Fault(peer, reason) => {
                let socket = self.socket(peer)?;
                self.theatre.fault(socket, *reason)?;
            }
            Happen::Dropped(peer, count) => {
                let socket = self.socket(peer)?;
                self.theatre.dropped(socket, *count)?;
            }
            Happen::Room(peer) => {
                let socket = self.socket(peer)?;
                self.theatre.room(socket)?;
            }
            Happen::Restart => self.theatre.restart().map_err(|error| format!("{error:?}"))?,
            Happen::Drain(spread) => self.theatre.drain(*spread),
            Happen::FailCommit => self.theatre.fail_commit(),
            Happen::FailLoad => self.theatre.fail_load(),
            Happen::HoldCommits => self.theatre.hold_commits(),
            Happen::ReleaseCommits => self.theatre.release_commits(),
            Happen::Revoke(peer) => {
                let peer_given = self.peer(peer).1;
                let id = credential_id(keeper(self.story, peer_given).unwrap_or(peer_given));
                if !self.theatre.revoke(&id).map_err(|error| format!("{error:?}"))? {
                    return Err(format!("`{peer}` has no credential to end"));
                }
            }
            Happen::Cancel(key) => {
                let stored = self.theatre.store().operations(None, usize::MAX).map_err(|error| format!("{error:?}"))?;
                let newest = stored.iter().rfind(|row| row.key.as_str() == key && row.about.is_none());
                let newest = newest.ok_or_else(|| format!("nothing was asked for under `{key}`"))?;
                self.theatre.take_back(newest.id);
            }
            Happen::Dismiss(peer) => {
                let socket = self.socket(peer)?;
                self.theatre.dismiss(socket);
            }
        }
        Ok(())
    }

    /// What came, in the words of the language; none for what stories do not show.
    fn got(&mut self, seen: Seen) -> Option<Got> {
        let (socket, shown) = match seen.sight {
            Sight::Event(event) => return Some(Got { peer: None, said: Said::Public(event.happening.to_string()) }),
            Sight::Note(_) => return None,
            Sight::Post(number, post) => return Some(self.posted(number, post)),
            Sight::Wire(socket, Shown::Accept) if self.opened.contains(&socket) => return None,
            Sight::Wire(socket, shown) => (socket, shown),
        };
        let said = match shown {
            Shown::Accept => Said::Accept,
            Shown::Refuse(response) | Shown::Respond(response) => {
                let headers = response.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone()));
                Said::Http(Message {
                    start: response.status.to_string(),
                    headers: headers.collect(),
                    body: String::from_utf8_lossy(&response.body).into_owned(),
                })
            }
            Shown::Text(text) => said_text(&String::from_utf8_lossy(&text)),
            Shown::Ping => Said::Ping,
            Shown::Close(code, reason) => Said::Close(format!("{} {reason}", code.0)),
        };
        Some(Got { peer: self.names.get(&socket).map(|name| (*name).to_owned()), said })
    }

    /// A call of ours, as its receiver sees it; one to nobody in the story is public.
    fn posted(&mut self, number: u64, post: Posting) -> Got {
        let Some(receiver) = self.peers.iter().find(|peer| peer.url.as_deref() == Some(&*post.url)) else {
            return Got { peer: None, said: Said::Public(format!("call {}", post.url)) };
        };
        self.posts.push((&receiver.name, number));
        let path = post.url.splitn(4, '/').nth(3).unwrap_or_default();
        let body = String::from_utf8_lossy(&post.body).into_owned();
        let message = Message { start: format!("POST /{path}"), headers: post.headers, body };
        Got { peer: Some(receiver.name.clone()), said: Said::Http(message) }
    }

    fn balances(&self, story: &Story, step: &Step<'_>) -> Result<(), Stopped> {
        for (line, id, money) in &step.balances {
            let stopped = |why: String| (line.number, why);
            let given = story.givens().find_map(|(_, given)| match given {
                Given::Member(member) if member.id == **id => Some(member),
                _ => None,
            });
            let network = network(given.and_then(|member| member.network.as_deref())).map_err(stopped)?;
            let member = MemberId::parse(id).map_err(|wrong| stopped(format!("a member {wrong}")))?;
            let known =
                self.theatre.store().member(&network, &member).map_err(|error| stopped(format!("{error:?}")))?;
            match known {
                Some(member) if member.balance == *money => {}
                Some(member) => {
                    let text = |money: &Money| format!("{} {}", money.minor, money.currency.as_str());
                    let (expected, held) = (text(money), text(&member.balance));
                    return Err(stopped(format!("expected a balance of {expected}, the store holds {held}")));
                }
                None => return Err(stopped(format!("no member is called `{id}`"))),
            }
        }
        Ok(())
    }
}

/// The core a peer's connections come to.
fn core_of(index: usize) -> u8 {
    let cores = usize::from(u8::MAX) + 1;
    u8::try_from(index % cores).expect("a remainder of 256 is a byte")
}

/// What came, equal lines counted, no more than fit on a screen.
fn gathered(got: &[Got]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rest = got;
    while let Some(first) = rest.first() {
        if lines.len() == MOST_SHOWN {
            lines.push(format!("… and {} more", rest.len()));
            break;
        }
        let run = rest.iter().take_while(|other| *other == first).count();
        let times = u32::try_from(run).unwrap_or(u32::MAX);
        lines.push(Output { times, ..first.written(true) }.to_string());
        rest = &rest[run..];
    }
    lines
}

fn more(count: usize) -> String {
    if count > 1 { format!(" (and {} more)", count - 1) } else { String::new() }
}
