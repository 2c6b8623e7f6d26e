//! Webhook endpoints that fail, hang or lie, for hours and days, under the settings of production: what the store has for
//! them is told all the same, in order, and nobody waits for anybody else's endpoint.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gateway::{Indoors, Settings};
use model::{
    Announce, Commit, Dialect, Digest, Endpoint, EndpointId, EndpointWork, GroupId, NetworkId, Notice, Now, Occasion,
    Opaque, OperationId, OperationRow, Outcome, Partition, PrincipalId, RequestKey, Secret, Target, Timestamp, Wall,
    Write,
};
use store::{Horizon, Inspect as _, KeptFilter, Memory, Stage, Store as _};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use crate::clock::HandClock;
use crate::fickle::{Failing, Fickle, fail_one_more};
use crate::receivers::{ADDRESS, Received, Receivers};

const START: Timestamp = Timestamp::from_millis(1_930_000_000_000);
const MINUTE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_secs(15 * 60);
const WITHIN: Duration = Duration::from_secs(10);
const TRIES: u32 = 97;

fn at(minutes: u32) -> Timestamp {
    START.after(MINUTE * minutes)
}

fn group() -> GroupId {
    GroupId::of(Dialect::Modulus, "store-1").unwrap()
}

/// Each payment is late first, and ends then.
fn print(announce: &Announce, row: &OperationRow, endpoint: &EndpointId) -> Option<Notice> {
    let event = match announce.occasion {
        Occasion::Late(_) => "payment.timeout",
        Occasion::Ended => "payment.completed",
    };
    let id = format!("{} {event}", row.key);
    Some(Notice { event, id: format!("{id} {endpoint}").into(), body: id.into_bytes().into() })
}

/// A store with an endpoint at each of those hosts, and payments that are late at minutes and end half a minute later.
fn told_to(hosts: &[String], late: &[u32]) -> Memory {
    let mut store = Memory::new();
    for (index, host) in hosts.iter().enumerate() {
        let endpoint = Endpoint {
            id: EndpointId::parse(&format!("wh_{index:04}")).unwrap(),
            group: group(),
            url: format!("https://{host}/pay").into(),
            events: ["payment.timeout", "payment.completed"].map(Into::into).into(),
            active: true,
            secret: Secret::new("whsec_demo"),
            description: None,
            metadata: None,
            created_at: Wall::default(),
            updated_at: Wall::default(),
        };
        let add = EndpointWork::Add { endpoint: Box::new(endpoint), most: hosts.len() };
        store.endpoints(&group(), &add).unwrap();
    }
    let partition = Partition::of(&group());
    let fence = store.load(&[partition], Horizon::at(START)).unwrap()[0].fence;
    for (number, minutes) in (0..).zip(late) {
        let late = at(*minutes);
        let row = OperationRow {
            id: OperationId::next(partition, START.millis() + number, None),
            group: group(),
            network: NetworkId::parse("main").unwrap(),
            requester: PrincipalId::parse("till").unwrap(),
            requester_name: "till".into(),
            dialect: Dialect::Modulus,
            kind: "payment_hook".into(),
            key: RequestKey::parse(&format!("K-{number}")).unwrap(),
            body: Digest::of(b"asked"),
            target: Target::AnyOfGroup,
            accepted_at: START,
            deliver_by: None,
            answer_by: START,
            request: Opaque::new(),
            memo: Opaque::new(),
            outcome: None,
            about: None,
            late: None,
            compensation: None,
        };
        let ended = late.after(MINUTE / 2);
        let outcome = Outcome::Completed { body: Opaque::new() };
        let announce = |occasion, at| Announce { operation: row.id, occasion, at, wall: Wall::default(), print };
        let announces = [announce(Occasion::Late(late), START), announce(Occasion::Ended, ended)];
        let writes = [Write::Accepted(Box::new(row.clone())), Write::Ended { operation: row.id, outcome, at: ended }];
        for (batch, (write, announce)) in (2 * number + 1..).zip(writes.into_iter().zip(announces)) {
            let (writes, announces) = (vec![write], vec![announce]);
            store.commit(&[Commit { partition, fence, batch, writes, settles: vec![], announces }]).remove(0).unwrap();
        }
    }
    store
}

/// One try as its receiver saw it.
#[derive(Debug)]
struct Heard {
    at: Timestamp,
    host: String,
    said: String,
    /// What it answered; none when it did not.
    status: Option<u16>,
}

/// A gateway with receivers that answer as they are told, by the clock.
struct Town {
    clock: HandClock,
    receivers: Receivers,
    failing: Failing,
    indoors: Indoors,
    runtime: Runtime,
    /// Calls that nobody answers.
    hanging: Vec<oneshot::Sender<u16>>,
    heard: Vec<Heard>,
}

impl Town {
    fn new(store: &Memory) -> Self {
        let clock = HandClock::new(Now { at: START, wall: Wall::from_millis(START.millis()) });
        let receivers = Receivers::new(4096);
        let settings = Settings { cores: 1, ..Settings::default() };
        let plan = gateway::Plan { dialects: Arc::default(), bounds: node::Bounds::default(), seed: 1 };
        let (hands, outside) = (Arc::new(clock.clone()), Arc::new(receivers.clone()));
        let failing = Failing::default();
        let store = Box::new(Fickle { store: Box::new(store.clone()), failing: failing.clone() });
        let indoors = Indoors::start(settings, hands, outside, Arc::default(), store, |birth, out| {
            Box::new(plan.node(birth, out))
        });
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        Self { clock, receivers, failing, indoors: indoors.unwrap(), runtime, hanging: Vec::new(), heard: Vec::new() }
    }

    /// Everything that follows within this instant.
    fn settle(&mut self, answers: impl Fn(&str, Timestamp) -> Option<u16>) {
        loop {
            let quiet = async { tokio::time::sleep(Duration::from_millis(1)).await };
            self.runtime.block_on(self.indoors.run_until(quiet));
            let received = self.receivers.take();
            let came = !received.is_empty();
            for Received { posting, answer } in received {
                let at = gateway::Clock::now(&self.clock).at;
                let host = posting.url.split('/').nth(2).unwrap().to_owned();
                let status = answers(&host, at);
                match status {
                    Some(status) => answer.send(status).unwrap(),
                    None => self.hanging.push(answer),
                }
                self.heard.push(Heard { at, host, said: String::from_utf8(posting.body.to_vec()).unwrap(), status });
            }
            if !self.indoors.store_works() && !came {
                return;
            }
        }
    }

    /// Moves the clock from deadline to deadline until then.
    fn until(&mut self, end: Timestamp, answers: impl Fn(&str, Timestamp) -> Option<u16>) {
        self.settle(&answers);
        loop {
            let deadlines = self.clock.deadline().into_iter().chain(self.indoors.store_deadline());
            let next = deadlines.min().filter(|next| *next < end).unwrap_or(end);
            self.clock.move_to(next);
            self.settle(&answers);
            if next == end {
                return;
            }
        }
    }

    /// What a host heard, as it was said, with when.
    fn heard_by(&self, host: &str, taken: bool) -> BTreeMap<String, Vec<Timestamp>> {
        let mut heard: BTreeMap<String, Vec<Timestamp>> = BTreeMap::new();
        for each in self.heard.iter().filter(|each| each.host == host && (each.status == Some(200) || !taken)) {
            heard.entry(each.said.clone()).or_default().push(each.at);
        }
        heard
    }
}

fn hosts(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| format!("{name}.example.test")).collect()
}

fn kept(store: &Memory) -> Vec<(u32, Stage)> {
    store.kept(0, 10_000, &KeptFilter::default()).unwrap().iter().map(|kept| (kept.tries, kept.stage)).collect()
}

/// When what is said of those payments is due, without anything in its way.
fn due(late: &[u32]) -> BTreeMap<String, Vec<Timestamp>> {
    let both = |(number, minutes): (usize, &u32)| {
        let late = at(*minutes);
        let said = [("timeout", late), ("completed", late.after(MINUTE / 2))];
        said.map(|(event, at)| (format!("K-{number} payment.{event}"), vec![at]))
    };
    late.iter().enumerate().flat_map(both).collect()
}

#[test]
fn an_endpoint_that_fails_for_an_hour_hears_everything_in_order_and_holds_nobody_up() {
    let late: Vec<u32> = (1..=70).step_by(3).collect();
    let store = told_to(&hosts(&["fails", "works"]), &late);
    let mut town = Town::new(&store);
    let hour = at(61);
    town.until(at(200), |host, now| Some(if host.starts_with("fails") && now < hour { 500 } else { 200 }));

    assert_eq!(town.heard_by("works.example.test", false), due(&late), "another endpoint hears each at its instant");
    let tried = town.heard_by("fails.example.test", false);
    let taken = town.heard_by("fails.example.test", true);
    for (number, minutes) in late.iter().enumerate() {
        let [timeout, completed] = ["timeout", "completed"].map(|event| format!("K-{number} payment.{event}"));
        assert_eq!(tried[&timeout][0], at(*minutes), "another payment is not waited for");
        let [[late], [ended]] = [&taken[&timeout][..], &taken[&completed]] else { panic!("{taken:?}") };
        assert!(late <= ended && tried[&completed][0] >= *late, "{number}: {tried:?}");
        assert!(*ended <= hour.max(at(*minutes)).after(PAUSE), "{number}: {taken:?}");
    }
    assert!(kept(&store).iter().all(|(_, stage)| *stage == Stage::Delivered));
}

#[test]
fn what_is_never_taken_is_tried_for_a_day_and_kept() {
    let store = told_to(&hosts(&["fails", "works"]), &[1]);
    let mut town = Town::new(&store);
    town.until(at(3 * 24 * 60), |host, _| Some(if host.starts_with("fails") { 503 } else { 204 }));
    let tried = town.heard_by("fails.example.test", false);
    let first = &tried["K-0 payment.timeout"];
    let quarters: Vec<Timestamp> = (0..TRIES).map(|number| at(1).after(PAUSE * number)).collect();
    assert_eq!(*first, quarters);
    assert_eq!(tried["K-0 payment.completed"][0], first[96], "what comes after it waits no longer");
    let delivered = (1, Stage::Delivered);
    assert_eq!(kept(&store), [(TRIES, Stage::GivenUp), delivered, (TRIES, Stage::GivenUp), delivered]);
    let metrics = town.indoors.metrics();
    for (result, count) in [("given_up", 2), ("again", 2 * (TRIES - 1)), ("delivered", 2)] {
        assert!(metrics.contains(&format!("tillgate_webhooks_total{{result=\"{result}\"}} {count}\n")), "{metrics}");
    }
    let last = &store.kept(0, 1, &KeptFilter::default()).unwrap()[0].last;
    assert_eq!(last.as_ref().map(|(at, said)| (*at, &**said)), Some((first[96], "answered 503")));
}

#[test]
fn endpoints_that_hang_are_given_ten_seconds_and_hold_nobody_up() {
    let late: Vec<u32> = (1..=5).collect();
    let mut all = hosts(&["hangs", "works"]);
    all.extend((0..150).map(|number| format!("hangs-{number}.example.test")));
    let store = told_to(&all, &late);
    let mut town = Town::new(&store);
    town.until(at(20), |host, _| if host.starts_with("hangs") { None } else { Some(200) });
    let works = town.heard_by("works.example.test", false);
    assert_eq!(works, due(&late), "it hears each at its instant");
    let mut last = BTreeMap::new();
    for each in town.heard.iter().filter(|each| each.host == "hangs.example.test") {
        let before = last.insert(&*each.said, each.at);
        assert!(before.is_none_or(|before| each.at >= before.after(WITHIN + PAUSE)), "{each:?} after {before:?}");
    }
    let first = store.kept(0, 1, &KeptFilter::default()).unwrap().remove(0);
    let last = last["K-0 payment.timeout"].after(WITHIN);
    assert_eq!(first.last, Some((last, "no answer in time".into())));
    let open = town.hanging.iter().filter(|answer| !answer.is_closed()).count();
    assert!(open <= node::DELIVERIES_UNTRUSTED, "{open} calls are open");
}

#[test]
fn nobody_is_followed_inside_wherever_an_answer_or_a_name_points() {
    let store = told_to(&hosts(&["moved", "inside", "both", "turns"]), &[1]);
    let mut town = Town::new(&store);
    // Each answer points to an address inside; see the receivers.
    town.until(at(20), |_, _| Some(307));
    let inside = |address: &std::net::SocketAddr| address.ip() != ADDRESS;
    assert!(!town.receivers.connected().iter().any(inside), "{:?}", town.receivers.connected());
    let said = |host: &str| {
        let number =
            hosts(&["moved", "inside", "both", "turns"]).iter().position(|name| name.starts_with(host)).unwrap();
        let endpoint = EndpointId::parse(&format!("wh_{number:04}")).unwrap();
        let filter = KeptFilter { endpoint: Some(endpoint), ..KeptFilter::default() };
        store.kept(0, 1, &filter).unwrap().remove(0).last.unwrap().1
    };
    assert_eq!(&*said("moved"), "answered 307");
    assert_eq!([&*said("inside"), &*said("both")], ["not an address that is called"; 2]);
    let tries = town.heard_by("moved.example.test", false)["K-0 payment.timeout"].len();
    assert_eq!(tries, 2);
    assert_eq!(town.receivers.looked_up() as usize, 4 * tries, "what was looked at is what is called");
}

#[test]
fn a_receiver_that_cannot_prove_its_name_hears_nothing() {
    let store = told_to(&["elsewhere.test".to_owned()], &[1]);
    let mut town = Town::new(&store);
    town.until(at(2), |_, _| Some(200));
    assert!(town.heard.is_empty(), "{:?}", town.heard);
    assert_eq!(town.receivers.connected().len(), 1);
    let last = store.kept(0, 1, &KeptFilter::default()).unwrap().remove(0).last.unwrap();
    assert_eq!(&*last.1, "unreachable");
}

#[test]
fn while_nothing_can_be_written_down_an_endpoint_is_told_once_a_second() {
    let store = told_to(&hosts(&["works", "too"]), &[1, 1]);
    let mut town = Town::new(&store);
    let failures = 8;
    (0..failures).for_each(|_| fail_one_more(&town.failing.tries));
    town.until(at(1).after(MINUTE / 3), |_, _| Some(200));
    let heard = town.heard_by("works.example.test", true);
    for said in ["K-0 payment.timeout", "K-1 payment.timeout"] {
        let apart = heard[said].windows(2).map(|two| two[1].since(two[0]));
        assert!(apart.clone().count() > 0 && apart.clone().all(|pause| pause >= Duration::from_secs(1)), "{heard:?}");
    }
    assert_eq!(kept(&store).iter().filter(|(_, stage)| *stage == Stage::Delivered).count(), 4);
}

/// The numbers above are those of production.
#[test]
fn the_schedule_is_the_settings() {
    let choices = dialects::modulus::Choices::default();
    assert_eq!((choices.webhook_tries, choices.webhook_pause, choices.webhook_within), (TRIES, PAUSE, WITHIN));
    assert!(!choices.allow_private_webhook_targets);
}
