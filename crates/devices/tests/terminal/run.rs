//! Once through the shell, over a pipe.

use client::modulus::{TerminalConfig, TerminalEvent};
use client::rehearsal::pipes;
use client::{BadEndpoint, Ended, Endpoint, State};
use devices::terminal::{Act, Event, Press, Script, run};
use model::Secret;
use tokio::sync::{mpsc, oneshot};

#[tokio::test(start_paused = true)]
async fn a_terminal_is_let_in_takes_a_payment_and_goes_home_when_told() {
    let (pipes, mut doorbell) = pipes();
    let endpoint = Endpoint::new("ws://gateway.sample.test/v1").over(pipes);
    let config = TerminalConfig::new(Secret::new("mt_1"), "lane-7");
    let (home, told_to_go) = oneshot::channel::<()>();
    let (press, pressed) = mpsc::channel(1);
    let (tell, mut told) = mpsc::unbounded_channel();
    let script = Script::parse("approve after 800ms\notherwise person").unwrap();
    let shutdown = async { drop(told_to_go.await) };
    let terminal = tokio::spawn(run(endpoint, config, script, pressed, shutdown, move |event| drop(tell.send(event))));

    let mut peer = doorbell.accept().await.unwrap();
    let offer = |id: &str| {
        format!(
            r#"{{"action":"payment","paymentRequest":{{"transactionId":"{id}","amount":"1.00","currency":"PHP","paymentMethod":"CARD"}}}}"#
        )
    };
    peer.send(&offer("a")).await.unwrap();
    let start = tokio::time::Instant::now();
    assert!(peer.text().await.unwrap().contains(r#""status":"SUCCESS""#));
    assert_eq!(start.elapsed().as_millis(), 800);
    peer.send(r#"{"action":"paymentAck","transactionId":"a","result":"accepted"}"#).await.unwrap();
    peer.send(&offer("b")).await.unwrap();
    while !matches!(told.recv().await, Some(Event::Heard(TerminalEvent::Offered(offer))) if offer.transaction_id.as_str() == "b")
    {
    }
    press.send(Press::Cancel).await.unwrap();
    assert!(peer.text().await.unwrap().contains(r#""status":"CANCELLED""#));
    home.send(()).unwrap();
    while peer.hear().await.is_some() {}
    assert_eq!(terminal.await.unwrap().unwrap(), Ended::Finished);

    let mut events = Vec::new();
    while let Some(event) = told.recv().await {
        events.push(event);
    }
    assert!(events.iter().any(|event| matches!(event, Event::Did { act: Act::Cancel, .. })));
    assert!(events.contains(&Event::Heard(TerminalEvent::State(State::Closed(Ended::Finished)))));
}

#[tokio::test]
async fn a_bad_address_is_told_before_anything_is_tried() {
    let config = TerminalConfig::new(Secret::new("mt_1"), "lane-7");
    let (_, pressed) = mpsc::channel(1);
    let ended =
        run(Endpoint::new("ws://gateway/"), config, Script::by_hand(), pressed, std::future::pending(), |_| {}).await;
    assert!(matches!(ended, Err(BadEndpoint::Plaintext { .. })));
}
