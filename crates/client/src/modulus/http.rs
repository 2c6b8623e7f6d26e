//! Signed HTTP calls: the terminals of the group, a payment, a transaction looked up. One connection each.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use hyper::client::conn::http1;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use model::Secret;
use tokio::time::{sleep_until, timeout};

use super::choices::Choices;
use super::codes;
use super::pursuit::{Came, Next, Pursuit, problem, read_payment};
use super::signing::sign;
use super::types::{Payment, PaymentRequest, TerminalInfo, TransactionId};
use super::wire;
use crate::link::{Lost, Preset};
use crate::problem::Problem;
use crate::shell::{BadEndpoint, Clock, Endpoint, Open, transaction_id, wall};

/// Where calls go when the address names no path.
const PATH: &str = "/v1";

/// The longest response that is read, in bytes.
const RESPONSE_BYTES: usize = 4 * 1024 * 1024;

/// Who calls.
#[derive(Clone, Debug)]
pub struct HttpConfig {
    /// The till's key.
    pub api_key: Secret,
    /// What its calls are signed with.
    pub api_secret: Secret,
    /// How long opening a connection may take is all that is used of it.
    pub preset: Preset,
    /// Numbers of the dialect.
    pub choices: Choices,
}

impl HttpConfig {
    /// A till with the defaults.
    #[must_use]
    pub fn new(api_key: Secret, api_secret: Secret) -> Self {
        Self { api_key, api_secret, preset: Preset::default(), choices: Choices::default() }
    }
}

/// Why a call has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpFailure {
    /// Nothing of it reached the gateway: asking again is safe.
    #[error("{0}")]
    NotSent(Lost),
    /// It may have reached the gateway. A payment is never left like this: it is looked up.
    #[error("{0}")]
    Lost(Lost),
    /// The gateway refused it.
    #[error("refused: {problem}")]
    Refused {
        /// The status of its answer.
        status: u16,
        /// What it says.
        problem: Problem,
    },
    /// Its answer cannot be read, or is about something else.
    #[error("the gateway's answer cannot be read")]
    Unreadable,
    /// What became of the payment could not be found out: look it up before asking for it under another id.
    #[error("the outcome is unknown: {0}")]
    Unknown(Problem),
    /// The system gives no randomness to make an id of.
    #[error("there is no randomness to make an id of")]
    NoFreshId,
}

impl HttpFailure {
    /// Whether it is certain that nothing was or will be paid, so that asking under another id cannot do it twice.
    #[must_use]
    pub fn is_safe_to_retry(&self) -> bool {
        match self {
            Self::NotSent(_) | Self::NoFreshId => true,
            Self::Refused { status, problem } => codes::is_refusal(*status, problem),
            Self::Lost(_) | Self::Unreadable | Self::Unknown(_) => false,
        }
    }
}

/// A till that calls. Clones share nothing but what they were made of.
///
/// ```no_run
/// use client::Endpoint;
/// use client::modulus::{HttpClient, HttpConfig, PaymentRequest, Status};
/// use model::Secret;
///
/// # let runtime = tokio::runtime::Runtime::new()?;
/// # runtime.block_on(async {
/// let config = HttpConfig::new(Secret::new("mk_test_till4"), Secret::new("ms_test_77c"));
/// let till = HttpClient::new(Endpoint::new("https://pay.sample.test/v1"), config)?;
/// for terminal in till.terminals().await? {
///     println!("{} is {}", terminal.terminal_id, terminal.status);
/// }
/// let payment = till.pay("lane-7", &PaymentRequest::new("1250.00", "PHP")).await?;
/// assert!(payment.status == Status::Success);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct HttpClient {
    open: Arc<Open>,
    base: String,
    config: HttpConfig,
    clock: Clock,
}

impl std::fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpClient").field("target", &self.open.target).finish_non_exhaustive()
    }
}

impl HttpClient {
    /// A client for the gateway at an `https://` or `http://` address, such as `https://pay.sample.test/v1`.
    ///
    /// # Errors
    ///
    /// [`BadEndpoint`] says what is wrong with the address or the extra CA.
    pub fn new(endpoint: Endpoint, config: HttpConfig) -> Result<Self, BadEndpoint> {
        let open = endpoint.header("x-api-key", config.api_key.clone()).open_http()?;
        let path = open.target.path_and_query().split('?').next().unwrap_or_default().trim_end_matches('/');
        let base = if path.is_empty() { PATH } else { path }.to_owned();
        Ok(Self { open: Arc::new(open), base, config, clock: Clock::new() })
    }

    /// The terminals of the group.
    ///
    /// # Errors
    ///
    /// [`HttpFailure`] when there is no list.
    pub async fn terminals(&self) -> Result<Vec<TerminalInfo>, HttpFailure> {
        let path = format!("{}/terminals", self.base);
        let came = self.call(Method::GET, &path, Bytes::new(), self.config.choices.call_within).await;
        wire::read_terminals(&good(came)?).map_err(|_| HttpFailure::Unreadable)
    }

    /// How a payment stands.
    ///
    /// # Errors
    ///
    /// [`HttpFailure`] when that cannot be known; a refusal with [`TRANSACTION_NOT_FOUND`] when there is none.
    ///
    /// [`TRANSACTION_NOT_FOUND`]: super::codes::TRANSACTION_NOT_FOUND
    pub async fn transaction(&self, id: &TransactionId) -> Result<Payment, HttpFailure> {
        read_payment(id, &good(self.look(id).await)?).ok_or(HttpFailure::Unreadable)
    }

    /// A fresh id for a payment: a UUID of version 7.
    ///
    /// # Errors
    ///
    /// [`HttpFailure::NoFreshId`] when the system gives no randomness.
    pub fn fresh_id(&self) -> Result<TransactionId, HttpFailure> {
        transaction_id(self.clock.now()).map_err(|_| HttpFailure::NoFreshId)
    }

    /// Asks for a payment under a fresh id, and waits for its outcome, however long the terminal takes.
    ///
    /// # Errors
    ///
    /// [`HttpFailure`] says whether asking again is safe.
    pub async fn pay(&self, terminal_id: &str, request: &PaymentRequest) -> Result<Payment, HttpFailure> {
        self.pay_as(&self.fresh_id()?, terminal_id, request, |_| {}).await
    }

    /// Asks for a payment under an id of your own. `said` hears, in words for a person, why it takes longer.
    ///
    /// # Errors
    ///
    /// [`HttpFailure`] says whether asking again, under another id, is safe. Under the same it always is.
    pub async fn pay_as(
        &self,
        id: &TransactionId,
        terminal_id: &str,
        request: &PaymentRequest,
        mut said: impl FnMut(String),
    ) -> Result<Payment, HttpFailure> {
        let path = format!("{}/terminals/{}/payments", self.base, encoded(terminal_id));
        let body = Bytes::from(serde_json::Value::Object(request.under(id)).to_string());
        let mut pursuit = Pursuit::new(id.clone(), self.config.choices.clone(), self.clock.now());
        let mut next = Next::Pay;
        loop {
            let came = match next {
                Next::Pay => self.call(Method::POST, &path, body.clone(), self.config.choices.long_poll_within).await,
                Next::LookAt(at) => {
                    sleep_until(self.clock.instant(at)).await;
                    self.look(id).await
                }
                Next::Done(result) => return *result,
            };
            next = pursuit.next(self.clock.now(), came, &mut said);
        }
    }

    async fn look(&self, id: &TransactionId) -> Came {
        let path = format!("{}/transactions/{}", self.base, encoded(id.as_str()));
        self.call(Method::GET, &path, Bytes::new(), self.config.choices.call_within).await
    }

    /// One signed call on a connection of its own.
    async fn call(&self, method: Method, path: &str, body: Bytes, within: Duration) -> Came {
        let dial = self.open.dial.dial(&self.open.target);
        let stream = match timeout(self.config.preset.connect_within, dial).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(lost)) => return Came::NotSent(lost),
            Err(_) => return Came::NotSent(Lost::ConnectTimeout),
        };
        let signed = sign(&self.config.api_key, &self.config.api_secret, method.as_str(), path, wall(), &body);
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", self.open.target.authority())
            .header("accept", "application/json");
        for (name, value) in signed.headers() {
            request = request.header(name, value);
        }
        if !body.is_empty() {
            request = request.header("content-type", "application/json");
        }
        let request = match request.body(Whole(Some(body))) {
            Ok(request) => request,
            Err(error) => return Came::NotSent(Lost::Handshake(error.to_string())),
        };
        let exchange = async {
            let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
            let connection = tokio::spawn(connection);
            let answer = async { read(sender.send_request(request).await?).await }.await;
            connection.abort();
            answer
        };
        match timeout(within, exchange).await {
            Ok(Ok(Some((status, body)))) => Came::Answer { status, body },
            Ok(Ok(None)) => Came::Lost(Lost::Broken("the answer is too long, or no text".to_owned())),
            Ok(Err(error)) => Came::Lost(Lost::Broken(error.to_string())),
            Err(_) => Came::Lost(Lost::Broken(format!("no answer within {} s", within.as_secs()))),
        }
    }
}

/// Reads a response; none when it is too long, or no text.
async fn read(response: Response<hyper::body::Incoming>) -> hyper::Result<Option<(u16, String)>> {
    let status = response.status().as_u16();
    let mut body = response.into_body();
    let mut whole = Vec::new();
    while let Some(frame) = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        if let Ok(data) = frame?.into_data() {
            if whole.len() + data.len() > RESPONSE_BYTES {
                return Ok(None);
            }
            whole.extend_from_slice(&data);
        }
    }
    Ok(String::from_utf8(whole).ok().map(|text| (status, text)))
}

/// The body of a good answer.
fn good(came: Came) -> Result<String, HttpFailure> {
    match came {
        Came::Answer { status: 200, body } => Ok(body),
        Came::Answer { status, body } => Err(HttpFailure::Refused { status, problem: problem(status, &body) }),
        Came::NotSent(lost) => Err(HttpFailure::NotSent(lost)),
        Came::Lost(lost) => Err(HttpFailure::Lost(lost)),
    }
}

/// A segment of a path: everything but what needs no percent sign (RFC 3986, section 2.3) is written with one.
fn encoded(segment: &str) -> String {
    segment.bytes().fold(String::new(), |mut path, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            path.push(char::from(byte));
        } else {
            // Writing to a text does not fail.
            let _ = write!(path, "%{byte:02X}");
        }
        path
    })
}

/// A body that is there.
struct Whole(Option<Bytes>);

impl Body for Whole {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().filter(|bytes| !bytes.is_empty()).map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(Bytes::is_empty)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_written_so_that_it_stays_one() {
        assert_eq!(encoded("lane-7"), "lane-7");
        assert_eq!(encoded("lane 7/a?b%é"), "lane%207%2Fa%3Fb%25%C3%A9");
    }
}
