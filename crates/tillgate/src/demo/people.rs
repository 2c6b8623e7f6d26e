//! Who is registered in the demo: somebody for every answer a vendor should know.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use model::{Attribute, Currency, Member, MemberId, Money, NetworkId, Side};
use store::Store;

use crate::keys::DEFAULT_NETWORK;
use crate::place;

/// Agreed to everything and can pay.
pub(super) const IDA: &str = "usr_ida";
/// Agreed to no vendor.
const BO: &str = "usr_bo";
/// Has hardly any money.
const CLEO: &str = "usr_cleo";

/// What people may read about them: the user, and what a vendor hears when that palm is shown.
pub(super) const ABOUT: [(&str, &str); 3] = [
    (IDA, "has email, age_verified, membership_status and 100,000.00 USD"),
    (BO, "did not agree to be known to this vendor: vendor-not-consented"),
    (CLEO, "has email and 5.00 USD: a payment of more fails"),
];

/// Registers them, or leaves their balances as they are when they are registered already.
pub(super) fn register(store: &mut impl Store) -> anyhow::Result<()> {
    let ida = [
        ("email", r#""ida@sample.test""#),
        ("phone", r#""+15550100""#),
        ("date-of-birth", r#""1994-02-28""#),
        ("postal-code", r#""04101""#),
        ("age-verify", "true"),
        ("identity-verified", "true"),
        ("membership-status", r#""gold""#),
        ("loyalty-tier", r#""silver""#),
        ("pseudonym", r#""harbour-seal""#),
    ];
    let email_of_cleo = [("email", r#""cleo@sample.test""#)];
    for member in [
        member(IDA, 10_000_000, &ida)?,
        Member { groups: Some(BTreeSet::new()), ..member(BO, 100_000, &[("email", r#""bo@sample.test""#)])? },
        member(CLEO, 500, &email_of_cleo)?,
    ] {
        store.put_member(&member).map_err(place::explain).with_context(|| format!("member {}", member.id))?;
    }
    Ok(())
}

/// A member whom a scanner may name instead of showing a palm; everything about them is vouched for.
fn member(id: &str, minor: i64, attributes: &[(&str, &str)]) -> anyhow::Result<Member> {
    let both = BTreeSet::from([Side::Left, Side::Right]);
    let attribute = |(name, json): &(&str, &str)| {
        (Box::from(*name), Attribute { json: Box::from(*json), attested: true, sides: both.clone() })
    };
    Ok(Member {
        id: MemberId::parse(id).context("a member's id")?,
        network: NetworkId::parse(DEFAULT_NETWORK).context("the network's name")?,
        groups: None,
        attributes: attributes.iter().map(attribute).collect::<BTreeMap<_, _>>(),
        balance: Money { minor, currency: Currency::USD },
        subjects: vec![(format!("user:{id}").into(), Side::Left)],
    })
}
