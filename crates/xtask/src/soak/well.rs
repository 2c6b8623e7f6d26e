//! Vendors and scanners that do everything right, and how long their pings take.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use super::raw::{Heard, Key, PATIENCE, Peer};

/// Between two pings of one session: well under what a peer may send in a minute.
const PAUSE: Duration = Duration::from_millis(90);
/// A vendor asks for a palm once in so many pings.
const ASK_EVERY: u64 = 20;

/// How long pings took, each with the session's name.
pub(crate) type Times = BTreeMap<String, Vec<Duration>>;

/// What all of them share.
#[derive(Default)]
pub(crate) struct Tally {
    /// Who should leave: nobody, vendors, or scanners too, which vendors need until their last context is settled.
    leaving: AtomicUsize,
    times: Mutex<Times>,
    /// Contexts that were asked for, and those that had their outcome.
    pub(crate) asked: AtomicU64,
    pub(crate) settled: AtomicU64,
}

/// Sessions that go on until they are stopped.
pub(crate) struct Crowd {
    pub(crate) tally: Arc<Tally>,
    vendors: Vec<JoinHandle<anyhow::Result<()>>>,
    scanners: Vec<JoinHandle<anyhow::Result<()>>>,
}

impl Crowd {
    pub(crate) fn enter(at: SocketAddr, pairs: &[(Key, Key)]) -> anyhow::Result<Self> {
        let tally = Arc::new(Tally::default());
        let (mut vendors, mut scanners) = (Vec::new(), Vec::new());
        for key in pairs.iter().flat_map(|(vendor, scanner)| [scanner, vendor]) {
            let threads = if key.device.is_some() { &mut scanners } else { &mut vendors };
            let tally = Arc::clone(&tally);
            let (peer, key) = (key.enter(at)?, key.clone());
            threads.push(thread::Builder::new().spawn(move || session(peer, &key, &tally))?);
        }
        Ok(Self { tally, vendors, scanners })
    }

    /// The times since the last look.
    pub(crate) fn times(&self) -> Times {
        std::mem::take(&mut *self.tally.times.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// They close; an error when one of them did not have it well.
    pub(crate) fn leave(self) -> anyhow::Result<()> {
        for (leaving, threads) in [(1, self.vendors), (2, self.scanners)] {
            self.tally.leaving.store(leaving, Relaxed);
            for thread in threads {
                thread.join().ok().context("a well-behaved session broke")??;
            }
        }
        Ok(())
    }
}

fn session(mut peer: Peer, key: &Key, tally: &Tally) -> anyhow::Result<()> {
    let name = key.device.as_ref().unwrap_or(&key.subject);
    let mut open = 0;
    for turn in 0_u64.. {
        let stopping = tally.leaving.load(Relaxed) > usize::from(key.device.is_some());
        if stopping && open == 0 {
            break;
        }
        if key.device.is_none() && turn % ASK_EVERY == 1 && !stopping {
            peer.text(&format!(
                r#"{{"type":"create_context","context_id":"{name}-{turn}","requirements":{{"type":"entrance"}}}}"#
            ))?;
            tally.asked.fetch_add(1, Relaxed);
            open += 1;
        }
        let began = Instant::now();
        peer.text(r#"{"type":"ping"}"#)?;
        loop {
            let text = match peer.hear(PATIENCE) {
                Heard::Text(text) => text,
                Heard::Control => continue,
                other => bail!("{name} expected a pong, got {other:?}"),
            };
            if text.contains("\"pong\"") {
                break;
            } else if text.contains("\"context_open\"") {
                let frame: serde_json::Value = serde_json::from_str(&text)?;
                peer.text(&format!(
                    r#"{{"type":"scan_result","context_id":{},"outcome":"captured","template":"cGFsbQ=="}}"#,
                    frame["context_id"]
                ))?;
            } else if text.contains("\"auth_result\"") {
                tally.settled.fetch_add(1, Relaxed);
                open -= 1;
            } else {
                let known = text.contains("\"scan_ack\"") || text.contains("\"context_closed\"");
                ensure!(known, "{name} heard {text}");
            }
        }
        let took = began.elapsed();
        tally.times.lock().unwrap_or_else(PoisonError::into_inner).entry(name.clone()).or_default().push(took);
        thread::sleep(PAUSE);
    }
    peer.goodbye();
    Ok(())
}

/// The time that so many of a thousand were below.
pub(crate) fn quantile(times: impl Iterator<Item = Duration>, per_thousand: usize) -> Duration {
    let mut times: Vec<Duration> = times.collect();
    times.sort_unstable();
    let at = (times.len() * per_thousand / 1000).min(times.len().saturating_sub(1));
    times.get(at).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_few_and_of_many() {
        let of = |count: u64, per_thousand| quantile((1..=count).map(Duration::from_millis), per_thousand);
        assert_eq!(of(1000, 990), Duration::from_millis(991));
        assert_eq!(of(1000, 500), Duration::from_millis(501));
        assert_eq!(of(1, 990), Duration::from_millis(1));
        assert_eq!(of(0, 990), Duration::ZERO);
    }
}
