//! With servers that do what they please: nothing panics, hangs or grows, and the next server finds us well.

use std::time::Duration;

use client::boop::{Failure, Requirements, VendorEvent};
use client::rehearsal::{Doorbell, read_request};
use client::{Ended, Heard, Lost, Problem, State};
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;
use websocket::Message;
use websocket::handshake::accept_key;

use crate::stage::{frame, next_loss, vendor};

/// What the client makes of this answer to its upgrade; `KEY` stands for the right accept key.
async fn answered(answer: &str) -> Lost {
    let (vendor, mut events, mut doorbell) = vendor();
    let mut stream = doorbell.ring().await;
    let key = read_request(&mut stream).await.unwrap();
    stream.write_all(answer.replace("KEY", &accept_key(&key)).as_bytes()).await.unwrap();
    drop(stream);
    let lost = next_loss(&mut events).await;
    serves_again(&mut doorbell).await;
    vendor.authenticated().await.unwrap();
    lost
}

/// What the client makes of these bytes after the login.
async fn said(bytes: &[u8]) -> Lost {
    let (vendor, mut events, mut doorbell) = vendor();
    let mut peer = doorbell.accept().await.unwrap();
    peer.login().await.unwrap();
    peer.bytes(bytes).await.unwrap();
    let lost = next_loss(&mut events).await;
    assert!(matches!(peer.hear().await, Some(Message::Close(_))), "it is told why");
    serves_again(&mut doorbell).await;
    vendor.authenticated().await.unwrap();
    lost
}

async fn serves_again(doorbell: &mut Doorbell) {
    let mut peer = doorbell.accept().await.unwrap();
    peer.login().await.unwrap();
    // The next test does not care how this one ends.
    tokio::spawn(async move { while peer.hear().await.is_some() {} });
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_is_checked_strictly() {
    let ok = "HTTP/1.1 101 Switching Protocols\r\n";
    let (upgrade, connection, accept) =
        ("Upgrade: websocket\r\n", "Connection: Upgrade\r\n", "Sec-WebSocket-Accept: KEY\r\n");
    let table = [
        ("garbage\r\n\r\n".to_owned(), "its answer is no HTTP"),
        ("\0\x01\u{7f}\r\n\r\n".to_owned(), "its answer is no HTTP"),
        ("SSH-2.0-OpenSSH_9.6\r\n".to_owned(), "its answer is no HTTP"),
        (format!("HTTP/1.0 101 OK\r\n{upgrade}{connection}{accept}\r\n"), "not HTTP/1.1"),
        (format!("{ok}{connection}{accept}\r\n"), "Upgrade"),
        (format!("{ok}{upgrade}{accept}\r\n"), "Connection"),
        (format!("{ok}{upgrade}{connection}\r\n"), "Sec-WebSocket-Accept"),
        (format!("{ok}{upgrade}{connection}Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"), "Accept"),
        (format!("{ok}{upgrade}{connection}{accept}{accept}\r\n"), "Sec-WebSocket-Accept"),
        (format!("{ok}{upgrade}{connection}{accept}Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"), "extension"),
        (format!("{ok}{upgrade}{connection}{accept}Sec-WebSocket-Protocol: chat\r\n\r\n"), "subprotocol"),
        (format!("{ok}{upgrade}"), "ended before its answer did"),
        (String::new(), "ended before its answer did"),
        (format!("{ok}X: {}", "x".repeat(20_000)), "more than 8192 bytes"),
        (format!("{ok}{}\r\n", "X: y\r\n".repeat(200)), "its answer is no HTTP"),
    ];
    for (answer, expected) in table {
        match answered(&answer).await {
            Lost::Handshake(why) => assert!(why.contains(expected), "{why} for {answer:.80}"),
            other => panic!("{other} for {answer:.80}"),
        }
    }
}

/// An ordinary answer, and how long it asks us to stay away.
fn rejected(status: u16, retry_after: Option<Duration>) -> Lost {
    Lost::Rejected { status, problem: Problem { retry_after, ..Problem::default() } }
}

#[tokio::test(start_paused = true)]
async fn an_ordinary_answer_is_told_with_its_status_and_its_hint() {
    let lost = answered("HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(lost, rejected(503, Some(Duration::from_secs(7))));
    let lost = answered("HTTP/1.1 302 Found\r\nLocation: http://elsewhere/\r\n\r\n").await;
    assert_eq!(lost, rejected(302, None), "nobody follows it");
    for hint in ["-1", "1e9", "99999999999999999999", "Wed, 21 Oct 2065 07:28:00 GMT"] {
        let lost = answered(&format!("HTTP/1.1 429 No\r\nRetry-After: {hint}\r\n\r\n")).await;
        assert_eq!(lost, rejected(429, None), "{hint}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_ordinary_answer_is_told_in_the_words_of_its_body() {
    const BODY: &str = r#"{"error":{"code":"GROUP_MISMATCH","message":"another group"},"code":"GROUP_MISMATCH"}"#;
    let long = format!(r#"{{"message":"{}"}}"#, "x".repeat(20_000));
    let (one, two) = BODY.split_at(7);
    let chunks = format!("7;name=x\r\n{one}\r\n{:x}\r\n{two}\r\n0\r\n\r\n", two.len());
    let told = "expected an upgrade, got HTTP status 418: another group (GROUP_MISMATCH)";
    let silent = "expected an upgrade, got HTTP status 418";
    let table = [
        (format!("Content-Length: {}\r\n\r\n{BODY}", BODY.len()), told),
        (format!("Content-Length: {}\r\n\r\n{BODY}and more", BODY.len()), told),
        (format!("\r\n{BODY}"), told),
        (format!("Transfer-Encoding: chunked\r\n\r\n{chunks}"), told),
        (format!("Content-Length: 999\r\n\r\n{BODY}"), told),
        (format!("Transfer-Encoding: chunked\r\n\r\n7\r\n{BODY}"), silent),
        (format!("Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{BODY}"), silent),
        (format!("Content-Length: -1\r\n\r\n{BODY}"), told),
        (format!("Content-Length: 20014\r\n\r\n{long}"), silent),
        (format!("\r\n{long}"), silent),
        ("\r\n<html>no</html>".to_owned(), silent),
        ("\r\n\u{7f}\0".to_owned(), silent),
        (String::from("\r\n[[[[[[[[[["), silent),
    ];
    for (answer, told) in table {
        assert_eq!(answered(&format!("HTTP/1.1 418 No\r\n{answer}")).await.to_string(), told, "{answer:.90}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_end_costs_its_words_and_not_the_status() {
    for head in ["Content-Length: 99\r\n", "Transfer-Encoding: chunked\r\n", ""] {
        let (_vendor, mut events, mut doorbell) = vendor();
        let mut stream = doorbell.ring().await;
        let start = Instant::now();
        read_request(&mut stream).await.unwrap();
        stream.write_all(format!("HTTP/1.1 503 Busy\r\nRetry-After: 7\r\n{head}\r\n").as_bytes()).await.unwrap();
        tokio::spawn(async move {
            while stream.write_all(b" ").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
        });
        assert_eq!(next_loss(&mut events).await, rejected(503, Some(Duration::from_secs(7))));
        assert_eq!(start.elapsed(), Duration::from_secs(2), "{head}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_that_refuses_the_credentials_is_the_last_attempt() {
    let (vendor, _, mut doorbell) = vendor();
    let mut stream = doorbell.ring().await;
    read_request(&mut stream).await.unwrap();
    let body = r#"{"error":{"code":"UNAUTHORIZED","message":"no such key"}}"#;
    let head = format!("HTTP/1.1 401 Unauthorized\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all((head + body).as_bytes()).await.unwrap();
    let ended = vendor.authenticated().await.unwrap_err();
    assert!(matches!(ended, Ended::Refused(_)));
    assert_eq!(ended.to_string(), "credentials refused: no such key (UNAUTHORIZED)");
    let more = tokio::time::timeout(Duration::from_secs(3_600), doorbell.ring()).await;
    assert!(more.is_err(), "it stays away");
}

#[tokio::test(start_paused = true)]
async fn frames_that_break_the_protocol_end_the_connection_and_not_the_client() {
    use websocket::Error;

    let mut masked = vec![0x81, 0x84, 1, 2, 3, 4];
    masked.extend_from_slice(b"abcd");
    let mut huge = vec![0x81, 127];
    huge.extend_from_slice(&(1_u64 << 40).to_be_bytes());
    let mut over = vec![0x81, 127];
    over.extend_from_slice(&(64 * 1024 + 1_u64).to_be_bytes());
    let mut fragments = frame(0x01, b"");
    for _ in 0..2_000 {
        fragments.extend(frame(0x00, b""));
    }
    let table = [
        (masked, Error::MaskForbidden),
        (huge, Error::FrameTooBig),
        (over, Error::FrameTooBig),
        (fragments, Error::TooManyFragments),
        (frame(0x81, b"\xff\xfe"), Error::TextNotUtf8),
        (frame(0x82, b"binary"), Error::BinaryRefused),
        (frame(0xc1, b"compressed"), Error::ReservedBits),
        (frame(0x83, b"?"), Error::ReservedOpcode),
        (frame(0x80, b"more of what"), Error::NothingToContinue),
        (frame(0x09, b"part of a ping"), Error::ControlFragmented),
        (frame(0x88, b"\x03"), Error::CloseTooShort),
        (frame(0x88, b"\x03\xed"), Error::CloseCodeInvalid),
    ];
    for (bytes, error) in table {
        assert_eq!(said(&bytes).await, Lost::Protocol(error));
    }
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_unknown_frames_are_heard_or_counted_and_change_nothing() {
    let (vendor, mut events, mut doorbell) = vendor();
    let mut peer = doorbell.accept().await.unwrap();
    peer.login().await.unwrap();
    let answer = vendor.create_context(Requirements::entrance());
    let create = peer.text().await.unwrap();
    for n in 0..10_000 {
        peer.send(&format!(r#"{{"type":"news_{n}","about":"nothing"}}"#)).await.unwrap();
    }
    let id = answer.id().clone();
    assert!(create.contains(id.as_str()));
    let result = format!(r#"{{"type":"auth_result","context_id":"{id}","success":true}}"#);
    peer.send(&result).await.unwrap();
    assert!(answer.await.is_ok());

    let (mut heard, mut missed) = (0, 0);
    while heard + missed < 10_000 {
        match events.next().await.unwrap() {
            Heard::Event(VendorEvent::Unknown { .. }) => heard += 1,
            Heard::Event(_) => {}
            Heard::Missed(count) => missed += count,
        }
    }
    assert!(heard <= 64, "no more than {heard} are kept");
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_bad_frames_are_counted() {
    let (vendor, mut events, mut doorbell) = vendor();
    let mut peer = doorbell.accept().await.unwrap();
    peer.login().await.unwrap();
    vendor.authenticated().await.unwrap();
    for _ in 0..10_000 {
        peer.send("{").await.unwrap();
    }
    let last = loop {
        if let Heard::Event(VendorEvent::Malformed { count }) = events.next().await.unwrap()
            && count == 10_000
        {
            break count;
        }
    };
    assert_eq!(last, 10_000);
    assert_eq!(vendor.state(), State::Authenticated);
}

#[tokio::test(start_paused = true)]
async fn a_storm_of_closes_is_met_with_growing_pauses() {
    let (_vendor, _events, mut doorbell) = vendor();
    let start = Instant::now();
    for turn in 0..50 {
        let mut peer = doorbell.accept().await.unwrap();
        if turn % 2 == 0 {
            peer.login().await.unwrap();
        }
        peer.close(1011, "again").await.unwrap();
    }
    // Fifty attempts at pauses of fifteen seconds on average.
    assert!(start.elapsed() > Duration::from_secs(300), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_storm_of_pings_is_answered_at_the_speed_it_is_read() {
    let (vendor, _events, mut doorbell) = vendor();
    let mut peer = doorbell.accept().await.unwrap();
    peer.login().await.unwrap();
    vendor.authenticated().await.unwrap();
    let ping = frame(0x89, &[7; 125]);
    // The server only writes. Once both pipes and the line are full, we stop reading, and it has to wait.
    let mut written = 0_usize;
    while tokio::time::timeout(Duration::from_secs(1), peer.bytes(&ping)).await.is_ok() {
        written += ping.len();
        assert!(written < 1_000_000, "it reads for ever");
    }
    let mut next = doorbell.accept().await.unwrap();
    next.login().await.unwrap();
    vendor.authenticated().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_is_left_wherever_it_falls_silent() {
    let (vendor, mut events, mut doorbell) = vendor();
    let answer = vendor.create_context(Requirements::entrance());
    let start = Instant::now();

    let before_the_upgrade = doorbell.ring().await;
    assert_eq!(next_loss(&mut events).await, Lost::ConnectTimeout);
    assert_eq!(start.elapsed().as_secs(), 10);

    let after_the_upgrade = doorbell.accept().await.unwrap();
    let start = Instant::now();
    assert_eq!(next_loss(&mut events).await, Lost::LoginTimeout);
    assert_eq!(start.elapsed().as_secs(), 10);

    let mut after_the_login = doorbell.accept().await.unwrap();
    after_the_login.login().await.unwrap();
    let start = Instant::now();
    assert_eq!(next_loss(&mut events).await, Lost::PingTimeout);
    assert_eq!(start.elapsed().as_secs(), 40);
    assert_eq!(answer.await, Err(Failure::NoAnswer));
    drop((before_the_upgrade, after_the_upgrade, after_the_login));
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_never_gets_whole_is_silence() {
    let (vendor, mut events, mut doorbell) = vendor();
    let mut peer = doorbell.accept().await.unwrap();
    peer.login().await.unwrap();
    vendor.authenticated().await.unwrap();
    let start = Instant::now();
    tokio::spawn(async move {
        peer.bytes(&[0x81, 126, 0xff, 0xff]).await.unwrap();
        while peer.bytes(b" ").await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    assert_eq!(next_loss(&mut events).await, Lost::PingTimeout);
    assert_eq!(start.elapsed().as_secs(), 40);
    serves_again(&mut doorbell).await;
    vendor.authenticated().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_server_that_ignores_our_close_is_left_after_five_seconds() {
    let (vendor, _, mut doorbell) = vendor();
    let mut stream = doorbell.ring().await;
    let key = read_request(&mut stream).await.unwrap();
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n\r\n",
        accept_key(&key)
    );
    stream.write_all(answer.as_bytes()).await.unwrap();
    stream.write_all(&frame(0x81, br#"{"type":"authenticated"}"#)).await.unwrap();
    vendor.authenticated().await.unwrap();
    let start = Instant::now();
    assert_eq!(vendor.close().await, Ended::Finished);
    assert_eq!(start.elapsed().as_secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_trickles_its_headers_is_left_after_ten_seconds() {
    let (_vendor, mut events, mut doorbell) = vendor();
    let mut stream = doorbell.ring().await;
    let start = Instant::now();
    tokio::spawn(async move {
        while stream.write_all(b"H").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    });
    match next_loss(&mut events).await {
        Lost::Handshake(_) => {}
        lost => assert_eq!(lost, Lost::ConnectTimeout),
    }
    assert!(start.elapsed() <= Duration::from_secs(10));
}
