//! Looking whether a server is there.

use std::time::Duration;

use client::rehearsal::Doorbell;
use client::{CheckFailure, Checked, Endpoint, Lost, check};
use tokio::task::JoinHandle;

use crate::stage::{config, endpoint};

fn checking() -> (JoinHandle<Result<Checked, CheckFailure>>, Doorbell) {
    let (endpoint, doorbell) = endpoint();
    (tokio::spawn(check(endpoint, config())), doorbell)
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_well_is_told_in_times() {
    let (checking, mut doorbell) = checking();
    let mut peer = doorbell.accept().await.unwrap();
    tokio::time::sleep(Duration::from_millis(30)).await;
    peer.login().await.unwrap();
    assert_eq!(peer.text().await.as_deref(), Some(r#"{"type":"ping"}"#));
    tokio::time::sleep(Duration::from_millis(20)).await;
    peer.send(r#"{"type":"news"}"#).await.unwrap();
    peer.send(r#"{"type":"pong"}"#).await.unwrap();
    peer.hear().await;
    let checked = checking.await.unwrap().unwrap();
    assert_eq!((checked.login.as_millis(), checked.ping.as_millis()), (30, 20));
}

#[tokio::test(start_paused = true)]
async fn each_way_to_be_unwell_has_its_name() {
    let (refused, mut doorbell) = checking();
    let mut peer = doorbell.accept().await.unwrap();
    peer.text().await.unwrap();
    peer.send(r#"{"type":"error","error":"Authentication failed","code":"INVALID_CREDENTIALS"}"#).await.unwrap();
    peer.close(4401, "not_authenticated").await.unwrap();
    assert!(matches!(refused.await.unwrap(), Err(CheckFailure::Refused(_))));

    let (forbidden, mut doorbell) = checking();
    let mut peer = doorbell.accept().await.unwrap();
    peer.close(4403, "not_permitted").await.unwrap();
    assert!(matches!(forbidden.await.unwrap(), Err(CheckFailure::Forbidden(_))));

    let (displaced, mut doorbell) = checking();
    let mut peer = doorbell.accept().await.unwrap();
    peer.login().await.unwrap();
    peer.close(4409, "displaced").await.unwrap();
    assert!(matches!(displaced.await.unwrap(), Err(CheckFailure::Displaced)));

    let (silent, mut doorbell) = checking();
    let mut peer = doorbell.accept().await.unwrap();
    peer.login().await.unwrap();
    peer.text().await.unwrap();
    assert!(matches!(silent.await.unwrap(), Err(CheckFailure::NoPong)));

    let (no_login, mut doorbell) = checking();
    let peer = doorbell.accept().await.unwrap();
    assert!(matches!(no_login.await.unwrap(), Err(CheckFailure::Network(Lost::LoginTimeout))));
    drop(peer);

    let (absent, doorbell) = checking();
    drop(doorbell);
    assert!(matches!(absent.await.unwrap(), Err(CheckFailure::Network(Lost::Unreachable(_)))));

    let nowhere = check(Endpoint::new("gateway"), config()).await;
    assert!(matches!(nowhere, Err(CheckFailure::Endpoint(_))));
}
