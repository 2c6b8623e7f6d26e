//! What must hold for Modulus: its wire, its sessions, its clients. Of the shape of BOOP's.

pub mod client;
pub mod hook;
pub mod session;
pub mod wire;

use std::sync::Arc;

use bytes::Bytes;
use model::{
    CredentialId, DeviceId, Dialect, GroupId, NetworkId, Partition, Permissions, Principal, PrincipalId, Request, Role,
    Timestamp, Wall,
};

/// When everything begins, 2031-03-04T05:10:00Z: signatures in the corpora are of that time.
const START_MILLIS: u64 = 1_930_453_800_000;
const START: Timestamp = Timestamp::from_millis(START_MILLIS);
/// The shop of everybody here.
const GROUP: &str = "store-1";

fn group() -> GroupId {
    GroupId::of(Dialect::Modulus, GROUP).expect("an id")
}

fn principal(role: Role, permissions: Permissions) -> Arc<Principal> {
    let group = group();
    Arc::new(Principal {
        id: PrincipalId::parse(role.name()).expect("an id"),
        dialect: Dialect::Modulus,
        network: NetworkId::parse("default").expect("an id"),
        partition: Partition::of(&group),
        group,
        role,
        device: None,
        credential: CredentialId::parse("key").expect("an id"),
        name: "Till 4".into(),
        permissions,
    })
}

/// A device as a key or a header names it.
fn device(name: &str) -> DeviceId {
    DeviceId::parse(name).expect("a short text is an id")
}

/// A request with these headers; the time and the signature of a call are always among them.
fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Request {
    let signed =
        [("x-timestamp", Wall::from_millis(START_MILLIS).with_millis()), ("x-signature", "c2lnbmVk".to_owned())];
    let given = headers.iter().map(|(name, value)| ((*name).into(), (*value).into()));
    let signed = signed.into_iter().map(|(name, value)| (name.into(), value.into()));
    Request {
        method: method.into(),
        path: path.into(),
        query: Vec::new(),
        headers: given.chain(signed).collect(),
        body: Bytes::copy_from_slice(body),
        peer: std::net::Ipv4Addr::LOCALHOST.into(),
        certificate: None,
    }
}

/// A JSON object, as every body and every frame of Modulus is one.
fn object(text: &[u8]) -> serde_json::Value {
    let value: serde_json::Value = serde_json::from_slice(text)
        .unwrap_or_else(|error| panic!("not JSON ({error}): {}", String::from_utf8_lossy(text)));
    assert!(value.is_object(), "no object: {value}");
    value
}

/// A frame to a peer: it names its action.
fn message(text: &[u8]) -> serde_json::Value {
    let value = object(text);
    assert!(value["action"].is_string(), "a message without an action: {value}");
    value
}
