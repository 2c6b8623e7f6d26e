//! The vendor's machine: its contexts, and its connection.

mod connection;
mod contexts;

use std::time::Duration;

use client::boop::{
    AuthResult, ContextId, Declined, Failure, Requirements, Vendor, VendorCommand, VendorConfig, VendorEvent,
};
use client::{Ended, Input, Lost, Machine as _, NotSent, Output, Preset, Problem, State};
use model::{CloseCode, Secret, Timestamp};

use crate::stage::{Stage, closed, connecting, said};

const LOGIN: &str = r#"{"type":"authenticate","vendor_id":"ven_1","api_key":"sk_1"}"#;
const AUTHENTICATED: &str = r#"{"type":"authenticated","vendor_id":"ven_1"}"#;

fn config() -> VendorConfig {
    VendorConfig::new("ven_1", Secret::new("sk_1"))
}

fn vendor_with(config: VendorConfig) -> Stage<Vendor> {
    let mut stage = Stage::new(|now| Vendor::new(config, 7, now));
    let out = stage.wait();
    assert_eq!(out, [Output::Event(VendorEvent::State(connecting())), Output::Connect]);
    stage
}

fn open_with(config: VendorConfig) -> Stage<Vendor> {
    let mut stage = vendor_with(config);
    let out = stage.input(Input::Opened);
    assert_eq!(out[0], Output::Event(VendorEvent::State(State::Open)));
    assert_eq!(said(&out[1..]), [format!("< {LOGIN}")]);
    stage
}

/// A vendor that has logged in.
fn vendor() -> Stage<Vendor> {
    logged_in(config())
}

fn logged_in(config: VendorConfig) -> Stage<Vendor> {
    let mut stage = open_with(config);
    assert_eq!(stage.hear(AUTHENTICATED), [Output::Event(VendorEvent::State(State::Authenticated))]);
    stage
}

fn id(text: &str) -> ContextId {
    ContextId::parse(text).unwrap()
}

fn create(name: &str, send_by: Timestamp) -> VendorCommand {
    VendorCommand::Create { context_id: id(name), requirements: Requirements::entrance(), send_by }
}

fn sent(name: &str) -> String {
    format!(r#"< {{"type":"create_context","context_id":"{name}","requirements":{{"type":"entrance"}}}}"#)
}

fn settled(name: &str, result: Result<AuthResult, Failure>) -> Output<VendorEvent> {
    Output::Event(VendorEvent::Settled { context_id: id(name), result })
}

fn is_success(out: &[Output<VendorEvent>], name: &str) {
    let [Output::Event(VendorEvent::Settled { context_id, result: Ok(AuthResult::Matched(who)) })] = out else {
        panic!("{out:?}");
    };
    assert_eq!(context_id, &id(name));
    assert_eq!(who.user_id.as_deref(), Some("usr_8tk2"));
}

fn success(name: &str) -> String {
    format!(r#"{{"type":"auth_result","context_id":"{name}","result":{{"success":true,"user_id":"usr_8tk2"}}}}"#)
}

fn open_context(stage: &mut Stage<Vendor>, name: &str) {
    let out = stage.command(create(name, stage.seconds_on(30)));
    assert_eq!(said(&out), [sent(name)]);
}

/// Loses the connection and gets the next one, not logged in yet.
fn reconnect(stage: &mut Stage<Vendor>) {
    stage.lost(Lost::Broken("cable".to_owned()));
    assert_eq!(stage.wait(), [Output::Connect]);
    stage.input(Input::Opened);
}
