//! What an idle, authenticated session costs: opens BOOP vendor sessions over plain sockets and prints the server's
//! resident memory per session, before and after every session received one large message.
//!
//! `cargo run --release -p gateway --example idle -- 5000`
//!
//! The server runs in a process of its own, so that the sockets of this side are not counted. What the kernel holds for
//! a socket (some 4 KB) is not in the figure either.

use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use gateway::{Gateway, Plan, Storage};
use model::{
    Credential, CredentialId, CredentialKind, Dialect, GroupId, NetworkId, Permissions, PrincipalId, Role, Secret, Wall,
};
use store::{Memory, Store};
use websocket::{Message, encode};

/// Sessions when none are asked for.
const SESSIONS: usize = 5_000;
/// More do not fit into the ports of one address.
const SESSIONS_MOST: usize = 20_000;
/// Logins on their way at once.
const AT_ONCE: usize = 200;
/// How long a step of one socket may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long the server may take to come to rest.
const REST: Duration = Duration::from_secs(1);
/// The payload of the large message, in bytes.
const LARGE: usize = 60_000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let first = arguments.next();
    if first.as_deref() == Some("--serve") {
        return serve(arguments.next().ok_or("how many credentials?")?.parse()?);
    }
    let sessions = first.map_or(Ok(SESSIONS), |text| text.parse())?.clamp(1, SESSIONS_MOST);
    measure(sessions)
}

fn vendor(index: usize) -> (String, String) {
    (format!("ven_idle_{index:05}"), format!("sk_idle_{index:05}_0123456789abcdef0123456789abcdef"))
}

/// The server's side: as in production, but for the store, which is memory. Ends with its standard input.
fn serve(sessions: usize) -> Result<(), Box<dyn Error>> {
    gateway::raise_file_limit();
    let credentials: Result<Vec<Credential>, model::BadId> = (0..sessions).map(credential).collect();
    let mut store = Memory::new();
    store.add_credentials(&credentials?).map_err(|error| format!("{error:?}"))?;
    let boxed: Box<dyn Store> = Box::new(store);
    let plan = Plan { dialects: Arc::default(), bounds: node::Bounds::default(), seed: 1 };
    let running = Gateway::new(vec![SocketAddr::from(([127, 0, 0, 1], 0))]).start(Storage::from(boxed), plan)?;
    if !running.wait_ready(PATIENCE) {
        return Err("partitions were not loaded".into());
    }
    say(&running.addresses()[0].to_string());
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

fn credential(index: usize) -> Result<Credential, model::BadId> {
    let (id, secret) = vendor(index);
    Ok(Credential {
        id: CredentialId::parse(&format!("key_{id}"))?,
        dialect: Dialect::Boop,
        role: Role::Requester,
        network: NetworkId::parse("idle")?,
        group: GroupId::of(Dialect::Boop, &id)?,
        principal: PrincipalId::parse(&id)?,
        subject: Some(id.as_str().into()),
        device: None,
        name: id.as_str().into(),
        secret: CredentialKind::Digest(Secret::new(&secret).digest()),
        permissions: Permissions::All,
        certificate: None,
        created_at: Wall::from_millis(0),
        expires_at: None,
        revoked_at: None,
    })
}

fn measure(sessions: usize) -> Result<(), Box<dyn Error>> {
    gateway::raise_file_limit();
    let server = Server::start(sessions)?;
    // One session first, so that what is allocated once is not counted.
    let warm = log_in(server.address, &[0])?;
    drop(warm);
    std::thread::sleep(REST);
    let before = server.resident()?;

    let began = Instant::now();
    let mut sockets = Vec::with_capacity(sessions);
    let all: Vec<usize> = (0..sessions).collect();
    for some in all.chunks(AT_ONCE) {
        sockets.extend(log_in(server.address, some)?);
    }
    let took = began.elapsed();
    std::thread::sleep(REST);
    let idle = server.resident()?;
    say(&format!("{sessions} sessions logged in within {:.1} s", took.as_secs_f64()));
    say(&format!("resident memory of the server: {before} bytes before, {idle} with them"));
    say(&format!("per idle session: {} bytes", idle.saturating_sub(before) / sessions as u64));

    let large = masked(&format!(r#"{{"type":"idle","padding":"{}"}}"#, "x".repeat(LARGE)));
    for socket in &mut sockets {
        socket.write_all(&large)?;
        hear(socket, &["INVALID_REQUEST"])?;
    }
    std::thread::sleep(REST);
    let after = server.resident()?;
    let per_session = after.saturating_sub(before) / sessions as u64;
    say(&format!("per idle session after one message of {LARGE} bytes each: {per_session} bytes"));
    Ok(())
}

/// Opens and logs in those vendors, all of them on their way at once.
fn log_in(address: SocketAddr, vendors: &[usize]) -> Result<Vec<TcpStream>, Box<dyn Error>> {
    let mut sockets = Vec::with_capacity(vendors.len());
    for index in vendors {
        let (id, secret) = vendor(*index);
        let mut socket = TcpStream::connect(address)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_nodelay(true)?;
        let upgrade = "GET /ws/vendor HTTP/1.1\r\nHost: idle\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        let mut bytes = upgrade.as_bytes().to_vec();
        bytes.extend(masked(&format!(r#"{{"type":"authenticate","vendor_id":"{id}","api_key":"{secret}"}}"#)));
        socket.write_all(&bytes)?;
        sockets.push(socket);
    }
    for socket in &mut sockets {
        hear(socket, &["101 Switching", "\"authenticated\""])?;
    }
    Ok(sockets)
}

fn masked(text: &str) -> Vec<u8> {
    let mut frame = BytesMut::new();
    encode(&Message::text(text), websocket::Role::Client, 0x5eed_5eed, &mut frame);
    frame.to_vec()
}

/// Reads until every one of those words has come.
fn hear(socket: &mut TcpStream, words: &[&str]) -> Result<(), Box<dyn Error>> {
    let mut heard = String::new();
    let mut bytes = [0; 4096];
    while !words.iter().all(|word| heard.contains(word)) {
        let count = socket.read(&mut bytes)?;
        if count == 0 {
            return Err(format!("the server closed; expected {words:?}, got {heard:?}").into());
        }
        heard.push_str(&String::from_utf8_lossy(&bytes[..count]));
    }
    Ok(())
}

/// The server's process.
struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    fn start(sessions: usize) -> Result<Self, Box<dyn Error>> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--serve", &sessions.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let stdout = child.stdout.take().ok_or("the server has no output")?;
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line.trim().parse().map_err(|_| format!("the server did not start: {line:?}"))?;
        Ok(Self { child, address })
    }

    /// Resident memory in bytes.
    fn resident(&self) -> Result<u64, Box<dyn Error>> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        Ok(line.trim().trim_end_matches("kB").trim().parse::<u64>()? * 1024)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It ends with its input; killed in case it does not, and reaped.
        drop(self.child.stdin.take());
        std::thread::sleep(Duration::from_millis(500));
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[expect(clippy::print_stdout, reason = "the figures are what this command is for")]
fn say(line: &str) {
    println!("{line}");
}
