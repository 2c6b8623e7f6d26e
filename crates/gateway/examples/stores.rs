//! The gateway as it is delivered, but with another store: what do the commits cost?
//!
//! `cargo run --release -p gateway --example stores -- 127.0.0.1:8080 load-data memory`: nothing reaches the disk.
//! `cargo run --release -p gateway --example stores -- 127.0.0.1:8080 load-data slow 4`: every transaction takes 4 ms
//! more, as on a slower disk.
//!
//! The keys are those of the data folder; the limits are lifted as docs/load.toml does. One core. Ends with a signal.

#![expect(clippy::print_stdout, reason = "where it listens is for whoever waits to put it under load")]

use std::error::Error;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use gateway::{Gateway, Plan, Settings, Storage};
use store::{Memory, Sqlite, Store};

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
            let mut sqlite = Sqlite::open(&folder)?;
            sqlite.delay_commits(Duration::from_millis(millis.parse()?))?;
            Storage::sqlite(sqlite)?
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
