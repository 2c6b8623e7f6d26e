//! A small world around one partition: peers with names, a store that remembers what was written, a clock that
//! only tests move. Every act gives back the complete list of what followed, a line each.

mod line;
mod people;

pub(crate) use people::{Person, Work, admin, caller, key, nameless, payment, performer, requester};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use engine::{Input, Output, Partition};
use model::Opaque;
use model::{
    Answer, Ask, AskId, DeviceId, DeviceRow, DeviceSeen, Epoch, Fence, GroupId, Late, Loaded, MailRow, Now,
    OperationId, OperationRow, Outcome, Position, Route, Rules, Settled, Sight, Tell, Timestamp, Verdict, Which,
    Window, Write,
};

/// Where every story's clock starts, in milliseconds.
pub(crate) const START: u64 = 1_900_000_000_000;

/// The instant so many seconds after the start.
pub(crate) fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(START + seconds * 1_000)
}

/// So many seconds.
pub(crate) const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The kinds of work the dialect knows.
type Kinds = Arc<Mutex<BTreeMap<Box<str>, Arc<Rules>>>>;

/// One partition and everything around it.
pub(crate) struct World {
    pub(crate) partition: Partition,
    fence: u32,
    now: u64,
    names: BTreeMap<String, Route>,
    gone: BTreeSet<Route>,
    open: BTreeMap<(Route, AskId), &'static str>,
    asks: u32,
    kinds: Kinds,
    pub(crate) rows: BTreeMap<OperationId, OperationRow>,
    pub(crate) mail: Vec<MailRow>,
    pub(crate) seen: BTreeMap<DeviceId, DeviceRow>,
    /// Each operation's key, with a mark for each use before it.
    keys: BTreeMap<OperationId, String>,
    uses: BTreeMap<String, usize>,
    settles: BTreeMap<OperationId, Option<MailRow>>,
    /// The last windows each peer was lent.
    pub(crate) lent: BTreeMap<String, Vec<Window>>,
}

impl World {
    pub(crate) fn new() -> Self {
        let kinds = Kinds::default();
        let partition = Partition::new(loaded(1), rulebook(&kinds));
        Self {
            partition,
            fence: 1,
            now: START,
            names: BTreeMap::new(),
            gone: BTreeSet::new(),
            open: BTreeMap::new(),
            asks: 0,
            kinds,
            rows: BTreeMap::new(),
            mail: Vec::new(),
            seen: BTreeMap::new(),
            keys: BTreeMap::new(),
            uses: BTreeMap::new(),
            settles: BTreeMap::new(),
            lent: BTreeMap::new(),
        }
    }

    /// A new connection wants in.
    pub(crate) fn admit(&mut self, name: &str, person: Person) -> Vec<String> {
        let slot = self.names.len() as u64 + 1;
        let before = self.names.insert(name.to_owned(), Route { core: 0, slot });
        assert!(before.is_none(), "every connection has a name of its own: {name}");
        self.ask(name, "admit", Ask::Admit(Box::new(person.admit())))
    }

    /// A session is over.
    pub(crate) fn leave(&mut self, name: &str) -> Vec<String> {
        self.leave_with(name, Vec::new())
    }

    /// A session is over and hands back what it was lent.
    pub(crate) fn leave_with(&mut self, name: &str, windows: Vec<Window>) -> Vec<String> {
        let lines = self.ask(name, "leave", Ask::Leave { windows });
        self.gone.insert(self.names[name]);
        lines
    }

    /// A requester asks for work.
    pub(crate) fn submit(&mut self, name: &str, work: Work) -> Vec<String> {
        self.submit_with(name, work, None)
    }

    /// The same, with the row the store had under the key.
    pub(crate) fn submit_with(&mut self, name: &str, work: Work, earlier: Option<OperationRow>) -> Vec<String> {
        let submit = work.submit(Timestamp::from_millis(self.now));
        self.learn_kind(&submit.kind, &submit.rules);
        self.ask_with(name, "submit", Ask::Submit(Box::new(submit)), earlier)
    }

    pub(crate) fn cancel(&mut self, name: &str, text: &str) -> Vec<String> {
        self.ask(name, "cancel", Ask::Cancel { key: key(text) })
    }

    /// A performer answers by the requester's key.
    pub(crate) fn answer(&mut self, name: &str, text: &str, verdict: Verdict) -> Vec<String> {
        self.ask(name, "answer", Ask::Answer(Answer { which: Which::Key(key(text)), verdict }))
    }

    /// A performer answers by our id, which the key's latest operation has.
    pub(crate) fn answer_by_id(&mut self, name: &str, text: &str, verdict: Verdict) -> Vec<String> {
        let which = Which::Id(self.operation(text));
        self.ask(name, "answer", Ask::Answer(Answer { which, verdict }))
    }

    /// A performer answers about the work that makes good for another.
    pub(crate) fn answer_about(&mut self, name: &str, text: &str, verdict: Verdict) -> Vec<String> {
        self.ask(name, "answer", Ask::Answer(Answer { which: Which::Compensation(key(text)), verdict }))
    }

    /// The same as an answer by the requester's key, where the node fetches the stored row that is wanted.
    pub(crate) fn answer_late(&mut self, name: &str, text: &str, verdict: Verdict) -> Vec<String> {
        let ask = Ask::Answer(Answer { which: Which::Key(key(text)), verdict });
        let earlier = self.earlier(name, &ask);
        self.ask_with(name, "answer", ask, earlier)
    }

    pub(crate) fn devices(&mut self, name: &str) -> Vec<String> {
        self.ask(name, "devices", Ask::Devices)
    }

    /// Somebody wants to know where a piece of work stands.
    pub(crate) fn look(&mut self, name: &str, text: &str) -> Vec<String> {
        let ask = Ask::Look { key: key(text) };
        let earlier = self.earlier(name, &ask);
        self.ask_with(name, "look", ask, earlier)
    }

    /// The stored row an ask wants: the newest of its key that somebody asked for.
    fn earlier(&self, name: &str, ask: &Ask) -> Option<OperationRow> {
        let (_, wanted) = self.partition.wants_earlier(self.names[name], ask)?;
        let newest = |row: &&OperationRow| row.about.is_none() && row.key == *wanted;
        self.rows.values().rev().find(newest).map(|row| self.stored(row))
    }

    /// A row as the store gives it: with the work that makes good for it.
    fn stored(&self, row: &OperationRow) -> OperationRow {
        let making_good = self.rows.values().find(|other| other.about == Some(row.id));
        let ended = |row: &OperationRow| row.outcome.as_ref().map(|(outcome, at)| (outcome.kind(), *at));
        OperationRow { compensation: making_good.map(|row| (row.id, ended(row))), ..row.clone() }
    }

    pub(crate) fn serve(&mut self, name: &str, names: &[&str]) -> Vec<String> {
        self.ask(name, "serve", Ask::Serve { names: names.iter().map(|name| (*name).into()).collect() })
    }

    pub(crate) fn listen(&mut self, name: &str, since: Option<(u32, u64)>) -> Vec<String> {
        let since = since.map(|(fence, n)| Position { fence: Fence(fence), n });
        self.ask(name, "listen", Ask::Listen { since })
    }

    /// A displaced session's connection has ended.
    pub(crate) fn parted(&mut self, name: &str, alive: bool) -> Vec<String> {
        self.handle(Input::Parted { from: self.names[name], alive })
    }

    /// The store has decided; what it decided is durable.
    pub(crate) fn settled(&mut self, text: &str, settled: Settled) -> Vec<String> {
        let operation = self.operation(text);
        let owed = self.settles.remove(&operation).expect("only what was asked is decided");
        if let (Settled::Outcome(outcome), Some(row)) = (&settled, self.rows.get_mut(&operation)) {
            row.outcome = Some((outcome.clone(), Timestamp::from_millis(self.now)));
            self.mail.extend(owed);
        }
        self.handle(Input::Settled { operation, settled })
    }

    pub(crate) fn undelivered(&mut self, text: &str) -> Vec<String> {
        self.handle(Input::Undelivered { operation: self.operation(text) })
    }

    /// An operator takes work back.
    pub(crate) fn take_back(&mut self, text: &str) -> Vec<String> {
        self.handle(Input::TakeBack { operation: self.operation(text) })
    }

    /// The devices an operator sees, with their groups, those after one of the usual group.
    pub(crate) fn seen(&self, sight: &Sight, after: Option<&str>) -> Vec<(String, String)> {
        let after = after.map(|name| (group(), DeviceId::parse(name).expect("a name")));
        let named = |seen: DeviceSeen| (seen.group.to_string(), seen.state.device.to_string());
        self.partition.devices(sight, after.as_ref()).map(named).collect()
    }

    /// Time passes, and every deadline in between is woken for at its exact instant.
    pub(crate) fn wait(&mut self, pause: Duration) -> Vec<String> {
        let target = self.now + u64::try_from(pause.as_millis()).expect("short");
        let mut lines = Vec::new();
        while let Some(deadline) = self.partition.deadline().filter(|deadline| deadline.millis() <= target) {
            self.now = self.now.max(deadline.millis());
            let stamp = line::instant(Timestamp::from_millis(self.now));
            lines.extend(self.handle(Input::Wake).into_iter().map(|line| format!("{stamp} {line}")));
            let next = self.partition.deadline();
            assert!(next.is_none_or(|next| next.millis() > self.now), "a deadline passed in silence");
        }
        self.now = target;
        lines
    }

    /// Time passes and nobody wakes the partition.
    pub(crate) fn sleep(&mut self, pause: Duration) {
        self.now += u64::try_from(pause.as_millis()).expect("short");
    }

    /// The process dies, and a new owner starts from what was written.
    pub(crate) fn restart(&mut self) -> Vec<String> {
        self.fence += 1;
        let loaded = Loaded {
            operations: self.rows.values().map(|row| self.stored(row)).collect(),
            mail: self.mail.clone(),
            devices: self.seen.values().cloned().collect(),
            ..loaded(self.fence)
        };
        self.partition = Partition::new(loaded, rulebook(&self.kinds));
        self.gone.extend(self.names.values());
        self.open.clear();
        self.settles.clear();
        self.handle(Input::Wake)
    }

    /// Everything that was not answered yet.
    pub(crate) fn unanswered(&self) -> Vec<&'static str> {
        self.open.values().copied().collect()
    }

    /// The latest operation under a key.
    pub(crate) fn operation(&self, text: &str) -> OperationId {
        *self.keys.iter().rev().find(|(_, key)| key.trim_end_matches('\'') == text).expect("a known key").0
    }

    pub(crate) fn ask(&mut self, name: &str, what: &'static str, ask: Ask) -> Vec<String> {
        self.ask_with(name, what, ask, None)
    }

    pub(crate) fn ask_with(
        &mut self,
        name: &str,
        what: &'static str,
        ask: Ask,
        earlier: Option<OperationRow>,
    ) -> Vec<String> {
        self.asks += 1;
        let (from, id) = (self.names[name], AskId(self.asks));
        if !matches!(ask, Ask::Leave { .. }) {
            self.open.insert((from, id), what);
        }
        self.handle(Input::Ask { from, id, ask, earlier: earlier.map(Box::new) })
    }

    fn handle(&mut self, input: Input) -> Vec<String> {
        let mut out = Vec::new();
        self.partition.handle(Now::from_millis(self.now), input, &mut out);
        out.into_iter().map(|output| self.line(output)).collect()
    }

    /// Does what the node and the store do with an output, and writes it down.
    fn line(&mut self, output: Output) -> String {
        match output {
            Output::Tell { to, ask, tell } => {
                assert!(!self.gone.contains(&to), "told to a session that left: {tell:?}");
                if let Some(ask) = ask {
                    assert!(self.open.remove(&(to, ask)).is_some(), "answered twice: {tell:?}");
                }
                let name = self.names.iter().find(|(_, route)| **route == to).expect("a known route").0.clone();
                if let Tell::Accepted { operation, key } = &tell {
                    self.learn(*operation, key.as_str());
                }
                if let Tell::Admitted { windows, .. } = &tell {
                    self.lent.insert(name.clone(), windows.clone());
                }
                let mark = if ask.is_some() { '=' } else { ':' };
                format!("{name}{mark} {}", self.tell(&tell))
            }
            Output::Write(write) => {
                self.store(&write);
                format!("write {}", self.write(&write))
            }
            Output::Settle { question, owed, .. } => {
                let line = format!(
                    "settle {} attempt {} {}{}",
                    self.keys[&question.operation],
                    question.attempt,
                    line::text(&question.evidence),
                    owed.as_ref().map_or_else(String::new, |mail| format!(" owed until {}", line::instant(mail.until)))
                );
                self.settles.insert(question.operation, owed);
                line
            }
            Output::Event(event) => format!("event {} {}", event.position.n, self.happening(&event.happening)),
        }
    }

    fn store(&mut self, write: &Write) {
        match write.clone() {
            Write::Accepted(row) => {
                self.learn(row.id, row.key.as_str());
                self.rows.insert(row.id, *row);
            }
            Write::Ended { operation, outcome, at } => {
                let row = self.rows.get_mut(&operation).expect("only stored work ends in the store");
                assert!(row.outcome.is_none(), "an operation ends once");
                row.outcome = Some((outcome, at));
            }
            Write::Owed(mail) => {
                self.mail.retain(|owed| owed.operation != mail.operation);
                self.mail.push(mail);
            }
            Write::Paid { operation } => self.mail.retain(|mail| mail.operation != operation),
            Write::LateAnswer { operation, body, at } => {
                self.rows.get_mut(&operation).expect("beside its row").late = Some((body, at));
            }
            Write::Seen(row) => {
                self.seen.insert(row.device.clone(), row);
            }
        }
    }

    /// The dialect knows no kind of work any more.
    pub(crate) fn forget_kinds(&mut self) {
        self.kinds.lock().expect(WHOLE).clear();
    }

    /// The dialect knows the kind from now on, and the kind of what makes good for it.
    fn learn_kind(&mut self, kind: &str, rules: &Arc<Rules>) {
        self.kinds.lock().expect(WHOLE).insert(kind.into(), Arc::clone(rules));
        if let Late::Compensate(compensation) = &rules.late {
            self.learn_kind(&compensation.kind, &compensation.rules);
        }
    }

    fn learn(&mut self, operation: OperationId, key: &str) {
        if !self.keys.contains_key(&operation) {
            let uses = self.uses.entry(key.to_owned()).or_default();
            self.keys.insert(operation, format!("{key}{}", "'".repeat(*uses)));
            *uses += 1;
        }
    }
}

/// The group everybody is in.
pub(crate) fn group() -> GroupId {
    GroupId::parse("shop").expect("a good name")
}

const WHOLE: &str = "nobody panics while it holds the kinds";

fn rulebook(kinds: &Kinds) -> engine::Rulebook {
    let kinds = Arc::clone(kinds);
    Arc::new(move |_, kind| kinds.lock().expect(WHOLE).get(kind).cloned())
}

/// What the owner of an empty store starts from.
pub(crate) fn loaded(fence: u32) -> Loaded {
    Loaded {
        partition: model::Partition::of(&group()),
        fence: Fence(fence),
        newest: None,
        operations: Vec::new(),
        mail: Vec::new(),
        devices: Vec::new(),
    }
}

/// A body of bytes.
pub(crate) fn bytes(text: &str) -> Opaque {
    Opaque::copy_from_slice(text.as_bytes())
}

pub(crate) fn completed(text: &str) -> Verdict {
    Verdict::Completed(bytes(text))
}

pub(crate) fn evidence(text: &str) -> Verdict {
    Verdict::Evidence(bytes(text))
}

pub(crate) fn decided(text: &str) -> Settled {
    Settled::Outcome(Outcome::Completed { body: bytes(text) })
}

pub(crate) fn again(text: &str) -> Settled {
    Settled::Again { note: bytes(text) }
}

/// Nothing followed.
pub(crate) const NOTHING: [&str; 0] = [];

pub(crate) fn epoch(epoch: Epoch) -> String {
    format!("e{}.{}", epoch.fence.0, epoch.n)
}
