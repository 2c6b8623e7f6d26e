//! `tillgate load`: what a server can do, measured from outside. Bounded in count and time.
//!
//! ```text
//!  mod ── keys ── parent ══ one process each ══ worker ── kinds ── crowd ── sockets
//!                   └ server: memory and time of the process under load
//! ```

mod boop;
mod crowd;
mod dialect;
mod keys;
mod kinds;
mod modulus;
mod parent;
mod plan;
mod report;
mod server;
mod times;
mod words;
mod worker;

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Subcommand};

use crate::exit::Ended;
use crate::keys::random_number;
use crate::talk;

use plan::{Kind, Plan};
use report::Report;
use server::Server;

pub(crate) const AFTER: &str = "\
Keys come from files that `tillgate keys create --json` printed; every session needs one of its own. The server should
run with docs/load.toml, which lifts the limits a load would run into and leaves them in their place:

  tillgate serve --config docs/load.toml --data load-data &
  tillgate keys create --dialect boop --role requester --vendor-id ven --count 15000 --data load-data --json > keys.json
  tillgate load idle --keys keys.json --connections 15000 --pid $!

Figures go to stdout, as text or with --json as one JSON object; progress goes to stderr. docs/capacity.md shows how to
plan with them.";

/// Sockets of one process; the rest of 20,000 open files is for the process itself.
const SOCKETS_OF_A_PROCESS: usize = 18_000;
/// Processes of a run.
const PROCESSES_MOST: u64 = 64;

/// `tillgate load`.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Sessions that log in and rest: memory for each
    Idle(Idle),
    /// Pings in every session, the next when one is answered: rate and latency
    Requests(Requests),
    /// Everybody connects and logs in: rate, latency and processor time
    Connect(Storm),
    /// Everybody is cut and comes back: how long until all are in again
    Reconnect(Storm),
    /// One vendor offers contexts to all its scanners: first and last delivery, and what others notice
    Fanout(Fanout),
    /// Vendor, scanner and back, stored twice: operations a second and latency
    Operations(Operations),
    /// Till, terminal and back, stored twice: payments a second and latency
    Payments(Payments),
    /// Peers that ask and never read, beside others who do: what the others notice
    Slow(Slow),
    /// Connect, login, ping and goodbye again and again: whether memory comes back
    Churn(Churn),
    /// One process of a run, started by the others
    #[command(hide = true)]
    Worker,
}

/// What every kind needs.
#[derive(Args)]
struct Common {
    /// The server, without TLS: ws://127.0.0.1:8080
    #[arg(long, default_value = "ws://127.0.0.1:8080")]
    url: String,
    /// A file of `keys create --json`; may be given several times
    #[arg(long = "keys", value_name = "FILE", required = true)]
    keys: Vec<PathBuf>,
    /// The server's process, for its memory and processor time
    #[arg(long)]
    pid: Option<u32>,
    /// Processes to share the sockets; as many as needed when left out
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=PROCESSES_MOST))]
    processes: Option<u64>,
    /// Processors for these processes, in turn, such as 1 or 2,3
    #[arg(long, value_name = "CPU,…", value_delimiter = ',')]
    pin: Vec<usize>,
    /// Addresses of 127.0.0.0/8 each process connects from, when the server is on this machine
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u8).range(1..=250))]
    addresses: u8,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(crate) struct Idle {
    #[command(flatten)]
    common: Common,
    /// Sessions
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = count::<1_000_000>)]
    connections: usize,
    /// How long they rest
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = seconds())]
    seconds: u64,
    /// Then one message of so many bytes from each, and look at the memory again; 0 for none
    #[arg(long, value_name = "BYTES", default_value_t = 60_000, value_parser = count::<65_000>)]
    large: usize,
}

#[derive(Args)]
pub(crate) struct Requests {
    #[command(flatten)]
    common: Common,
    /// Sessions
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = count::<1_000_000>)]
    connections: usize,
    /// Pings on their way in each session
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = count::<1024>)]
    in_flight: usize,
    /// How long
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = seconds())]
    seconds: u64,
    /// Stop after so many in each process
    #[arg(long, value_name = "N", default_value_t = 0)]
    count: u64,
}

#[derive(Args)]
pub(crate) struct Storm {
    #[command(flatten)]
    common: Common,
    /// Sessions
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = count::<1_000_000>)]
    connections: usize,
    /// Connects on their way at once, in each process
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = count::<18_000>)]
    in_flight: usize,
}

#[derive(Args)]
pub(crate) struct Fanout {
    #[command(flatten)]
    common: Common,
    /// Listening scanners, all of one vendor
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = count::<17_000>)]
    connections: usize,
    /// Contexts, one after the other
    #[arg(long, value_name = "N", default_value_t = 10)]
    count: u64,
    /// Sessions of other vendors that ping meanwhile
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = count::<500>)]
    others: usize,
}

#[derive(Args)]
pub(crate) struct Operations {
    #[command(flatten)]
    common: Common,
    /// Pairs of a vendor and its scanner
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = count::<500_000>)]
    connections: usize,
    /// Contexts open in each pair
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = count::<1024>)]
    in_flight: usize,
    /// How long
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = seconds())]
    seconds: u64,
    /// Stop after so many in each process
    #[arg(long, value_name = "N", default_value_t = 0)]
    count: u64,
}

#[derive(Args)]
pub(crate) struct Payments {
    #[command(flatten)]
    common: Common,
    /// Payments on their way at once, each between a till and a terminal of its own
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = count::<500_000>)]
    in_flight: usize,
    /// How long
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = seconds())]
    seconds: u64,
    /// Stop after so many in each process
    #[arg(long, value_name = "N", default_value_t = 0)]
    count: u64,
}

#[derive(Args)]
pub(crate) struct Slow {
    #[command(flatten)]
    common: Common,
    /// Sessions that read
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = count::<8_000>)]
    connections: usize,
    /// Sessions that do not
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = count::<8_000>)]
    slow: usize,
    /// How long without the slow ones, and then with them
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = seconds())]
    seconds: u64,
}

#[derive(Args)]
pub(crate) struct Churn {
    #[command(flatten)]
    common: Common,
    /// Cycles
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    count: u64,
    /// Cycles on their way at once, in each process
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = count::<18_000>)]
    in_flight: usize,
    /// How long at most
    #[arg(long, value_name = "N", default_value_t = 600, value_parser = seconds())]
    seconds: u64,
}

/// A whole number up to `MOST`.
fn count<const MOST: usize>(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number <= MOST).ok_or_else(|| format!("expected a whole number up to {MOST}"))
}

/// An hour at most.
fn seconds() -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(1..=3600)
}

/// What a kind makes of its options.
struct Wanted {
    kind: Kind,
    common: Common,
    connections: usize,
    in_flight: usize,
    count: u64,
    seconds: u64,
    extra: usize,
}

pub(crate) fn run(command: Command) -> anyhow::Result<()> {
    let wanted = match command {
        Command::Worker => return worker::run(),
        Command::Idle(Idle { common, connections, seconds, large }) => {
            Wanted { kind: Kind::Idle, common, connections, in_flight: 200, count: 0, seconds, extra: large }
        }
        Command::Requests(Requests { common, connections, in_flight, seconds, count }) => {
            Wanted { kind: Kind::Requests, common, connections, in_flight, count, seconds, extra: 0 }
        }
        Command::Connect(Storm { common, connections, in_flight }) => {
            Wanted { kind: Kind::Connect, common, connections, in_flight, count: 0, seconds: 0, extra: 0 }
        }
        Command::Reconnect(Storm { common, connections, in_flight }) => {
            Wanted { kind: Kind::Reconnect, common, connections, in_flight, count: 0, seconds: 0, extra: 0 }
        }
        Command::Fanout(Fanout { common, connections, count, others }) => {
            Wanted { kind: Kind::Fanout, common, connections, in_flight: 1, count, seconds: 0, extra: others }
        }
        Command::Operations(Operations { common, connections, in_flight, seconds, count }) => {
            Wanted { kind: Kind::Operations, common, connections, in_flight, count, seconds, extra: 0 }
        }
        Command::Payments(Payments { common, in_flight: connections, seconds, count }) => {
            Wanted { kind: Kind::Payments, common, connections, in_flight: 1, count, seconds, extra: 0 }
        }
        Command::Slow(Slow { common, connections, slow, seconds }) => {
            Wanted { kind: Kind::Slow, common, connections, in_flight: 1, count: 0, seconds, extra: slow }
        }
        Command::Churn(Churn { common, count, in_flight, seconds }) => {
            Wanted { kind: Kind::Churn, common, connections: 0, in_flight, count, seconds, extra: 0 }
        }
    };
    measure(wanted)
}

fn measure(wanted: Wanted) -> anyhow::Result<()> {
    let Wanted { kind, common, connections, in_flight, count, seconds, extra } = wanted;
    let (server, host) = address(&common.url)?;
    let sockets = if matches!(kind, Kind::Operations | Kind::Payments) { connections * 2 } else { connections };
    let needed = sockets.div_ceil(SOCKETS_OF_A_PROCESS).max(1);
    let alone = matches!(kind, Kind::Fanout | Kind::Slow);
    let processes = match common.processes {
        Some(many) if alone && many > 1 => return Err(Ended::usage("this kind of load runs in one process")),
        Some(many) => usize::try_from(many).unwrap_or(1),
        None => needed,
    };
    if processes < needed {
        return Err(Ended::usage(format!("{sockets} sockets need {needed} processes, a process opens 18,000 at most")));
    }
    let (dialect, keys) = keys::read(&common.keys, kind)?;
    let shares = keys::shares(kind, keys, connections, extra, processes)?;
    let run = random_number()?;
    let plan = |(number, (keys, connections, extra)): (usize, _)| Plan {
        kind,
        dialect,
        process: u8::try_from(number + 1).unwrap_or(u8::MAX),
        server,
        host: host.clone(),
        addresses: common.addresses,
        cpu: common.pin.get(number % common.pin.len().max(1)).copied(),
        keys,
        connections,
        in_flight,
        count: count.div_ceil(processes as u64),
        span: Duration::from_secs(seconds),
        extra,
        run: run.wrapping_add(number as u64),
    };
    let plans: Vec<Plan> = shares.into_iter().enumerate().map(plan).collect();
    let found = parent::run(&plans, common.pid.map(Server), kind == Kind::Churn)?;
    let report = Report::new(kind, connections, processes, in_flight, &found);
    if common.json {
        talk::data(report.json())?
    } else {
        report.print()?
    }
    Ok(())
}

/// Where a URL leads, and what to call it.
fn address(url: &str) -> anyhow::Result<(SocketAddr, String)> {
    let rest = url.strip_prefix("ws://").or_else(|| url.strip_prefix("http://"));
    let Some(rest) = rest else {
        return Err(Ended::usage(format!("--url {url:?}: expected ws://HOST:PORT; load is spoken without TLS")));
    };
    let host = rest.split('/').next().unwrap_or(rest);
    let with_port = if host.rsplit_once(':').is_some() { host.to_owned() } else { format!("{host}:80") };
    let found = with_port.to_socket_addrs().with_context(|| format!("--url {url:?}"))?.next();
    Ok((found.with_context(|| format!("--url {url:?}: no such host"))?, host.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_named_by_its_url() {
        let (server, host) = address("ws://127.0.0.1:8080/ws/vendor").unwrap();
        assert_eq!((server.to_string().as_str(), host.as_str()), ("127.0.0.1:8080", "127.0.0.1:8080"));
        assert_eq!(address("http://127.0.0.1").unwrap().0.port(), 80);
        assert!(address("wss://127.0.0.1").is_err());
    }
}
