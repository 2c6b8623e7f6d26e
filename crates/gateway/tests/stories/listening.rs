//! Operators that hear events, on a clock moved by hand: when something is said although nothing happens, who is let go for
//! not reading, and who for reading too slowly.

use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use dialects::{Door, Way};
use gateway::{Clock as _, Indoors, Machine, Settings};
use model::{
    Credential, CredentialId, CredentialKind, DeviceId, Dialect, Epoch, Event, GroupId, Happening, NetworkId, Now,
    Permissions, Position, Presence, PrincipalId, Request, Role, Route, Secret, Timestamp, Wall,
};
use node::{Input, Output};
use store::{Memory, Store};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::runtime::{Builder, Runtime};

use crate::clock::HandClock;
use crate::receivers::Receivers;

/// A core on which something happens at given instants, and nothing else.
struct Happens {
    at: Vec<Timestamp>,
    count: usize,
}

impl Machine for Happens {
    fn route(&mut self) -> Route {
        Route { core: 0, slot: 0 }
    }

    fn handle(&mut self, now: Now, _: Input<'_>, out: &mut Vec<Output>) {
        while self.at.pop_if(|at| *at <= now.at).is_some() {
            for number in 0..self.count {
                let happening = Happening::Presence {
                    device: DeviceId::parse(&format!("lane-{number}")).unwrap(),
                    epoch: Epoch::default(),
                    presence: Presence::Online,
                };
                let (position, group) = (Position::default(), GroupId::of(Dialect::Modulus, "store-1").unwrap());
                out.push(Output::Event(Event { position, group, wall: now.wall, happening }));
            }
        }
    }

    fn deadline(&self) -> Option<Timestamp> {
        self.at.last().copied()
    }

    fn loading(&self) -> usize {
        0
    }

    fn door(&self, _: &Request, _: Way) -> Option<Door> {
        None
    }
}

/// A gateway in which so many events happen at each of those seconds, and one operator.
struct Scene {
    clock: HandClock,
    indoors: Indoors,
    runtime: Runtime,
    /// What is not read yet lies in here, a kilobyte of it.
    pipe: DuplexStream,
    heard: String,
    ended: bool,
}

impl Scene {
    fn begin(count: usize, seconds: &[u64], kept: usize) -> Self {
        let start = Now::from_millis(Wall::parse("2031-03-04T05:10:00Z").unwrap().millis());
        let clock = HandClock::new(start);
        let mut store = Memory::new();
        store.add_credentials(&[operator()]).unwrap();
        let settings = Settings { cores: 1, operator_events_kept: kept, ..Settings::default() };
        let at = seconds.iter().rev().map(|second| start.at.after(Duration::from_secs(*second))).collect();
        let mut happens = Some(Happens { at, count });
        let (hands, outside) = (Arc::new(clock.clone()), Arc::new(Receivers::new(1024)));
        let indoors = Indoors::start(settings, hands, outside, Arc::default(), Box::new(store), |_, _| {
            Box::new(happens.take().expect("there is one core"))
        });
        let indoors = indoors.unwrap();
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let (pipe, far) = tokio::io::duplex(1024);
        indoors.connect(0, far, IpAddr::V4(Ipv4Addr::LOCALHOST));
        let mut scene = Self { clock, indoors, runtime, pipe, heard: String::new(), ended: false };
        scene.say("GET /tillgate/v1/events HTTP/1.1\r\nhost: gate\r\nauthorization: Bearer op_1\r\n\r\n");
        assert!(scene.hear().contains("retry: 2000"), "{}", scene.heard);
        scene
    }

    /// Lets everything follow that follows within this instant.
    fn settle(&mut self) {
        let quiet = async { tokio::time::sleep(Duration::from_millis(1)).await };
        self.runtime.block_on(self.indoors.run_until(quiet));
    }

    fn say(&mut self, text: &str) {
        let mut context = Context::from_waker(Waker::noop());
        let written = Pin::new(&mut self.pipe).poll_write(&mut context, text.as_bytes());
        assert!(matches!(written, Poll::Ready(Ok(count)) if count == text.len()));
        self.settle();
    }

    /// Reads everything there is; what of it is new.
    fn hear(&mut self) -> String {
        let before = self.heard.len();
        while self.read_some() {
            self.settle();
        }
        self.heard[before..].to_owned()
    }

    fn read_some(&mut self) -> bool {
        let mut bytes = [0; 4096];
        let mut buffer = ReadBuf::new(&mut bytes);
        let read = Pin::new(&mut self.pipe).poll_read(&mut Context::from_waker(Waker::noop()), &mut buffer);
        let some = !buffer.filled().is_empty();
        self.heard.push_str(str::from_utf8(buffer.filled()).unwrap());
        self.ended |= !some && matches!(read, Poll::Ready(_));
        some
    }

    /// Seconds go by, one by one.
    fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds {
            let next = self.clock.now().at.after(Duration::from_secs(1));
            self.clock.move_to(next);
            self.settle();
        }
    }

    fn counts(&self, line: &str) -> bool {
        self.indoors.metrics().lines().any(|found| found == line)
    }
}

fn operator() -> Credential {
    Credential {
        id: CredentialId::parse("key-1").unwrap(),
        dialect: Dialect::Modulus,
        role: Role::Admin,
        network: NetworkId::parse("main").unwrap(),
        group: GroupId::every(),
        principal: PrincipalId::parse("operator").unwrap(),
        subject: None,
        device: None,
        name: "operator".into(),
        secret: CredentialKind::Digest(Secret::new("op_1").digest()),
        permissions: Permissions::All,
        certificate: None,
        created_at: Wall::from_millis(0),
        expires_at: Some(Wall::parse("2031-03-04T05:20:00Z").unwrap()),
        revoked_at: None,
    }
}

#[test]
fn something_is_said_every_fifteen_seconds_although_nothing_happens() {
    let mut scene = Scene::begin(1, &[20], 10);
    scene.pass(14);
    assert_eq!(scene.hear(), "");
    scene.pass(1);
    assert!(scene.hear().contains(": heartbeat\nid: "), "at 15 s");
    scene.pass(5);
    let heard = scene.hear();
    assert!(heard.contains("event: presence\n") && heard.contains("lane-0") && !heard.contains("heartbeat"), "{heard}");
    scene.pass(14);
    assert_eq!(scene.hear(), "", "an event is as good as a heartbeat");
    scene.pass(1);
    assert!(scene.hear().contains(": heartbeat"), "at 35 s");
    assert!(!scene.ended);
}

#[test]
fn whoever_reads_is_heard_out_until_its_key_expires() {
    let mut scene = Scene::begin(0, &[], 10);
    for _ in 0..40 {
        scene.pass(15);
        scene.hear();
    }
    assert!(scene.heard.contains("event: end\ndata: {\"reason\":\"revoked\"}"), "after ten minutes");
    assert!(scene.counts("tillgate_operator_streams_ended_total{reason=\"revoked\"} 1"));
    assert!(scene.counts("tillgate_operator_streams_open 0"));
}

#[test]
fn whoever_does_not_read_is_cut_and_its_place_is_free() {
    let mut scene = Scene::begin(200, &[1], 1000);
    scene.pass(90);
    assert!(scene.counts("tillgate_operator_streams_open 1"), "its patience is not over");
    scene.pass(15);
    assert!(scene.counts("tillgate_operator_streams_open 0"));
    assert!(scene.counts("tillgate_operator_streams_ended_total{reason=\"gone\"} 1"));
    scene.hear();
    assert!(scene.ended && !scene.heard.contains("event: end"), "{}", scene.heard);
}

#[test]
fn whoever_reads_too_slowly_is_told_so_and_let_go() {
    // More than the pipe and hyper hold, and than is kept; the events of the 60th second push out what was not read.
    let mut scene = Scene::begin(600, &[1, 60], 600);
    scene.pass(60);
    let heard = scene.hear();
    assert!(heard.contains("lane-0\"") && heard.contains("lane-63\""), "{heard}");
    assert!(heard.contains("event: end\ndata: {\"reason\":\"too_slow\"}"), "{heard}");
    assert!(scene.counts("tillgate_operator_streams_ended_total{reason=\"too_slow\"} 1"));
}
