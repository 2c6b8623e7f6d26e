//! A story as a value: what a file says, line by line. How it is printed again is `print`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use model::setting::{Mark, Value};
use model::{Dialect, Money, Reason, Role, Side, Wall};

use crate::json::Json;

/// When nothing is given, stories begin here.
pub const DEFAULT_NOW: &str = "2031-03-04T05:10:00Z";
/// The network that peers and members share when none is given.
pub const DEFAULT_NETWORK: &str = "main";

/// One file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Story {
    /// The file's path as people find it.
    pub name: String,
    /// Everything in it, in order.
    pub lines: Vec<Line>,
}

/// One line with those that continue it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Which line of the file, from 1.
    pub number: usize,
    /// How many lines of the file it takes.
    pub height: usize,
    /// What it says.
    pub item: Item,
}

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// Nothing: the end of a paragraph.
    Blank,
    /// For readers; without the `#`.
    Prose(String),
    /// `=`: what is given.
    Given(Given),
    /// `>`, `@` or `!`: what is done.
    Act(Act),
    /// `<` or `*`: what must follow.
    Output(Output),
    /// `? balance`: what the store must hold.
    Balance {
        /// Whose.
        member: String,
        /// How much.
        money: Money,
    },
}

/// What is given before anything happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Given {
    /// Both clocks at the start.
    Now(Wall),
    /// The seed's bytes, at most eight.
    Random(Vec<u8>),
    /// A setting by its section and name.
    Set {
        /// Such as `boop.scan_attempts`.
        key: String,
        /// Its value.
        value: Value,
    },
    /// Somebody who connects.
    Peer(Box<Peer>),
    /// A registered member.
    Member(Box<MemberGiven>),
}

/// Somebody who connects, with a credential or without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its name in the story.
    pub name: String,
    /// What it speaks.
    pub dialect: Dialect,
    /// What it is.
    pub role: Role,
    /// The word the presented name was given with (`vendor_id`, `device`, `subject`), and that name.
    pub subject: Option<(String, String)>,
    /// The key it presents.
    pub key: Option<String>,
    /// What it signs its calls with.
    pub secret: Option<String>,
    /// The group its key is for: a credential of the store; none for strangers, and for who uses another's key.
    pub group: Option<String>,
    /// What people read.
    pub title: Option<String>,
    /// Where its group's members are.
    pub network: Option<String>,
    /// Who the credential proves.
    pub principal: Option<String>,
    /// What it may; empty for everything.
    pub permissions: BTreeSet<String>,
    /// When its credential ends.
    pub expires: Option<Wall>,
    /// Where it connects from.
    pub address: Option<IpAddr>,
    /// Headers of its requests, in place of those it would have or beside them.
    pub headers: Vec<(String, String)>,
    /// Pairs of its requests' queries.
    pub query: Vec<(String, String)>,
    /// It keeps its key to itself.
    pub silent: bool,
    /// Where it waits for calls of ours.
    pub url: Option<String>,
    /// It never completes a close.
    pub deaf: bool,
}

/// A registered member as a story gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberGiven {
    /// Its id.
    pub id: String,
    /// Where it is registered.
    pub network: Option<String>,
    /// What it has.
    pub balance: Option<Money>,
    /// What is known, as JSON texts.
    pub attributes: BTreeMap<String, String>,
    /// Which of that is vouched for.
    pub attested: BTreeSet<String>,
    /// With which palms everything is given out.
    pub sides: Option<BTreeSet<Side>>,
    /// The same for one attribute.
    pub sides_of: BTreeMap<String, BTreeSet<Side>>,
    /// Who may know it.
    pub groups: Option<BTreeSet<String>>,
    /// The templates it is recognised by.
    pub templates: Vec<(String, Side)>,
}

/// What is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// A peer says something.
    Say {
        /// Which.
        peer: String,
        /// Whether the file writes its name: not when it is the only one.
        named: bool,
        /// How often.
        times: u32,
        /// What.
        say: Say,
    },
    /// Time passes.
    Sleep(Duration),
    /// Something happens to the world.
    Happen(Happen),
}

/// What a peer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Say {
    /// A text frame of JSON, as written.
    Json(String),
    /// Any other text frame.
    Text(String),
    /// A binary frame.
    Binary(Vec<u8>),
    /// A control ping.
    Ping,
    /// A control pong.
    Pong,
    /// A close frame.
    Close {
        /// Its code.
        code: u16,
        /// Its text.
        reason: String,
    },
    /// An HTTP request or answer.
    Http(Message),
}

/// What must follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Who hears it; none for what is public.
    pub peer: Option<String>,
    /// Whether the file writes the peer's name.
    pub named: bool,
    /// How often.
    pub times: u32,
    /// What.
    pub said: Said,
}

/// What the gateway says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// A text frame of JSON.
    Json(Json),
    /// Any other text frame.
    Text(String),
    /// A control ping.
    Ping,
    /// A close frame: code and label as one text.
    Close(String),
    /// A late accept of an upgrade.
    Accept,
    /// An HTTP request or answer.
    Http(Message),
    /// What is made public.
    Public(String),
}

/// An HTTP request or answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// `POST /path` or `201`.
    pub start: String,
    /// Lower-case names with values, in order.
    pub headers: Vec<(String, String)>,
    /// The whole body; empty for none.
    pub body: String,
}

/// What happens to the world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happen {
    /// A peer opens a socket.
    Open {
        /// Which.
        peer: String,
        /// Another path than the usual one, with its query.
        target: Option<String>,
        /// Lower-case names with values.
        headers: Vec<(String, String)>,
    },
    /// A peer's connections are lost without a word: its socket and its open calls.
    Drop(String),
    /// The codec or the writer gives a connection up.
    Fault(String, Reason),
    /// Telemetry for a peer was dropped.
    Dropped(String, u32),
    /// A peer reads again.
    Room(String),
    /// Killed and started again.
    Restart,
    /// Asked to end, with return hints spread over so long.
    Drain(Duration),
    /// The next commit fails.
    FailCommit,
    /// The next load fails.
    FailLoad,
    /// Commits wait.
    HoldCommits,
    /// Commits go on.
    ReleaseCommits,
    /// A peer's credential ends.
    Revoke(String),
    /// An operator takes back the newest work under a key.
    Cancel(String),
    /// An operator ends a peer's session.
    Dismiss(String),
}

impl Story {
    /// What the story is marked as; none when the vendor has no such thing.
    #[must_use]
    pub fn mark(&self) -> Option<Mark> {
        let word = self.told("mark: ")?;
        [Mark::Doc, Mark::Inferred, Mark::Choice].into_iter().find(|mark| mark.name() == word)
    }

    /// Why the vendor has no such thing.
    #[must_use]
    pub fn not_applicable(&self) -> Option<&str> {
        self.told("n/a: ")
    }

    /// The rest of the first prose line that begins so.
    #[must_use]
    pub fn told(&self, begin: &str) -> Option<&str> {
        self.lines.iter().find_map(|line| match &line.item {
            Item::Prose(prose) => prose.strip_prefix(begin),
            _ => None,
        })
    }

    /// Everything given, with its line.
    pub fn givens(&self) -> impl Iterator<Item = (usize, &Given)> {
        self.lines.iter().filter_map(|line| match &line.item {
            Item::Given(given) => Some((line.number, given)),
            _ => None,
        })
    }

    /// Everybody who connects.
    pub fn peers(&self) -> impl Iterator<Item = &Peer> {
        self.givens().filter_map(|(_, given)| match given {
            Given::Peer(peer) => Some(&**peer),
            _ => None,
        })
    }

    /// Acts that happen together, each with what must follow. The first step has no acts: the start.
    #[must_use]
    pub fn steps(&self) -> Vec<Step<'_>> {
        let mut steps = vec![Step::default()];
        let mut open = false;
        for line in &self.lines {
            let last = steps.len() - 1;
            match &line.item {
                Item::Act(act) => {
                    let alone = matches!(act, Act::Sleep(_));
                    if !open || alone {
                        steps.push(Step::default());
                    }
                    let last = steps.len() - 1;
                    steps[last].acts.push((line, act));
                    open = !alone;
                }
                Item::Output(output) => {
                    steps[last].outputs.push((line, output));
                    open = false;
                }
                Item::Balance { member, money } => {
                    steps[last].balances.push((line, member, *money));
                    open = false;
                }
                Item::Blank | Item::Prose(_) | Item::Given(_) => open = false,
            }
        }
        steps
    }
}

/// Acts that happen together, and what must follow.
#[derive(Clone, Debug, Default)]
pub struct Step<'a> {
    /// What is done.
    pub acts: Vec<(&'a Line, &'a Act)>,
    /// What must follow, in order.
    pub outputs: Vec<(&'a Line, &'a Output)>,
    /// What the store must hold then.
    pub balances: Vec<(&'a Line, &'a String, Money)>,
}
