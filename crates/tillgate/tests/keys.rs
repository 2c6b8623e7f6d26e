//! `tillgate keys` on a data folder: secrets are shown once, and every change is what it says.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use common::{ended, run, snapshot, squeezed, tillgate};
use serde_json::Value;

fn keys(data: &Path, arguments: &[&str]) -> common::Said {
    ended(tillgate().args(["keys"]).args(arguments).arg("--data").arg(data))
}

/// One key per line.
fn as_json(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

const VENDOR: [&str; 7] = ["create", "--dialect", "boop", "--role", "requester", "--vendor-id", "ven_bakery"];
const TILL: [&str; 7] = ["create", "--dialect", "modulus", "--role", "requester", "--group", "store-1"];
const TERMINAL: [&str; 7] = ["create", "--dialect", "modulus", "--role", "performer", "--group", "store-1"];
const SCANNER: [&str; 9] =
    ["create", "--dialect", "boop", "--role", "performer", "--group", "ven_bakery", "--device", "pvs_till1"];

#[test]
fn a_key_lives_from_create_to_revoke() {
    let data = tempfile::tempdir().unwrap();
    let data = data.path();
    let mut story = String::new();
    let mut tell = |what: &str, said: common::Said| {
        story += &format!("$ tillgate keys {what}\n{}\n", said.shown());
        said.out
    };
    let created = tell("create … --name", keys(data, &[&VENDOR[..], &["--name", "Harbour Bakery"]].concat()));
    let id = created.split_whitespace().find(|word| word.starts_with("key_")).unwrap().to_owned();
    let secret = created.split_whitespace().find(|word| word.starts_with("sk_live_")).unwrap().to_owned();
    tell("create --json", keys(data, &[&SCANNER[..], &["--json"]].concat()));
    let only = ["--name", "Door", "--permission", "kind:entrance", "--permission", "attribute:email", "--json"];
    tell("create --permission …", keys(data, &[&VENDOR[..], &only].concat()));
    tell("list", keys(data, &["list"]));
    tell("list --role performer --json", keys(data, &["list", "--role", "performer", "--json"]));
    tell("show", keys(data, &["show", &id]));
    tell("rotate --overlap 1h", keys(data, &["rotate", &id, "--overlap", "1h"]));
    tell("list after rotate", keys(data, &["list", "--group", "ven_bakery"]));
    tell("revoke", keys(data, &["revoke", &id]));
    tell("revoke again", keys(data, &["revoke", &id]));
    tell("rotate the revoked one", keys(data, &["rotate", &id]));
    tell("show the revoked one", keys(data, &["show", &id, "--json"]));
    tell("show nothing", keys(data, &["show", "key_nobody"]));
    assert_eq!(story.matches(&secret).count(), 1, "a secret is shown once");
    snapshot("keys_life.txt", &squeezed(&story));
}

#[test]
fn a_modulus_key_lives_from_create_to_revoke() {
    let data = tempfile::tempdir().unwrap();
    let data = data.path();
    let mut story = String::new();
    let mut tell = |what: &str, said: common::Said| {
        story += &format!("$ tillgate keys {what}\n{}\n", said.shown());
        said.out
    };
    let created = tell("create … --name", keys(data, &[&TILL[..], &["--name", "Front desk"]].concat()));
    let word = |prefix: &str| created.split_whitespace().find(|word| word.starts_with(prefix)).unwrap().to_owned();
    let (id, secret) = (word("key_"), word("ms_live_"));
    tell("create --no-websocket --json", keys(data, &[&TILL[..], &["--no-websocket", "--json"]].concat()));
    tell("create --role performer", keys(data, &TERMINAL));
    tell("create --device … --json", keys(data, &[&TERMINAL[..], &["--device", "lane-7", "--json"]].concat()));
    tell("create --count 2", keys(data, &[&TILL[..], &["--name", "Lane", "--count", "2"]].concat()));
    tell("list", keys(data, &["list"]));
    tell("show", keys(data, &["show", &id]));
    let old = as_json(&keys(data, &["show", &id, "--json"]).good()).remove(0);
    let rotated = as_json(&tell("rotate --json", keys(data, &["rotate", &id, "--json"]))).remove(0);
    tell("revoke", keys(data, &["revoke", &id]));
    assert_eq!(rotated["principal"], old["principal"], "its successor is the same till");
    let all = as_json(&keys(data, &["list", "--json"]).good());
    let principals: BTreeSet<&str> = all.iter().map(|key| key["principal"].as_str().unwrap()).collect();
    assert_eq!((all.len(), principals.len()), (7, 6), "every other key is somebody of its own");
    assert_eq!(story.matches(&secret).count(), 1, "a secret is shown once");
    for entry in std::fs::read_dir(data).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(secret.len()).any(|part| part == secret.as_bytes()), "it is nowhere in clear");
    }
    snapshot("keys_modulus.txt", &squeezed(&story));

    std::fs::remove_file(data.join("seal.key")).unwrap();
    let said = keys(data, &["list"]);
    assert!(said.code == 1 && said.err.contains("seal.key is not there"), "{}", said.shown());
}

#[test]
fn a_key_may_be_bound_to_a_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let (data, file) = (folder.path().join("data"), folder.path().join("till.pem"));
    let certificate = rcgen::generate_simple_self_signed(["till".to_owned()]).unwrap().cert;
    std::fs::write(&file, certificate.pem()).unwrap();
    let bound = ["--certificate", file.to_str().unwrap(), "--json"];
    let digest: String = model::Digest::of(certificate.der()).0.iter().map(|byte| format!("{byte:02x}")).collect();
    for who in [&VENDOR[..], &SCANNER, &TILL, &TERMINAL] {
        let made = as_json(&keys(&data, &[who, &bound].concat()).good()).remove(0);
        assert_eq!(made["certificate"], digest.as_str());
        let shown = keys(&data, &["show", made["id"].as_str().unwrap()]).good();
        assert!(shown.contains(&format!("certificate  {digest}\n")), "{shown}");
    }
    std::fs::write(&file, "no certificate").unwrap();
    let said = keys(&data, &[&VENDOR[..], &bound].concat());
    assert!(said.code != 0 && said.err.contains("till.pem: expected certificates in PEM"), "{}", said.shown());
    assert_eq!(as_json(&keys(&data, &["list", "--json"]).good()).len(), 4, "nothing was made");
}

#[test]
fn what_cannot_be_is_refused_with_what_would_be_right() {
    let data = tempfile::tempdir().unwrap();
    let table: [&[&str]; 21] = [
        &["create", "--dialect", "boop", "--role", "requester"],
        &["create", "--dialect", "boop", "--role", "performer", "--group", "ven_1"],
        &["create", "--dialect", "boop", "--role", "requester", "--group", "ven_1", "--device", "pvs_1"],
        &["create", "--dialect", "boop", "--role", "requester", "--group", "ven_1", "--vendor-id", "ven_2"],
        &["create", "--dialect", "boop", "--role", "requester", "--group", "ven_1", "--no-websocket"],
        &["create", "--dialect", "boop", "--role", "requester", "--group", "ven_1", "--permission", "kind:payments"],
        &[
            "create",
            "--dialect",
            "boop",
            "--role",
            "performer",
            "--group",
            "ven_1",
            "--device",
            "pvs_1",
            "--permission",
            "x",
        ],
        &["create", "--role", "admin"],
        &["create", "--role", "requester", "--all-groups"],
        &["create", "--role", "admin", "--all-groups", "--group", "ven_1"],
        &["create", "--role", "admin", "--all-groups", "--permission", "everything"],
        &["create", "--dialect", "modulus", "--role", "requester"],
        &["create", "--dialect", "modulus", "--role", "requester", "--vendor-id", "ven_1"],
        &["create", "--dialect", "modulus", "--role", "requester", "--group", "shop", "--device", "lane-7"],
        &["create", "--dialect", "modulus", "--role", "requester", "--group", "shop", "--permission", "socket"],
        &[
            "create",
            "--dialect",
            "modulus",
            "--role",
            "requester",
            "--group",
            "shop",
            "--no-websocket",
            "--permission",
            "websocket",
        ],
        &["create", "--dialect", "modulus", "--role", "performer", "--group", "shop", "--no-websocket"],
        &["create", "--dialect", "modulus", "--role", "admin"],
        &["create", "--dialect", "fd1", "--role", "requester", "--group", "shop"],
        &["create", "--dialect", "boop", "--role", "requester", "--group", "ven_1", "--certificate", "no/such.pem"],
        &["create", "--dialect", "bop", "--role", "requester", "--group", "ven_1"],
    ];
    let mut story = String::new();
    for arguments in table {
        story += &format!("$ tillgate keys {}\n{}\n", arguments.join(" "), keys(data.path(), arguments).shown());
    }
    for when in ["2001-01-01T00:00:00Z", "soon"] {
        let said = keys(data.path(), &[&VENDOR[..], &["--expires", when]].concat());
        story += &format!("$ tillgate keys … --expires {when}\n{}\n", said.shown());
    }
    snapshot("keys_refused.txt", &story);
    assert_eq!(keys(data.path(), &["list", "--json"]).good(), "", "nothing was made");
}

#[test]
fn twenty_thousand_keys_are_made_in_seconds_and_all_differ() {
    let data = tempfile::tempdir().unwrap();
    let began = Instant::now();
    let made = keys(data.path(), &[&VENDOR[..], &["--count", "20000", "--json"]].concat()).good();
    let took = began.elapsed();
    let made = as_json(&made);
    assert_eq!(made.len(), 20_000);
    for field in ["id", "secret", "subject", "group"] {
        let all: BTreeSet<&str> = made.iter().map(|key| key[field].as_str().unwrap()).collect();
        assert_eq!(all.len(), 20_000, "{field}");
    }
    assert_eq!(made[0]["subject"], "ven_bakery-1");
    assert!(took < Duration::from_secs(20), "{took:?}");
    assert_eq!(as_json(&keys(data.path(), &["list", "--json"]).good()).len(), 20_000);
}

#[test]
fn secrets_that_nobody_could_read_are_a_failure() {
    let data = tempfile::tempdir().unwrap();
    let mut child = tillgate()
        .arg("keys")
        .args(VENDOR)
        .arg("--data")
        .arg(data.path())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("could not be written out"));
}

#[test]
fn a_folder_that_is_no_data_folder_is_not_made_by_looking() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("typo");
    let said = keys(&data, &["list"]);
    assert_eq!(said.code, 1, "{}", said.shown());
    assert!(!data.exists());
}

#[test]
fn members_are_put_shown_and_listed() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let data = data.to_str().unwrap();
    let members = r#"{"id":"usr_ida","groups":["ven_bakery"],"balance":{"minor":10000,"currency":"EUR"},
        "attributes":{"email":{"value":"ida@sample.test"},"age-verify":{"value":true,"attested":true,"sides":["left"]}},
        "palms":[{"template":"cGFsbQ==","side":"left"}]}
        {"id":"usr_bo"}"#;
    let mut story = String::new();
    let mut tell = |what: &str, said: common::Said| story += &format!("$ tillgate members {what}\n{}\n", said.shown());
    tell("put", common::feed(["members", "put", "--data", data], members));
    tell("show usr_ida", run(["members", "show", "usr_ida", "--data", data]));
    tell("list", run(["members", "list", "--data", data]));
    tell("show nobody", run(["members", "show", "nobody", "--data", data]));
    tell("put nothing", common::feed(["members", "put", "--data", data], ""));
    tell("put a typo", common::feed(["members", "put", "--data", data], r#"{"id":"usr_x","balanse":1}"#));
    tell(
        "put another with the same palm",
        common::feed(
            ["members", "put", "--data", data],
            r#"{"id":"usr_c","palms":[{"template":"cGFsbQ==","side":"left"}]}"#,
        ),
    );
    for (what, member) in [
        ("put a name that is a synonym", r#"{"id":"usr_f","attributes":{"age_verified":{"value":true}}}"#),
        ("put a palm that is none", r#"{"id":"usr_e","palms":[{"side":"left"}]}"#),
    ] {
        tell(what, common::feed(["members", "put", "--data", data], member));
    }
    tell(
        "put with less than nothing",
        common::feed(["members", "put", "--data", data], r#"{"id":"usr_d","balance":{"minor":-1,"currency":"EUR"}}"#),
    );
    snapshot("members.txt", &story);
}

#[test]
fn a_name_moves_no_cursor_and_turns_no_line_around() {
    let data = tempfile::tempdir().unwrap();
    let data = data.path();
    let name = "Till\u{202e}4\u{200b}";
    let id = as_json(&keys(data, &[&TILL[..], &["--name", name, "--json"]].concat()).good()).remove(0);
    assert_eq!(id["name"], name, "a program gets what is stored");
    for look in [&["list"][..], &["show", id["id"].as_str().unwrap()]] {
        let shown = keys(data, look).good();
        assert!(shown.contains(r"Till\u202e4\u200b") && !shown.contains('\u{202e}'), "{shown}");
    }
}
