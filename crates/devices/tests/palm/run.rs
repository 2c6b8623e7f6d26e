//! Once through the shell, over a pipe.

use client::boop::{ScannerConfig, ScannerEvent};
use client::rehearsal::pipes;
use client::{BadEndpoint, Ended, Endpoint, State};
use devices::palm::{Act, Event, Script, run};
use model::Secret;
use tokio::sync::{mpsc, oneshot};

#[tokio::test(start_paused = true)]
async fn a_scanner_logs_in_serves_a_context_and_goes_home_when_told() {
    let (pipes, mut doorbell) = pipes();
    let endpoint = Endpoint::new("ws://gateway.sample.test/ws/pvs").over(pipes);
    let config = ScannerConfig::new("pvs_till2", Secret::new("dk_1"));
    let (home, told_to_go) = oneshot::channel::<()>();
    let (tell, mut told) = mpsc::unbounded_channel();
    let script = Script::parse("otherwise palm usr_1 after 800ms").unwrap();
    let shutdown = async { drop(told_to_go.await) };
    let scanner = tokio::spawn(run(endpoint, config, script, shutdown, move |event| drop(tell.send(event))));

    let mut peer = doorbell.accept().await.unwrap();
    peer.login().await.unwrap();
    peer.send(r#"{"type":"context_open","context_id":"a","auth_type":"entrance"}"#).await.unwrap();
    let start = tokio::time::Instant::now();
    assert!(peer.text().await.unwrap().contains(r#""test_user_id":"usr_1""#));
    assert_eq!(start.elapsed().as_millis(), 800);
    home.send(()).unwrap();
    while peer.hear().await.is_some() {}
    assert_eq!(scanner.await.unwrap().unwrap(), Ended::Finished);

    let mut events = Vec::new();
    while let Some(event) = told.recv().await {
        events.push(event);
    }
    assert!(events.contains(&Event::Heard(ScannerEvent::State(State::Authenticated))));
    assert!(events.iter().any(|event| matches!(event, Event::Did { act: Act::Palm { .. }, .. })));
}

#[tokio::test]
async fn a_bad_address_is_told_before_anything_is_tried() {
    let config = ScannerConfig::new("pvs_till2", Secret::new("dk_1"));
    let script = Script::parse("").unwrap();
    let ended = run(Endpoint::new("ws://gateway/"), config, script, std::future::pending(), |_| {}).await;
    assert!(matches!(ended, Err(BadEndpoint::Plaintext { .. })));
}
