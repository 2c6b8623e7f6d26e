//! Everybody comes back at once: how a gateway with its default limits takes a restart and a drain.
//!
//! `cargo run --release -p tillgate --example storm -- [SESSIONS] [ADDRESSES]`
//!
//! Sessions of the real client come from as many addresses, which a PROXY protocol header names. First the server is
//! killed and started again, and everybody who waits for it connects in the same instant; then it is drained and started
//! again, and everybody comes back when told. Both curves are printed; the run fails when somebody was turned away, when
//! somebody was not back in time, or when the way back from the drain was not flat. The server is a process of its own.

#![allow(clippy::print_stdout, reason = "a curve to look at is what this is for")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use client::boop::{Vendor, VendorConfig, VendorEvent};
use client::{Dial, Dialing, Endpoint, Lost, State, Stream, Target, drive};
use gateway::{Front, Gateway, Plan, Storage};
use model::{
    Credential, CredentialId, CredentialKind, Dialect, GroupId, NetworkId, Permissions, PrincipalId, Role, Secret, Wall,
};
use store::{Memory, Store};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};

/// Within which everybody must be back.
const BACK_WITHIN: Duration = Duration::from_secs(10);
/// The most in a second over the mean, on the way back from a drain.
const FLAT: f64 = 1.5;
/// How long a step may take before the run is given up.
const PATIENCE: Duration = Duration::from_secs(60);
/// A restart takes about so long.
const RESTART: Duration = Duration::from_millis(500);

fn main() -> anyhow::Result<()> {
    gateway::raise_file_limit();
    let mut arguments = std::env::args().skip(1);
    let first = arguments.next();
    if first.as_deref() == Some("--serve") {
        let address = arguments.next().context("where to listen")?.parse()?;
        return serve(address, arguments.next().context("how many credentials")?.parse()?);
    }
    let sessions = first.map_or(Ok(10_000), |text| text.parse())?;
    let addresses = arguments.next().map_or(Ok(400), |text| text.parse())?;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(storm(sessions, addresses))
}

fn vendor(index: u32) -> (String, String) {
    (format!("ven_storm_{index:05}"), format!("sk_storm_{index:05}"))
}

/// The server's side: every default but the port and its proxy. A word on stdin drains it.
fn serve(address: SocketAddr, sessions: u32) -> anyhow::Result<()> {
    let credential = |index| -> Result<Credential, model::BadId> {
        let (id, secret) = vendor(index);
        Ok(Credential {
            id: CredentialId::parse(&format!("key_{id}"))?,
            dialect: Dialect::Boop,
            role: Role::Requester,
            network: NetworkId::parse("storm")?,
            group: GroupId::parse(&id)?,
            principal: PrincipalId::parse(&id)?,
            subject: Some(id.as_str().into()),
            device: None,
            name: id.as_str().into(),
            secret: CredentialKind::Digest(Secret::new(&secret).digest()),
            certificate: None,
            permissions: Permissions::All,
            created_at: Wall::from_millis(0),
            expires_at: None,
            revoked_at: None,
        })
    };
    let credentials: Result<Vec<Credential>, _> = (0..sessions).map(credential).collect();
    let mut store = Memory::new();
    store.add_credentials(&credentials?).map_err(|error| anyhow::anyhow!("{error}"))?;
    let boxed: Box<dyn Store> = Box::new(store);
    let plan = Plan { dialects: Arc::default(), bounds: node::Bounds::default(), seed: 1 };
    let mut gateway = Gateway::new(vec![address]);
    gateway.listen[0].front = Front::ProxyProtocol;
    let running = gateway.start(Storage::from(boxed), plan)?;
    ensure!(running.wait_ready(PATIENCE), "partitions were not loaded");
    println!("{}", running.addresses()[0]);
    let mut word = String::new();
    while std::io::stdin().read_line(&mut word)? > 0 {
        match word.trim() {
            "metrics" => println!("{}", running.metrics()),
            "drain" => {
                println!("{:?}", running.drain());
                return Ok(());
            }
            other => bail!("{other} is no word"),
        }
        word.clear();
    }
    Ok(())
}

/// The server's process.
struct Server {
    child: Child,
    said: BufReader<std::process::ChildStdout>,
}

impl Server {
    fn start(address: &str, sessions: u32) -> anyhow::Result<(Self, SocketAddr)> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--serve", address, &sessions.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut said = BufReader::new(child.stdout.take().context("its output")?);
        let mut line = String::new();
        said.read_line(&mut line)?;
        Ok((Self { child, said }, line.trim().parse().context("the server did not start")?))
    }

    fn word(&mut self, word: &str) -> anyhow::Result<()> {
        writeln!(self.child.stdin.as_mut().context("its input")?, "{word}").map_err(Into::into)
    }

    fn metrics(&mut self) -> anyhow::Result<Vec<String>> {
        self.word("metrics")?;
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            ensure!(self.said.read_line(&mut line)? > 0, "the server has ended");
            if line.trim() == "# EOF" {
                return Ok(lines);
            }
            let told = ["queued", "waiting", "refused", "cut", "connections_accepted"];
            if !line.starts_with('#') && told.iter().any(|name| line.contains(name)) {
                lines.push(line.trim().to_owned());
            }
        }
    }

    fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    fn drain(mut self) -> anyhow::Result<String> {
        self.word("drain")?;
        let mut said = String::new();
        self.said.read_to_string(&mut said)?;
        self.child.wait()?;
        Ok(said.trim().to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only if it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Dials as a proxy that speaks for one address, once it may.
struct ByProxy {
    server: SocketAddr,
    client: Ipv4Addr,
    gate: watch::Receiver<bool>,
}

impl Dial for ByProxy {
    fn dial(&self, _: &Target) -> Dialing {
        let (server, client, mut gate) = (self.server, self.client, self.gate.clone());
        Box::pin(async move {
            let unreachable = |error: std::io::Error| Lost::Unreachable(error.to_string());
            // A sender that is gone leaves the gate as it is.
            let _ = gate.wait_for(|open| *open).await;
            let mut stream = TcpStream::connect(server).await.map_err(unreachable)?;
            stream.set_nodelay(true).map_err(unreachable)?;
            let header = format!("PROXY TCP4 {client} 10.0.0.1 40000 443\r\n");
            stream.write_all(header.as_bytes()).await.map_err(unreachable)?;
            Ok(Box::new(stream) as Box<dyn Stream>)
        })
    }
}

/// What all sessions have met.
#[derive(Default)]
struct Seen {
    logins: Mutex<Vec<Instant>>,
    lost: AtomicUsize,
    turned_away: AtomicUsize,
}

impl Seen {
    fn hear(&self, event: &VendorEvent) {
        match event {
            VendorEvent::State(State::Authenticated) => self.lock().push(Instant::now()),
            VendorEvent::Lost(lost) => {
                self.lost.fetch_add(1, Relaxed);
                if matches!(lost, Lost::Rejected { .. }) {
                    self.turned_away.fetch_add(1, Relaxed);
                }
            }
            _ => {}
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Instant>> {
        self.logins.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn wait_for(&self, what: &str, done: impl Fn(&Self) -> bool) -> anyhow::Result<()> {
        let give_up = Instant::now() + PATIENCE;
        while !done(self) {
            let in_again = self.lock().len();
            ensure!(Instant::now() < give_up, "{what}: not within {PATIENCE:?}, {in_again} logins");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    /// The logins since the last time, in order.
    fn take(&self) -> Vec<Instant> {
        let mut logins = std::mem::take(&mut *self.lock());
        logins.sort_unstable();
        logins
    }
}

async fn storm(sessions: u32, addresses: u32) -> anyhow::Result<()> {
    let many = usize::try_from(sessions)?;
    let (mut server, address) = Server::start("127.0.0.1:0", sessions)?;
    let (gate, open) = watch::channel(true);
    let seen = Arc::new(Seen::default());
    let mut commands = Vec::new();
    for index in 0..sessions {
        let (id, key) = vendor(index);
        let client = Ipv4Addr::from_bits(Ipv4Addr::new(203, 0, 0, 0).to_bits() + index % addresses);
        let endpoint = Endpoint::new(&format!("ws://{address}/ws/vendor")).over(ByProxy {
            server: address,
            client,
            gate: open.clone(),
        });
        let config = VendorConfig::new(&id, Secret::new(&key));
        let (command, taken) = mpsc::channel(1);
        commands.push(command);
        let seen = Arc::clone(&seen);
        let heard = move |event: VendorEvent| seen.hear(&event);
        let make = move |seed, now| Vendor::new(config, seed, now);
        tokio::spawn(async move { drive(endpoint, make, taken, std::future::pending(), heard).await });
    }
    seen.wait_for("the first logins", |seen| seen.lock().len() >= many).await?;
    println!("{sessions} sessions from {addresses} addresses are logged in; default limits");
    seen.take();
    seen.turned_away.store(0, Relaxed);

    println!("\nkilled and started again, everybody connects in the same instant");
    gate.send_replace(false);
    server.kill()?;
    tokio::time::sleep(RESTART).await;
    (server, _) = Server::start(&address.to_string(), sessions)?;
    // Everybody has noticed by now and stands at the gate.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let began = Instant::now();
    gate.send_replace(true);
    seen.wait_for("all back", |seen| seen.lock().len() >= many).await?;
    let logins = seen.take();
    curve(&logins, began, Duration::from_millis(500));
    for line in server.metrics()? {
        println!("  {line}");
    }
    let took = *logins.last().context("nobody came back")? - began;
    let turned_away = seen.turned_away.load(Relaxed);
    println!("  all back after {:.2} s, {turned_away} turned away", took.as_secs_f64());
    ensure!(took <= BACK_WITHIN && turned_away == 0, "not all were back, or some were turned away");

    println!("\ndrained and started again, everybody comes back when told");
    let began = Instant::now();
    let ended = tokio::task::spawn_blocking(move || server.drain()).await??;
    println!("  drained after {:.2} s: {ended}", began.elapsed().as_secs_f64());
    tokio::time::sleep(RESTART).await;
    let (_server, _) = Server::start(&address.to_string(), sessions)?;
    seen.wait_for("all back", |seen| seen.lock().len() >= many).await?;
    let logins = seen.take();
    let counts = curve(&logins, began, Duration::from_secs(1));
    let busy = (*logins.last().context("nobody came back")? - logins[0]).as_secs_f64();
    let most = counts.iter().max().copied().unwrap_or(0);
    let ratio = most as f64 * busy / many as f64;
    let turned_away = seen.turned_away.load(Relaxed);
    println!("  most in a second over mean: {ratio:.2}, {turned_away} turned away");
    ensure!(ratio <= FLAT, "the way back was not flat");
    Ok(())
}

/// Prints and gives how many logins there were in each step.
fn curve(logins: &[Instant], began: Instant, step: Duration) -> Vec<usize> {
    let mut counts = Vec::new();
    for login in logins {
        let steps = (*login - began).as_nanos() / step.as_nanos().max(1);
        let index = usize::try_from(steps).unwrap_or(usize::MAX);
        counts.resize(counts.len().max(index + 1), 0);
        counts[index] += 1;
    }
    let most = counts.iter().max().copied().unwrap_or(1);
    for (index, count) in counts.iter().enumerate() {
        let at = step.as_secs_f64() * index as f64;
        println!("  {at:5.1} s {count:6} {}", "#".repeat(count * 60 / most));
    }
    counts
}
