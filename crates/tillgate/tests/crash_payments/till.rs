//! Tills that pay over the socket and over signed HTTP, keep the id of a payment through every retry, and look it up
//! when an answer is lost. All that any of them is told goes into one book.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use client::modulus::codes::TRANSACTION_NOT_FOUND;
use client::modulus::{
    Choices, Failure, HttpClient, HttpConfig, HttpFailure, PaymentRequest, PosClient, PosConfig, Status, TransactionId,
};
use client::{Direction, Endpoint, NotSent, Tap};
use model::Secret;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::common::crash::{Dice, quick};

/// A pause before something is tried again.
const PAUSE: Duration = Duration::from_millis(15);

/// What the tills were told of one payment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard {
    /// How it ended, as `SUCCESS`, `FAILED` or `CANCELLED` and the processor's word; a set with one member.
    pub(crate) outcomes: BTreeSet<(&'static str, String)>,
    /// How it stood whenever it was looked up, and when it was settled.
    pub(crate) looks: BTreeSet<&'static str>,
    /// It was asked for once, and refused for good.
    pub(crate) refused: Option<String>,
    /// It was said to be reversed.
    pub(crate) voided: bool,
    /// How often its outcome came as a message.
    pub(crate) told: u32,
    /// How often it was asked for.
    pub(crate) asked: u32,
    /// Something was heard since it was last checked.
    pub(crate) is_news: bool,
}

impl Heard {
    fn stands(&mut self, status: Status) {
        self.is_news |= self.looks.insert(status.name());
    }

    /// Whether the gateway can no more say that there is no such payment.
    pub(crate) fn is_there(&self) -> bool {
        !self.outcomes.is_empty() || !self.looks.is_empty() || self.voided
    }
}

/// All that was heard, by the till and the payment.
#[derive(Debug, Default)]
pub(crate) struct Book {
    pub(crate) heard: BTreeMap<(usize, String), Heard>,
    /// What no gateway may have said.
    pub(crate) wrongs: Vec<String>,
}

pub(crate) type SharedBook = Arc<Mutex<Book>>;

/// One key, with its socket and its calls.
pub(crate) struct Till {
    pub(crate) number: usize,
    pub(crate) socket: PosClient,
    calls: HttpClient,
    terminals: Vec<String>,
    book: SharedBook,
}

/// Whether clerks take new payments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hours {
    Open,
    /// Not now; what was begun goes on.
    Break,
    /// Never again.
    Over,
}

/// What became of asking.
enum Asked {
    /// It has an outcome.
    Settled,
    /// Nothing reached the gateway.
    NotSent,
    /// It was refused, and was never asked for before.
    Refused(String),
    /// It must be looked up.
    Open,
}

impl Till {
    pub(crate) fn new(number: usize, listen: &str, key: &Value, terminals: Vec<String>, book: SharedBook) -> Self {
        let secret = |name: &str| Secret::new(key[name].as_str().unwrap());
        let choices = Choices {
            payment_within: Duration::from_millis(2_500),
            look_first: Duration::from_millis(20),
            look_most: Duration::from_millis(80),
            ..Choices::default()
        };
        let seen = book.clone();
        let tap = Tap::new(move |direction, frame| {
            if direction == Direction::Received {
                told(&mut seen.lock().unwrap(), number, frame);
            }
        });
        let endpoint = Endpoint::new(&format!("ws://{listen}/v1")).tap(tap);
        let config = PosConfig { preset: quick(), choices: choices.clone(), ..PosConfig::new(secret("api_key")) };
        let socket = PosClient::connect(endpoint, config).unwrap();
        let config = HttpConfig { choices, ..HttpConfig::new(secret("api_key"), secret("api_secret")) };
        let calls = HttpClient::new(Endpoint::new(&format!("http://{listen}/v1")), config).unwrap();
        Self { number, socket, calls, terminals, book }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap()
    }

    fn note(&self, id: &TransactionId, note: impl FnOnce(&mut Heard)) {
        let mut book = self.book();
        note(book.heard.entry((self.number, id.as_str().to_owned())).or_default());
    }

    /// One clerk: a payment after the other, each until its outcome is known.
    pub(crate) async fn work(self: Arc<Self>, mut dice: Dice, mut hours: watch::Receiver<Hours>) {
        while hours.wait_for(|hours| *hours != Hours::Break).await.is_ok_and(|hours| *hours == Hours::Open) {
            let id = self.calls.fresh_id().unwrap();
            let terminal = self.terminals[dice.place(self.terminals.len())].clone();
            let cents = 1 + dice.roll(99_999);
            let amount = format!("{}.{:02}", cents / 100, cents % 100);
            let request = match dice.roll(3) {
                0 => PaymentRequest::new("1", "JPY").with("amount", cents),
                1 => PaymentRequest::new(&amount, "PHP").with("metadata", serde_json::json!({"check": cents})),
                _ => PaymentRequest::new(&amount, "USD"),
            };
            // Over HTTP only: on a socket that word means nothing.
            let by_hook = dice.roll(3) == 0;
            let request = if by_hook { request.with("webhookMode", true) } else { request };
            self.pursue(&id, &terminal, &request, by_hook, &mut dice).await;
            sleep(dice.millis(20)).await;
        }
    }

    async fn pursue(
        &self,
        id: &TransactionId,
        terminal: &str,
        request: &PaymentRequest,
        by_hook: bool,
        dice: &mut Dice,
    ) {
        loop {
            let is_first = self.book().heard.get(&(self.number, id.as_str().to_owned())).is_none_or(|it| it.asked == 0);
            self.note(id, |it| it.asked += 1);
            // Some clerks do not wait for the answer.
            let patience = if dice.roll(12) == 0 { dice.millis(60) } else { Duration::from_secs(60) };
            let asked = if !by_hook && dice.roll(2) == 0 {
                timeout(patience, self.over_the_socket(id, terminal, request)).await
            } else {
                timeout(patience, self.with_a_call(id, terminal, request)).await
            };
            match asked.unwrap_or(Asked::Open) {
                Asked::Settled => return,
                Asked::NotSent => sleep(PAUSE).await,
                Asked::Refused(why) if is_first => return self.note(id, |it| it.refused = Some(why)),
                Asked::Refused(_) | Asked::Open => {
                    if self.look_until_it_ends(id).await {
                        return;
                    }
                }
            }
        }
    }

    async fn over_the_socket(&self, id: &TransactionId, terminal: &str, request: &PaymentRequest) -> Asked {
        match self.socket.pay_as(id.clone(), terminal, request.clone()).await {
            Ok(payment) => {
                self.note(id, |it| it.stands(payment.status));
                Asked::Settled
            }
            Err(Failure::NotSent(NotSent::Repeated)) => Asked::Open,
            Err(Failure::NotSent(_)) => Asked::NotSent,
            Err(failure @ Failure::Refused(_)) if failure.is_safe_to_retry() => Asked::Refused(failure.to_string()),
            Err(_) => Asked::Open,
        }
    }

    async fn with_a_call(&self, id: &TransactionId, terminal: &str, request: &PaymentRequest) -> Asked {
        let mut is_plain = true;
        let said = |what: String| {
            is_plain = false;
            match what.as_str() {
                "PENDING" => self.note(id, |it| it.stands(Status::Pending)),
                "AWAITING_RECONNECT" => self.note(id, |it| it.stands(Status::AwaitingReconnect)),
                what if what.contains("has not heard of it") => self.not_found(id),
                _ => {}
            }
        };
        match self.calls.pay_as(id, terminal, request, said).await {
            Ok(payment) => {
                self.note(id, |it| it.stands(payment.status));
                Asked::Settled
            }
            Err(HttpFailure::NotSent(_)) => Asked::NotSent,
            Err(HttpFailure::Refused { problem, .. }) if is_plain => Asked::Refused(problem.to_string()),
            Err(_) => Asked::Open,
        }
    }

    /// Looks it up until it has ended. False when there is no such payment.
    async fn look_until_it_ends(&self, id: &TransactionId) -> bool {
        loop {
            match self.look(id).await {
                Some(Some(status)) if status.is_final() => return true,
                Some(None) => return false,
                Some(Some(_)) | None => sleep(PAUSE).await,
            }
        }
    }

    /// How it stands: none when nobody said, none inside when there is no such payment.
    pub(crate) async fn look(&self, id: &TransactionId) -> Option<Option<Status>> {
        match self.calls.transaction(id).await {
            Ok(payment) => {
                self.note(id, |it| it.stands(payment.status));
                Some(Some(payment.status))
            }
            Err(HttpFailure::Refused { problem, .. }) if problem.is(TRANSACTION_NOT_FOUND) => {
                self.not_found(id);
                Some(None)
            }
            Err(HttpFailure::NotSent(_) | HttpFailure::Lost(_)) => None,
            // It starts or goes away.
            Err(HttpFailure::Refused { status: 503, .. }) => None,
            Err(other) => {
                self.book().wrongs.push(format!("{id} was looked up: {other}"));
                None
            }
        }
    }

    fn not_found(&self, id: &TransactionId) {
        let mut book = self.book();
        if let Some(heard) = book.heard.get(&(self.number, id.as_str().to_owned()))
            && heard.is_there()
        {
            let what = format!("{id} was there and is not found: {heard:?}");
            book.wrongs.push(what);
        }
    }
}

/// A frame on a till's socket.
fn told(book: &mut Book, number: usize, frame: &str) {
    let frame: Value = serde_json::from_str(frame).unwrap();
    let Some(id) = frame["transactionId"].as_str() else { return };
    let heard = book.heard.entry((number, id.to_owned())).or_default();
    heard.is_news = true;
    match frame["action"].as_str().unwrap_or_default() {
        "paymentComplete" => {
            let response = &frame["paymentResponse"];
            let code = response["authorizationCode"].as_str().or(response["errorCode"].as_str()).unwrap_or_default();
            let status = Status::parse(frame["status"].as_str().unwrap()).unwrap();
            heard.outcomes.insert((status.name(), code.to_owned()));
            heard.told += 1;
        }
        "paymentVoided" => heard.voided = true,
        _ => {}
    }
}
