//! Signed calls against a gateway written by hand.

use std::time::Duration;

use client::modulus::{HttpClient, HttpConfig, HttpFailure, PaymentRequest, Status, TransactionId, sign};
use client::rehearsal::{Doorbell, pipes};
use client::{Endpoint, Lost};
use model::{Secret, Wall};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::task::JoinHandle;
use tokio::time::Instant;

fn till() -> (HttpClient, Doorbell) {
    let (pipes, doorbell) = pipes();
    let endpoint = Endpoint::new("http://gateway.sample.test/v1/").over(pipes);
    let config = HttpConfig::new(Secret::new("mk_1"), Secret::new("ms_1"));
    (HttpClient::new(endpoint, config).unwrap(), doorbell)
}

/// A call as it came, and the stream to answer on.
struct Call {
    line: String,
    head: String,
    body: String,
    stream: DuplexStream,
}

impl Call {
    async fn next(doorbell: &mut Doorbell) -> Self {
        let mut stream = doorbell.ring().await;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
        let mut body = vec![0; length.parse().unwrap()];
        stream.read_exact(&mut body).await.unwrap();
        let line = head.lines().next().unwrap().to_owned();
        Self { line, head, body: String::from_utf8(body).unwrap(), stream }
    }

    fn header(&self, name: &str) -> &str {
        let prefix = format!("{name}: ");
        self.head.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap()
    }

    async fn answer(mut self, status: u16, body: &str) {
        let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        self.stream.write_all(answer.as_bytes()).await.unwrap();
        // Whoever reads it closes.
        let _ = self.stream.read_to_end(&mut Vec::new()).await;
    }
}

fn paying(till: &HttpClient) -> JoinHandle<Result<Status, HttpFailure>> {
    let till = till.clone();
    let id = TransactionId::parse("K 118").unwrap();
    let request = PaymentRequest::new("1250.00", "PHP");
    tokio::spawn(async move { Ok(till.pay_as(&id, "lane 7", &request, |_| {}).await?.status) })
}

const PAID: &str = r#"{"transactionId":"K 118","status":"SUCCESS","paymentResponse":{"transactionId":"K 118","status":"SUCCESS","amount":"1250.00"}}"#;
const COMPLETED: &str = r#"{"transactionId":"K 118","status":"COMPLETED","response":{"status":"SUCCESS"}}"#;
const NOT_FOUND: &str = r#"{"error":{"code":"TRANSACTION_NOT_FOUND","message":"m","details":{}}}"#;

#[tokio::test(start_paused = true)]
async fn a_call_is_signed_over_what_is_sent() {
    let (till, mut doorbell) = till();
    let paying = paying(&till);
    let call = Call::next(&mut doorbell).await;
    assert_eq!(call.line, "POST /v1/terminals/lane%207/payments HTTP/1.1");
    assert_eq!(call.header("host"), "gateway.sample.test");
    assert_eq!(call.header("content-type"), "application/json");
    assert_eq!(call.header("x-api-key"), "mk_1");
    assert!(call.body.contains(r#""transactionId":"K 118""#), "{}", call.body);
    let at = Wall::parse(call.header("x-timestamp")).unwrap();
    let (key, secret, body) = (Secret::new("mk_1"), Secret::new("ms_1"), call.body.as_bytes());
    let signed = sign(&key, &secret, "POST", "/v1/terminals/lane%207/payments", at, body);
    assert_eq!(call.header("x-signature"), signed.signature);
    call.answer(200, PAID).await;
    assert_eq!(paying.await.unwrap(), Ok(Status::Success));
}

#[tokio::test(start_paused = true)]
async fn terminals_and_a_transaction_are_read() {
    let (till, mut doorbell) = till();
    let listing = tokio::spawn({
        let till = till.clone();
        async move { till.terminals().await }
    });
    let call = Call::next(&mut doorbell).await;
    assert_eq!((call.line.as_str(), call.body.as_str()), ("GET /v1/terminals HTTP/1.1", ""));
    call.answer(200, r#"{"terminals":[{"terminalId":"lane-7","status":"online"}],"count":1}"#).await;
    assert_eq!(listing.await.unwrap().unwrap()[0].terminal_id, "lane-7");

    let looking = tokio::spawn(async move { till.transaction(&TransactionId::parse("K 118").unwrap()).await });
    let call = Call::next(&mut doorbell).await;
    assert_eq!(call.line, "GET /v1/transactions/K%20118 HTTP/1.1");
    call.answer(404, NOT_FOUND).await;
    let Err(HttpFailure::Refused { status: 404, problem }) = looking.await.unwrap() else { panic!("refused") };
    assert!(problem.is("TRANSACTION_NOT_FOUND"));
}

#[tokio::test(start_paused = true)]
async fn after_a_504_the_transaction_is_looked_up_and_never_asked_for_again() {
    let (till, mut doorbell) = till();
    let paying = paying(&till);
    Call::next(&mut doorbell).await.answer(504, r#"{"code":"TIMEOUT","message":"m","transactionId":"K 118"}"#).await;
    for body in [
        r#"{"transactionId":"K 118","status":"PENDING"}"#,
        r#"{"transactionId":"K 118","status":"AWAITING_RECONNECT"}"#,
        COMPLETED,
    ] {
        let call = Call::next(&mut doorbell).await;
        assert_eq!(call.line, "GET /v1/transactions/K%20118 HTTP/1.1");
        call.answer(200, body).await;
    }
    assert_eq!(paying.await.unwrap(), Ok(Status::Success));
}

#[tokio::test(start_paused = true)]
async fn after_a_lost_connection_it_is_asked_for_again_only_if_nobody_knows_it() {
    let (till, mut doorbell) = till();
    let paying = paying(&till);
    let first = Call::next(&mut doorbell).await;
    let (line, body) = (first.line.clone(), first.body.clone());
    drop(first);
    Call::next(&mut doorbell).await.answer(404, NOT_FOUND).await;
    let second = Call::next(&mut doorbell).await;
    assert_eq!((&second.line, &second.body), (&line, &body), "the same id and body");
    second.answer(200, PAID).await;
    assert_eq!(paying.await.unwrap(), Ok(Status::Success));
}

#[tokio::test(start_paused = true)]
async fn a_held_call_is_waited_for_longer_than_the_gateway_holds_it() {
    let (till, mut doorbell) = till();
    let paying = paying(&till);
    let held = Call::next(&mut doorbell).await;
    let start = Instant::now();
    let look = Call::next(&mut doorbell).await;
    assert_eq!(start.elapsed().as_secs(), 101, "100 s, and a second's pause");
    look.answer(200, COMPLETED).await;
    assert_eq!(paying.await.unwrap(), Ok(Status::Success));
    drop(held);
}

#[tokio::test(start_paused = true)]
async fn answers_that_are_none_leave_the_outcome_open() {
    let endless = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", u64::MAX);
    for nonsense in ["garbage\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n\u{1F4B3}", endless.as_str()] {
        let (till, mut doorbell) = till();
        let paying = paying(&till);
        let mut call = Call::next(&mut doorbell).await;
        call.stream.write_all(nonsense.as_bytes()).await.unwrap();
        drop(call);
        Call::next(&mut doorbell).await.answer(200, COMPLETED).await;
        assert_eq!(paying.await.unwrap(), Ok(Status::Success), "{nonsense}");
    }
    let (till, mut doorbell) = till();
    let listing = tokio::spawn(async move { till.terminals().await });
    let mut call = Call::next(&mut doorbell).await;
    call.stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await.unwrap();
    let chunk = format!("{:x}\r\n{}\r\n", 65_536, "x".repeat(65_536));
    let mut written = 0;
    while call.stream.write_all(chunk.as_bytes()).await.is_ok() {
        written += 1;
        assert!(written < 1_000, "it reads for ever");
    }
    assert!(matches!(listing.await.unwrap(), Err(HttpFailure::Lost(_))));
}

#[tokio::test(start_paused = true)]
async fn an_answer_about_another_transaction_is_none() {
    let (till, mut doorbell) = till();
    let paying = paying(&till);
    Call::next(&mut doorbell).await.answer(200, &PAID.replace("K 118", "K 119")).await;
    let look = Call::next(&mut doorbell).await;
    assert_eq!(look.line, "GET /v1/transactions/K%20118 HTTP/1.1");
    look.answer(200, &COMPLETED.replace("K 118", "K 119")).await;
    Call::next(&mut doorbell).await.answer(200, COMPLETED).await;
    assert_eq!(paying.await.unwrap(), Ok(Status::Success));

    let looking = tokio::spawn(async move { till.transaction(&TransactionId::parse("K 118").unwrap()).await });
    Call::next(&mut doorbell).await.answer(200, &COMPLETED.replace("K 118", "K 119")).await;
    assert_eq!(looking.await.unwrap(), Err(HttpFailure::Unreadable));
}

#[tokio::test(start_paused = true)]
async fn a_redirect_is_not_followed_and_a_trickle_is_not_waited_for() {
    let (till, mut doorbell) = till();
    let paying = paying(&till);
    let mut call = Call::next(&mut doorbell).await;
    let away = "HTTP/1.1 307 Away\r\nlocation: http://elsewhere.test/v1\r\ncontent-length: 0\r\n\r\n";
    call.stream.write_all(away.as_bytes()).await.unwrap();
    let mut look = Call::next(&mut doorbell).await;
    assert_eq!((look.header("host"), look.body.as_str()), ("gateway.sample.test", ""));
    let start = Instant::now();
    tokio::spawn(async move {
        let _ = look.stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n").await;
        while look.stream.write_all(b" ").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    });
    let mut look = Call::next(&mut doorbell).await;
    assert_eq!(start.elapsed().as_secs(), 17, "15 s, and two seconds' pause");
    let headers = b"x: y\r\n".repeat(200_000);
    let _ = look.stream.write_all(&[b"HTTP/1.1 200 OK\r\n", &headers[..]].concat()).await;
    Call::next(&mut doorbell).await.answer(200, COMPLETED).await;
    assert_eq!(paying.await.unwrap(), Ok(Status::Success));
}

#[tokio::test(start_paused = true)]
async fn nobody_there_is_told_at_once_and_nothing_was_sent() {
    let (till, doorbell) = till();
    drop(doorbell);
    let start = Instant::now();
    let failure = paying(&till).await.unwrap().unwrap_err();
    assert!(matches!(failure, HttpFailure::NotSent(Lost::Unreachable(_))) && failure.is_safe_to_retry(), "{failure}");
    assert!(start.elapsed() < Duration::from_secs(1));
}
