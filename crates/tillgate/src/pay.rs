//! `tillgate pay`: one payment on a terminal, as a till asks for it, until its outcome is known.

use std::convert::Infallible;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use client::modulus::{
    Failure, HttpClient, HttpConfig, HttpFailure, Method, Payment, PaymentRequest, PosClient, PosConfig, PosEvent,
    Status, TransactionId,
};
use client::{BadEndpoint, Ended as Over, Events, Heard, Lost, State};
use serde_json::{Map, Value, json};
use tokio::time::{Instant, MissedTickBehavior};

use crate::connect::{Way, of_endpoint};
use crate::exit::{Ended, Exit};
use crate::running::{self, Signals};
use crate::secret_file::{KeySource, SecretSource};
use crate::talk;

pub(crate) const AFTER: &str = "\
Asks with a signed call and, when that does not bring the outcome, looks the transaction up until it is known; with --socket
on a WebSocket. The id is made before the first try and kept through all of them: one id is one payment. After an end with
code 24, run it again with the same --id and the same amount: it joins the payment, or hears its outcome.

  TILLGATE_KEY=mk_… TILLGATE_SECRET=ms_… \\
    tillgate pay --url http://127.0.0.1:8080/v1 --terminal TERM-001 --amount 25.00 --currency PHP

The outcome is one JSON object on stdout; everything else is said on stderr.

Exit codes: 0 paid; 1 another failure; 2 the command line is wrong; 10 the key or the signature was refused; 11 it is good
but not for this; 12 the network: nothing reached the gateway; 13 no trusted TLS connection; 15 displaced by another
connection with the same key before anything was asked; 20 declined; 21 cancelled; 22 failed without being declined: the
terminal was lost or did not answer, the gateway stopped it, or it was paid too late and that was, is being or has to be
given back; 23 the gateway refused it, and nothing was begun; 24 the outcome is unknown, or the id is another payment's.";

#[derive(Args)]
pub(crate) struct Pay {
    #[arg(long, help = "The server's address, such as https://gateway.example/v1")]
    url: String,
    /// On which terminal
    #[arg(long, value_name = "ID")]
    terminal: String,
    /// How much, in the currency's major unit, such as 25.00
    #[arg(long)]
    amount: String,
    /// Of which currency, such as PHP
    #[arg(long)]
    currency: String,
    /// How it is paid: card, cash, mobile or other
    #[arg(long, default_value = "card", value_parser = method)]
    method: Method,
    /// A JSON object that comes back with the outcome
    #[arg(long, value_name = "JSON", value_parser = object)]
    metadata: Option<Map<String, Value>>,
    /// The payment's own id; without it a fresh one is made
    #[arg(long, value_name = "ID", value_parser = TransactionId::parse)]
    id: Option<TransactionId>,
    /// Ask on a WebSocket, which needs no secret
    #[arg(long)]
    socket: bool,
    #[command(flatten)]
    key: KeySource,
    #[command(flatten)]
    secret: SecretSource,
    #[command(flatten)]
    way: Way,
}

fn method(text: &str) -> Result<Method, String> {
    Method::parse(text).ok_or_else(|| "expected card, cash, mobile or other".to_owned())
}

fn object(text: &str) -> Result<Map<String, Value>, String> {
    serde_json::from_str(text).map_err(|error| format!("expected a JSON object: {error}"))
}

/// How often the line that says how long it has taken is written anew.
const TICK: Duration = Duration::from_secs(1);

pub(crate) fn run(pay: &Pay) -> anyhow::Result<()> {
    let mut request = PaymentRequest::new(&pay.amount, &pay.currency).method(pay.method);
    if let Some(metadata) = &pay.metadata {
        request = request.with("metadata", metadata.clone());
    }
    let key = pay.key.read()?;
    if pay.socket {
        let endpoint = pay.way.to(&with_scheme(&pay.url, "ws"));
        return running::block_on(async {
            let pos = PosClient::connect(endpoint, PosConfig::new(key)).map_err(|bad| bad_endpoint(&bad))?;
            let events = pos.events();
            let answer = match &pay.id {
                Some(id) => pos.pay_as(id.clone(), &pay.terminal, request),
                None => pos.pay(&pay.terminal, request),
            };
            let id = answer.id().clone();
            let outcome = wait(pay, &id, async {
                tokio::select! {
                    outcome = answer => outcome,
                    never = narrate(events) => match never {},
                }
            });
            let outcome = outcome.await?;
            let over = pos.close().await;
            say_outcome(&id, outcome.map(|result| result.map_err(|failure| of_socket(&failure, &over))))
        });
    }
    let secret = pay.secret.read()?;
    let endpoint = pay.way.to(&with_scheme(&pay.url, "http"));
    running::block_on(async {
        let till = HttpClient::new(endpoint, HttpConfig::new(key, secret)).map_err(|bad| bad_endpoint(&bad))?;
        let id = match &pay.id {
            Some(id) => id.clone(),
            None => till.fresh_id()?,
        };
        let said = |text: String| talk::say_instead(format_args!("tillgate: {text}"));
        let outcome = wait(pay, &id, till.pay_as(&id, &pay.terminal, &request, said)).await?;
        say_outcome(&id, outcome.map(|result| result.map_err(|failure| of_call(&failure))))
    })
}

/// The address with the scheme of what is spoken: whoever pastes the one for the other, or only the host, is understood.
fn with_scheme(url: &str, scheme: &str) -> String {
    let (secure, rest) = match url.split_once("://") {
        Some(("http" | "ws", rest)) => ("", rest),
        Some(("https" | "wss", rest)) => ("s", rest),
        Some(_) | None => return url.to_owned(),
    };
    let host = rest.trim_end_matches('/');
    let path = if host.contains(['/', '?']) { "" } else { "/v1" };
    format!("{scheme}{secure}://{host}{path}")
}

fn bad_endpoint(bad: &BadEndpoint) -> anyhow::Error {
    Ended::with(of_endpoint(bad), bad.to_string())
}

/// Waits for the outcome with a line that says how long it has taken; none when a signal comes first.
async fn wait<T>(pay: &Pay, id: &TransactionId, outcome: impl Future<Output = T>) -> anyhow::Result<Option<T>> {
    let Pay { terminal, amount, currency, .. } = pay;
    talk::say(format_args!("tillgate: {amount} {currency} on {terminal}, {id}"));
    let begun = Instant::now();
    let mut signals = Signals::listen()?;
    let mut ticks = tokio::time::interval_at(begun + TICK, TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut outcome = std::pin::pin!(outcome);
    let outcome = loop {
        tokio::select! {
            outcome = &mut outcome => break Some(outcome),
            () = signals.next() => break None,
            _ = ticks.tick() => {
                talk::progress(format_args!("tillgate: waiting for {terminal}, {} s", begun.elapsed().as_secs()));
            }
        }
    };
    talk::progress("");
    Ok(outcome)
}

/// Says what happens on the connection meanwhile. Has no end: when the connection has, the outcome is still to be heard.
async fn narrate(mut events: Events<PosEvent>) -> Infallible {
    while let Some(heard) = events.next().await {
        let text = match heard {
            Heard::Event(PosEvent::Lost(lost)) => lost.to_string(),
            Heard::Event(PosEvent::Progress { problem, .. } | PosEvent::Problem { problem, .. }) => problem.to_string(),
            Heard::Event(PosEvent::State(State::Authenticated)) => "connected".to_owned(),
            Heard::Event(
                PosEvent::State(_)
                | PosEvent::Settled { .. }
                | PosEvent::Unclaimed(_)
                | PosEvent::Voided(_)
                | PosEvent::Listed(_)
                | PosEvent::Terminal(_)
                | PosEvent::Unknown { .. }
                | PosEvent::Malformed { .. },
            )
            | Heard::Missed(_) => continue,
        };
        talk::say_instead(format_args!("tillgate: {text}"));
    }
    std::future::pending().await
}

/// Why there is no outcome: how that ends the command, in its own word and in a sentence.
struct Without {
    exit: Exit,
    status: &'static str,
    text: String,
}

impl Without {
    fn unknown(text: String) -> Self {
        Self { exit: Exit::Unknown, status: "UNKNOWN", text }
    }

    fn not_sent(exit: Exit, text: String) -> Self {
        Self { exit, status: "NOT_SENT", text }
    }

    fn refused(exit: Exit, text: String) -> Self {
        Self { exit, status: "REFUSED", text }
    }
}

fn of_socket(failure: &Failure, over: &Over) -> Without {
    let text = failure.to_string();
    match failure {
        Failure::NotSent(_) => match over {
            Over::Refused(problem) => Without::refused(Exit::Refused, problem.to_string()),
            Over::Forbidden(problem) => Without::refused(Exit::Forbidden, problem.to_string()),
            Over::Displaced => Without::not_sent(Exit::Displaced, over.to_string()),
            Over::GaveUp { last: Lost::Tls(_), .. } => Without::not_sent(Exit::Tls, over.to_string()),
            Over::GaveUp { .. } | Over::Finished => Without::not_sent(Exit::Network, text),
        },
        Failure::Refused(_) if failure.is_safe_to_retry() => Without::refused(Exit::NotBegun, text),
        Failure::Refused(_) | Failure::RefusedAgain(_) | Failure::NoAnswer | Failure::Closed => Without::unknown(text),
    }
}

fn of_call(failure: &HttpFailure) -> Without {
    let text = failure.to_string();
    match failure {
        HttpFailure::NotSent(Lost::Tls(_)) => Without::not_sent(Exit::Tls, text),
        HttpFailure::NotSent(_) => Without::not_sent(Exit::Network, text),
        HttpFailure::NoFreshId => Without::not_sent(Exit::Failed, text),
        HttpFailure::Refused { status: 401, .. } => Without::refused(Exit::Refused, text),
        HttpFailure::Refused { status: 403, .. } => Without::refused(Exit::Forbidden, text),
        HttpFailure::Refused { .. } => Without::refused(Exit::NotBegun, text),
        HttpFailure::Lost(_) | HttpFailure::Unreadable | HttpFailure::Unknown(_) => Without::unknown(text),
    }
}

/// Prints the outcome as data, and ends the command with its number.
fn say_outcome(id: &TransactionId, outcome: Option<Result<Payment, Without>>) -> anyhow::Result<()> {
    let outcome =
        outcome.unwrap_or_else(|| Err(Without::unknown("told to end before there was an outcome".to_owned())));
    let (exit, text, data) = match outcome {
        Ok(payment) => {
            let (exit, text) = verdict(&payment);
            (exit, text, of_payment(&payment))
        }
        Err(Without { exit, status, text }) => {
            let data = json!({"transactionId": id.as_str(), "status": status, "error": text});
            (exit, text, data)
        }
    };
    talk::data(data).context("the outcome could not be written out")?;
    if exit == Exit::Good { Ok(()) } else { Err(Ended::told(exit, &text)) }
}

/// The outcome as it is printed, with the terminal's own words in it.
fn of_payment(payment: &Payment) -> Value {
    let mut data = json!({"transactionId": payment.transaction_id.as_str(), "status": payment.status.name()});
    if let Some(terminal) = &payment.terminal_id {
        data["terminalId"] = json!(terminal);
    }
    if let Some(reason) = &payment.void_reason {
        data["voidReason"] = json!(reason);
    }
    if let Some(response) = &payment.response {
        data["paymentResponse"] = serde_json::from_str(&response.json).unwrap_or_default();
    }
    data
}

/// Failures that are the gateway's own word: no processor declined anything.
const NOBODY_DECLINED: [&str; 4] =
    ["TERMINAL_DISCONNECTED", "TERMINAL_TIMEOUT", "TERMINAL_NOT_STARTED", "PAYMENT_STOPPED"];

/// Of a failure whose late charge the terminal is being told to reverse.
const VOID_PENDING: &str = "VOID_PENDING";
/// Of one where it did not say that it has.
const VOID_UNCONFIRMED: &str = "VOID_UNCONFIRMED";

/// How the outcome ends the command, and in which words. Why money was or was not given back is looked at first: the
/// response of such a failure is the success that came too late.
fn verdict(payment: &Payment) -> (Exit, String) {
    let response = payment.response.as_ref();
    let code = response.and_then(|response| response.error_code.as_deref()).unwrap_or_default();
    let was_charged = response.is_some_and(|response| response.status == Status::Success);
    match payment.status {
        Status::Failed if payment.void_reason.as_deref() == Some(VOID_PENDING) => {
            (Exit::NotPaid, format!("failed, but the card was charged: the reversal is pending ({VOID_PENDING})"))
        }
        Status::Failed if payment.void_reason.as_deref() == Some(VOID_UNCONFIRMED) => {
            let text = "failed, but the card was charged and the reversal is not confirmed: a person has to see to it";
            (Exit::NotPaid, format!("{text} ({VOID_UNCONFIRMED})"))
        }
        Status::Failed if was_charged => (Exit::NotPaid, "failed, but the card was charged".to_owned()),
        Status::Failed if NOBODY_DECLINED.contains(&code) => (Exit::NotPaid, format!("not paid: {code}")),
        Status::Success => (Exit::Good, String::new()),
        Status::Failed => (Exit::Declined, format!("declined: {code}")),
        Status::Cancelled => (Exit::Cancelled, "cancelled".to_owned()),
        Status::Voided => (Exit::NotPaid, "paid too late, and given back".to_owned()),
        Status::Pending | Status::AwaitingReconnect => (Exit::Unknown, "it is not over".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use client::modulus::PaymentResponse;

    use super::*;

    fn failed(void_reason: Option<&str>, response: Status, error_code: Option<&str>) -> (Exit, String) {
        verdict(&Payment {
            transaction_id: TransactionId::parse("t").unwrap(),
            status: Status::Failed,
            terminal_id: None,
            response: Some(PaymentResponse {
                status: response,
                amount: None,
                currency: None,
                payment_method: None,
                authorization_code: None,
                error_code: error_code.map(str::to_owned),
                error_message: None,
                timestamp: None,
                json: "{}".to_owned(),
            }),
            void_reason: void_reason.map(str::to_owned),
            json: String::new(),
        })
    }

    #[test]
    fn only_what_the_terminal_declined_is_declined() {
        assert_eq!(failed(None, Status::Failed, Some("INSUFFICIENT_FUNDS")).0, Exit::Declined);
        for ours in NOBODY_DECLINED {
            assert_eq!(failed(None, Status::Failed, Some(ours)), (Exit::NotPaid, format!("not paid: {ours}")));
        }
    }

    #[test]
    fn a_failure_that_was_charged_says_so_and_how_far_its_reversal_is() {
        for (void_reason, words) in [
            (Some(VOID_PENDING), "charged: the reversal is pending"),
            (Some(VOID_UNCONFIRMED), "charged and the reversal is not confirmed"),
            (None, "charged"),
        ] {
            let (exit, text) = failed(void_reason, Status::Success, None);
            assert!(exit == Exit::NotPaid && text.contains(words), "{text}");
        }
        let (exit, text) = failed(Some(VOID_PENDING), Status::Failed, Some("TERMINAL_TIMEOUT"));
        assert!(exit == Exit::NotPaid && text.contains(VOID_PENDING), "{text}");
    }

    #[test]
    fn the_address_of_the_one_is_understood_as_that_of_the_other() {
        for (url, scheme, right) in [
            ("http://a/v1", "ws", "ws://a/v1"),
            ("wss://a/v1", "http", "https://a/v1"),
            ("https://a/v1", "http", "https://a/v1"),
            ("http://a:8080", "ws", "ws://a:8080/v1"),
            ("wss://a/", "http", "https://a/v1"),
            ("http://a/v1/", "ws", "ws://a/v1"),
            ("http://a/?x=y", "ws", "ws://a/?x=y"),
            ("a/v1", "http", "a/v1"),
        ] {
            assert_eq!(with_scheme(url, scheme), right);
        }
    }
}
