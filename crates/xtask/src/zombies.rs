//! Freezes clients behind real proxies and looks whether the gateway notices.
//!
//! The proxies run the configurations of `docs/proxies.md`, taken from the page, so that what users copy is what was
//! tried. A stopped process answers nothing while its sockets stay open and its proxy is as well as ever.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail, ensure};
use tempfile::TempDir;

use crate::demo::wait_for;
use crate::steps::shown;

/// After which silence the gateway closes; the product's own default is 90 s.
const SILENT_AFTER: Duration = Duration::from_secs(3);
/// How much later the connection must be over: it waits 3 s for the half of the close that does not come.
const NOTICED_WITHIN: Duration = Duration::from_secs(6);
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Something that runs until it is dropped.
struct Process(Child);

impl Process {
    fn start(command: &mut Command, log: &Path) -> anyhow::Result<Self> {
        let log = File::create(log)?;
        let child = command.stdout(log.try_clone()?).stderr(log).spawn();
        Ok(Self(child.with_context(|| format!("cannot start {:?}", command.get_program()))?))
    }

    fn signal(&self, name: &str) -> anyhow::Result<()> {
        let status = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.0.id())]).status()?;
        ensure!(status.success(), "cannot send SIG{name}");
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(Some(_))) {
            return;
        }
        // A proxy that is asked politely takes its workers with it.
        let _ = self.signal("TERM");
        if !matches!(wait_for(&mut self.0, Duration::from_secs(3)), Ok(Some(_))) {
            // Both fail only if it is gone meanwhile.
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}

/// A proxy of the page, and what it is told instead of what stands there.
struct Proxy {
    name: &'static str,
    changes: Vec<(&'static str, String)>,
    command: fn(&Path) -> Command,
}

pub(crate) fn run() -> anyhow::Result<()> {
    let binary = crate::clients::binary()?;
    let page = fs::read_to_string(crate::root().join("docs/proxies.md"))?;
    let [direct, behind, haproxy, nginx] = free_ports()?;
    let folder = TempDir::with_prefix("tillgate-zombies-")?;
    let log = |name: &str| folder.path().join(format!("{name}.log"));
    let data = folder.path().join("data");

    let key = Command::new(&binary)
        .args([
            "keys",
            "create",
            "--dialect",
            "boop",
            "--role",
            "requester",
            "--vendor-id",
            "ven_1",
            "--json",
            "--data",
        ])
        .arg(&data)
        .output()?;
    let key: serde_json::Value = serde_json::from_slice(&key.stdout).context("no key was made")?;
    let key = key.get("secret").and_then(serde_json::Value::as_str).context("the key has no secret")?.to_owned();
    let mut serve = Command::new(&binary);
    serve
        .args(["serve", "--data"])
        .arg(&data)
        .env("TILLGATE_SERVER_LISTEN", format!("127.0.0.1:{direct},127.0.0.1:{behind} proxy-protocol"))
        .env("TILLGATE_GATEWAY_TRUSTED_PROXIES", "127.0.0.1")
        .env("TILLGATE_BOOP_SILENT_AFTER", format!("{}s", SILENT_AFTER.as_secs()))
        .stdin(Stdio::null());
    let _gateway = Process::start(&mut serve, &log("gateway"))?;
    until(|| metrics(direct).is_ok(), "the gateway answers").map_err(|error| with_log(error, &log("gateway")))?;

    let proxies = [
        Proxy {
            name: "haproxy",
            changes: vec![
                ("maxconn 50000", "maxconn 512".to_owned()),
                ("bind :443 ssl crt /etc/haproxy/tillgate.pem alpn http/1.1", format!("bind 127.0.0.1:{haproxy}")),
                ("127.0.0.1:8081", format!("127.0.0.1:{behind}")),
            ],
            command: |configuration| {
                let mut command = Command::new("haproxy");
                command.arg("-db").arg("-f").arg(configuration);
                command
            },
        },
        Proxy {
            name: "nginx",
            changes: vec![
                ("worker_rlimit_nofile 100000;", "daemon off;".to_owned()),
                ("worker_connections 50000;", "worker_connections 512;".to_owned()),
                ("listen 443 ssl;", format!("listen 127.0.0.1:{nginx};")),
                ("ssl_certificate /etc/nginx/tillgate.pem;", String::new()),
                ("ssl_certificate_key /etc/nginx/tillgate.key;", String::new()),
                ("http://127.0.0.1:8080", format!("http://127.0.0.1:{direct}")),
            ],
            command: |configuration| {
                let folder = configuration.parent().unwrap_or(configuration);
                let mut command = Command::new("nginx");
                let pid = format!("pid {};", folder.join("nginx.pid").display());
                command.arg("-p").arg(folder).arg("-c").arg(configuration).args(["-e", "stderr", "-g", &pid]);
                command
            },
        },
    ];
    for (proxy, port) in proxies.iter().zip([haproxy, nginx]) {
        let configuration = folder.path().join(format!("{}.conf", proxy.name));
        fs::write(&configuration, adapted(&page, proxy)?)?;
        let _proxy = Process::start(&mut (proxy.command)(&configuration), &log(proxy.name))?;
        freeze(&binary, &key, port, direct, &log("client"))
            .map_err(|error| with_log(with_log(error, &log(proxy.name)), &log("gateway")))
            .with_context(|| format!("behind {}", proxy.name))?;
    }
    Ok(())
}

/// Connects a client through the proxy, stops it, and sees the gateway close it.
fn freeze(binary: &Path, key: &str, port: u16, direct: u16, log: &Path) -> anyhow::Result<()> {
    until(|| TcpStream::connect(("127.0.0.1", port)).is_ok(), "the proxy listens")?;
    ensure!(get(port, "/metrics")?.starts_with("HTTP/1.1 403"), "the proxy shows metrics to everybody");
    let silent = || closes(&metrics(direct)?, "silent");
    let before = silent()?;
    let mut connect = Command::new(binary);
    connect
        .args(["connect", "boop", "--vendor", "ven_1", "--url", &format!("ws://127.0.0.1:{port}/ws/vendor")])
        .env("TILLGATE_KEY", key)
        // Held open: the end of its input would be its goodbye.
        .stdin(Stdio::piped());
    let mut client = Process::start(&mut connect, log)?;
    let is_in = || metrics(direct).is_ok_and(|page| page.contains("tillgate_sessions_logged_in 1"));
    until(is_in, "the client is logged in").map_err(|error| with_log(error, log))?;
    client.signal("STOP")?;
    let stopped = Instant::now();
    while silent()? == before {
        ensure!(stopped.elapsed() < SILENT_AFTER + NOTICED_WITHIN, "a stopped client was not noticed");
        thread::sleep(LOOK_EVERY);
    }
    println!("its connection was over {} after the client was stopped", shown(stopped.elapsed()));
    ensure!(metrics(direct)?.contains("tillgate_sessions_logged_in 0"), "the stopped client is still logged in");
    // Awake again it reads what the gateway said through the proxy.
    client.signal("CONT")?;
    ensure!(wait_for(&mut client.0, PATIENCE)?.is_some(), "the client did not end");
    let said = fs::read_to_string(log)?;
    ensure!(said.contains("4408"), "the client did not hear 4408, it says:\n{said}");
    println!("the client heard: {}", said.lines().find(|line| line.contains("4408")).unwrap_or_default());
    Ok(())
}

/// The proxy's block of the page, with its changes; each of them must find its place.
fn adapted(page: &str, proxy: &Proxy) -> anyhow::Result<String> {
    let begin = format!("```{}\n", proxy.name);
    let (_, rest) = page.split_once(&begin).ok_or_else(|| anyhow!("docs/proxies.md has no block {}", proxy.name))?;
    let (block, _) = rest.split_once("```").context("the block has no end")?;
    let mut text = block.to_owned();
    for (stands, becomes) in &proxy.changes {
        ensure!(text.contains(stands), "docs/proxies.md, block {}: {stands:?} is not there", proxy.name);
        text = text.replace(stands, becomes);
    }
    Ok(text)
}

/// The metrics page, as this machine may see it.
fn metrics(port: u16) -> anyhow::Result<String> {
    let page = get(port, "/metrics")?;
    ensure!(page.starts_with("HTTP/1.1 200"), "no metrics: {page}");
    Ok(page)
}

fn get(port: u16, path: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: gate\r\nConnection: close\r\n\r\n")?;
    let mut page = String::new();
    stream.read_to_string(&mut page)?;
    Ok(page)
}

/// How many connections ended for a reason.
fn closes(page: &str, reason: &str) -> anyhow::Result<u64> {
    let head = format!("tillgate_closes_total{{dialect=\"boop\",reason=\"{reason}\"}} ");
    page.lines().find_map(|line| line.strip_prefix(&head)).map_or(Ok(0), |count| Ok(count.trim().parse()?))
}

/// Ports that are free now.
fn free_ports<const N: usize>() -> anyhow::Result<[u16; N]> {
    let sockets = (0..N).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<Vec<_>, _>>()?;
    let ports = sockets.iter().map(|socket| Ok(socket.local_addr()?.port())).collect::<anyhow::Result<Vec<_>>>()?;
    ports.try_into().map_err(|_| anyhow!("as many ports as sockets"))
}

fn until(done: impl Fn() -> bool, what: &str) -> anyhow::Result<()> {
    let give_up = Instant::now() + PATIENCE;
    while !done() {
        if Instant::now() >= give_up {
            bail!("never came: {what}");
        }
        thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

fn with_log(error: anyhow::Error, log: &Path) -> anyhow::Error {
    let said = fs::read_to_string(log).unwrap_or_default();
    anyhow!("{error:#}\n-- {}\n{said}--", log.display())
}
