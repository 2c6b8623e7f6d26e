//! One process of a run: reads its plan, connects, does its kind of load, and says what came of it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::io::{self, BufRead};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use rustix::thread::{CpuSet, sched_setaffinity};

use super::crowd::{self, Crowd, Ears};
use super::kinds;
use super::plan::{GO, Key, News, Outcome, Plan, Side};
use super::times::Times;
use super::words::Word;
use crate::talk;

/// How long all logins of a share may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// The first pause before a failed connection is tried again; doubles up to the longest.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_LONGEST: Duration = Duration::from_secs(5);
/// How often progress is told.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);
/// How long one look at the sockets waits.
pub(super) const LOOK: Duration = Duration::from_millis(50);

/// Reads the plan on stdin and does it.
pub(super) fn run() -> anyhow::Result<()> {
    let done = serve();
    say(&match &done {
        Ok((outcome, _)) => News::Done(Box::new(outcome.clone())),
        Err(error) => News::Failed { why: format!("{error:#}") },
    })?;
    // The sockets stay until the parent has looked at the server.
    hear()?;
    Ok(())
}

/// What came of the plan, and its sockets, still open.
fn serve() -> anyhow::Result<(Outcome, Share)> {
    let plan: Plan = serde_json::from_str(&hear()?).context("the plan")?;
    gateway::raise_file_limit();
    if let Some(cpu) = plan.cpu {
        let mut set = CpuSet::new();
        ensure!(cpu < CpuSet::MAX_CPU, "there is no cpu {cpu}");
        set.set(cpu);
        sched_setaffinity(None, &set).with_context(|| format!("cpu {cpu} cannot be had"))?;
    }
    let sources = crowd::sources(plan.process, plan.addresses);
    let mut share = Share {
        crowd: Crowd::new(plan.dialect, plan.server, plan.host.clone(), sources)?,
        heard: Vec::new(),
        causes: BTreeMap::new(),
        failed: 0,
        told: Instant::now(),
        dice: plan.run | 1,
        plan,
    };
    let mut outcome = kinds::run(&mut share)?;
    outcome.failed += share.failed;
    outcome.causes.append(&mut share.causes);
    Ok((outcome, share))
}

fn say(news: &News) -> io::Result<()> {
    talk::data(serde_json::to_string(news)?)
}

fn hear() -> io::Result<String> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    Ok(line)
}

/// A share at work.
pub(super) struct Share {
    pub(super) plan: Plan,
    pub(super) crowd: Crowd,
    /// What the last look brought.
    heard: Vec<(usize, Word)>,
    causes: BTreeMap<String, u64>,
    failed: u64,
    told: Instant,
    dice: u64,
}

impl Share {
    /// Writes, waits at most so long, and gives what was heard.
    pub(super) fn look(&mut self, wait: Duration) -> anyhow::Result<Vec<(usize, Word)>> {
        let mut heard = std::mem::take(&mut self.heard);
        heard.clear();
        self.crowd.poll(wait, &mut heard).context("the sockets")?;
        Ok(heard)
    }

    /// Hands back what [`Share::look`] gave, so that it need not be made anew.
    pub(super) fn looked(&mut self, heard: Vec<(usize, Word)>) {
        self.heard = heard;
    }

    /// Tells how far it is, now and then.
    pub(super) fn progress(&mut self, done: u64) -> anyhow::Result<()> {
        if self.told.elapsed() >= PROGRESS_EVERY {
            self.told = Instant::now();
            say(&News::Progress { done, open: self.crowd.len() })?;
        }
        Ok(())
    }

    /// Waits until all processes have done this part.
    pub(super) fn together(&mut self, part: &str) -> anyhow::Result<()> {
        say(&News::Waiting { part: part.to_owned() })?;
        let word = hear()?;
        ensure!(word.trim() == GO, "stopped");
        Ok(())
    }

    /// Counts something that went wrong.
    pub(super) fn failed(&mut self, cause: impl Into<String>) {
        self.failed += 1;
        *self.causes.entry(cause.into()).or_default() += 1;
    }

    pub(super) fn keys(&self, side: Side) -> Vec<Key> {
        self.plan.keys.iter().filter(|key| key.role == side).cloned().collect()
    }

    /// Connects these seats, each with its key, so many at once, until all are logged in; how long each took.
    pub(super) fn log_in(&mut self, seats: &[(usize, &Key)], ears: Ears, done: u64) -> anyhow::Result<Times> {
        let began = Instant::now();
        let of: BTreeMap<usize, &Key> = seats.iter().copied().collect();
        let mut due: BinaryHeap<Reverse<(Instant, usize, u32)>> =
            seats.iter().map(|(seat, _)| Reverse((began, *seat, 0))).collect();
        let mut on_the_way: BTreeMap<usize, (Instant, u32)> = BTreeMap::new();
        let mut times = Times::default();
        let mut inside = 0;
        while inside < seats.len() {
            ensure!(
                began.elapsed() < PATIENCE,
                "{} of {} did not get in within {} s: {:?}",
                seats.len() - inside,
                seats.len(),
                PATIENCE.as_secs(),
                self.causes
            );
            let now = Instant::now();
            while on_the_way.len() < self.plan.in_flight
                && let Some(Reverse((at, seat, tries))) = due.peek().copied()
                && at <= now
            {
                due.pop();
                match self.crowd.connect(seat, of[&seat], ears) {
                    Ok(()) => {
                        on_the_way.insert(seat, (now, tries));
                    }
                    Err(error) => {
                        self.failed(format!("connect: {error}"));
                        due.push(Reverse((now + self.pause(tries), seat, tries + 1)));
                    }
                }
            }
            let heard = self.look(LOOK)?;
            for (seat, word) in &heard {
                let (seat, word) = (*seat, *word);
                match word {
                    Word::Opened => {
                        let Some(key) = of.get(&seat) else { continue };
                        let login = self.plan.dialect.login(key);
                        login.iter().for_each(|login| self.crowd.send(seat, login));
                        // Whoever does not read cannot hear the answer.
                        if (login.is_none() || ears == Ears::Shut)
                            && let Some((since, _)) = on_the_way.remove(&seat)
                        {
                            times.add(since.elapsed());
                            inside += 1;
                        }
                    }
                    Word::Authenticated => {
                        if let Some((since, _)) = on_the_way.remove(&seat) {
                            times.add(since.elapsed());
                            inside += 1;
                        }
                    }
                    Word::NotOpened(status) => self.failed(format!("upgrade answered {status}")),
                    Word::Closed(code) => self.failed(format!("closed with {code}")),
                    Word::Lost => {
                        if let Some((_, tries)) = on_the_way.remove(&seat) {
                            self.failed("lost before login");
                            due.push(Reverse((Instant::now() + self.pause(tries), seat, tries + 1)));
                        } else if of.contains_key(&seat) {
                            bail!("a session was lost while others logged in: {:?}", self.causes);
                        }
                    }
                    Word::Pong
                    | Word::Offer(_)
                    | Word::Over(_)
                    | Word::Outcome(_)
                    | Word::Refused(..)
                    | Word::Taken
                    | Word::Error
                    | Word::Other => {}
                }
            }
            self.looked(heard);
            self.progress(done + inside as u64)?;
        }
        Ok(times)
    }

    /// A random pause under a ceiling that doubles.
    fn pause(&mut self, tries: u32) -> Duration {
        let ceiling = PAUSE_FIRST.saturating_mul(1 << tries.min(6)).min(PAUSE_LONGEST);
        self.dice = self.dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ceiling.mul_f64((self.dice >> 11) as f64 / (1_u64 << 53) as f64)
    }
}
