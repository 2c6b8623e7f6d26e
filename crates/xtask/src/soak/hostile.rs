//! Peers that do everything wrong, each in its own way, again and again until they are told to stop.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use super::raw::{Heard, Key, Peer, frame, login, request};

/// Between two goes of one peer.
const REST: Duration = Duration::from_millis(100);
/// How long a slow peer is slow before it gives up by itself.
const SLOW: Duration = Duration::from_secs(12);
/// How long the server may take to end what it should end.
const END: Duration = Duration::from_secs(6);
/// Contexts that are created at once.
const FLOOD: u32 = 10_000;

/// One way to be a nuisance.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    /// How many do it beside each other.
    pub(crate) peers: usize,
    /// Names each of them has: one that was cut for sending too much is still known a minute later.
    names: usize,
    act: fn(&Go<'_>) -> anyhow::Result<()>,
}

/// One go of one peer.
struct Go<'a> {
    at: SocketAddr,
    key: &'a Key,
    stop: &'a AtomicBool,
}

/// Every way there is.
pub(crate) const KINDS: [Kind; 27] = [
    Kind { name: "never reads", peers: 2, names: 6, act: |go| go.slow(Reads::Never) },
    Kind { name: "reads a byte a second", peers: 2, names: 6, act: |go| go.slow(Reads::AByteASecond) },
    Kind { name: "sends its login a byte a second", peers: 1, names: 1, act: |go| go.drip(Drips::Login) },
    Kind { name: "sends its request a byte a second", peers: 1, names: 1, act: |go| go.drip(Drips::Request) },
    Kind { name: "claims 4 GB before login", peers: 1, names: 1, act: |go| go.early(&claim()) },
    Kind { name: "claims 4 GB after login", peers: 1, names: 1, act: |go| go.late(&claim()) },
    Kind { name: "opens and says nothing", peers: 1, names: 1, act: |go| go.mute() },
    Kind { name: "upgrades and says nothing", peers: 1, names: 1, act: |go| go.early(&[]) },
    Kind { name: "floods with pings", peers: 2, names: 1, act: |go| go.flood(&frame(0x89, &[b'x'; 125]), 3_000) },
    Kind {
        name: "floods with JSON pings",
        peers: 1,
        names: 1,
        act: |go| go.flood(&frame(0x81, br#"{"type":"ping"}"#), 3_000),
    },
    Kind { name: "takes over the same name", peers: 3, names: 1, act: |go| go.late(&[]) },
    Kind { name: "fights for the same name, alive", peers: 3, names: 1, act: |go| go.rival() },
    Kind { name: "shuts its half", peers: 1, names: 1, act: |go| go.half() },
    Kind { name: "endless fragments", peers: 1, names: 1, act: |go| go.fragments(b"a") },
    Kind { name: "endless empty fragments", peers: 1, names: 1, act: |go| go.fragments(b"") },
    Kind { name: "invalid UTF-8", peers: 1, names: 1, act: |go| go.late(&frame(0x81, b"\xc0\xaf")) },
    Kind { name: "no JSON", peers: 1, names: 1, act: |go| go.late(&frame(0x81, b"hello").repeat(20)) },
    Kind { name: "10,000 contexts at once", peers: 1, names: 1, act: |go| go.contexts() },
    Kind {
        name: "logs in twice",
        peers: 1,
        names: 1,
        act: |go| go.late(&frame(0x81, login(go.key).as_bytes()).repeat(5)),
    },
    Kind { name: "a wrong key", peers: 1, names: 1, act: |go| go.early(&frame(0x81, &WRONG)) },
    Kind { name: "frames after its close", peers: 1, names: 1, act: |go| go.after_close() },
    Kind { name: "binary", peers: 1, names: 1, act: |go| go.late(&frame(0x82, b"\0\x01")) },
    Kind { name: "oversize before login", peers: 1, names: 1, act: |go| go.early(&frame(0x81, &[b' '; 5_000])) },
    Kind { name: "oversize after login", peers: 1, names: 1, act: |go| go.late(&frame(0x81, &[b' '; 70_000])) },
    Kind { name: "unmasked, reserved, control in pieces", peers: 1, names: 1, act: |go| go.protocol() },
    Kind { name: "no HTTP, or none that is served", peers: 1, names: 1, act: |go| go.no_http() },
    Kind { name: "gone without a word", peers: 1, names: 1, act: |go| go.reset() },
];

const WRONG: [u8; 59] = *br#"{"type":"authenticate","vendor_id":"nobody","api_key":"sk"}"#;

/// The head of a frame of 4 GB.
fn claim() -> Vec<u8> {
    let mut head = vec![0x81, 0x80 | 127];
    head.extend(0x1_0000_0000_u64.to_be_bytes());
    head.extend([0; 4]);
    head
}

enum Reads {
    Never,
    AByteASecond,
}

enum Drips {
    Login,
    Request,
}

impl Go<'_> {
    fn goes_on(&self) -> bool {
        !self.stop.load(Relaxed)
    }

    /// Opens, says it, and waits for the end.
    fn early(&self, bytes: &[u8]) -> anyhow::Result<()> {
        let mut peer = Peer::connect(self.at)?;
        peer.upgrade(self.key.path())?;
        peer.stream.write_all(bytes)?;
        peer.ends_within(END);
        Ok(())
    }

    /// Logs in, says it, and waits for the end or gives up.
    fn late(&self, bytes: &[u8]) -> anyhow::Result<()> {
        let mut peer = self.key.enter(self.at)?;
        peer.stream.write_all(bytes)?;
        peer.ends_within(Duration::from_secs(1));
        Ok(())
    }

    /// Takes a name and lets go of it properly when another takes it.
    fn rival(&self) -> anyhow::Result<()> {
        let mut peer = self.key.enter(self.at)?;
        while self.goes_on() {
            match peer.hear(Duration::from_secs(1)) {
                Heard::Close { .. } => {
                    peer.goodbye();
                    break;
                }
                Heard::End => break,
                Heard::Text(_) | Heard::Control | Heard::Nothing => {}
            }
        }
        Ok(())
    }

    fn mute(&self) -> anyhow::Result<()> {
        Peer::connect(self.at)?.ends_within(END);
        Ok(())
    }

    /// Asks for long answers and does not read them.
    fn slow(&self, reads: Reads) -> anyhow::Result<()> {
        let mut peer = self.key.enter_on(Peer::connect_small(self.at)?)?;
        let id = "x".repeat(250);
        let wish = frame(0x81, format!(r#"{{"type":"create_context","context_id":"{id}"}}"#).as_bytes());
        let until = Instant::now() + SLOW;
        let mut read = Instant::now();
        let mut stuck = false;
        while Instant::now() < until && self.goes_on() {
            // Once nothing more is taken it stays as it is: whether to be patient is the server's to say.
            if !stuck {
                match peer.stream.write_all(&wish) {
                    Ok(()) => {}
                    Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => stuck = true,
                    Err(_) => break,
                }
            }
            if let Reads::AByteASecond = reads
                && read.elapsed() > Duration::from_secs(1)
            {
                peer.stream.read_exact(&mut [0])?;
                read = Instant::now();
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    fn drip(&self, what: Drips) -> anyhow::Result<()> {
        let mut peer = Peer::connect(self.at)?;
        let bytes = match what {
            Drips::Request => request(self.key.path()).into_bytes(),
            Drips::Login => {
                peer.upgrade(self.key.path())?;
                frame(0x81, login(self.key).as_bytes())
            }
        };
        let until = Instant::now() + SLOW;
        for byte in bytes {
            if Instant::now() > until || !self.goes_on() || peer.stream.write_all(&[byte]).is_err() {
                break;
            }
            if let Heard::End = peer.hear(Duration::from_secs(1)) {
                break;
            }
        }
        Ok(())
    }

    /// Sends as fast as it is taken, and reads.
    fn flood(&self, bytes: &[u8], times: u32) -> anyhow::Result<()> {
        let mut peer = self.key.enter(self.at)?;
        for turn in 0..times {
            peer.stream.write_all(bytes)?;
            if turn % 50 == 0 {
                while let Heard::Text(_) | Heard::Control = peer.hear(Duration::from_millis(1)) {}
            }
        }
        peer.ends_within(END);
        Ok(())
    }

    fn half(&self) -> anyhow::Result<()> {
        let mut peer = self.key.enter(self.at)?;
        peer.half_close()?;
        peer.ends_within(END);
        Ok(())
    }

    fn fragments(&self, piece: &[u8]) -> anyhow::Result<()> {
        let mut peer = self.key.enter(self.at)?;
        peer.stream.write_all(&frame(0x01, b"{"))?;
        let more = frame(0x00, piece);
        for _ in 0..70_000 {
            if !self.goes_on() || peer.stream.write_all(&more).is_err() {
                break;
            }
        }
        Ok(())
    }

    fn contexts(&self) -> anyhow::Result<()> {
        let mut peer = self.key.enter(self.at)?;
        let mut all = Vec::new();
        for number in 0..FLOOD {
            let wish =
                format!(r#"{{"type":"create_context","context_id":"c{number}","requirements":{{"type":"entrance"}}}}"#);
            all.extend(frame(0x81, wish.as_bytes()));
        }
        for piece in all.chunks(64 * 1024) {
            if peer.stream.write_all(piece).is_err() {
                break;
            }
        }
        peer.ends_within(END);
        Ok(())
    }

    fn after_close(&self) -> anyhow::Result<()> {
        let mut peer = self.key.enter(self.at)?;
        peer.stream.write_all(&frame(0x88, &1000_u16.to_be_bytes()))?;
        for _ in 0..100 {
            if peer.text(r#"{"type":"ping"}"#).is_err() {
                break;
            }
        }
        peer.ends_within(END);
        Ok(())
    }

    fn protocol(&self) -> anyhow::Result<()> {
        for bytes in
            [&b"\x81\x02{}"[..], b"\xc1\x80\0\0\0\0", b"\x09\x80\0\0\0\0", b"\x80\x80\0\0\0\0", b"\x88\x81\0\0\0\0x"]
        {
            let mut peer = Peer::connect(self.at)?;
            peer.upgrade(self.key.path())?;
            peer.stream.write_all(bytes)?;
            peer.ends_within(END);
        }
        Ok(())
    }

    fn no_http(&self) -> anyhow::Result<()> {
        let upgrade = request("/nowhere");
        for bytes in [&b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03"[..], b"GET / HTTP/9\r\n\r\n", upgrade.as_bytes()] {
            let mut peer = Peer::connect(self.at)?;
            peer.stream.write_all(bytes)?;
            peer.ends_within(END);
        }
        Ok(())
    }

    /// Leaves with something unread: the system resets the connection.
    fn reset(&self) -> anyhow::Result<()> {
        let mut peer = self.key.enter(self.at)?;
        peer.text(r#"{"type":"ping"}"#)?;
        thread::sleep(Duration::from_millis(20));
        Ok(())
    }
}

/// Everybody hostile at work.
pub(crate) struct Mob {
    stop: Arc<AtomicBool>,
    goes: Vec<(&'static str, Arc<AtomicU64>)>,
    threads: Vec<JoinHandle<()>>,
}

impl Mob {
    /// Lets them loose; each peer has a key of its own, except those that fight for one.
    pub(crate) fn rise(at: SocketAddr, keys: &[Key], kinds: &'static [Kind]) -> anyhow::Result<Self> {
        let keys = keys.to_vec();
        idly(move || Self::loose(at, &keys, kinds))?
    }

    fn loose(at: SocketAddr, keys: &[Key], kinds: &'static [Kind]) -> anyhow::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let mut mob = Self { stop: Arc::clone(&stop), goes: Vec::new(), threads: Vec::new() };
        let mut keys = keys.iter();
        for kind in kinds {
            let goes = Arc::new(AtomicU64::new(0));
            mob.goes.push((kind.name, Arc::clone(&goes)));
            let mut shared = None;
            for _ in 0..kind.peers {
                let own: Vec<Key> = match (&shared, kind.name.contains("same name")) {
                    (Some(own), true) => Vec::clone(own),
                    _ => keys.by_ref().take(kind.names).cloned().collect(),
                };
                ensure!(own.len() == kind.names, "too few keys for a peer that {}", kind.name);
                shared = Some(own.clone());
                let (stop, goes, act) = (Arc::clone(&stop), Arc::clone(&goes), kind.act);
                mob.threads.push(thread::Builder::new().spawn(move || {
                    for key in own.iter().cycle() {
                        if stop.load(Relaxed) {
                            break;
                        }
                        // How a go ends is the server's to say, and counted there.
                        let _ = act(&Go { at, key, stop: &stop });
                        goes.fetch_add(1, Relaxed);
                        thread::sleep(REST);
                    }
                })?);
            }
        }
        Ok(mob)
    }

    /// Ends it; how often each kind had a go.
    pub(crate) fn disperse(self) -> Vec<(&'static str, u64)> {
        self.stop.store(true, Relaxed);
        for thread in self.threads {
            // A peer that broke is told by its kind's count.
            let _ = thread.join();
        }
        self.goes.into_iter().map(|(name, goes)| (name, goes.load(Relaxed))).collect()
    }
}

/// Does it on a thread that, like those it begins, only has a processor while nobody else wants one: the gateway and the
/// well-behaved share the processors with nobody, and what they wait for is the gateway.
pub(crate) fn idly<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> anyhow::Result<T> {
    let act = move || {
        let myself = fs::read_link("/proc/thread-self").context("no /proc")?;
        let number = myself.file_name().context("a thread without a number")?;
        let status = Command::new("chrt").args(["--idle", "--pid", "0"]).arg(number).status();
        ensure!(status.is_ok_and(|status| status.success()), "chrt of util-linux is needed");
        Ok(act())
    };
    thread::spawn(act).join().ok().context("a thread of the mob broke")?
}

/// Slow peers that are all on one core: they ask without reading until they are cut, and come again.
pub(crate) fn spam(mut peer: Peer, stop: &AtomicBool) {
    let id = "x".repeat(250);
    let wish = frame(0x81, format!(r#"{{"type":"create_context","context_id":"{id}"}}"#).as_bytes());
    while !stop.load(Relaxed) && peer.stream.write_all(&wish).is_ok() {
        thread::sleep(Duration::from_millis(5));
    }
}

/// How many keys the mob needs.
pub(crate) fn keys_needed() -> usize {
    KINDS.iter().map(|kind| kind.peers * kind.names).sum()
}
