//! What a demo says about itself: to people on stdout, to programs in the ready file.

use std::path::Path;
use std::{fs, io};

use anyhow::Context;
use serde::Serialize;

use super::people::{ABOUT, IDA};
use super::secrets::{FREE_SCANNER, GROUP, Keys, SIMULATED_SCANNER, TERMINAL, VENDOR, write_whole};

/// Where everything is.
pub(super) struct Places<'a> {
    pub(super) base: &'a str,
    pub(super) data: &'a Path,
    /// What becomes of the data when the demo ends.
    pub(super) fate: &'static str,
}

impl Places<'_> {
    fn socket(&self, path: &str) -> String {
        format!("ws{}{path}", self.base.strip_prefix("http").unwrap_or(self.base))
    }

    pub(super) fn vendor_url(&self) -> String {
        self.socket("/ws/vendor")
    }

    pub(super) fn scanner_url(&self) -> String {
        self.socket("/ws/pvs")
    }

    pub(super) fn modulus_url(&self) -> String {
        self.socket("/v1")
    }

    fn modulus_http(&self) -> String {
        format!("{}/v1", self.base)
    }
}

#[derive(Serialize)]
struct Ready<'a> {
    base: &'a str,
    admin: Admin<'a>,
    modulus: Modulus<'a>,
    boop: Boop<'a>,
}

#[derive(Serialize)]
struct Admin<'a> {
    token: &'a str,
}

#[derive(Serialize)]
struct Modulus<'a> {
    url: String,
    http: String,
    api_key: &'a str,
    api_secret: &'a str,
    group_id: &'a str,
    terminal_id: &'a str,
    terminal_api_key: &'a str,
}

#[derive(Serialize)]
struct Boop<'a> {
    url: String,
    vendor_id: &'a str,
    api_key: &'a str,
    scanner_url: String,
    scanner_id: &'a str,
    scanner_key: &'a str,
    test_user_id: &'a str,
}

/// Writes the ready file, whole or not at all. It holds keys, so it is its owner's only.
pub(super) fn write_ready_file(file: &Path, places: &Places<'_>, keys: &Keys) -> anyhow::Result<()> {
    let ready = Ready {
        base: places.base,
        admin: Admin { token: keys.operator.reveal() },
        modulus: Modulus {
            url: places.modulus_url(),
            http: places.modulus_http(),
            api_key: keys.till.reveal(),
            api_secret: keys.till_secret.reveal(),
            group_id: GROUP,
            terminal_id: TERMINAL,
            terminal_api_key: keys.terminals.reveal(),
        },
        boop: Boop {
            url: places.vendor_url(),
            vendor_id: VENDOR,
            api_key: keys.vendor.reveal(),
            scanner_url: places.scanner_url(),
            scanner_id: FREE_SCANNER,
            scanner_key: keys.free_scanner.reveal(),
            test_user_id: IDA,
        },
    };
    write_whole(file, &serde_json::to_vec_pretty(&ready)?, 0o600)
}

/// Removes the ready file of an earlier demo: whoever waits for it must not find the old one.
pub(super) fn remove_ready_file(file: &Path) -> anyhow::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove the old {}", file.display()))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// What people read: the keys, who is registered, and lines to paste.
pub(super) fn introduction(places: &Places<'_>, keys: &Keys, without_devices: bool) -> String {
    format!(
        "Tillgate demo at {base}\ndata in {data}, {fate}\n\n{modulus}\n\n{boop}\n\n{operators}\n\nCtrl-C ends it.",
        base = places.base,
        data = places.data.display(),
        fate = places.fate,
        modulus = modulus(places, keys, without_devices),
        boop = boop(places, keys, without_devices),
        operators = operators(places, keys),
    )
}

fn operators(places: &Places<'_>, keys: &Keys) -> String {
    format!(
        "Operators      {base}/tillgate/v1\n  token        {token}\n\nSee what happens, and what has happened:\n\n  \
         curl -sN -H 'Authorization: Bearer {token}' {base}/tillgate/v1/events\n  \
         curl -s -H 'Authorization: Bearer {token}' {base}/tillgate/v1/operations",
        base = places.base,
        token = keys.operator.reveal(),
    )
}

fn modulus(places: &Places<'_>, keys: &Keys, without_devices: bool) -> String {
    let (url, http) = (places.modulus_url(), places.modulus_http());
    let (key, secret, terminals) = (keys.till.reveal(), keys.till_secret.reveal(), keys.terminals.reveal());
    // Not the simulated one: two of a name displace each other.
    let yours = if without_devices { TERMINAL } else { "TERM-002" };
    let terminal = if without_devices {
        format!("No terminal is simulated: be {TERMINAL} yourself, see below.")
    } else {
        format!(
            "A simulated terminal, {TERMINAL}, does what the cents of an amount say: 25.00 is paid, 25.05 declined, \
             25.10\ncancelled; `tillgate simulate terminal --help` lists all of them."
        )
    };
    format!(
        r#"Modulus till   {url}, {http}
  api_key      {key}
  api_secret   {secret}
  group_id     {GROUP}
Modulus terminals
  api_key      {terminals}

{terminal}

Be the till with any WebSocket client, and paste a line (another transactionId each time):

  websocat -H='x-api-key: {key}' {url}
  {{"action":"payment","terminalId":"{TERMINAL}","paymentRequest":{{"transactionId":"K-118","amount":"25.00","currency":"PHP","paymentMethod":"CARD"}}}}

Or with signed calls:

  export TILLGATE_KEY={key} TILLGATE_SECRET={secret}
  tillgate sign --curl GET /v1/terminals --url {base} | curl -sK -
  tillgate pay --url {http} --terminal {TERMINAL} --amount 25.00 --currency PHP

Be a terminal, and approve or decline what is asked of it:

  TILLGATE_KEY={terminals} tillgate simulate terminal --url {url} --device {yours} --interactive"#,
        base = places.base,
    )
}

fn boop(places: &Places<'_>, keys: &Keys, without_devices: bool) -> String {
    let (vendor_url, scanner_url) = (places.vendor_url(), places.scanner_url());
    let (vendor_key, scanner_key) = (keys.vendor.reveal(), keys.free_scanner.reveal());
    let mut people = String::new();
    for (user, about) in ABOUT {
        people += &format!("  {user:<10} {about}\n");
    }
    let scanner = if without_devices {
        "No scanner is simulated: a context waits for yours until it expires.".to_owned()
    } else {
        format!(
            "A simulated scanner, {SIMULATED_SCANNER}, shows the palm of {IDA} to every context after half a second."
        )
    };
    format!(
        r#"BOOP vendor    {vendor_url}
  vendor_id    {VENDOR}
  api_key      {vendor_key}
BOOP scanner   {scanner_url}
  device_id    {FREE_SCANNER}
  device_key   {scanner_key}
Registered users
{people}
{scanner}

Be the vendor with any WebSocket client, and paste two lines (another context_id each time):

  websocat {vendor_url}
  {{"type":"authenticate","vendor_id":"{VENDOR}","api_key":"{vendor_key}"}}
  {{"type":"create_context","context_id":"till-1","requirements":{{"type":"payment","amount":2500,"attributes":["email"]}}}}

Or with the login and the heartbeat done for you:

  TILLGATE_KEY={vendor_key} tillgate connect boop --url {vendor_url} --vendor {VENDOR}
  {{"type":"create_context","context_id":"till-2","requirements":{{"type":"entrance","attributes":["age_verified"]}}}}

Be a scanner, and answer a context that opens:

  TILLGATE_KEY={scanner_key} tillgate connect boop --url {scanner_url} --device {FREE_SCANNER}
  {{"type":"scan_result","context_id":"till-3","outcome":"captured","test_user_id":"{IDA}","palm_side":"left","quality":93}}"#
    )
}
