//! The street: peers with connections that take their time, a World, and the acts of a plan.
//!
//! Here bytes travel and time passes. What a peer does with what it hears is its own; what is right is the book's.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::{Now, Timestamp, Wall};
use node::Note;
use store::Store;

use super::book::Book;
use super::dice::Dice;
use super::frames;
use super::people::{credentials, upgrade};
use super::plan::{Deed, Link, Millis, Peer, Plan};
use super::terminal::Terminal;
use super::till::Till;
use super::{Effect, Failure, Soon, Tally};
use crate::world::{Hearing, Sent, Setup, Shown, Sight, Socket, World};

/// When it begins, on both clocks.
const START: &str = "2031-03-04T05:10:00Z";
/// How often peers ping.
const PING: Millis = 30_000;
/// How long after the last act everything must have come to rest, beyond what terminals may take and stay away.
const REST: Millis = 6 * 3_600_000;

/// Everything in motion.
pub(crate) struct Street {
    pub(crate) plan: Plan,
    pub(crate) world: World,
    start: Now,
    pub(crate) book: Book,
    pub(crate) tills: Vec<Till>,
    pub(crate) terminals: Vec<Terminal>,
    pub(crate) wires: BTreeMap<Peer, Wire>,
    /// Whose each socket is, by its number.
    pub(crate) owners: Vec<Owner>,
    /// Calls that are not answered, and when they must have been.
    pub(crate) calls: BTreeMap<Socket, Timestamp>,
    /// Commits are on their way to the disk.
    writing: bool,
    agenda: BTreeMap<(Timestamp, u64), Due>,
    ordered: u64,
    /// What is due besides pings.
    pub(crate) pending: u64,
    starts: u64,
    pub(crate) dice: Dice,
    pub(crate) phase: Phase,
    story: Option<Vec<String>>,
    said_at: Timestamp,
}

/// One peer's connection.
#[derive(Default)]
pub(crate) struct Wire {
    pub(crate) socket: Option<Socket>,
    /// Counts its connections and their ends: what was under way on an older one is lost.
    pub(crate) era: u64,
    pub(crate) is_open: bool,
    up: Timestamp,
    down: Timestamp,
}

/// Whose a socket is.
pub(crate) enum Owner {
    /// That of a peer's connection.
    Wire(Peer, u64),
    /// That of one call, made for what the till said.
    Call { till: usize, text: String },
}

/// What happens at its time.
pub(crate) enum Due {
    Act(Deed),
    Connect(Peer),
    Up(Peer, u64, String),
    Down(Peer, u64, Heard),
    Ping(Peer, u64),
    Soon(usize, Soon),
    Say(Peer, String),
    Written,
    ReleaseCommits,
    ReleaseReads,
    Start,
    Look,
    End,
}

pub(crate) enum Heard {
    Shown(Shown),
    Lost,
}

/// What is being done.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Acts happen.
    Acts,
    /// What they began ends.
    Rest,
    /// Each till asks once more for everything.
    Again,
    /// Each terminal is given one more payment.
    Last,
}

impl Street {
    pub(crate) fn new(plan: &Plan, mut store: Box<dyn Store>, tells: bool) -> Result<Self, Failure> {
        let wall = Wall::parse(START).expect("that is a time");
        let start = Now::from_millis(wall.millis());
        let bad = |error: store::StoreError| Failure::new("the surface", format!("{error:?}"));
        store.add_credentials(&credentials(plan, wall)).map_err(bad)?;
        let mut dialects = dialects::Config::default();
        Arc::make_mut(&mut dialects.modulus).answer_within = plan.answer_within;
        let bounds = node::Bounds::default();
        let setup = Setup { cores: plan.cores, seed: plan.seed, now: start, dialects: Arc::new(dialects), bounds };
        let world = World::new(setup, store).map_err(bad)?;
        let mut street = Self {
            start,
            book: Book::default(),
            tills: plan.tills.iter().map(|_| Till::default()).collect(),
            terminals: plan.terminals.iter().map(|_| Terminal::default()).collect(),
            wires: BTreeMap::new(),
            owners: Vec::new(),
            calls: BTreeMap::new(),
            writing: false,
            agenda: BTreeMap::new(),
            ordered: 0,
            pending: 0,
            starts: world.starts(),
            dice: Dice::new(plan.seed),
            phase: Phase::Acts,
            story: tells.then(Vec::new),
            said_at: start.at,
            world,
            plan: plan.clone(),
        };
        street.givens();
        if plan.disk.is_some() {
            street.world.hold_commits();
        }
        for act in &plan.acts {
            street.at(start.at.after(Duration::from_millis(act.at)), Due::Act(act.deed));
        }
        Ok(street)
    }

    /// Lets everything happen, and says how it ended and what was said.
    pub(crate) fn run(mut self) -> (Result<Tally, Failure>, String) {
        let result = self.play();
        if let Err(failure) = &result {
            self.say(|| format!("# {failure}"));
        }
        (result, self.story.map(|lines| lines.join("\n")).unwrap_or_default())
    }

    fn play(&mut self) -> Result<Tally, Failure> {
        let last = self.plan.acts.iter().map(|act| act.at).max().unwrap_or(0);
        self.soon(last + 1, Due::Look);
        let rest_by = self.start.at.after(Duration::from_millis(last + REST));
        loop {
            let next = self.agenda.keys().next().map(|(at, _)| *at);
            let Some(next) = next.into_iter().chain(self.world.deadline()).min() else { break };
            if next > rest_by {
                let open = self.rows()?.iter().filter(|row| row.outcome.is_none()).count();
                let detail = format!("{open} still open, {} things pending, hours after the last act", self.pending);
                return Err(Failure::new("every deadline", detail));
            }
            if next > self.world.now().at {
                self.world.advance(next);
                self.collect()?;
            }
            while let Some(((at, _), due)) = self.agenda.pop_first() {
                if at > self.world.now().at {
                    self.agenda.insert((at, 0), due);
                    break;
                }
                if matches!(due, Due::End) {
                    return self.end();
                }
                self.pending -= u64::from(!matches!(due, Due::Ping(..) | Due::Look));
                self.happen(due)?;
            }
            self.world.settle();
            self.collect()?;
        }
        Err(Failure::new("every deadline", "it stopped by itself"))
    }

    // Time.

    fn at(&mut self, at: Timestamp, due: Due) {
        self.ordered += 1;
        self.pending += u64::from(!matches!(due, Due::Ping(..) | Due::Look));
        self.agenda.insert((at, self.ordered), due);
    }

    pub(crate) fn soon(&mut self, wait: Millis, due: Due) {
        self.at(self.world.now().at.after(Duration::from_millis(wait)), due);
    }

    fn happen(&mut self, due: Due) -> Result<(), Failure> {
        match due {
            Due::Act(deed) => self.act(deed),
            Due::Connect(peer) => self.connect(peer),
            Due::Up(peer, era, text) => self.up(peer, era, text),
            Due::Down(peer, era, heard) => self.down(peer, era, heard)?,
            Due::Ping(peer, era) => {
                if self.wire(peer).era == era {
                    self.effects(peer, vec![Effect::Say(frames::plain("ping"))]);
                    self.soon(PING, Due::Ping(peer, era));
                }
            }
            Due::Soon(terminal, soon) => self.later(terminal, soon),
            Due::Say(peer, text) => self.effects(peer, vec![Effect::Say(text)]),
            Due::Written => {
                self.writing = false;
                self.world.release_commits();
                self.world.hold_commits();
            }
            Due::ReleaseCommits => {
                self.say(|| "! release commits".to_owned());
                self.world.release_commits();
            }
            Due::ReleaseReads => {
                self.say(|| "# stored rows are read again".to_owned());
                self.world.release_reads();
            }
            Due::Start => self.restart()?,
            Due::Look => self.look()?,
            Due::End => {}
        }
        // What falls into one instant is sometimes handed in together, and sometimes has its effect one by one.
        if self.dice.once_in(2) {
            self.world.settle();
        }
        self.collect()
    }

    // Acts.

    fn act(&mut self, deed: Deed) {
        let mut effects = Vec::new();
        match deed {
            Deed::Connect(peer) => self.connect(peer),
            Deed::Drop(Peer::Till(till), _) if self.plan.tills[till].calls => self.calls_lost(Some(till), true),
            Deed::Drop(peer, back) => self.drop_wire(peer, back),
            Deed::Deafen(peer, back) => {
                if let Some(socket) = self.wire(peer).socket {
                    self.say(|| format!("# {} is half-open from now on", name(peer)));
                    self.world.deafen(socket);
                    self.let_go(peer, back);
                }
            }
            Deed::Pay(payment) => {
                let Plan { payments, .. } = &self.plan;
                let (till, amount) = (payments[payment].till, payments[payment].amount.clone());
                self.tills[till].pay(&self.plan, payment, &amount, &mut effects);
                self.effects(Peer::Till(till), effects);
            }
            Deed::PayOther(payment) => {
                let till = self.plan.payments[payment].till;
                self.tills[till].pay(&self.plan, payment, "7777.00", &mut effects);
                self.effects(Peer::Till(till), effects);
            }
            Deed::PayStrange { till, payment } => {
                let amount = self.plan.payments[payment].amount.clone();
                self.tills[till].pay(&self.plan, payment, &amount, &mut effects);
                self.effects(Peer::Till(till), effects);
            }
            Deed::Claim { terminal, payment } => {
                let claimed = &self.plan.payments[payment];
                // Where two groups have the same id it may be its own payment that it would lie about.
                let mut same = self.plan.payments.iter().filter(|payment| payment.id == claimed.id);
                if !same.any(|payment| payment.terminal == terminal) {
                    let text = frames::response(&claimed.id, "SUCCESS", &claimed.amount);
                    self.effects(Peer::Terminal(terminal), vec![Effect::Say(text)]);
                }
            }
            Deed::Restart => {
                if let Err(failure) = self.restart() {
                    self.say(|| format!("# {failure}"));
                }
            }
            Deed::DieAfterCommits(count) => {
                self.say(|| format!("# killed when {count} more commits are durable, before anybody is told"));
                self.world.die_after_commits(count);
            }
            Deed::FailCommit => {
                self.say(|| "! fail commit".to_owned());
                self.world.fail_commit();
            }
            Deed::FailLoad => {
                self.say(|| "! fail load".to_owned());
                self.world.fail_load();
            }
            Deed::HoldCommits(_) if self.plan.disk.is_some() => {}
            Deed::HoldCommits(wait) => {
                self.say(|| "! hold commits".to_owned());
                self.world.hold_commits();
                self.book.held = self.book.held.max(Duration::from_millis(wait) * 2);
                self.soon(wait, Due::ReleaseCommits);
            }
            Deed::HoldReads(wait) => {
                self.say(|| "# stored rows are not read for a while".to_owned());
                self.world.hold_reads();
                self.book.held = self.book.held.max(Duration::from_millis(wait) * 2);
                self.soon(wait, Due::ReleaseReads);
            }
            Deed::StepWall(by) => {
                let wall = Wall::from_millis(self.world.now().wall.millis().saturating_add_signed(by));
                self.say(|| format!("# the wall clock is set to {}", wall.with_millis()));
                self.world.step_wall(wall);
            }
            Deed::Drain(wait) => {
                self.say(|| "! drain".to_owned());
                self.world.drain(Duration::ZERO);
                self.soon(wait, Due::Start);
            }
        }
    }

    fn restart(&mut self) -> Result<(), Failure> {
        self.say(|| "! restart".to_owned());
        self.world.restart().map_err(|error| Failure::new("the surface", format!("{error:?}")))
    }

    fn later(&mut self, terminal: usize, soon: Soon) {
        let Link { latency, jitter, .. } = self.plan.terminals[terminal].link;
        let mut effects = Vec::new();
        match soon {
            Soon::Decide(id) => self.terminals[terminal].decide(&id, latency + jitter, &mut effects),
            Soon::Reverse(id) => self.terminals[terminal].reverse(&id, &mut effects),
            Soon::Drop(back) => effects.push(Effect::Drop(back)),
            Soon::SayAgain => self.terminals[terminal].say_again(&mut effects),
        }
        self.effects(Peer::Terminal(terminal), effects);
    }

    pub(crate) fn effects(&mut self, peer: Peer, effects: Vec<Effect>) {
        for effect in effects {
            match (effect, peer) {
                (Effect::Say(text), _) => {
                    let Link { latency, jitter, .. } = self.link(peer);
                    let arrives = self.world.now().at.after(Duration::from_millis(latency + self.dice.below(jitter)));
                    let wire = self.wires.entry(peer).or_default();
                    if wire.is_open {
                        wire.up = wire.up.max(arrives);
                        let (at, era) = (wire.up, wire.era);
                        self.at(at, Due::Up(peer, era, text));
                    }
                }
                (Effect::Soon(wait, soon), Peer::Terminal(terminal)) => self.soon(wait, Due::Soon(terminal, soon)),
                (Effect::Soon(..), Peer::Till(_)) => {}
                (Effect::Drop(back), _) => self.drop_wire(peer, back),
            }
        }
    }

    // Connections.

    pub(crate) fn wire(&mut self, peer: Peer) -> &mut Wire {
        self.wires.entry(peer).or_default()
    }

    fn connect(&mut self, peer: Peer) {
        if let Peer::Till(till) = peer
            && self.plan.tills[till].calls
        {
            return self.there(till);
        }
        if self.wire(peer).socket.is_some() {
            return;
        }
        self.say(|| format!("! open {}", name(peer)));
        let core = u8::try_from(self.dice.below(u64::from(self.plan.cores))).unwrap_or(0);
        let socket = self.world.open(core, &upgrade(&self.plan, peer), Hearing::Hears);
        let wire = self.wires.entry(peer).or_default();
        (wire.socket, wire.is_open, wire.era) = (Some(socket), false, wire.era + 1);
        self.owners.push(Owner::Wire(peer, wire.era));
        assert_eq!(self.owners.len(), socket.0 + 1, "sockets are numbered from 0");
    }

    fn drop_wire(&mut self, peer: Peer, back: Millis) {
        if let Some(socket) = self.wire(peer).socket {
            self.say(|| format!("! drop {}", name(peer)));
            self.world.lose(socket);
            self.let_go(peer, back);
        }
    }

    fn let_go(&mut self, peer: Peer, back: Millis) {
        let wire = self.wire(peer);
        (wire.socket, wire.is_open, wire.era) = (None, false, wire.era + 1);
        self.soon(back, Due::Connect(peer));
    }

    fn up(&mut self, peer: Peer, era: u64, text: String) {
        if let Peer::Till(till) = peer
            && self.plan.tills[till].calls
        {
            return self.call(till, text);
        }
        let wire = self.wires.entry(peer).or_default();
        let Some(socket) = wire.socket.filter(|_| wire.era == era) else { return };
        if let Some(frame) = frames::read(text.as_bytes()) {
            match peer {
                Peer::Till(till) => self.book.till_said(till, &frame),
                Peer::Terminal(terminal) => self.book.terminal_said(terminal, &frame),
            }
        }
        if !text.contains("\"ping\"") {
            self.say(|| format!("{}> {text}", name(peer)));
        }
        self.world.send(socket, Sent::Text(text));
    }

    fn down(&mut self, peer: Peer, era: u64, heard: Heard) -> Result<(), Failure> {
        if self.wire(peer).era != era {
            return Ok(());
        }
        let patience = self.link(peer).patience;
        let mut effects = Vec::new();
        match heard {
            Heard::Shown(Shown::Accept) => {
                self.wire(peer).is_open = true;
                self.soon(PING, Due::Ping(peer, era));
                match peer {
                    Peer::Till(till) => {
                        let asks_again =
                            self.plan.tills[till].asks_again || matches!(self.phase, Phase::Again | Phase::Last);
                        self.tills[till].connected(asks_again, &mut effects);
                    }
                    Peer::Terminal(_) => Terminal::connected(&mut effects),
                }
            }
            Heard::Shown(Shown::Refuse(_)) => self.let_go(peer, patience.max(1_000)),
            Heard::Shown(Shown::Close(..)) | Heard::Lost => self.let_go(peer, patience),
            Heard::Shown(Shown::Text(text)) => {
                let Some(frame) = frames::read(&text) else {
                    return Err(Failure::new("the surface", format!("{} hears no JSON", name(peer))));
                };
                match peer {
                    Peer::Till(till) => self.tills[till].hear(&frame, &mut effects),
                    Peer::Terminal(terminal) => {
                        self.terminals[terminal].hear(&self.plan, terminal, &frame, &mut effects)?;
                    }
                }
            }
            Heard::Shown(Shown::Ping | Shown::Respond(_)) => {}
        }
        self.effects(peer, effects);
        Ok(())
    }

    // What comes out.

    fn collect(&mut self) -> Result<(), Failure> {
        if let Some(broken) = self.world.take_broken().into_iter().next() {
            return Err(Failure::new("the surface", broken));
        }
        for seen in self.world.take_seen() {
            match seen.sight {
                Sight::Wire(socket, shown) => self.shown(socket, shown)?,
                Sight::Event(event) => {
                    self.say(|| format!("* {}", event.happening));
                    self.book.happened(&event);
                }
                Sight::Note(Note::CommitFailed { error, .. }) => {
                    self.book.disturbances += 1;
                    if !error.to_string().contains("told to fail") {
                        return Err(Failure::new("the surface", error.to_string()));
                    }
                }
                Sight::Note(Note::LoadFailed { cause, .. }) => {
                    self.book.held += crate::world::LOAD_PAUSE;
                    if !cause.contains("told to fail") {
                        return Err(Failure::new("the surface", cause.to_string()));
                    }
                }
                Sight::Note(Note::RowDamaged { cause, .. }) => {
                    return Err(Failure::new("the surface", cause.to_string()));
                }
                Sight::Note(
                    Note::NoDoor { .. } | Note::LoginRefused { .. } | Note::LoggedIn { .. } | Note::Ended { .. },
                ) => {}
                Sight::Post(..) => return Err(Failure::new("the surface", "nobody here has a webhook endpoint")),
            }
        }
        if self.world.starts() != self.starts {
            self.book.disturbances += self.world.starts() - self.starts;
            self.starts = self.world.starts();
            let lost: Vec<(Peer, u64)> = self
                .wires
                .iter()
                .filter(|(_, wire)| {
                    wire.socket.is_some_and(|socket| self.world.life(socket) == crate::world::Life::Over)
                })
                .map(|(peer, wire)| (*peer, wire.era))
                .collect();
            for (peer, era) in lost {
                self.travel(peer, era, Heard::Lost);
            }
            self.calls_lost(None, false);
            if self.plan.disk.is_some() {
                self.world.hold_commits();
            }
        }
        if let (Some(takes), false) = (self.plan.disk, self.writing)
            && self.world.held_commits() > 0
        {
            self.writing = true;
            self.soon(takes, Due::Written);
        }
        Ok(())
    }

    fn shown(&mut self, socket: Socket, shown: Shown) -> Result<(), Failure> {
        let (peer, era) = match &self.owners[socket.0] {
            Owner::Wire(peer, era) => (*peer, *era),
            Owner::Call { till, text } => {
                let (till, text) = (*till, text.clone());
                return match &shown {
                    Shown::Respond(response) => self.answered(socket, till, text, response),
                    _ => Err(Failure::new("the surface", format!("a call hears {shown:?}"))),
                };
            }
        };
        if let Shown::Text(text) = &shown {
            let frame = frames::read(text).ok_or_else(|| Failure::new("the surface", "a frame that is no JSON"))?;
            if frames::text(&frame, "action") != Some("pong") {
                self.say(|| format!("{}< {}", name(peer), String::from_utf8_lossy(text)));
            }
            match peer {
                Peer::Till(till) => self.book.told_till(&self.plan, till, &frame)?,
                Peer::Terminal(terminal) => self.book.told_terminal(&self.plan, terminal, &frame)?,
            }
        } else if let Shown::Close(code, reason) = &shown {
            self.say(|| format!("{}< close {code:?} {reason:?}", name(peer)));
        } else if let Shown::Refuse(response) = &shown {
            self.say(|| format!("{}< {}", name(peer), response.status));
        }
        self.travel(peer, era, Heard::Shown(shown));
        Ok(())
    }

    pub(crate) fn travel(&mut self, peer: Peer, era: u64, heard: Heard) {
        let Link { latency, jitter, .. } = self.link(peer);
        let arrives = self.world.now().at.after(Duration::from_millis(latency + self.dice.below(jitter)));
        let wire = self.wires.entry(peer).or_default();
        if wire.era == era {
            wire.down = wire.down.max(arrives);
            let at = wire.down;
            self.at(at, Due::Down(peer, era, heard));
        }
    }

    // The story.

    fn givens(&mut self) {
        let Some(story) = &mut self.story else { return };
        story.push(format!("# seed {}, {} cores", self.plan.seed, self.plan.cores));
        story.push("# mark: choice".to_owned());
        story.push(String::new());
        let acts =
            |peer: Peer| self.plan.acts.iter().any(|act| matches!(act.deed, Deed::Connect(other) if other == peer));
        let tills = (0..self.plan.tills.len()).map(Peer::Till);
        for peer in tills.chain((0..self.plan.terminals.len()).map(Peer::Terminal)).filter(|peer| acts(*peer)) {
            let (role, group, device) = match peer {
                Peer::Till(till) => ("requester", self.plan.tills[till].group, String::new()),
                Peer::Terminal(terminal) => {
                    let planned = &self.plan.terminals[terminal];
                    let device = if planned.named { format!(" device=t{terminal}") } else { String::new() };
                    ("performer", planned.group, device)
                }
            };
            let name = name(peer);
            story.push(format!("= {name} modulus {role} key=key-{name} group=g{group}{device}"));
        }
        story.push(format!("= set modulus.answer_within {}s", self.plan.answer_within.as_secs()));
    }

    pub(crate) fn say(&mut self, line: impl FnOnce() -> String) {
        let now = self.world.now().at;
        let Some(story) = &mut self.story else { return };
        if now > self.said_at {
            let passed = now.since(self.said_at);
            let (seconds, millis) = (passed.as_secs(), passed.subsec_millis());
            story.push(String::new());
            story.push(format!(
                "@ +{}",
                if millis == 0 { format!("{seconds}s") } else { format!("{seconds}s{millis}ms") }
            ));
            self.said_at = now;
        }
        story.push(line());
    }
}

pub(crate) fn name(peer: Peer) -> String {
    match peer {
        Peer::Till(till) => format!("till{till}"),
        Peer::Terminal(terminal) => format!("t{terminal}"),
    }
}
