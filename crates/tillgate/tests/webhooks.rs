//! `tillgate webhooks` on a data folder: what it shows, and that what is sent again arrives, also from a gateway that runs.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;

use common::server::Server;
use common::{Said, ended, snapshot, squeezed, tillgate};
use model::{
    Announce, Commit, Dialect, Digest, Endpoint, EndpointId, EndpointWork, GroupId, NetworkId, Notice, Occasion,
    Opaque, OperationId, OperationRow, Outcome, Partition, Posted, PrincipalId, RequestKey, Secret, Target, Timestamp,
    Tried, Try, Wall, Wanted, Write,
};
use serde_json::Value;
use store::{Horizon, Sqlite, Store};

/// Long ago, but not so long that it is forgotten.
fn start() -> Timestamp {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap();
    Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap() - 86_400_000)
}

fn webhooks(data: &Path, arguments: &[&str]) -> Said {
    ended(tillgate().arg("webhooks").args(arguments).arg("--data").arg(data))
}

fn print(_: &Announce, row: &OperationRow, endpoint: &EndpointId) -> Option<Notice> {
    let id = format!("evt_{}_{endpoint}", row.key);
    Some(Notice { event: "payment.completed", id: id.into(), body: Opaque::from_static(b"{\"paid\":true}") })
}

/// A folder with endpoints `wh_a` and `wh_b` of a shop, and two payments: `wh_a` took the first and never the second,
/// `wh_b` is to be told of both again.
fn seed(data: &Path, url: &str) {
    let mut store = Sqlite::open(data).unwrap();
    let group = GroupId::of(Dialect::Modulus, "store-1").unwrap();
    // What secrets are sealed with is made with the first key.
    ended(
        tillgate()
            .args(["keys", "create", "--dialect", "modulus", "--role", "requester", "--group", "store-1"])
            .arg("--data")
            .arg(data),
    )
    .good();
    for name in ["wh_a", "wh_b"] {
        let endpoint = Endpoint {
            id: EndpointId::parse(name).unwrap(),
            group: group.clone(),
            url: format!("{url}/{name}").into(),
            events: vec!["payment.completed".into()],
            active: name == "wh_a",
            secret: Secret::new("whsec_demo"),
            description: None,
            metadata: None,
            created_at: Wall::default(),
            updated_at: Wall::default(),
        };
        let add = EndpointWork::Add { endpoint: Box::new(Endpoint { active: true, ..endpoint.clone() }), most: 16 };
        store.endpoints(&group, &add).unwrap();
    }
    let partition = Partition::of(&group);
    let fence = store.load(&[partition], Horizon::at(start())).unwrap()[0].fence;
    for number in 0..2 {
        let row = OperationRow {
            id: OperationId::next(partition, start().millis() + number, None),
            group: group.clone(),
            network: NetworkId::parse("default").unwrap(),
            requester: PrincipalId::parse("pos-1").unwrap(),
            requester_name: "Till 1".into(),
            dialect: Dialect::Modulus,
            kind: "payment_hook".into(),
            key: RequestKey::parse(&format!("K-{number}")).unwrap(),
            body: Digest::of(b"asked"),
            target: Target::AnyOfGroup,
            accepted_at: start(),
            deliver_by: None,
            answer_by: start(),
            request: Opaque::new(),
            memo: Opaque::new(),
            outcome: Some((Outcome::Completed { body: Opaque::new() }, start())),
            about: None,
            late: None,
            compensation: None,
        };
        let announce =
            Announce { operation: row.id, occasion: Occasion::Ended, at: start(), wall: Wall::default(), print };
        let (writes, announces) = (vec![Write::Accepted(Box::new(row))], vec![announce]);
        let commit = Commit { partition, fence, batch: number + 1, writes, settles: vec![], announces };
        store.commit(&[commit]).remove(0).unwrap();
    }
    let wanted = Wanted {
        by: start(),
        busy: std::collections::BTreeSet::new(),
        full: std::collections::BTreeSet::new(),
        only: None,
        after: None,
        each: 9,
        most: 9,
    };
    let due = store.due(&wanted).unwrap().deliveries;
    let tries: Vec<Try> = due
        .iter()
        .map(|delivery| {
            let (posted, then) = match (delivery.endpoint.as_str(), delivery.event.contains("K-0")) {
                ("wh_a", true) => (Posted::Answered(200), Tried::Delivered),
                ("wh_a", false) => (Posted::Answered(500), Tried::GivenUp),
                _ => (Posted::Late, Tried::Again(start().after(std::time::Duration::from_secs(7 * 86_400)))),
            };
            Try { place: delivery.place, at: start(), posted, then }
        })
        .collect();
    store.tried(&tries).unwrap();
}

#[test]
fn events_are_listed_and_sent_again() {
    let data = tempfile::tempdir().unwrap();
    let data = data.path();
    seed(data, "https://hooks.example.test");
    let mut story = String::new();
    let mut tell = |arguments: &[&str]| {
        let said = webhooks(data, arguments);
        story += &format!("$ tillgate webhooks {}\n{}\n", arguments.join(" "), said.shown());
        said.out
    };
    tell(&["list"]);
    tell(&["list", "--given-up"]);
    let json = webhooks(data, &["list", "--given-up", "--json"]).good();
    tell(&["list", "--endpoint", "wh_b", "--id", "K-1"]);
    tell(&["list", "--group", "store-2"]);
    tell(&["list", "--limit", "1"]);
    tell(&["resend"]);
    tell(&["resend", "evt_K-0_wh_a", "evt_K-0_wh_b", "evt_nothing"]);
    tell(&["resend", "--given-up", "--group", "store-1"]);
    tell(&["resend", "--given-up"]);
    tell(&["list", "--endpoint", "wh_a"]);
    assert!(!story.contains("hooks.example.test") && !story.contains("whsec_") && !story.contains("paid"), "{story}");
    snapshot("webhooks.txt", &squeezed(&story));
    let line: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&line["transaction_id"], &line["state"], &line["last"]),
        (&"K-1".into(), &"given_up".into(), &"answered 500".into())
    );
}

#[test]
fn what_is_sent_again_leaves_a_gateway_that_runs() {
    let data = tempfile::tempdir().unwrap();
    let (data, log) = (data.path().join("data"), data.path().join("log.txt"));
    let receiver = TcpListener::bind("127.0.0.1:0").unwrap();
    seed(&data, &format!("http://{}", receiver.local_addr().unwrap()));
    let allowed = [("TILLGATE_MODULUS_ALLOW_PRIVATE_WEBHOOK_TARGETS", "true")];
    let server = Server::serve(&data, "127.0.0.1:0", &log, &allowed);
    assert_eq!(webhooks(&data, &["resend", "--given-up"]).good(), "1 sent again\n");

    receiver.set_nonblocking(true).unwrap();
    let (mut stream, _) = common::server::until(common::server::PATIENCE, || receiver.accept().ok());
    stream.set_nonblocking(false).unwrap();
    let mut heard = Vec::new();
    while !heard.ends_with(b"{\"paid\":true}") {
        let mut some = [0; 1024];
        let count = stream.read(&mut some).unwrap();
        assert_ne!(count, 0, "it ended early");
        heard.extend_from_slice(&some[..count]);
    }
    assert!(heard.starts_with(b"POST /wh_a HTTP/1.1\r\n"), "{}", String::from_utf8_lossy(&heard));
    stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
    common::server::until(common::server::PATIENCE, || {
        webhooks(&data, &["list", "--given-up", "--json"]).good().is_empty().then_some(())?;
        let listed = webhooks(&data, &["list", "--endpoint", "wh_a"]).good();
        (listed.matches("delivered").count() == 2).then_some(())
    });
    assert!(server.stop().0.success());
}
