//! Makes a plan that fails smaller, as long as it still breaks the same law.

use store::Store;

use super::plan::{Act, Conduct, Plan};
use super::{Failure, play};

/// Plays at most, so that a large plan does not take all day.
const PLAYS: u32 = 4_000;

/// A small plan that breaks the law that `plan` breaks.
#[must_use]
pub fn shrink(plan: &Plan, failure: &Failure, store: fn() -> Box<dyn Store>) -> Plan {
    let mut left = PLAYS;
    let mut fails = |plan: &Plan| {
        left = left.saturating_sub(1);
        left > 0 && play(plan, store()).is_err_and(|other| other.law == failure.law)
    };
    let mut best = plan.clone();
    loop {
        let before = best.acts.len();
        fewer_acts(&mut best, &mut fails);
        simpler(&mut best, &mut fails);
        if best.acts.len() == before {
            return best;
        }
    }
}

/// Leaves out halves, quarters, eighths …, down to single acts.
fn fewer_acts(best: &mut Plan, fails: &mut impl FnMut(&Plan) -> bool) {
    let mut piece = best.acts.len().div_ceil(2);
    while piece > 0 {
        let mut from = 0;
        while from < best.acts.len() {
            let upto = (from + piece).min(best.acts.len());
            let acts: Vec<Act> = [&best.acts[..from], &best.acts[upto..]].concat();
            let candidate = Plan { acts, ..best.clone() };
            if fails(&candidate) {
                *best = candidate;
            } else {
                from = upto;
            }
        }
        piece /= 2;
    }
}

/// One core, no delays, terminals that behave: whatever of that still fails.
fn simpler(best: &mut Plan, fails: &mut impl FnMut(&Plan) -> bool) {
    let mut attempt = |change: &dyn Fn(&mut Plan)| {
        let mut candidate = best.clone();
        change(&mut candidate);
        if fails(&candidate) {
            *best = candidate;
        }
    };
    attempt(&|plan| plan.cores = 1);
    attempt(&|plan| {
        let tills = plan.tills.iter_mut().map(|till| &mut till.link);
        let links = tills.chain(plan.terminals.iter_mut().map(|terminal| &mut terminal.link));
        links.for_each(|link| (link.latency, link.jitter) = (0, 1));
    });
    attempt(&|plan| plan.terminals.iter_mut().for_each(|terminal| terminal.named = true));
    let changes: [fn(&mut Conduct); 6] = [
        |conduct| conduct.cut = None,
        |conduct| conduct.says_pending = false,
        |conduct| conduct.answers_twice = false,
        |conduct| conduct.wrong_amount = false,
        |conduct| conduct.heeds_closed = true,
        |conduct| conduct.takes = 2_000,
    ];
    for change in changes {
        attempt(&|plan| plan.payments.iter_mut().for_each(|payment| change(&mut payment.conduct)));
    }
}
