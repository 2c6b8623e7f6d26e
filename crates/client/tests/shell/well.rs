//! With a server that behaves.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use client::boop::{AuthResult, Failure, Requirements, VendorClient};
use client::{Ended, LinesEvent, NotSent, RawClient, State, Tap};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;
use websocket::handshake::accept_key;
use websocket::{Close, CloseCode, Message};

use crate::stage::{config, endpoint, frame, vendor};

fn context_of(create: &str) -> String {
    let frame: serde_json::Value = serde_json::from_str(create).unwrap();
    assert_eq!(frame["type"], "create_context");
    frame["context_id"].as_str().unwrap().to_owned()
}

fn success(id: &str) -> String {
    format!(r#"{{"type":"auth_result","context_id":"{id}","result":{{"success":true,"user_id":"usr_1"}}}}"#)
}

#[tokio::test(start_paused = true)]
async fn a_context_asked_for_before_the_login_is_answered_after_it() {
    let (vendor, _, mut doorbell) = vendor();
    let answer = vendor.create_context(Requirements::entrance());
    let id = answer.id().as_str().to_owned();

    let mut peer = doorbell.accept().await.unwrap();
    peer.login().await.unwrap();
    assert_eq!(context_of(&peer.text().await.unwrap()), id);
    peer.send(&success(&id)).await.unwrap();
    let Ok(AuthResult::Matched(who)) = answer.await else { panic!("no match") };
    assert_eq!(who.user_id.as_deref(), Some("usr_1"));
    assert_eq!(vendor.state(), State::Authenticated);
}

#[tokio::test(start_paused = true)]
async fn closing_sends_a_close_of_1000_and_nothing_follows() {
    let (vendor, mut events, mut doorbell) = vendor();
    let mut peer = doorbell.accept().await.unwrap();
    peer.login().await.unwrap();
    vendor.authenticated().await.unwrap();

    let open = vendor.create_context(Requirements::entrance());
    peer.text().await.unwrap();
    let closing = tokio::spawn({
        let vendor = vendor.clone();
        async move { vendor.close().await }
    });
    assert_eq!(peer.hear().await, Some(Message::Close(Close::code_only(CloseCode::NORMAL))));
    assert_eq!(closing.await.unwrap(), Ended::Finished);
    assert_eq!(peer.hear().await, None);
    assert_eq!(open.await, Err(Failure::Closed));
    assert_eq!(vendor.create_context(Requirements::entrance()).await, Err(NotSent::Closed.into()));
    assert_eq!(vendor.authenticated().await, Err(Ended::Finished));
    assert_eq!(vendor.close().await, Ended::Finished, "twice is as good as once");
    while events.next().await.is_some() {}
}

#[tokio::test(start_paused = true)]
async fn when_the_last_handle_is_dropped_the_connection_is_closed() {
    let (vendor, events, mut doorbell) = vendor();
    let mut peer = doorbell.accept().await.unwrap();
    peer.login().await.unwrap();
    vendor.authenticated().await.unwrap();
    drop(events);
    drop(vendor.clone());
    drop(vendor);
    assert!(matches!(peer.hear().await, Some(Message::Close(_))));
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_is_made_again_and_the_open_context_is_answered_there() {
    let (vendor, _, mut doorbell) = vendor();
    let mut peer = doorbell.accept().await.unwrap();
    peer.login().await.unwrap();
    let answer = vendor.create_context(Requirements::entrance());
    let id = context_of(&peer.text().await.unwrap());
    drop(peer);

    let mut peer = doorbell.accept().await.unwrap();
    peer.login().await.unwrap();
    peer.send(&success(&id)).await.unwrap();
    assert!(matches!(answer.await, Ok(AuthResult::Matched(_))));
    let quiet = tokio::time::timeout(Duration::from_secs(20), peer.text()).await;
    assert!(quiet.is_err(), "the context was not sent again");
}

#[tokio::test(start_paused = true)]
async fn what_the_server_says_with_its_upgrade_is_heard() {
    let (vendor, _, mut doorbell) = vendor();
    let mut stream = doorbell.ring().await;
    let key = client::rehearsal::read_request(&mut stream).await.unwrap();
    let mut said = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n\r\n",
        accept_key(&key)
    )
    .into_bytes();
    said.extend(frame(0x81, br#"{"type":"authenticated"}"#));
    // Byte by byte: how it is cut makes no difference.
    for byte in said {
        stream.write_all(&[byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(vendor.authenticated().await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn the_request_is_an_ordinary_upgrade() {
    let (_vendor, _, mut doorbell) = vendor();
    let mut stream = doorbell.ring().await;
    let mut head = vec![0; 1024];
    let length = stream.read(&mut head).await.unwrap();
    let head = String::from_utf8(head[..length].to_vec()).unwrap();
    let mut lines: Vec<&str> = head.split("\r\n").collect();
    lines.retain(|line| !line.starts_with("sec-websocket-key: "));
    assert_eq!(
        lines,
        [
            "GET /ws/vendor HTTP/1.1",
            "host: gateway.sample.test",
            "upgrade: websocket",
            "connection: Upgrade",
            "sec-websocket-version: 13",
            "",
            "",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn the_tap_sees_every_frame_and_no_key() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let tap = Tap::new({
        let seen = seen.clone();
        move |direction, frame| seen.lock().unwrap().push(format!("{direction:?} {frame}"))
    });
    let (endpoint, mut doorbell) = endpoint();
    let vendor = VendorClient::connect(endpoint.tap(tap), config()).unwrap();
    let mut peer = doorbell.accept().await.unwrap();
    peer.login().await.unwrap();
    vendor.authenticated().await.unwrap();
    assert_eq!(
        *seen.lock().unwrap(),
        [r#"Sent {"type":"authenticate","vendor_id":"ven_1","api_key":"***"}"#, r#"Received {"type":"authenticated"}"#,]
    );
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_read_fills_a_bounded_line_and_is_left() {
    let (vendor, _, mut doorbell) = vendor();
    let mut peer = doorbell.accept().await.unwrap();
    peer.login().await.unwrap();
    vendor.authenticated().await.unwrap();
    let start = Instant::now();
    let note = "x".repeat(4_000);
    let mut answers = Vec::new();
    let mut refused = 0;
    for _ in 0..2_000 {
        let mut answer = vendor.create_context(Requirements::entrance().with("note", note.as_str()));
        match futures_poll(&mut answer).await {
            Some(result) => {
                assert_eq!(result, Err(NotSent::Full.into()));
                refused += 1;
            }
            None => answers.push(answer),
        }
        tokio::task::yield_now().await;
    }
    assert!(refused > 1_500, "{refused} refused");
    // The heartbeat notices within forty seconds; the next line serves again.
    let mut next = doorbell.accept().await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(42));
    next.login().await.unwrap();
    vendor.close().await;
    for answer in answers {
        assert!(answer.await.is_err());
    }
}

/// What the future has to say right now.
async fn futures_poll<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    tokio::select! {
        biased;
        output = future => Some(output),
        () = std::future::ready(()) => None,
    }
}

#[tokio::test(start_paused = true)]
async fn raw_lines_are_all_handed_over_however_slowly_they_are_taken() {
    let (endpoint, mut doorbell) = endpoint();
    let mut raw = RawClient::connect(endpoint, config()).unwrap();
    let server = tokio::spawn(async move {
        let mut peer = doorbell.accept().await.unwrap();
        peer.login().await.unwrap();
        for n in 0..10_000 {
            peer.send(&format!(r#"{{"type":"news","n":{n}}}"#)).await.unwrap();
        }
        peer
    });
    // Long enough for the server to have said all if nothing held it back.
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(!server.is_finished(), "the reader was to slow the server down");
    let mut n = 0;
    while n < 10_000 {
        if let Some(LinesEvent::Frame(line)) = raw.next().await {
            assert_eq!(line, format!(r#"{{"type":"news","n":{n}}}"#));
            n += 1;
        }
    }
    let mut peer = server.await.unwrap();
    raw.send("as it is").await;
    assert_eq!(peer.text().await.as_deref(), Some("as it is"));
    raw.close();
    assert!(matches!(peer.hear().await, Some(Message::Close(_))));
    while let Some(event) = raw.next().await {
        assert!(matches!(event, LinesEvent::State(_)), "{event:?}");
    }
    assert!(!raw.send("too late").await);
}
