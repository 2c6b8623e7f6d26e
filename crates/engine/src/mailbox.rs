//! What is kept for a principal between its sessions: windows it handed back, and outcomes it is owed.

use std::collections::VecDeque;

use model::{
    Alert, Audience, Durability, Happening, MailRow, OperationId, PrincipalId, Route, Rules, Timestamp, Window, Write,
};

use crate::Turn;
use crate::group::Group;
use crate::port::Output;
use crate::timers::{Timer, Timers};

/// What is kept for one principal.
#[derive(Debug, Default)]
pub(crate) struct Known {
    windows: Vec<Window>,
    mail: VecDeque<Mail>,
}

/// One outcome that is owed.
#[derive(Debug)]
struct Mail {
    operation: OperationId,
    until: Timestamp,
    /// Whether the store knows of it.
    durability: Durability,
}

impl Mail {
    /// It is owed no more.
    fn paid(&self, turn: &mut Turn<'_>) {
        if self.durability == Durability::Durable {
            turn.out.push(Output::Write(Write::Paid { operation: self.operation }));
        }
    }
}

impl Known {
    /// Windows that have slid empty are forgotten.
    fn forget_empty(&mut self, now: Timestamp) {
        self.windows.retain(|window| window.empty_at().is_some_and(|at| at > now));
    }
}

impl Group {
    /// Lends the windows a session wants, with their history if there is one.
    pub(crate) fn lend(&mut self, turn: &mut Turn<'_>, principal: &PrincipalId, wanted: Vec<Window>) -> Vec<Window> {
        let Some(known) = self.known.get_mut(principal) else { return wanted };
        known.forget_empty(turn.now.at);
        let mut lend = |fresh: Window| {
            let at = known.windows.iter().position(|window| window.name() == fresh.name());
            at.map_or(fresh, |at| known.windows.swap_remove(at))
        };
        let lent = wanted.into_iter().map(&mut lend).collect();
        self.arm_principal(turn.timers, principal);
        lent
    }

    /// Takes lent windows back; of two histories of one limit the fuller is kept.
    pub(crate) fn hand_back(&mut self, turn: &mut Turn<'_>, principal: &PrincipalId, windows: Vec<Window>) {
        let now = turn.now.at;
        for mut window in windows {
            let count = window.count(now);
            if count == 0 {
                continue;
            }
            let kept = &mut self.known.or_default(principal.clone()).windows;
            match kept.iter_mut().find(|kept| kept.name() == window.name()) {
                Some(kept) => {
                    if kept.count(now) < count {
                        *kept = window;
                    }
                }
                None => kept.push(window),
            }
        }
        self.arm_principal(turn.timers, principal);
    }

    /// Notes that an outcome is owed; the oldest is given up where there are too many.
    pub(crate) fn owe(
        &mut self,
        turn: &mut Turn<'_>,
        principal: &PrincipalId,
        operation: OperationId,
        until: Timestamp,
        rules: &Rules,
    ) {
        let known = self.known.or_default(principal.clone());
        known.mail.push_back(Mail { operation, until, durability: rules.durability });
        let over = known.mail.len() > usize::try_from(rules.owed_most).unwrap_or(usize::MAX);
        let oldest = if over { known.mail.pop_front() } else { None };
        if let Some(oldest) = oldest {
            self.give_up(turn, principal, &oldest);
        }
        self.arm_principal(turn.timers, principal);
    }

    /// Notes that so many more sessions were told an outcome.
    pub(crate) fn told(&mut self, operation: OperationId, many: usize) {
        if let Some(work) = self.operations.get_mut(&operation) {
            work.told = work.told.saturating_add(u32::try_from(many).unwrap_or(u32::MAX));
        }
    }

    /// An outcome met a session that was gone by then. Unless others were told too, another hears it, or it is owed
    /// again.
    pub(crate) fn undelivered(&mut self, turn: &mut Turn<'_>, operation: OperationId) {
        let Some(work) = self.operations.get_mut(&operation) else { return };
        work.told = work.told.saturating_sub(1);
        if work.told > 0 {
            return;
        }
        let Some(work) = self.operations.get(&operation) else { return };
        let (requester, rules) = (work.requester.clone(), std::sync::Arc::clone(&work.rules));
        let Some(tell) = work.outcome_tell() else { return };
        let owed = |known: &Known| known.mail.iter().any(|mail| mail.operation == operation);
        if self.known.get(&requester).is_some_and(owed) {
            return;
        }
        if rules.audience == Audience::Waiting {
            return;
        }
        if let Some(route) = self.reach(&requester) {
            self.told(operation, 1);
            return turn.tell(route, tell);
        }
        let until = turn.now.at.after(rules.owed_for);
        if let Some(mail) = self.mail_row(work, until) {
            turn.out.push(Output::Write(Write::Owed(mail)));
        }
        if !rules.owed_for.is_zero() {
            self.remember_until(turn.timers, operation, until);
            self.owe(turn, &requester, operation, until, &rules);
        }
    }

    /// How many outcomes are owed to a principal.
    pub(crate) fn owed(&self, principal: &PrincipalId) -> u32 {
        self.known.get(principal).map_or(0, |known| u32::try_from(known.mail.len()).unwrap_or(u32::MAX))
    }

    /// Says what is owed, in order, to a session that has just come in.
    pub(crate) fn deliver_mail(&mut self, turn: &mut Turn<'_>, route: Route, principal: &PrincipalId) {
        let Some(known) = self.known.get_mut(principal) else { return };
        let mut said = Vec::new();
        for mail in std::mem::take(&mut known.mail) {
            let Some(work) = self.operations.get(&mail.operation) else { continue };
            if let Some(tell) = work.outcome_tell() {
                turn.tell(route, tell);
                mail.paid(turn);
                said.push(mail.operation);
            }
        }
        for operation in said {
            self.told(operation, 1);
        }
        self.arm_principal(turn.timers, principal);
    }

    /// Windows that have slid empty are forgotten.
    pub(crate) fn windows_due(&mut self, turn: &mut Turn<'_>, principal: &PrincipalId) {
        let Some(known) = self.known.get_mut(principal) else { return };
        known.forget_empty(turn.now.at);
        self.arm_principal(turn.timers, principal);
    }

    /// Mail that is too old is given up.
    pub(crate) fn mail_due(&mut self, turn: &mut Turn<'_>, principal: &PrincipalId) {
        let Some(known) = self.known.get_mut(principal) else { return };
        let now = turn.now.at;
        let (old, kept) = std::mem::take(&mut known.mail).into_iter().partition(|mail: &Mail| mail.until <= now);
        known.mail = kept;
        let old: VecDeque<Mail> = old;
        for mail in old {
            self.give_up(turn, principal, &mail);
        }
        self.arm_principal(turn.timers, principal);
    }

    /// Takes mail back from the store; its operation is remembered as long as it is owed. Mail whose operation
    /// is not there can never be said: it is given up at the first turn.
    pub(crate) fn restore_mail(&mut self, mail: MailRow, timers: &mut Timers) {
        let MailRow { operation, group: _, principal, until } = mail;
        let until = if self.operations.contains_key(&operation) { until } else { Timestamp::default() };
        self.remember_until(timers, operation, until);
        let mail = Mail { operation, until, durability: Durability::Durable };
        self.known.or_default(principal.clone()).mail.push_back(mail);
        self.arm_principal(timers, &principal);
    }

    /// Whether any session of the principal can hear outcomes.
    pub(crate) fn is_here(&self, principal: &PrincipalId) -> bool {
        self.sessions
            .values()
            .any(|session| !session.displaced && session.hears_for() && session.principal.id == *principal)
    }

    fn give_up(&mut self, turn: &mut Turn<'_>, principal: &PrincipalId, mail: &Mail) {
        let operation = mail.operation;
        mail.paid(turn);
        self.happened(turn, Happening::Alert(Alert::GivenUp { operation, principal: principal.clone() }));
    }

    /// Sets the principal's next deadlines, or forgets it when nothing is kept for it.
    fn arm_principal(&mut self, timers: &mut Timers, principal: &PrincipalId) {
        let known = self.known.get(principal);
        let mail = known.and_then(|known| known.mail.iter().map(|mail| mail.until).min());
        let windows = known.and_then(|known| known.windows.iter().filter_map(Window::empty_at).max());
        if mail.is_none() && windows.is_none() {
            self.known.remove(principal);
        }
        timers.set(Timer::Mail(self.id.clone(), principal.clone()), mail);
        timers.set(Timer::Windows(self.id.clone(), principal.clone()), windows);
    }
}
