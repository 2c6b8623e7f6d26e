//! A vendor and the server it will meet.

use client::boop::{VendorClient, VendorConfig, VendorEvent};
use client::rehearsal::{Doorbell, pipes};
use client::{Endpoint, Events, Heard, Lost, State};
use model::Secret;

pub(crate) fn config() -> VendorConfig {
    VendorConfig::new("ven_1", Secret::new("sk_1"))
}

pub(crate) fn endpoint() -> (Endpoint, Doorbell) {
    let (pipes, doorbell) = pipes();
    (Endpoint::new("ws://gateway.sample.test/ws/vendor").over(pipes), doorbell)
}

/// A vendor on its way to the doorbell, and its ears.
pub(crate) fn vendor() -> (VendorClient, Events<VendorEvent>, Doorbell) {
    let (endpoint, doorbell) = endpoint();
    let vendor = VendorClient::connect(endpoint, config()).unwrap();
    let events = vendor.events();
    (vendor, events, doorbell)
}

/// How the next connection or attempt is lost.
pub(crate) async fn next_loss(events: &mut Events<VendorEvent>) -> Lost {
    loop {
        match events.next().await {
            Some(Heard::Event(VendorEvent::Lost(lost))) => return lost,
            Some(Heard::Event(VendorEvent::State(State::Closed(ended)))) => panic!("{ended}"),
            Some(_) => {}
            None => panic!("nothing more is told"),
        }
    }
}

/// A server's frame, written by hand: first byte and unmasked payload of less than 126 bytes.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first, u8::try_from(payload.len()).unwrap()];
    assert!(payload.len() < 126);
    frame.extend_from_slice(payload);
    frame
}
