//! `tillgate keys`: the credentials in a data folder, also while a gateway runs on it.

mod change;
mod create;
mod mint;
mod print;
mod view;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use model::setting::parse_duration;
use model::{CredentialId, Dialect, Role, Wall};

use crate::place::{self, Place};

pub(crate) use create::for_operators;
use mint::mint;
pub(crate) use mint::{Holder, credential, fresh_secret, random_number};
pub(crate) use print::is_over;

const AFTER: &str = "\
A running gateway follows every change within a second: a revoked key's sessions are closed.
With --json every key is one JSON object on a line of its own.";

const AFTER_CREATE: &str = "\
boop: a requester is a vendor, whose id is its group: --vendor-id (or --group). A performer is a scanner of a vendor:
--device and --group (or --vendor-id). With --count N the keys are of N vendors or scanners, numbered -1 to -N.
Permissions of a vendor are kind:payment, kind:entrance, kind:membership, kind:age_verification and attribute:NAME. With
any of them, everything else is refused: a vendor that may take payments and see an email needs both.

modulus: a requester is a till, a performer the terminals of a group, or one of them with --device. Every key belongs to
somebody else, as two with the same key would displace each other. A till signs its HTTP calls with the api_secret; its
permissions are websocket and http. With --count N the keys are of one group, their names numbered.

admin: an operator's key for the API under /tillgate/v1 (docs/api.md). It sees one group, named with --dialect and --group,
or with --all-groups every one. Its permissions are operations:read, operations:cancel, devices:read, sessions:read,
sessions:close, keys:read, keys:write and events:read; without any it has all of them.

With --certificate the key works only on connections that show that client certificate; `client_ca` of section [tls] says
whose certificates are looked at.

A secret has 256 random bits and is shown this once. The store keeps its digest; a secret that signs is kept encrypted
under seal.key in the data folder. Without that file no key can be read: back it up, but not beside the data's backups.";

/// `tillgate keys`.
#[derive(Subcommand)]
#[command(after_help = AFTER)]
pub(crate) enum Command {
    /// Make keys and show their secrets, once
    #[command(after_help = AFTER_CREATE)]
    Create(Box<Create>),
    /// List keys, oldest first, without their secrets
    List(List),
    /// Show one key, without its secret
    Show(One),
    /// End keys now, and the sessions that logged in with them
    Revoke(Several),
    /// Make a new key for the same holder and end the old one after an overlap
    Rotate(Rotate),
}

#[derive(Args)]
pub(crate) struct Create {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    wish: Wish,
    /// The key works only with this client certificate: the first of the PEM file
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,
    /// When the key stops working: a time such as 2031-03-04T05:10:00Z, or a duration such as 90d
    #[arg(long, value_name = "WHEN", value_parser = parse_when)]
    expires: Option<Wall>,
    /// How many
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=COUNT_MOST))]
    count: u32,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

/// Whom a key is wanted for.
#[derive(Args)]
pub(crate) struct Wish {
    /// Which protocol: boop or modulus
    #[arg(long, required_unless_present = "all_groups")]
    dialect: Option<Dialect>,
    /// What the key lets its holder be: requester, performer or admin
    #[arg(long)]
    role: Role,
    /// The tenant scope: for boop the vendor's id
    #[arg(long, value_name = "G")]
    group: Option<String>,
    /// boop: the vendor's id
    #[arg(long, value_name = "ID")]
    vendor_id: Option<String>,
    /// The device the key is for; boop performers need one
    #[arg(long, value_name = "ID")]
    device: Option<String>,
    /// What groups share, such as registered users
    #[arg(long, value_name = "NAME", default_value = DEFAULT_NETWORK)]
    network: String,
    /// The name people read, such as a shop's
    #[arg(long)]
    name: Option<String>,
    /// Allow only this, in the dialect's words; may be given several times; without it everything
    #[arg(long = "permission", value_name = "WHAT")]
    permissions: Vec<String>,
    /// modulus: the key may not open sockets
    #[arg(long)]
    no_websocket: bool,
    /// admin: the key sees every group of every protocol
    #[arg(long, conflicts_with_all = ["dialect", "group", "vendor_id"])]
    all_groups: bool,
}

/// The network of everybody who names none.
pub(crate) const DEFAULT_NETWORK: &str = "default";
/// The most keys one command makes.
const COUNT_MOST: i64 = 1_000_000;

#[derive(Args)]
pub(crate) struct List {
    #[command(flatten)]
    place: Place,
    /// Only of this protocol
    #[arg(long)]
    dialect: Option<Dialect>,
    /// Only of this role
    #[arg(long)]
    role: Option<Role>,
    /// Only of this group
    #[arg(long, value_name = "G")]
    group: Option<String>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(crate) struct One {
    #[command(flatten)]
    place: Place,
    /// The key's id, as `keys list` shows it
    #[arg(value_parser = CredentialId::parse)]
    id: CredentialId,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(crate) struct Several {
    #[command(flatten)]
    place: Place,
    /// The keys' ids, as `keys list` shows them
    #[arg(required = true, value_parser = CredentialId::parse)]
    ids: Vec<CredentialId>,
}

#[derive(Args)]
pub(crate) struct Rotate {
    #[command(flatten)]
    place: Place,
    /// The old key's id, as `keys list` shows it
    #[arg(value_parser = CredentialId::parse)]
    id: CredentialId,
    /// How long the old key still works beside the new one
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = parse_span)]
    overlap: Duration,
    /// The new key works only with this client certificate; without it with the old one's, where that had one
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,
    /// When the new key stops working: a time or a duration; without it never
    #[arg(long, value_name = "WHEN", value_parser = parse_when)]
    expires: Option<Wall>,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Create(create) => create::run(&create),
        Command::List(list) => view::list(&list),
        Command::Show(one) => view::show(&one),
        Command::Revoke(several) => change::revoke(&several),
        Command::Rotate(rotate) => change::rotate(&rotate),
    }
}

fn parse_span(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "expected a duration such as 30s, 5m, 1h or 7d".to_owned())
}

fn parse_when(text: &str) -> Result<Wall, String> {
    let now = place::now();
    let when = Wall::parse(text).or_else(|| parse_duration(text).map(|span| now.after(span)));
    match when {
        Some(when) if when > now => Ok(when),
        Some(_) => Err("expected a time that is still to come".to_owned()),
        None => Err("expected a time such as 2031-03-04T05:10:00Z or a duration such as 90d".to_owned()),
    }
}
