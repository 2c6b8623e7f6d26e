//! How a street comes to rest: the last questions, and what must be true then.

use std::time::Duration;

use super::book::Book;
use super::plan::{Millis, Peer};
use super::street::{Due, Phase, Street, name};
use super::till::Till;
use super::{Effect, Failure, Tally};

/// How often it is looked whether everything has come to rest; never for long in step with pings.
const LOOK: Millis = 61_007;
/// How long the last questions may take: longer than every delay on the way and every wait before a reconnect.
const LAST: Millis = 150_000;
/// How far apart the last payments are.
const LAST_PACE: Millis = 100;

impl Street {
    pub(crate) fn rows(&self) -> Result<Vec<model::OperationRow>, Failure> {
        let (mut rows, mut after) = (Vec::new(), None);
        loop {
            let page = self.world.store().operations(after, 1_000);
            let page = page.map_err(|error| Failure::new("the surface", format!("{error:?}")))?;
            let Some(last) = page.last() else { return Ok(rows) };
            after = Some(last.id);
            rows.extend(page);
        }
    }

    pub(crate) fn look(&mut self) -> Result<(), Failure> {
        let now = self.world.now().at;
        let open = Book::end_of(&self.rows()?);
        if let Some(by) = open.filter(|by| by.after(self.book.held + Duration::from_secs(1)) < now) {
            let detail = format!("something is open {:?} after its deadline", now.since(by));
            return Err(Failure::new("every deadline", detail));
        }
        if self.pending > 0 || open.is_some() {
            if self.phase == Phase::Acts {
                self.phase = Phase::Rest;
            }
            self.soon(LOOK, Due::Look);
            return Ok(());
        }
        match self.phase {
            Phase::Acts | Phase::Rest => {
                self.phase = Phase::Again;
                self.world.heal();
                self.ask_again();
                self.soon(LAST, Due::Look);
            }
            Phase::Again => {
                self.phase = Phase::Last;
                (0..self.tills.len()).for_each(|till| self.look_round(till));
                self.ask_last();
                self.soon(LAST, Due::Look);
            }
            Phase::Last => self.soon(0, Due::End),
        }
        Ok(())
    }

    /// Everything has come to rest: each till asks once more for everything.
    fn ask_again(&mut self) {
        self.say(|| "# Everything has come to rest: tills ask again for all they have asked for.".to_owned());
        for till in 0..self.tills.len() {
            let mut effects = Vec::new();
            self.tills[till].asked.values_mut().for_each(|asked| asked.outcome = None);
            self.tills[till].ask_again(|_| true, &mut effects);
            self.effects(Peer::Till(till), effects);
        }
    }

    /// Each terminal that is there is given one more payment, by the first till of its group.
    fn ask_last(&mut self) {
        self.say(|| "# In the end each terminal is given one more payment.".to_owned());
        for terminal in 0..self.terminals.len() {
            let group = self.plan.terminals[terminal].group;
            let is_open = |peer: &Peer| self.wires.get(peer).is_some_and(|wire| wire.is_open);
            let near = (0..self.tills.len()).filter(|till| self.plan.tills[*till].group == group);
            let asker = near.map(Peer::Till).find(is_open);
            if let (Some(peer @ Peer::Till(till)), true) = (asker, is_open(&Peer::Terminal(terminal)))
                && self.plan.terminals[terminal].named
            {
                let mut effects = Vec::new();
                self.tills[till].ask(&format!("last-{terminal}"), &format!("t{terminal}"), "1.00", &mut effects);
                for effect in effects {
                    if let Effect::Say(text) = effect {
                        // No till says more in a second than it may.
                        self.soon(terminal as u64 * LAST_PACE, Due::Say(peer, text));
                    }
                }
            }
        }
    }

    pub(crate) fn end(&mut self) -> Result<Tally, Failure> {
        let rows = self.rows()?;
        for (number, till) in self.tills.iter().enumerate() {
            for (id, asked) in till.asked.iter().filter(|(id, _)| id.starts_with("last-")) {
                if !asked.outcome.as_ref().is_some_and(|outcome| outcome.starts_with("SUCCESS")) {
                    let detail = format!("till{number} asked for {id} in the end and heard {:?}", asked.outcome);
                    return Err(Failure::new("nothing stays busy", detail));
                }
            }
            self.presence(number, till)?;
        }
        for (peer, wire) in &self.wires {
            if wire.socket.is_some() && !wire.is_open {
                return Err(Failure::new("presence", format!("{} is not let in", name(*peer))));
            }
        }
        self.book.audit(&self.plan, &rows, &self.tills, &self.terminals)
    }

    /// What a till was told of who is there.
    fn presence(&self, number: usize, till: &Till) -> Result<(), Failure> {
        let planned = &self.plan.tills[number];
        if !self.wires.get(&Peer::Till(number)).is_some_and(|wire| wire.is_open) {
            return Ok(());
        }
        if !till.listed {
            return Err(Failure::new("presence", format!("till{number} asked for the terminals and heard nothing")));
        }
        for (index, terminal) in self.plan.terminals.iter().enumerate() {
            let is_there = self.wires.get(&Peer::Terminal(index)).is_some_and(|wire| wire.is_open);
            let told = till.view.iter().any(|(name, (status, number))| {
                let means = if terminal.named { *name == format!("t{index}") } else { *number == Some(index) };
                means && status == "online"
            });
            let expected = is_there && terminal.group == planned.group;
            if told != expected {
                let detail = format!("till{number} was told that t{index} is online: {told}; it is: {expected}");
                return Err(Failure::new("presence", detail));
            }
        }
        let wrong = till.view.iter().find(|(_, (status, _))| status == "reconnecting");
        wrong.map_or(Ok(()), |(name, _)| {
            Err(Failure::new("presence", format!("till{number} is still told that {name} reconnects")))
        })
    }
}
