//! Everything hostile at once against the real gateway, and well-behaved peers beside it that must not notice.
//!
//! ```text
//! calm ── one core is full of slow peers ── everything hostile at once ── calm ── everybody leaves ── drain
//! ```
//!
//! All of it happens on one machine, so hostile peers run at idle priority: the gateway and the well-behaved get a
//! processor whenever they want one, and what a ping takes longer than in calm is what the gateway lets it wait. Calm is
//! measured before and after; how far the two differ is the machine's noise.
//!
//! What must hold at the end: pings as quick as ever, memory bounded, no panic, no line at error level, every connection
//! ended under a reason that has a name, exit code 0.

mod hostile;
mod house;
mod raw;
mod well;

use std::collections::BTreeMap;
use std::slice;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use hostile::Mob;
use house::House;
use raw::{Key, Peer};
use well::{Crowd, Times, quantile};

/// Vendors, each with a scanner.
const PAIRS: usize = 6;
/// Slow peers on one core.
const SLOW: usize = 8;
/// How many times slower the p99 may be than in calm.
const SLOWER_MOST: u32 = 2;
/// Memory that all hostile peers together may cost, in kilobytes.
const MEMORY_MOST: u64 = 96 * 1024;
/// How long the last connections may take to end.
const LAST: Duration = Duration::from_secs(15);
/// How long what the hostile left behind may take to end.
const AFTER_STORM: Duration = Duration::from_secs(3);
/// Lines of memory that are printed.
const SAMPLES: u32 = 12;

/// What a run is allowed.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    /// How long everything hostile is at work.
    pub(crate) storm: Duration,
    /// Whether slower pings fail the run, or are only told: a machine that builds beside it cannot be timed.
    pub(crate) timed: bool,
    /// Each kind of hostile peer by itself before, for as long.
    pub(crate) alone: bool,
}

/// The whole run.
pub(crate) fn run(plan: Plan) -> anyhow::Result<()> {
    let (mut pairs, mut mob_keys, mut slow_keys) = (Vec::new(), Vec::new(), Vec::new());
    let mut house = House::start(crate::clients::binary()?, |keys| {
        for vendor in keys.vendors("well", PAIRS)? {
            let scanner = keys.scanner(&format!("glass-of-{}", vendor.subject), &vendor.subject)?;
            pairs.push((vendor, scanner));
        }
        mob_keys = keys.vendors("mob", hostile::keys_needed())?;
        slow_keys = keys.vendors("slow", SLOW * 8)?;
        Ok(())
    })?;
    let crowd = Crowd::enter(house.at, &pairs)?;
    let calm_for = (plan.storm / 4).clamp(Duration::from_secs(4), Duration::from_secs(60));
    thread::sleep(Duration::from_secs(1));
    let before = calm(&crowd, calm_for);
    let at_rest = house.resident()?;
    if plan.alone {
        alone(&mut house, &crowd, &mob_keys, plan.storm)?;
    }
    let one_core = one_core(&house, &crowd, &slow_keys, calm_for)?;
    let storm = storm(&mut house, &crowd, &mob_keys, plan.storm)?;
    thread::sleep(AFTER_STORM);
    let after = calm(&crowd, calm_for);

    let (asked, settled) = (crowd.tally.asked.load(Relaxed), crowd.tally.settled.load(Relaxed));
    let last = crowd.tally.clone();
    crowd.leave().context("a well-behaved peer was disturbed")?;
    let (asked, settled) = (last.asked.load(Relaxed).max(asked), last.settled.load(Relaxed).max(settled));
    println!("contexts beside the storm: {asked} asked, {settled} settled");
    ensure!(asked == settled, "contexts of well-behaved vendors were lost");

    ends(&house)?;
    println!(
        "memory: {} at rest, {} at most, {} at the end",
        kilobytes(at_rest),
        kilobytes(storm.most),
        kilobytes(house.resident()?)
    );
    let sessions: Vec<Peer> = mob_keys.iter().take(20).filter_map(|key| key.enter(house.at).ok()).collect();
    let drained = sessions.len();
    let (lines, took) = house.stop()?;
    println!(
        "drained {drained} sessions in {:.1} s, exit code 0; {lines} log lines, none at error level",
        took.as_secs_f64()
    );

    let cost = storm.most.saturating_sub(at_rest);
    ensure!(cost <= MEMORY_MOST, "hostile peers cost {}", kilobytes(cost));
    println!("p99 of calm: {:.2?} before, {:.2?} after", p99(&before), p99(&after));
    let calm = quantile(before.into_values().chain(after.into_values()).flatten(), 990);
    for (name, times) in [("the other core while one is full of slow peers", &one_core), ("the storm", &storm.times)] {
        let found = p99(times);
        let ratio = found.as_secs_f64() / calm.as_secs_f64();
        let told = format!("p99 of {name}: {found:.2?}, {ratio:.1} times that of calm");
        println!("{told}");
        ensure!(found <= calm * SLOWER_MOST || !plan.timed, "{told}");
    }
    Ok(())
}

/// The times while nothing else happens.
fn calm(crowd: &Crowd, during: Duration) -> Times {
    crowd.times();
    thread::sleep(during);
    let times = crowd.times();
    println!("{:<44}{}", "calm", shown(&times));
    times
}

/// The times beside each kind of hostile peer by itself.
fn alone(house: &mut House, crowd: &Crowd, keys: &[Key], during: Duration) -> anyhow::Result<()> {
    for kind in &hostile::KINDS {
        let worked = house.worked()?;
        crowd.times();
        let mob = Mob::rise(house.at, keys, slice::from_ref(kind))?;
        thread::sleep(during);
        let times = crowd.times();
        house.lives()?;
        let worked = (house.worked()? - worked).as_secs_f64() / during.as_secs_f64() * 100.0;
        let goes = mob.disperse().iter().map(|(_, goes)| goes).sum::<u64>();
        println!("{:<44}{}  {worked:>5.1} % of a core, {goes} goes", kind.name, shown(&times));
        thread::sleep(AFTER_STORM);
    }
    Ok(())
}

fn p99(times: &Times) -> Duration {
    quantile(times.values().flatten().copied(), 990)
}

fn shown(times: &Times) -> String {
    let all = || times.values().flatten().copied();
    let (p50, p99, most) = (quantile(all(), 500), p99(times), all().max().unwrap_or_default());
    format!("{:>6} pings  p50 {p50:>8.2?}  p99 {p99:>8.2?}  most {most:>8.2?}", all().count())
}

fn kilobytes(count: u64) -> String {
    format!("{:.1} MB", count as f64 / 1024.0)
}

/// Fills one core with peers that ask and do not read; the times of well-behaved peers on the others.
fn one_core(house: &House, crowd: &Crowd, keys: &[Key], during: Duration) -> anyhow::Result<Times> {
    let mut slow = Vec::new();
    for key in keys {
        if slow.len() == SLOW {
            break;
        }
        let peer = key.enter_on(Peer::connect_small(house.at)?)?;
        // Logs are written when the login is, and read here a moment later.
        thread::sleep(Duration::from_millis(30));
        if house.cores()?.get(&key.subject) == Some(&0) {
            slow.push(peer);
        } else {
            peer.goodbye();
        }
    }
    let count = slow.len();
    crowd.times();
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let spam = move |peer| {
        let stop = Arc::clone(&stopped);
        thread::spawn(move || hostile::spam(peer, &stop))
    };
    let spammers: Vec<_> = hostile::idly(|| slow.into_iter().map(spam).collect())?;
    thread::sleep(during);
    stop.store(true, Relaxed);
    let times = crowd.times();
    for spammer in spammers {
        spammer.join().ok().context("a slow peer broke")?;
    }
    let cores = house.cores()?;
    let (mut on, mut other) = (Times::new(), Times::new());
    for (name, times) in times {
        let core = cores.get(&name).or_else(|| cores.get(name.trim_start_matches("glass-of-"))).copied();
        if core == Some(0) { &mut on } else { &mut other }.insert(name, times);
    }
    println!("{:<44}{}", format!("{count} slow peers on core 0, well ones beside them"), shown(&on));
    println!("{:<44}{}", "  well ones on the other core", shown(&other));
    Ok(other)
}

struct Storm {
    times: Times,
    most: u64,
}

/// Everything hostile at once.
fn storm(house: &mut House, crowd: &Crowd, keys: &[Key], during: Duration) -> anyhow::Result<Storm> {
    crowd.times();
    let began = Instant::now();
    let mob = Mob::rise(house.at, keys, &hostile::KINDS)?;
    let mut most = 0;
    let mut times = Times::new();
    for _ in 0..SAMPLES {
        let next = Instant::now() + during / SAMPLES;
        while Instant::now() < next {
            most = most.max(house.resident()?);
            thread::sleep(Duration::from_millis(100).min(during / SAMPLES));
        }
        house.lives()?;
        let piece = crowd.times();
        let open = house.metrics()?.value("tillgate_connections_open");
        let resident = kilobytes(house.resident()?);
        println!(
            "{:<44}{}  {open:>4} open  {resident}",
            format!("storm, {:.0} s", began.elapsed().as_secs_f64()),
            shown(&piece)
        );
        for (name, mut piece) in piece {
            times.entry(name).or_default().append(&mut piece);
        }
    }
    let goes: Vec<String> = mob.disperse().into_iter().map(|(name, goes)| format!("{name} {goes}")).collect();
    println!("{:<44}{}", "storm, all of it", shown(&times));
    println!("goes: {}", goes.join(", "));
    Ok(Storm { times, most })
}

/// Waits until nobody is there any more, and holds the closes against the connections.
fn ends(house: &House) -> anyhow::Result<()> {
    let until = Instant::now() + LAST;
    let metrics = loop {
        let metrics = house.metrics()?;
        if metrics.value("tillgate_connections_open") == 0 {
            break metrics;
        }
        ensure!(Instant::now() < until, "connections are still open {} s after everybody left", LAST.as_secs());
        thread::sleep(Duration::from_millis(50));
    };
    let closes = metrics.by("tillgate_closes_total", "reason");
    let upgraded = metrics.value("tillgate_upgrades_accepted_total");
    let (counted, ours) = (closes.values().sum::<u64>(), raw::UPGRADED.load(Relaxed));
    let list = |all: &BTreeMap<String, u64>| {
        all.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
    };
    println!(
        "connections: {} accepted, {upgraded} upgraded, {ours} seen by us",
        metrics.value("tillgate_connections_accepted_total")
    );
    println!("closes: {}", list(&closes));
    println!("upgrades refused: {}", list(&metrics.by("tillgate_upgrades_refused_total", "reason")));
    println!("logins refused: {}", list(&metrics.by("tillgate_logins_refused_total", "denied")));
    let page = std::fs::read_to_string(crate::root().join("docs/codes.md"))?;
    let unknown: Vec<&String> = closes.keys().filter(|reason| !page.contains(&format!("`{reason}`"))).collect();
    ensure!(unknown.is_empty(), "closes without a reason that docs/codes.md knows: {unknown:?}");
    ensure!(counted == upgraded, "{upgraded} upgraded and {counted} closes counted");
    ensure!(upgraded >= ours, "we saw {ours} upgrades, the gateway counts {upgraded}");
    for never in ["fault", "reloaded"] {
        ensure!(!closes.contains_key(never), "connections ended for {never}: {}", list(&closes));
    }
    for wanted in
        ["slow", "silent_before_login", "displaced", "damped", "too_much", "malformed", "binary", "bad_text", "too_big"]
    {
        ensure!(closes.contains_key(wanted), "no connection ended for {wanted}: the hostile peers were too kind");
    }
    ensure!(metrics.value("tillgate_panics_total") == 0, "turns panicked");
    Ok(())
}
