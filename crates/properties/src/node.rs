//! Nodes on a store with several peers, driven by a program: frames, time, drops, commits that fail, loads, drains.
//!
//! ```text
//! 2rta                the head: cores, then switches (see `given`)
//! al                  vendor `a` logs in; a peer without a socket opens one first
//! anbread             `a` wants somebody at a door under the id `bread`; `apbread 250`: a payment; `axbread`: cancels
//! smbread             scanner `s` reads the palm of member `m`; `sn`: of nobody; `sq`: badly; `se`: a fault; `sk`: no
//! a>{"type":"ping"}   any text; `ab` binary, `ai` control ping, `aI` pong
//! ao                  opens a socket; `aO`: a deaf one; `ac` closes it; `ad` drops it; `af3` a fault of the framing
//! aw  ar              telemetry was dropped; there is room again
//! @1500               time passes, in milliseconds
//! !f !l !h !r !d !R   a commit fails, a load fails, commits are held, released, a drain, a restart
//! !ka                 the credential of `a` ends
//! &…                  the same as one step with the next line: nothing moves in between
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::{CredentialId, Happening, OperationId, OutcomeKind, Reason, Request, Role};
use serde_json::json;
use store::{Inspect, Memory, Store};
use transcript::world::{Hearing, Life, Sent, Shown, Sight, Socket, World};

use crate::program::{self, first, name, number};

/// Who there is: its letter, name, role, id and group; `c` and `z` are second sockets of `a` and `s`.
const PEERS: [(char, &str, Role, &str, &str); 8] = [
    ('a', "a", Role::Requester, "v", "v"),
    ('b', "b", Role::Requester, "w", "w"),
    ('c', "a", Role::Requester, "v", "v"),
    ('p', "p", Role::Requester, "v", "v"),
    ('s', "s", Role::Performer, "s", "v"),
    ('t', "t", Role::Performer, "t", "v"),
    ('u', "u", Role::Performer, "u", "w"),
    ('z', "s", Role::Performer, "s", "v"),
];

/// The longest sleep, and how often commits and loads may be told to fail.
const SLEEP_MOST: u64 = 200_000;
const FAIL_MOST: u32 = 5;
/// Longer than a context lives and shorter than a silent peer is kept: until then everything has ended.
const END: Duration = Duration::from_secs(60);
/// Wakes within one sleep.
const MAX_WAKES: u32 = 20_000;

fn given(head: &str) -> String {
    let mut story = String::from("# mark: choice\n= set boop.test_user_ids true\n");
    for (switch, set) in [
        ('r', "boop.reject_new true"),
        ('t', "boop.scan_attempts 2"),
        ('a', "node.asks_per_session 2"),
        ('c', "boop.contexts_per_span 3"),
        ('o', "boop.owed_at_most 1"),
        ('s', "boop.contexts_per_scanner 1"),
        ('g', "boop.scanner_grace 0ms"),
        ('m', "boop.remember 1s"),
    ] {
        if head.contains(switch) {
            story.push_str(&format!("= set {set}\n"));
        }
    }
    story.push_str(concat!(
        "= a boop requester vendor_id=v key=sk_v group=v name=\"Harbour Bakery\"\n",
        "= b boop requester vendor_id=w key=sk_w group=w expires=2031-03-04T05:12:00Z\n",
        "= p boop requester vendor_id=v key=sk_p group=v permission=kind:entrance permission=attr:email\n",
        "= s boop performer device=s key=dk_s group=v\n",
        "= t boop performer device=t key=dk_t group=v\n",
        "= u boop performer device=u key=dk_u group=w\n",
        "= member m balance=1000 USD attr.email=\"m@sample.test\" template=cA==:left\n",
        "= member n balance=5 EUR groups=w template=cQ==:right\n",
    ));
    story
}

/// What a socket of ours said and heard.
#[derive(Debug, Default)]
struct Heard {
    letter: char,
    accepted: bool,
    logged_in: bool,
    closed: bool,
    /// Well-formed wishes that were said after the login, by id.
    wished: BTreeMap<String, u32>,
    /// Messages by the context they name.
    about: BTreeMap<String, u32>,
    /// Outcomes by context.
    outcomes: BTreeMap<String, u32>,
}

/// A world that is watched.
struct Stage {
    world: World,
    memory: Memory,
    sockets: BTreeMap<char, Socket>,
    heard: BTreeMap<Socket, Heard>,
    /// The vendor's socket that was logged in when each piece of work was accepted.
    accepted: BTreeMap<OperationId, Option<Socket>>,
    ended: BTreeMap<OperationId, OutcomeKind>,
    /// Ends told to operators, and sockets a restart took without a word.
    ends: usize,
    taken: usize,
    fails: u32,
    loads: u32,
    /// Whether a restart or a failed commit may have taken words that were on their way.
    disturbed: bool,
    /// Whether commits or loads were told to wait.
    slow: bool,
}

/// Peers and nodes keep their word: what is said is a message, each context that is accepted ends once, is told once
/// to a vendor that stays, money adds up, no deadline passes in silence, and a drain leaves nothing behind.
///
/// # Panics
///
/// When that does not hold.
pub fn check(data: &[u8]) {
    let (head, lines) = program::lines(data);
    let story = transcript::parse("fuzz", &given(&head)).expect("what is given is well written");
    let memory = Memory::new();
    let cores = if head.starts_with('2') { 2 } else { 1 };
    let world = transcript::stage(&story, cores, Box::new(memory.clone())).expect("what is given can be");
    let mut stage = Stage {
        world,
        memory,
        sockets: BTreeMap::new(),
        heard: BTreeMap::new(),
        accepted: BTreeMap::new(),
        ended: BTreeMap::new(),
        ends: 0,
        taken: 0,
        fails: 0,
        loads: 0,
        disturbed: false,
        slow: false,
    };
    for line in lines {
        let (joined, line) = line.strip_prefix('&').map_or((false, &*line), |line| (true, line));
        stage.play(line);
        if !joined {
            stage.world.settle();
            stage.look();
        }
    }
    stage.end();
}

impl Stage {
    fn play(&mut self, line: &str) {
        match first(line) {
            Some(('@', rest)) => self.sleep(Duration::from_millis(number(rest, SLEEP_MOST))),
            Some(('!', rest)) => self.happen(rest),
            Some((letter, rest)) if PEERS.iter().any(|peer| peer.0 == letter) => self.peer(letter, rest),
            Some(_) | None => {}
        }
    }

    fn happen(&mut self, what: &str) {
        match first(what) {
            Some(('f', _)) if self.fails < FAIL_MOST => {
                self.fails += 1;
                self.disturbed = true;
                self.world.fail_commit();
            }
            Some(('l', _)) if self.loads < FAIL_MOST => {
                self.loads += 1;
                self.slow = true;
                self.world.fail_load();
            }
            Some(('h', _)) => {
                self.slow = true;
                self.world.hold_commits();
            }
            Some(('r', _)) => self.world.release_commits(),
            Some(('d', rest)) => self.world.drain(Duration::from_millis(number(rest, SLEEP_MOST))),
            Some(('R', _)) => {
                self.look();
                let open = |socket: &&Socket| self.world.life(**socket) != Life::Over;
                self.taken += self.heard.iter().filter(|(socket, heard)| heard.accepted && open(socket)).count();
                self.disturbed = true;
                self.world.restart().expect("memory can be read");
            }
            Some(('k', rest)) => {
                if let Some(peer) = first(rest).and_then(|(letter, _)| PEERS.iter().find(|peer| peer.0 == letter)) {
                    let id = CredentialId::parse(peer.1).expect("a letter is an id");
                    self.world.revoke(&id).expect("memory can be written");
                }
            }
            Some(_) | None => {}
        }
    }

    /// The peer's socket, opened when there is none.
    fn socket(&mut self, letter: char, hearing: Option<Hearing>) -> Socket {
        if let Some(socket) = self.sockets.get(&letter).filter(|socket| self.world.life(**socket) != Life::Over) {
            return *socket;
        }
        let at = PEERS.iter().position(|peer| peer.0 == letter).expect("it is one of them");
        let path = match PEERS[at].2 {
            Role::Performer => dialects::boop::SCANNER_PATH,
            Role::Requester | Role::Admin => dialects::boop::VENDOR_PATH,
        };
        let number = u8::try_from(at).expect("there are few");
        let request = Request {
            method: "GET".into(),
            path: path.into(),
            query: Vec::new(),
            headers: Vec::new(),
            body: bytes::Bytes::new(),
            peer: std::net::Ipv4Addr::new(192, 0, 2, number + 1).into(),
            certificate: None,
        };
        let socket = self.world.open(number, &request, hearing.unwrap_or(Hearing::Hears));
        self.sockets.insert(letter, socket);
        self.heard.insert(socket, Heard { letter, ..Heard::default() });
        self.look();
        socket
    }

    fn peer(&mut self, letter: char, what: &str) {
        let (op, rest) = first(what).unwrap_or(('l', ""));
        let hearing = match op {
            'O' => Some(Hearing::Deaf),
            _ => None,
        };
        let socket = self.socket(letter, hearing);
        let (key, more) = name(rest);
        let (_, _, role, id, _) = *PEERS.iter().find(|peer| peer.0 == letter).expect("it is one of them");
        let wish = |requirements: serde_json::Value| json!({"type": "create_context", "context_id": key, "requirements": requirements});
        let scan = |outcome: &str, who: Option<serde_json::Value>| {
            let mut frame = json!({"type": "scan_result", "context_id": key, "outcome": outcome});
            if let Some(who) = who {
                frame["test_user_id"] = who;
            }
            frame
        };
        let frame = match op {
            'l' if role == Role::Performer => {
                json!({"type": "authenticate", "device_id": id, "device_key": format!("dk_{id}")})
            }
            'l' => {
                let key = if letter == 'p' { "sk_p".to_owned() } else { format!("sk_{id}") };
                json!({"type": "authenticate", "vendor_id": id, "api_key": key})
            }
            'n' if role == Role::Requester => wish(json!({"type": "entrance", "attributes_optional": ["email"]})),
            'p' if role == Role::Requester => {
                wish(json!({"type": "payment", "amount": number(more.trim_start(), 1 << 54)}))
            }
            'x' => json!({"type": "cancel_context", "context_id": key}),
            'm' => scan("captured", Some("m".into())),
            'n' => scan("captured", Some(serde_json::Value::Null)),
            'q' => scan("poor_quality", None),
            'e' => scan("device_error", None),
            'k' => scan("cancelled", None),
            '>' => return self.world.send(socket, Sent::Text(rest.to_owned())),
            'b' => return self.world.send(socket, Sent::Binary(rest.as_bytes().to_vec())),
            'i' => return self.world.send(socket, Sent::Ping),
            'I' => return self.world.send(socket, Sent::Pong),
            'c' => return self.world.close(socket),
            'd' => return self.world.lose(socket),
            'r' => return self.world.room(socket),
            'w' => return self.world.dropped(socket, 3),
            'f' => {
                let reasons = [Reason::TooBig, Reason::BadText, Reason::Protocol, Reason::Slow, Reason::PeerLost];
                let at = usize::try_from(number(rest, 4)).unwrap_or(0);
                return self.world.fault(socket, reasons[at]);
            }
            _ => return,
        };
        let wished = frame["type"] == "create_context";
        if let Some(heard) = self.heard.get_mut(&socket)
            && wished
            && heard.logged_in
            && self.world.life(socket) == Life::Open
        {
            *heard.wished.entry(key.to_owned()).or_default() += 1;
        }
        self.world.send(socket, Sent::Text(frame.to_string()));
    }

    /// Moves the clock from deadline to deadline.
    fn sleep(&mut self, duration: Duration) {
        self.world.settle();
        let end = self.world.now().at.after(duration);
        for _ in 0..MAX_WAKES {
            let next = self.world.deadline().filter(|next| *next < end).unwrap_or(end);
            self.world.advance(next.max(self.world.now().at));
            self.look();
            let now = self.world.now().at;
            assert!(self.world.deadline().is_none_or(|next| next > now), "a deadline passed in silence");
            if now >= end {
                return;
            }
        }
        panic!("{MAX_WAKES} wakes within {duration:?}");
    }

    /// Takes in everything that came.
    fn look(&mut self) {
        if let Some(broken) = self.world.take_broken().first() {
            panic!("the node broke its contract: {broken}");
        }
        for seen in self.world.take_seen() {
            match seen.sight {
                Sight::Wire(socket, shown) => self.hear(socket, shown),
                Sight::Event(event) => match event.happening {
                    Happening::Accepted { operation, .. } => {
                        let vendor = |(_, heard): &(&Socket, &Heard)| {
                            let peer = PEERS.iter().find(|peer| peer.0 == heard.letter);
                            heard.logged_in
                                && !heard.closed
                                && peer.is_some_and(|peer| peer.2 == Role::Requester && peer.4 == event.group.name())
                        };
                        let owner = self.heard.iter().filter(vendor).map(|(socket, _)| *socket).next_back();
                        let before = self.accepted.insert(operation, owner);
                        assert!(before.is_none(), "{operation} was accepted twice");
                    }
                    Happening::Ended { operation, how } => {
                        let before = self.ended.insert(operation, how);
                        assert!(before.is_none(), "{operation} ended twice: {before:?} and {how:?}");
                        assert!(self.accepted.contains_key(&operation), "{operation} ended and never began");
                    }
                    Happening::Presence { .. } | Happening::Alert(_) => {}
                },
                Sight::Note(node::Note::Ended { .. }) => self.ends += 1,
                Sight::Note(node::Note::CommitFailed { error, .. }) => {
                    assert!(!format!("{error:?}").contains("fault in the partition"), "a partition broke");
                }
                Sight::Note(_) | Sight::Post(..) => {}
            }
        }
    }

    fn hear(&mut self, socket: Socket, shown: Shown) {
        let heard = self.heard.entry(socket).or_default();
        assert!(!heard.closed, "something was said after the close: {shown:?}");
        match shown {
            Shown::Accept => heard.accepted = true,
            Shown::Refuse(response) => {
                assert_eq!(response.status, 503, "these doors are served");
                heard.closed = true;
            }
            Shown::Text(text) => {
                let message = program::message(&text);
                let kind = message["type"].as_str().unwrap_or_default();
                heard.logged_in |= kind == "authenticated";
                let about = message["context_id"].as_str().unwrap_or_default().to_owned();
                if kind == "auth_result" || (kind == "error" && message["code"] == "AUTH_CONTEXT_EXPIRED") {
                    *heard.outcomes.entry(about.clone()).or_default() += 1;
                }
                *heard.about.entry(about).or_default() += 1;
            }
            Shown::Respond(response) => panic!("no call was made: {response:?}"),
            Shown::Ping => {}
            Shown::Close(_, reason) => {
                // A login that waits too long for the store is our fault too, and that is told to wait here.
                assert!(reason != Reason::Fault || self.slow, "a machine broke");
                heard.closed = true;
            }
        }
    }

    /// Lets everything come to its end and holds it against what must be.
    fn end(mut self) {
        self.world.release_commits();
        self.sleep(END);
        let rows = self.memory.operations(None, usize::MAX).expect("memory can be read");
        let mut keys = BTreeSet::new();
        let mut told: BTreeMap<(&str, &str), u32> = BTreeMap::new();
        for heard in self.heard.values() {
            let group = PEERS.iter().find(|peer| peer.0 == heard.letter).map_or("", |peer| peer.4);
            for (key, count) in &heard.outcomes {
                *told.entry((group, key)).or_default() += count;
            }
        }
        let mut paid = 0;
        for row in &rows {
            let about = format!("{} of {}", row.key, row.group);
            assert!(keys.insert((row.group.clone(), row.key.clone())), "{about} was accepted twice");
            let Some((outcome, _)) = &row.outcome else {
                panic!("{about} has no outcome: its deadline passed in silence")
            };
            paid += u64::from(&*row.kind == "payment" && outcome.kind() == OutcomeKind::Completed);
            let told = told.get(&(row.group.name(), row.key.as_str())).copied().unwrap_or(0);
            assert!(told <= 1 || self.disturbed, "the outcome of {about} was told {told} times");
            let Some(owner) = self.accepted.get(&row.id) else {
                assert!(self.disturbed, "{about} was stored and nobody heard of it");
                continue;
            };
            assert_eq!(self.ended.get(&row.id), Some(&outcome.kind()), "the end of {about} as it was told");
            if let Some(owner) = owner.filter(|owner| self.world.life(*owner) == Life::Open) {
                let told = self.heard[&owner].outcomes.get(row.key.as_str()).copied().unwrap_or(0);
                assert_eq!(told, 1, "a vendor that stayed was told the outcome of {about} {told} times");
            }
        }
        for (socket, heard) in &self.heard {
            for (key, wished) in heard.wished.iter().filter(|_| self.world.life(*socket) == Life::Open) {
                let about = heard.about.get(key).copied().unwrap_or(0);
                assert!(
                    about >= *wished,
                    "a vendor that stayed wished {wished} times for {key} and was told {about} times"
                );
            }
        }
        let accounts = self.memory.accounts().expect("memory can be read");
        assert!(accounts.iter().all(store::Account::adds_up), "money was made or lost: {accounts:?}");
        assert_eq!(accounts.iter().map(|account| account.debits).sum::<u64>(), paid, "debits beside payments");

        self.world.drain(Duration::ZERO);
        self.sleep(transcript::world::CLOSE_WAIT);
        assert_eq!(self.world.sessions(), (0, 0), "a drain leaves nobody behind");
        let opened = self.heard.values().filter(|heard| heard.accepted).count();
        assert_eq!(self.ends + self.taken, opened, "each connection has one end");
    }
}
