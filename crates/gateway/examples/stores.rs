//! The gateway as it is delivered, but with another store: what do the commits cost?
//!
//! `cargo run --release -p gateway --example stores -- 127.0.0.1:8080 load-data memory`: nothing reaches the disk.
//! `cargo run --release -p gateway --example stores -- 127.0.0.1:8080 load-data slow 4`: every transaction takes 4 ms
//! more, as on a slower disk.
//!
//! The keys are those of the data folder; the limits are lifted as docs/load.toml does. One core. Ends with a signal.

#![expect(clippy::print_stdout, reason = "where it listens is for whoever waits to put it under load")]

use std::collections::BTreeSet;
use std::error::Error;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use gateway::{Gateway, Plan, Settings, Storage};
use model::{
    Commit, CommitError, Credential, CredentialId, Delivery, EndpointWork, EndpointsDone, GroupId, Loaded, Member,
    MemberId, NetworkId, OperationId, OperationRow, Partition, RequestKey, Settled, Timestamp, Tried, Wall,
};
use store::sqlite::WRITES_PER_TRANSACTION;
use store::{Horizon, Memory, Sqlite, Store, StoreError};

/// More than any load sends.
const FRAMES: u32 = 1_000_000;
/// Short, so that counting so many takes no memory.
const RATE_SPAN: Duration = Duration::from_secs(1);
/// How long ended work is remembered: a load makes more of it in a minute than a shop in a year.
const REMEMBER: Duration = Duration::from_secs(5);
/// How long the partitions may take to load.
const PATIENCE: Duration = Duration::from_secs(60);

fn main() -> Result<(), Box<dyn Error>> {
    let usage = "expected ADDRESS DATA memory, or ADDRESS DATA slow MILLISECONDS";
    let mut arguments = std::env::args().skip(1);
    let address: SocketAddr = arguments.next().ok_or(usage)?.parse()?;
    let folder = PathBuf::from(arguments.next().ok_or(usage)?);
    let storage = match (arguments.next().as_deref(), arguments.next()) {
        (Some("memory"), None) => {
            let mut memory = Memory::new();
            memory.add_credentials(&Sqlite::attach(&folder)?.credentials()?)?;
            let store: Box<dyn Store> = Box::new(memory);
            Storage::from(store)
        }
        (Some("slow"), Some(millis)) => {
            let sqlite = Sqlite::open(&folder)?;
            let reader = sqlite.reader()?;
            let more = Duration::from_millis(millis.parse()?);
            let reader = Box::new(move |group: &GroupId, key: &RequestKey| reader.earlier(group, key));
            Storage { store: Box::new(Slow { sqlite, more }), reader: Some(reader) }
        }
        _ => return Err(usage.into()),
    };
    gateway::raise_file_limit();
    let boop = dialects::boop::Choices {
        frames_per_span: FRAMES,
        frames_at_most: 2 * FRAMES,
        contexts_per_span: FRAMES,
        rate_span: RATE_SPAN,
        remember: REMEMBER,
        ..Default::default()
    };
    let modulus = dialects::modulus::Choices {
        frames_per_span: FRAMES,
        frames_at_most: 2 * FRAMES,
        rate_span: RATE_SPAN,
        remember: REMEMBER,
        ..Default::default()
    };
    let dialects = dialects::Config { boop: Arc::new(boop), modulus: Arc::new(modulus) };
    let mut gateway = Gateway::new(vec![address]);
    gateway.settings = Settings {
        cores: 1,
        address_burst: FRAMES,
        address_rate: FRAMES,
        connections_burst: FRAMES,
        connections_rate: FRAMES,
        ..Settings::default()
    };
    let plan = Plan { dialects: Arc::new(dialects), bounds: node::Bounds::default(), seed: 1 };
    let running = gateway.start(storage, plan)?;
    if !running.wait_ready(PATIENCE) {
        return Err("the data was not loaded".into());
    }
    println!("http://{}", running.addresses()[0]);
    loop {
        std::thread::park();
    }
}

/// SQLite, each transaction of which takes so much longer.
struct Slow {
    sqlite: Sqlite,
    more: Duration,
}

impl Store for Slow {
    fn commit(&mut self, commits: &[Commit]) -> Vec<Result<Vec<Settled>, CommitError>> {
        let writes: usize = commits.iter().map(|commit| commit.writes.len() + commit.settles.len()).sum();
        let transactions = u32::try_from(writes.div_ceil(WRITES_PER_TRANSACTION)).unwrap_or(u32::MAX);
        std::thread::sleep(self.more.saturating_mul(transactions));
        self.sqlite.commit(commits)
    }

    fn load(&mut self, partitions: &[Partition], horizon: Horizon) -> Result<Vec<Loaded>, StoreError> {
        self.sqlite.load(partitions, horizon)
    }

    fn earlier(&self, group: &GroupId, key: &RequestKey) -> Result<Option<OperationRow>, StoreError> {
        self.sqlite.earlier(group, key)
    }

    fn credentials_version(&self) -> Result<u64, StoreError> {
        self.sqlite.credentials_version()
    }

    fn credentials(&self) -> Result<Vec<Credential>, StoreError> {
        self.sqlite.credentials()
    }

    fn add_credentials(&mut self, credentials: &[Credential]) -> Result<(), StoreError> {
        self.sqlite.add_credentials(credentials)
    }

    fn end_credential(&mut self, id: &CredentialId, at: Wall, now: Wall) -> Result<bool, StoreError> {
        self.sqlite.end_credential(id, at, now)
    }

    fn put_member(&mut self, member: &Member) -> Result<(), StoreError> {
        self.sqlite.put_member(member)
    }

    fn member(&self, network: &NetworkId, id: &MemberId) -> Result<Option<Member>, StoreError> {
        self.sqlite.member(network, id)
    }

    fn forget(&mut self, before: Timestamp, most: usize) -> Result<usize, StoreError> {
        self.sqlite.forget(before, most)
    }

    fn operations(&self, after: Option<OperationId>, limit: usize) -> Result<Vec<OperationRow>, StoreError> {
        self.sqlite.operations(after, limit)
    }

    fn endpoints(&mut self, group: &GroupId, work: &EndpointWork) -> Result<EndpointsDone, StoreError> {
        self.sqlite.endpoints(group, work)
    }

    fn deliveries(&self, now: Timestamp, busy: &BTreeSet<u64>, each: usize) -> Result<Vec<Delivery>, StoreError> {
        self.sqlite.deliveries(now, busy, each)
    }

    fn next_delivery(&self, busy: &BTreeSet<u64>) -> Result<Option<Timestamp>, StoreError> {
        self.sqlite.next_delivery(busy)
    }

    fn delivery_tried(&mut self, place: u64, tried: Tried) -> Result<(), StoreError> {
        self.sqlite.delivery_tried(place, tried)
    }
}
