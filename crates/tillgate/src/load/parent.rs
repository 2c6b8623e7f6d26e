//! The parent of a run: starts its processes, keeps them in step, and looks at the server meanwhile.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::plan::{GO, News, Outcome, Plan};
use super::server::{self, Server};
use crate::talk;

/// How often a person is told how far it is.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// How long a server may take to come to rest before its memory is looked at.
const REST: Duration = Duration::from_secs(1);
/// What a process may be silent for beyond the span of its plan.
const SILENCE: Duration = Duration::from_secs(180);
/// Memory is noted each time so much more is done.
const NOTE_EVERY: u64 = 1000;

/// What was seen of the server at one moment.
#[derive(Clone, Debug)]
pub(super) struct Look {
    pub(super) part: String,
    pub(super) resident: Option<u64>,
    pub(super) ran: Option<Duration>,
}

/// What came of a run.
pub(super) struct Run {
    pub(super) outcome: Outcome,
    pub(super) looks: Vec<Look>,
    /// Resident memory by how much was done.
    pub(super) by_done: Vec<(u64, u64)>,
    /// Connects tried again, and connections a listener had no room for, on the whole machine.
    pub(super) kernel: Option<(u64, u64)>,
}

/// Does the plans at the same time.
pub(super) fn run(plans: &[Plan], server: Option<Server>, by_done: bool) -> anyhow::Result<Run> {
    let span = plans.iter().map(|plan| plan.span).max().unwrap_or_default();
    let kernel_before = server::kernel();
    let mut parent = Parent {
        server,
        looks: vec![look(server, "before")?],
        by_done: Vec::new(),
        done: vec![0; plans.len()],
        open: vec![0; plans.len()],
        began: Instant::now(),
        told: Instant::now(),
    };
    let (sender, receiver) = channel();
    let mut workers = Vec::new();
    for (number, plan) in plans.iter().enumerate() {
        workers.push(Worker::start(number, plan, sender.clone())?);
    }
    drop(sender);
    let outcome = parent.follow(&mut workers, &receiver, span + SILENCE, by_done)?;
    let kernel = kernel_before.zip(server::kernel()).map(|(before, after)| (after.0 - before.0, after.1 - before.1));
    for worker in &mut workers {
        worker.go()?;
    }
    Ok(Run { outcome, looks: parent.looks, by_done: parent.by_done, kernel })
}

fn look(server: Option<Server>, part: &str) -> anyhow::Result<Look> {
    let resident = server.map(Server::resident).transpose()?;
    let ran = server.map(Server::ran).transpose()?;
    Ok(Look { part: part.to_owned(), resident, ran })
}

struct Parent {
    server: Option<Server>,
    looks: Vec<Look>,
    by_done: Vec<(u64, u64)>,
    done: Vec<u64>,
    open: Vec<usize>,
    began: Instant,
    told: Instant,
}

impl Parent {
    fn follow(
        &mut self,
        workers: &mut [Worker],
        news: &Receiver<(usize, Option<News>)>,
        silence: Duration,
        by_done: bool,
    ) -> anyhow::Result<Outcome> {
        let mut outcome = Outcome::default();
        let (mut waiting, mut ended) = (0, 0);
        while ended < workers.len() {
            let (number, said) = news.recv_timeout(silence).context("the processes of the load are silent")?;
            match said {
                Some(News::Progress { done, open }) => {
                    (self.done[number], self.open[number]) = (done, open);
                    self.note(by_done)?;
                    self.tell();
                }
                Some(News::Waiting { part }) => {
                    waiting += 1;
                    if waiting < workers.len() {
                        continue;
                    }
                    waiting = 0;
                    if part == "large" {
                        std::thread::sleep(REST);
                    }
                    self.looks.push(look(self.server, &part)?);
                    for worker in &mut *workers {
                        worker.go()?;
                    }
                }
                Some(News::Done(share)) => {
                    ended += 1;
                    if ended == workers.len() {
                        self.looks.push(look(self.server, "done")?);
                    }
                    outcome.merge(*share);
                }
                Some(News::Failed { why }) => bail!(why),
                None => bail!("a process of the load ended before its time"),
            }
        }
        Ok(outcome)
    }

    fn note(&mut self, by_done: bool) -> anyhow::Result<()> {
        let done: u64 = self.done.iter().sum();
        if by_done
            && done >= self.by_done.last().map_or(0, |(noted, _)| noted + NOTE_EVERY)
            && let Some(server) = self.server
        {
            self.by_done.push((done, server.resident()?));
        }
        Ok(())
    }

    fn tell(&mut self) {
        if self.told.elapsed() < TELL_EVERY {
            return;
        }
        self.told = Instant::now();
        let (done, open): (u64, usize) = (self.done.iter().sum(), self.open.iter().sum());
        let memory = match self.server.map(Server::resident) {
            Some(Ok(bytes)) => format!(", server {:.1} MiB", super::report::mib(bytes)),
            Some(Err(_)) | None => String::new(),
        };
        talk::say(format_args!("{:>4} s: {done} done, {open} open{memory}", self.began.elapsed().as_secs()));
    }
}

/// One process. It ends with its input, and is killed when the parent goes another way.
struct Worker {
    child: Child,
    input: ChildStdin,
}

impl Worker {
    fn start(number: usize, plan: &Plan, news: Sender<(usize, Option<News>)>) -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["load", "worker"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("a process cannot be started")?;
        let (input, output) = child.stdin.take().zip(child.stdout.take()).context("a process has no pipes")?;
        let mut worker = Self { child, input };
        writeln!(worker.input, "{}", serde_json::to_string(plan)?)?;
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                let Some(said) = line.ok().and_then(|line| serde_json::from_str(&line).ok()) else { break };
                if news.send((number, Some(said))).is_err() {
                    return;
                }
            }
            // Nobody listens any more once the run is over.
            let _ = news.send((number, None));
        });
        Ok(worker)
    }

    fn go(&mut self) -> anyhow::Result<()> {
        writeln!(self.input, "{GO}").context("a process of the load ended before its time")
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Most have ended by themselves.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
