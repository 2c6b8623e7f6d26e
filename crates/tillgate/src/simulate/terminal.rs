//! `tillgate simulate terminal`: a payment terminal without a card reader.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use client::modulus::{Offer, Status, TerminalConfig, TerminalEvent};
use client::{Preset, State};
use devices::terminal::{Event, Press, Script};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::keyboard::Keyboard;
use crate::connect::{Way, of_endpoint, verdict};
use crate::exit::Ended;
use crate::running::{self, Signals};
use crate::secret_file::KeySource;
use crate::talk;

pub(super) const AFTER: &str = "\
Without a script, the cents of the amount say what happens to a payment:

  .05 .06        declined: INSUFFICIENT_FUNDS, EXPIRED_CARD
  .10            cancelled by the customer
  .20 .21        approved after 5 s; after 95 s, when a call that waits has given up
  .30            the line drops before the screen shows it; offered again, it is approved
  .31            the line drops with it on the screen, is back after 5 s, and it is approved then
  .32 .33 .34    paid while the line is down for 65 s; for 5 s; for 65 s, and it cannot be given back
  .40            approved, and said twice
  .41            a payment nobody asked for is said to be paid, then this one
  .50            approved with another amount; once that is rejected, with the right one
  .60            busy with something else
  .70            a frame that means nothing, then approved
  .99            nobody comes
  all others     approved, .00 among them

A script has one step a line, one for each payment that is offered:

  approve [twice|wrong|another]   decline [CODE]   cancel   busy   silence   garbage
  drop unstarted|started [for DURATION]            drop paid [for DURATION] [refusing void]
  by amount                                        person

Any of them may end in `after DURATION`, such as `after 800ms`. A last line `otherwise STEP` says what happens when the
others are used up; without one, the cents decide. One transaction id is one payment, however often it is offered.

With --interactive, and where a script says `person`, you decide: a approves, d declines, c cancels.

What the terminal hears and does is printed as JSON, one object a line; everything else is said on stderr.

Exit codes: those of `tillgate connect`.";

#[derive(Args)]
pub(crate) struct Terminal {
    /// The server's address, such as wss://gateway.example/v1
    #[arg(long)]
    url: String,
    /// The terminal's own name, the same after a reconnect
    #[arg(long, value_name = "ID")]
    device: String,
    /// The terminal's group, for a server that wants it said
    #[arg(long, value_name = "ID")]
    group: Option<String>,
    /// What happens to payments; without it the cents of the amount decide
    #[arg(long, value_name = "FILE", conflicts_with = "interactive")]
    script: Option<PathBuf>,
    /// Decide yourself: a approves, d declines, c cancels the payment on the screen
    #[arg(long)]
    interactive: bool,
    /// Give up after the first lost connection
    #[arg(long)]
    once: bool,
    #[command(flatten)]
    key: KeySource,
    #[command(flatten)]
    way: Way,
}

/// How long after a payment is offered the cents decide.
const AMOUNT_AFTER: Duration = Duration::from_millis(500);

pub(super) fn run(terminal: &Terminal) -> anyhow::Result<()> {
    let script = match &terminal.script {
        Some(file) => {
            let text = std::fs::read_to_string(file).with_context(|| format!("the script {}", file.display()))?;
            Script::parse(&text).map_err(|mistakes| Ended::usage(format!("{}:\n{mistakes}", file.display())))?
        }
        None if terminal.interactive => Script::by_hand(),
        None => Script::by_amount(AMOUNT_AFTER),
    };
    let mut config = TerminalConfig::new(terminal.key.read()?, &terminal.device);
    config.group_id.clone_from(&terminal.group);
    config.metadata = Some(json!({"simulated": true}).to_string());
    if terminal.once {
        config.preset.attempts_most = Preset::once().attempts_most;
    }
    let endpoint = terminal.way.to(&terminal.url);
    running::block_on(async move {
        let mut signals = Signals::listen()?;
        let (press, pressed) = mpsc::channel(16);
        let (keys, mut struck) = mpsc::channel(16);
        let _keyboard = terminal.interactive.then(|| Keyboard::listen(keys));
        let presses = async move {
            while let Some(key) = struck.recv().await {
                let Some(pressed) = meant(key) else { continue };
                if press.send(pressed).await.is_err() {
                    break;
                }
            }
            // Nobody sits there any more; the terminal stays.
            std::future::pending::<()>().await;
        };
        let (gone, reader_gone) = tokio::sync::oneshot::channel::<std::io::Error>();
        let mut gone = Some(gone);
        let told = |event| {
            if let (true, Event::Heard(TerminalEvent::Offered(offer))) = (terminal.interactive, &event) {
                talk::say(question(offer));
            }
            let Some(line) = line(event) else { return };
            if let Err(error) = talk::data(line)
                && let Some(gone) = gone.take()
            {
                // Whoever waits for it has ended already.
                let _ = gone.send(error);
            }
        };
        let mut unread = Ok(());
        let shutdown = async {
            tokio::select! {
                () = signals.next() => {}
                () = presses => {}
                Ok(error) = reader_gone => unread = Err(error),
            }
        };
        let ended = devices::terminal::run(endpoint, config, script, pressed, shutdown, told).await;
        unread?;
        verdict(ended.map_err(|bad| Ended::with(of_endpoint(&bad), bad.to_string()))?)
    })
}

/// What a key means.
const fn meant(key: u8) -> Option<Press> {
    match key.to_ascii_lowercase() {
        b'a' => Some(Press::Approve),
        b'd' => Some(Press::Decline),
        b'c' => Some(Press::Cancel),
        _ => None,
    }
}

/// What the screen shows.
fn question(offer: &Offer) -> String {
    let Offer { transaction_id, currency, payment_method, .. } = offer;
    format!("{} {currency} by {payment_method}, {transaction_id}: [a]pprove, [d]ecline, [c]ancel?", offer.amount_text())
}

/// An event as a line of data; what is only talk is said.
fn line(event: Event) -> Option<Value> {
    Some(match event {
        Event::Did { transaction_id, act } => {
            json!({"event": "did", "transactionId": transaction_id.as_str(), "act": act.to_string()})
        }
        Event::Voided { transaction_id, success } => {
            json!({"event": "voided", "transactionId": transaction_id.as_str(), "success": success})
        }
        Event::Heard(TerminalEvent::Offered(offer)) => asked("offered", &offer),
        Event::Heard(TerminalEvent::Inquired(offer)) => asked("inquired", &offer),
        Event::Heard(TerminalEvent::Void { transaction_id, reason }) => {
            json!({"event": "void", "transactionId": transaction_id.as_str(), "reason": reason})
        }
        Event::Heard(TerminalEvent::Acknowledged { transaction_id, ack, message }) => json!({
            "event": "acknowledged",
            "transactionId": transaction_id.as_str(),
            "result": ack.name(),
            "message": message,
        }),
        Event::Heard(TerminalEvent::Closed { transaction_id, status }) => {
            json!({"event": "closed", "transactionId": transaction_id.as_str(), "status": status.map(Status::name)})
        }
        Event::Heard(TerminalEvent::State(State::Closed(_))) => return None,
        Event::Heard(TerminalEvent::State(state)) => return say(state.label()),
        Event::Heard(TerminalEvent::Lost(lost)) => return say(&lost.to_string()),
        Event::Heard(TerminalEvent::Problem { problem, .. }) => {
            return say(&format!("the server complains: {problem}"));
        }
        Event::Heard(TerminalEvent::Unknown { action, .. }) => {
            return say(&format!("a message with the unknown action {action:?}"));
        }
        Event::Heard(TerminalEvent::Malformed { .. }) => return say("a frame that cannot be read"),
    })
}

fn asked(event: &str, offer: &Offer) -> Value {
    json!({
        "event": event,
        "transactionId": offer.transaction_id.as_str(),
        "amount": offer.amount_text(),
        "currency": offer.currency,
        "paymentMethod": offer.payment_method,
    })
}

fn say(text: &str) -> Option<Value> {
    talk::say(format_args!("tillgate: {text}"));
    None
}
