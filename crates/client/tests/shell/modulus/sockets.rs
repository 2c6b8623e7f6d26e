//! On the socket: well-behaved gateways, and those that do what they please.

use std::time::Duration;

use client::modulus::{
    Failure, PaymentRequest, PosClient, PosConfig, PosEvent, Report, Status, TerminalClient, TerminalConfig,
    TransactionId,
};
use client::rehearsal::{Doorbell, Peer, pipes};
use client::{BadEndpoint, CheckFailure, Ended, Endpoint, Heard, Lost, NotSent, State, check};
use model::{Secret, Wall};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;
use websocket::{Error, Message};

fn config() -> PosConfig {
    PosConfig { group_id: Some("store-1".to_owned()), ..PosConfig::new(Secret::new("mk_1")) }
}

fn endpoint() -> (Endpoint, Doorbell) {
    let (pipes, doorbell) = pipes();
    (Endpoint::new("ws://gateway.sample.test/v1").over(pipes), doorbell)
}

fn pos() -> (PosClient, Doorbell) {
    let (endpoint, doorbell) = endpoint();
    (PosClient::connect(endpoint, config()).unwrap(), doorbell)
}

/// The request of the next dial, without what changes, and the stream it came on.
async fn request(doorbell: &mut Doorbell) -> (Vec<String>, impl AsyncReadExt + AsyncWriteExt + Unpin) {
    let mut stream = doorbell.ring().await;
    let mut head = vec![0; 2048];
    let length = stream.read(&mut head).await.unwrap();
    let head = String::from_utf8(head[..length].to_vec()).unwrap();
    let lines = head.split("\r\n").filter(|line| !line.starts_with("sec-websocket-key")).map(str::to_owned);
    (lines.collect(), stream)
}

async fn payment(peer: &mut Peer) -> (String, String) {
    let text = peer.text().await.unwrap();
    let frame: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(frame["action"], "payment", "{text}");
    (frame["paymentRequest"]["transactionId"].as_str().unwrap().to_owned(), text)
}

fn success(id: &str) -> String {
    format!(r#"{{"action":"paymentComplete","transactionId":"{id}","paymentResponse":{{"status":"SUCCESS"}}}}"#)
}

async fn next_loss(pos: &PosClient) -> Lost {
    let mut events = pos.events();
    loop {
        if let Some(Heard::Event(PosEvent::Lost(lost))) = events.next().await {
            return lost;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_key_and_the_group_go_with_the_upgrade() {
    let (_pos, mut doorbell) = pos();
    let (lines, _) = request(&mut doorbell).await;
    assert_eq!(lines[0], "GET /v1 HTTP/1.1");
    assert_eq!(lines[lines.len() - 4..], ["x-api-key: mk_1", "x-group-id: store-1", "", ""]);

    let (endpoint, mut doorbell) = endpoint();
    let mut config = TerminalConfig::new(Secret::new("mt_1"), "lane-7");
    config.metadata = Some(r#"{"model":"T1"}"#.to_owned());
    let _terminal = TerminalClient::connect(endpoint, config).unwrap();
    let (lines, _) = request(&mut doorbell).await;
    let own = ["x-api-key: mt_1", "x-device-id: lane-7", "x-terminal-metadata: eyJtb2RlbCI6IlQxIn0=", "", ""];
    assert_eq!(lines[lines.len() - 5..], own);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_cannot_stand_in_a_header_is_told_before_anything_is_tried() {
    let (endpoint, _doorbell) = endpoint();
    let failed = PosClient::connect(endpoint, PosConfig::new(Secret::new("mk_1\r\nx: y")));
    assert!(matches!(failed, Err(BadEndpoint::Header { name: "x-api-key" })));
}

#[tokio::test(start_paused = true)]
async fn a_payment_survives_the_loss_of_its_connection_under_one_id() {
    let (pos, mut doorbell) = pos();
    let answer = pos.pay("lane-7", PaymentRequest::new("1250.00", "PHP"));
    let id = answer.id().as_str().to_owned();
    assert_eq!(&id[14..15], "7", "a UUID of version 7: {id}");

    let mut peer = doorbell.accept().await.unwrap();
    let (first, text) = payment(&mut peer).await;
    assert_eq!(first, id);
    drop(peer);
    let mut peer = doorbell.accept().await.unwrap();
    assert_eq!(payment(&mut peer).await, (id.clone(), text));
    peer.send(&success(&id)).await.unwrap();
    peer.send(&success(&id)).await.unwrap();
    assert_eq!(answer.await.unwrap().status, Status::Success);
}

#[tokio::test(start_paused = true)]
async fn terminals_are_listed() {
    let (pos, mut doorbell) = pos();
    let listing = tokio::spawn({
        let pos = pos.clone();
        async move { pos.terminals().await }
    });
    let mut peer = doorbell.accept().await.unwrap();
    assert_eq!(peer.text().await.as_deref(), Some(r#"{"action":"getTerminals"}"#));
    peer.send(r#"{"action":"terminalsResponse","terminals":[{"deviceId":"lane-7","status":"online"}]}"#).await.unwrap();
    assert_eq!(listing.await.unwrap().unwrap()[0].terminal_id, "lane-7");
    pos.close().await;
    assert_eq!(pos.terminals().await, Err(NotSent::Closed.into()));
}

#[tokio::test(start_paused = true)]
async fn a_displaced_till_stays_away_and_says_so() {
    let (pos, mut doorbell) = pos();
    let mut peer = doorbell.accept().await.unwrap();
    pos.authenticated().await.unwrap();
    let open = pos.pay("lane-7", PaymentRequest::new("1.00", "PHP"));
    payment(&mut peer).await;
    peer.send(r#"{"action":"forceDisconnect","reason":"NEW_CONNECTION","message":"m"}"#).await.unwrap();
    peer.close(4409, "displaced").await.unwrap();
    assert_eq!(open.await, Err(Failure::Closed));
    assert_eq!(pos.state(), State::Closed(Ended::Displaced));
    let more = tokio::time::timeout(Duration::from_secs(3_600), doorbell.ring()).await;
    assert!(more.is_err(), "it stays away");
}

#[tokio::test(start_paused = true)]
async fn a_refused_upgrade_is_the_last_attempt() {
    for (answer, is_refused) in [("401 Unauthorized", true), ("403 Forbidden", false)] {
        let (pos, mut doorbell) = pos();
        let (_, mut stream) = request(&mut doorbell).await;
        let body = r#"{"code":"GROUP_MISMATCH"}"#;
        let answer = format!("HTTP/1.1 {answer}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        stream.write_all(answer.as_bytes()).await.unwrap();
        let ended = pos.authenticated().await.unwrap_err();
        assert_eq!(matches!(ended, Ended::Refused(_)), is_refused, "{ended}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_never_answers_is_left_wherever_it_falls_silent() {
    let (pos, mut doorbell) = pos();
    let answer = pos.pay("lane-7", PaymentRequest::new("1.00", "PHP"));
    let start = Instant::now();
    let before_the_upgrade = doorbell.ring().await;
    assert_eq!(next_loss(&pos).await, Lost::ConnectTimeout);
    assert_eq!(start.elapsed().as_secs(), 10);

    let after_the_upgrade = doorbell.accept().await.unwrap();
    pos.authenticated().await.unwrap();
    let start = Instant::now();
    assert_eq!(next_loss(&pos).await, Lost::PingTimeout);
    assert_eq!(start.elapsed().as_secs(), 40);

    // Nobody ever comes back: the payment is given up with its outcome unknown.
    drop((before_the_upgrade, after_the_upgrade, doorbell));
    assert_eq!(answer.await, Err(Failure::NoAnswer));
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_writes_nonsense_is_left_or_borne_and_the_next_one_served() {
    let (pos, mut doorbell) = pos();
    let mut huge = vec![0x81, 127];
    huge.extend_from_slice(&(256 * 1024 + 1_u64).to_be_bytes());
    for bytes in [huge, vec![0x82, 1, 7], vec![0x81, 2, 0xff, 0xfe]] {
        let mut peer = doorbell.accept().await.unwrap();
        pos.authenticated().await.unwrap();
        let listening = tokio::spawn({
            let pos = pos.clone();
            async move { next_loss(&pos).await }
        });
        tokio::task::yield_now().await;
        peer.bytes(&bytes).await.unwrap();
        let lost = listening.await.unwrap();
        assert!(
            matches!(lost, Lost::Protocol(Error::FrameTooBig | Error::BinaryRefused | Error::TextNotUtf8)),
            "{lost}"
        );
        assert!(matches!(peer.hear().await, Some(Message::Close(_))), "it is told why");
    }
    let mut peer = doorbell.accept().await.unwrap();
    let deep = format!(r#"{{"action":"paymentComplete","paymentResponse":{}}}"#, "[".repeat(50_000));
    let long = format!(r#"{{"action":"news","text":"{}"}}"#, "x".repeat(200_000));
    for nonsense in ["{", "[]", "null", "\u{1F4B3}", deep.as_str(), long.as_str()] {
        peer.send(nonsense).await.unwrap();
    }
    let answer = pos.pay("lane-7", PaymentRequest::new("1.00", "PHP"));
    let (id, _) = payment(&mut peer).await;
    peer.send(&success(&id)).await.unwrap();
    assert_eq!(answer.await.unwrap().status, Status::Success);
}

#[tokio::test(start_paused = true)]
async fn a_terminal_says_its_result_on_the_next_connection_too() {
    let (endpoint, mut doorbell) = endpoint();
    let terminal = TerminalClient::connect(endpoint, TerminalConfig::new(Secret::new("mt_1"), "lane-7")).unwrap();
    let mut offers = terminal.offers();
    let mut peer = doorbell.accept().await.unwrap();
    let request = r#"{"transactionId":"a","amount":"1250.00","currency":"PHP","paymentMethod":"CARD"}"#;
    peer.send(&format!(r#"{{"action":"payment","terminalId":"lane-7","paymentRequest":{request}}}"#)).await.unwrap();
    let offer = offers.next().await.unwrap();
    assert!(terminal.answer(Report::approved(&offer, "77Q2LM", Wall::from_millis(0))));
    let result = peer.text().await.unwrap();
    assert!(result.contains(r#""authorizationCode":"77Q2LM""#), "{result}");
    drop(peer);
    let mut peer = doorbell.accept().await.unwrap();
    assert_eq!(peer.text().await.unwrap(), result);
    assert_eq!(terminal.close().await, Ended::Finished);
}

#[tokio::test(start_paused = true)]
async fn a_gateway_can_be_looked_at() {
    let (endpoint, mut doorbell) = endpoint();
    let checking = tokio::spawn(check(endpoint, config()));
    let mut peer = doorbell.accept().await.unwrap();
    assert_eq!(peer.text().await.as_deref(), Some(r#"{"action":"ping"}"#));
    tokio::time::sleep(Duration::from_millis(20)).await;
    peer.send(r#"{"action":"pong","timestamp":"2031-03-04T05:06:00.120Z"}"#).await.unwrap();
    peer.hear().await;
    assert_eq!(checking.await.unwrap().unwrap().ping.as_millis(), 20);

    let (endpoint, mut doorbell) = self::endpoint();
    let checking = tokio::spawn(check(endpoint, config()));
    let (_, mut stream) = request(&mut doorbell).await;
    stream.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    assert!(matches!(checking.await.unwrap(), Err(CheckFailure::Forbidden(_))));
}

#[tokio::test(start_paused = true)]
async fn one_id_is_one_payment_at_a_time() {
    let (pos, _doorbell) = pos();
    let id = TransactionId::parse("K-118").unwrap();
    let _first = pos.pay_as(id.clone(), "lane-7", PaymentRequest::new("1.00", "PHP"));
    let second = pos.pay_as(id, "lane-7", PaymentRequest::new("1.00", "PHP"));
    assert_eq!(second.await, Err(NotSent::Repeated.into()));
}
