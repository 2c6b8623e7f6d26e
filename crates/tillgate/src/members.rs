//! `tillgate members`: the registered members of a network, as JSON.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use anyhow::{Context, bail, ensure};
use clap::{Args, Subcommand};
use model::{Attribute, Currency, Dialect, Digest, GroupId, Member, MemberId, Money, NetworkId, Side};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use store::{Inspect, Store};

use crate::keys::DEFAULT_NETWORK;
use crate::place::{self, Place};
use crate::talk;

const AFTER: &str = r#"A member is one JSON object:

  {"id": "usr_ida",
   "network": "default",
   "groups": ["ven_bakery"],
   "balance": {"minor": 10000, "currency": "USD"},
   "attributes": {"email": {"value": "ida@sample.test"},
                  "age-verify": {"value": true, "attested": true, "sides": ["left"]}},
   "palms": [{"template": "cGFsbQ==", "side": "left"}]}

id          stays the same on every visit; everything else may be left out
network     where the member is registered: "default"
groups      the groups the member agreed to be known to; left out: every group of the network
balance     what there is to spend, in the currency's smallest unit; counts only when the member is new
attributes  what is known, by the registry's names: any JSON value, whether somebody trustworthy vouched for it
            ("attested", false), and with which palms it may be given out ("sides", both)
palms       what the member is recognised by: a template exactly as scanners send it, or the "subject" that `show`
            prints in its place, because only a template's digest is kept"#;

/// `tillgate members`.
#[derive(Subcommand)]
#[command(after_help = AFTER)]
pub(crate) enum Command {
    /// Add members, or replace what is known of them except their balance: JSON objects on stdin
    #[command(after_help = AFTER)]
    Put(Place),
    /// Print one member as JSON, with the balance of now
    Show(Show),
    /// List members with what they had, spent and have, one JSON object a line
    List(Place),
}

#[derive(Args)]
pub(crate) struct Show {
    #[command(flatten)]
    place: Place,
    /// The member's id
    #[arg(value_parser = MemberId::parse)]
    id: MemberId,
    /// Where the member is registered
    #[arg(long, value_name = "NAME", default_value = DEFAULT_NETWORK, value_parser = NetworkId::parse)]
    network: NetworkId,
}

pub(crate) fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Put(place) => put(&place),
        Command::Show(show_one) => show(&show_one),
        Command::List(place) => list(&place),
    }
}

fn put(place: &Place) -> anyhow::Result<()> {
    let mut members = Vec::new();
    for (index, written) in serde_json::Deserializer::from_reader(io::stdin().lock()).into_iter::<Form>().enumerate() {
        let number = index + 1;
        let written = written.with_context(|| format!("member {number} on stdin"))?;
        members.push(written.into_member().with_context(|| format!("member {number} on stdin"))?);
    }
    ensure!(!members.is_empty(), "no member on stdin; `tillgate members put --help` shows how one is written");
    let configuration = place.configuration()?;
    for member in &members {
        use_registry_names(member, &configuration.dialects.boop.attribute_synonyms)
            .with_context(|| format!("member {}", member.id))?;
    }
    let mut store = place::attach_or_make(&configuration)?;
    for member in &members {
        store.put_member(member).map_err(place::explain).with_context(|| format!("member {}", member.id))?;
        talk::data(&member.id)?;
    }
    Ok(())
}

/// Refuses an attribute under a name that vendors may ask with, but that is looked up under another.
fn use_registry_names(member: &Member, synonyms: &[String]) -> anyhow::Result<()> {
    let fold = |name: &str| name.trim().replace('_', "-");
    for (asked, registry) in synonyms.iter().filter_map(|pair| pair.split_once('=')) {
        if let Some(name) = member.attributes.keys().find(|name| fold(name) == fold(asked)) {
            bail!("attribute {name:?}: expected {:?}, the registry's name of it", fold(registry));
        }
    }
    Ok(())
}

fn show(show: &Show) -> anyhow::Result<()> {
    let store = place::attach(&show.place.configuration()?)?;
    let member = store.member(&show.network, &show.id).map_err(place::explain)?;
    let member = member.with_context(|| format!("network {} has no member {}", show.network, show.id))?;
    Ok(talk::data(serde_json::to_string_pretty(&Form::of(&member)?)?)?)
}

fn list(place: &Place) -> anyhow::Result<()> {
    let store = place::attach(&place.configuration()?)?;
    let accounts = store.accounts().map_err(place::explain)?;
    let lines = accounts.iter().map(|account| {
        serde_json::json!({
            "id": account.member.as_str(),
            "network": account.network.as_str(),
            "currency": account.balance.currency.as_str(),
            "opening": account.opening.minor,
            "debited": account.debited,
            "debits": account.debits,
            "balance": account.balance.minor,
        })
    });
    Ok(talk::lines(lines)?)
}

/// A member as people write it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    id: String,
    #[serde(default = "default_network")]
    network: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    groups: Option<BTreeSet<String>>,
    #[serde(default)]
    balance: MoneyForm,
    #[serde(default)]
    attributes: BTreeMap<String, AttributeForm>,
    #[serde(default)]
    palms: Vec<PalmForm>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MoneyForm {
    minor: i64,
    currency: String,
}

impl Default for MoneyForm {
    fn default() -> Self {
        Self { minor: 0, currency: Currency::USD.as_str().to_owned() }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AttributeForm {
    value: Box<RawValue>,
    #[serde(default)]
    attested: bool,
    #[serde(default = "both_sides")]
    sides: Vec<SideForm>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PalmForm {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    template: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    side: SideForm,
}

impl PalmForm {
    fn into_subject(self) -> anyhow::Result<(Box<str>, Side)> {
        let subject = match (self.template, self.subject) {
            (Some(template), None) if !template.is_empty() => of_template(&template),
            (None, Some(subject)) if !subject.is_empty() => subject.into(),
            (Some(_) | None, _) => bail!("palms: expected either a template or a subject"),
        };
        Ok((subject, self.side.into()))
    }
}

/// What BOOP looks a palm up by: the digest of its template's text.
fn of_template(template: &str) -> Box<str> {
    let Digest(digest) = Digest::of(template.as_bytes());
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("template:{digest}").into()
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum SideForm {
    Left,
    Right,
}

impl From<SideForm> for Side {
    fn from(side: SideForm) -> Self {
        match side {
            SideForm::Left => Self::Left,
            SideForm::Right => Self::Right,
        }
    }
}

impl From<Side> for SideForm {
    fn from(side: Side) -> Self {
        match side {
            Side::Left => Self::Left,
            Side::Right => Self::Right,
        }
    }
}

fn default_network() -> String {
    DEFAULT_NETWORK.to_owned()
}

fn both_sides() -> Vec<SideForm> {
    vec![SideForm::Left, SideForm::Right]
}

impl Form {
    fn into_member(self) -> anyhow::Result<Member> {
        let group = |name: &String| GroupId::of(Dialect::Boop, name).with_context(|| format!("group {name:?}"));
        let groups = self.groups.map(|names| names.iter().map(group).collect::<anyhow::Result<_>>()).transpose()?;
        let attribute = |(name, form): (String, AttributeForm)| {
            let json = form.value.get().into();
            let sides = form.sides.into_iter().map(Side::from).collect();
            (name.into_boxed_str(), Attribute { json, attested: form.attested, sides })
        };
        ensure!(self.balance.minor >= 0, "balance: expected 0 or more");
        Ok(Member {
            id: MemberId::parse(&self.id).context("id")?,
            network: NetworkId::parse(&self.network).context("network")?,
            groups,
            attributes: self.attributes.into_iter().map(attribute).collect(),
            balance: Money {
                minor: self.balance.minor,
                currency: Currency::parse(&self.balance.currency).context("balance: currency")?,
            },
            subjects: self.palms.into_iter().map(PalmForm::into_subject).collect::<anyhow::Result<_>>()?,
        })
    }

    fn of(member: &Member) -> anyhow::Result<Self> {
        let attribute = |name: &str, attribute: &Attribute| {
            let value = RawValue::from_string(attribute.json.to_string()).context("an attribute that is no JSON")?;
            let sides = attribute.sides.iter().copied().map(SideForm::from).collect();
            Ok((name.to_owned(), AttributeForm { value, attested: attribute.attested, sides }))
        };
        let palm = |(subject, side): &(Box<str>, Side)| PalmForm {
            template: None,
            subject: Some(subject.to_string()),
            side: (*side).into(),
        };
        Ok(Self {
            id: member.id.to_string(),
            network: member.network.to_string(),
            groups: member.groups.as_ref().map(|groups| groups.iter().map(|group| group.name().to_owned()).collect()),
            balance: MoneyForm { minor: member.balance.minor, currency: member.balance.currency.as_str().to_owned() },
            attributes: member
                .attributes
                .iter()
                .map(|(name, known)| attribute(name, known))
                .collect::<anyhow::Result<_>>()?,
            palms: member.subjects.iter().map(palm).collect(),
        })
    }
}
