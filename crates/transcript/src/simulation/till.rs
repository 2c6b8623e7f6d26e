//! A simulated till: it remembers what it asked for and what it heard.

use std::collections::BTreeMap;

use super::Effect;
use super::frames;
use super::plan::Plan;
use crate::json::Json;

/// A till.
#[derive(Default)]
pub(crate) struct Till {
    pub(crate) asked: BTreeMap<String, Asked>,
    /// The terminals by name, as it was told: their state, and their number where they have said it.
    pub(crate) view: BTreeMap<String, (String, Option<usize>)>,
    /// Whether a list is on its way, or has come on this connection.
    pub(crate) listed: bool,
}

/// A payment it asked for.
pub(crate) struct Asked {
    /// The frame, for asking again.
    pub(crate) text: String,
    /// What it heard of it.
    pub(crate) outcome: Option<String>,
    /// The last answer was an error.
    pub(crate) refused: bool,
    /// Where it stands, when it was looked up.
    pub(crate) looked: Option<String>,
}

impl Till {
    /// It is connected.
    pub(crate) fn connected(&mut self, asks_again: bool, out: &mut Vec<Effect>) {
        self.view.clear();
        self.listed = false;
        out.push(Effect::Say(frames::plain("getTerminals")));
        if asks_again {
            self.ask_again(|asked| asked.outcome.is_none(), out);
        }
    }

    /// Asks for a payment of the plan.
    pub(crate) fn pay(&mut self, plan: &Plan, payment: usize, amount: &str, out: &mut Vec<Effect>) {
        let asks = &plan.payments[payment];
        let terminal = &plan.terminals[asks.terminal];
        let name = match terminal.named {
            true => format!("t{}", asks.terminal),
            false => self.connection_of(asks.terminal),
        };
        self.ask(&asks.id, &name, amount, out);
    }

    /// Asks for a payment; the same again where it asked for the same before.
    pub(crate) fn ask(&mut self, id: &str, terminal: &str, amount: &str, out: &mut Vec<Effect>) {
        let text = frames::payment(id, terminal, amount);
        let asked = self.asked.entry(id.to_owned()).or_insert_with(|| Asked {
            text: text.clone(),
            outcome: None,
            refused: false,
            looked: None,
        });
        let same = frames::amount_of(&asked.text) == Some(amount.to_owned());
        out.push(Effect::Say(if same { asked.text.clone() } else { text }));
    }

    /// Asks again for everything of a kind that was not refused.
    pub(crate) fn ask_again(&self, which: impl Fn(&Asked) -> bool, out: &mut Vec<Effect>) {
        let again = self.asked.values().filter(|asked| !asked.refused && which(asked));
        out.extend(again.map(|asked| Effect::Say(asked.text.clone())));
    }

    fn connection_of(&self, terminal: usize) -> String {
        let known = self.view.iter().find(|(_, (_, number))| *number == Some(terminal));
        known.map_or_else(|| "nowhere".to_owned(), |(name, _)| name.clone())
    }

    /// It hears a frame.
    pub(crate) fn hear(&mut self, frame: &Json, out: &mut Vec<Effect>) {
        let id = frames::transaction(frame);
        match frames::text(frame, "action") {
            Some("paymentComplete") => {
                if let Some(asked) = id.and_then(|id| self.asked.get_mut(id)) {
                    (asked.outcome, asked.refused) = (Some(frames::outcome(frame)), false);
                }
            }
            Some("error") => {
                if let Some(asked) = id.and_then(|id| self.asked.get_mut(id)) {
                    asked.refused = asked.outcome.is_none();
                }
            }
            Some("transaction") => {
                if let Some(asked) = id.and_then(|id| self.asked.get_mut(id)) {
                    asked.looked = frames::text(frame, "status").map(str::to_owned);
                }
            }
            Some("terminalsResponse") => {
                self.listed = true;
                self.view = frames::listed(frame);
            }
            Some("terminalStatusUpdate") => self.status(frame, out),
            _ => {}
        }
    }

    fn status(&mut self, frame: &Json, out: &mut Vec<Effect>) {
        let (Some(name), Some(status)) = (frames::text(frame, "terminalId"), frames::text(frame, "status")) else {
            return;
        };
        let status = match status {
            "connected" => "online",
            "reconnecting" => "reconnecting",
            _ => "offline",
        };
        let number = self.view.get(name).and_then(|(_, number)| *number);
        self.view.insert(name.to_owned(), (status.to_owned(), number));
        if frames::text(frame, "deviceId").is_none() && status == "online" {
            // Only the list says which one that is.
            out.push(Effect::Say(frames::plain("getTerminals")));
        }
    }
}
