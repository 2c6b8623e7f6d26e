//! Tables: one context, one palm, one member, and what comes of it.

use std::collections::BTreeSet;

use model::{Currency, GroupId, MemberId, Money, NetworkId, OperationId, RequestKey};

use super::*;
use crate::boop::choices::Choices;
use crate::boop::wire::scanner::{of_template, of_test_user};
use crate::boop::wire::vendor::create_context;

const TODAY: &str = "2031-03-04T05:10:00Z";

fn context(requirements: &str, choices: &Choices) -> Opaque {
    let text = format!(r#"{{"context_id":"a","requirements":{requirements}}}"#);
    create_context(&text, choices).expect("the test's context can be read").2.bytes()
}

fn question(requirements: &str, evidence: &Evidence) -> Question {
    Question {
        operation: OperationId::from_number(0xab),
        key: RequestKey::parse("a").unwrap(),
        network: NetworkId::parse("main").unwrap(),
        group: GroupId::parse("bakery").unwrap(),
        request: context(requirements, &Choices::default()),
        memo: Opaque::new(),
        evidence: evidence.bytes(),
        attempt: 1,
        wall: Wall::parse(TODAY).unwrap(),
    }
}

fn ida_shows(side: Side) -> Evidence {
    Evidence::new(Some(of_test_user("usr_8tk2")), Some(side))
}

fn attribute(json: &str, attested: bool, sides: &[Side]) -> Attribute {
    Attribute { json: json.into(), attested, sides: sides.iter().copied().collect() }
}

fn ida() -> Member {
    let both = [Side::Left, Side::Right];
    Member {
        id: MemberId::parse("usr_8tk2").unwrap(),
        network: NetworkId::parse("main").unwrap(),
        groups: Some([GroupId::parse("bakery").unwrap()].into()),
        attributes: [
            ("email".into(), attribute("\"ida@sample.test\"", false, &both)),
            ("age-verify".into(), attribute("true", true, &both)),
            ("loyalty-tier".into(), attribute("\"gold\"", false, &[Side::Left])),
            ("vip".into(), attribute("{\"since\": 2029}", false, &both)),
        ]
        .into(),
        balance: Money { minor: 2_500, currency: Currency::USD },
        subjects: vec![(of_test_user("usr_8tk2"), Side::Left), (of_template("cGFsbQ=="), Side::Right)],
    }
}

fn decided(question: &Question, member: &Member) -> String {
    let decision = decide(question, Some(member));
    let paid = decision.debit.map(|debit| format!(" and pays {}", debit.money.minor)).unwrap_or_default();
    match decision.settled {
        Settled::Outcome(Outcome::Completed { body }) => {
            let granted = Granted::read(&body).unwrap();
            let id = granted.transaction_id.map(|id| format!(" {id}")).unwrap_or_default();
            format!("{} {}{id}{paid}", granted.user_id, granted.attributes)
        }
        Settled::Outcome(Outcome::Declined { body }) => {
            let refused = Refused::read(&body);
            let finding = refused.finding().map(|finding| format!(" {}", finding.name())).unwrap_or_default();
            let missing = if refused.missing.is_empty() { String::new() } else { format!(" {:?}", refused.missing) };
            let unpaid = if refused.payment_failed { " unpaid" } else { "" };
            format!("no {}{finding}{missing}{unpaid}{paid}", refused.code().name())
        }
        other => format!("{other:?}{paid}"),
    }
}

#[test]
fn only_what_was_asked_for_is_told_under_the_name_it_was_asked_with() {
    for (requirements, told) in [
        (r#"{"type":"entrance"}"#, "usr_8tk2 {}"),
        (r#"{"type":"membership","attributes":["email"]}"#, r#"usr_8tk2 {"email":"ida@sample.test"}"#),
        (
            r#"{"type":"entrance","attributes":["age_verified","vip"]}"#,
            r#"usr_8tk2 {"age_verified":true,"vip":{"since": 2029}}"#,
        ),
        (r#"{"type":"entrance","attributes":["age-verify"]}"#, r#"usr_8tk2 {"age-verify":true}"#),
        (
            r#"{"type":"entrance","attributes_optional":["loyalty_tier","shoe_size"]}"#,
            r#"usr_8tk2 {"loyalty_tier":"gold"}"#,
        ),
    ] {
        assert_eq!(decided(&question(requirements, &ida_shows(Side::Left)), &ida()), told, "{requirements}");
    }
}

#[test]
fn what_is_missing_is_named() {
    let missing = "no AUTH_FAILED user-missing-attributes";
    for (requirements, side, names) in [
        (r#"{"type":"entrance","attributes":["email","shoe_size","hat"]}"#, Side::Left, r#"["shoe_size", "hat"]"#),
        (r#"{"type":"entrance","attributes":["loyalty_tier"]}"#, Side::Right, r#"["loyalty_tier"]"#),
        (r#"{"type":"payment","amount":1,"attributes":["hat"]}"#, Side::Left, r#"["hat"]"#),
    ] {
        let told = decided(&question(requirements, &ida_shows(side)), &ida());
        assert_eq!(told, format!("{missing} {names}"), "{requirements}");
    }
}

#[test]
fn a_payment_takes_the_money_once_and_names_the_operation() {
    let pays = |requirements: &str, member: &Member| decided(&question(requirements, &ida_shows(Side::Left)), member);
    assert_eq!(pays(r#"{"type":"payment","amount":2500}"#, &ida()), "usr_8tk2 {} txn_ab and pays 2500");
    assert_eq!(pays(r#"{"type":"entrance","amount":2500}"#, &ida()), "usr_8tk2 {}");
    let unpaid = "no AUTH_FAILED unpaid";
    assert_eq!(pays(r#"{"type":"payment","amount":2501}"#, &ida()), unpaid);
    assert_eq!(pays(r#"{"type":"payment","amount":9007199254740991}"#, &ida()), unpaid);
    assert_eq!(pays(r#"{"type":"payment","amount":1,"currency":"EUR"}"#, &ida()), unpaid);
}

#[test]
fn a_vendor_the_member_did_not_agree_to_hears_nothing_of_them() {
    let ask = question(r#"{"type":"payment","amount":9000,"attributes":["hat"]}"#, &ida_shows(Side::Left));
    let refused = "no VENDOR_PERMISSION_DENIED vendor-not-consented";
    let other = Member { groups: Some([GroupId::parse("museum").unwrap()].into()), ..ida() };
    assert_eq!(decided(&ask, &other), refused);
    let nobody = Member { groups: Some(BTreeSet::new()), ..ida() };
    assert_eq!(decided(&ask, &nobody), refused);
    let everybody = Member { groups: None, ..ida() };
    let ask = question(r#"{"type":"entrance"}"#, &ida_shows(Side::Left));
    assert_eq!(decided(&ask, &everybody), "usr_8tk2 {}");
}

#[test]
fn an_age_must_be_vouched_for() {
    let asks = |years: u32, member: &Member| {
        let requirements = format!(r#"{{"type":"entrance","minimum_age":{years}}}"#);
        decided(&question(&requirements, &ida_shows(Side::Left)), member)
    };
    let missing = r#"no AUTH_FAILED user-missing-attributes ["age_verified"]"#;
    assert_eq!(asks(18, &ida()), "usr_8tk2 {}");
    assert_eq!(asks(21, &ida()), missing, "`age-verify` proves adulthood, not more");
    let with = |name: &str, json: &str, attested: bool| {
        let mut member = ida();
        member.attributes.remove("age-verify");
        member.attributes.insert(name.into(), attribute(json, attested, &[Side::Left]));
        member
    };
    assert_eq!(asks(18, &with("age-verify", "true", false)), missing);
    assert_eq!(asks(18, &with("age-verify", "false", true)), missing);
    assert_eq!(asks(21, &with("date_of_birth", "\"2010-03-04\"", true)), "usr_8tk2 {}", "21 today");
    assert_eq!(asks(21, &with("date-of-birth", "\"2010-03-05\"", true)), missing, "21 tomorrow");
    assert_eq!(asks(21, &with("date_of_birth", "\"2000-01-01\"", false)), missing);
    assert_eq!(asks(21, &with("date_of_birth", "\"long ago\"", true)), missing);
}

#[test]
fn the_age_is_missing_under_the_name_it_was_asked_with_and_once() {
    let requirements = r#"{"type":"entrance","require_age_verification":true,"attributes":["age-verified","hat"]}"#;
    let mut member = ida();
    member.attributes.remove("age-verify");
    let told = decided(&question(requirements, &ida_shows(Side::Left)), &member);
    assert_eq!(told, r#"no AUTH_FAILED user-missing-attributes ["age-verified", "hat"]"#);
}

#[test]
fn a_template_was_registered_as_one_palm_whatever_the_scanner_thinks() {
    let tier = r#"{"type":"entrance","attributes_optional":["loyalty_tier"]}"#;
    let right = Evidence::new(Some(of_template("cGFsbQ==")), Some(Side::Left));
    assert_eq!(decided(&question(tier, &right), &ida()), "usr_8tk2 {}");
    let unsaid = Evidence::new(Some(of_test_user("usr_8tk2")), None);
    assert_eq!(decided(&question(tier, &unsaid), &ida()), r#"usr_8tk2 {"loyalty_tier":"gold"}"#);
}

#[test]
fn a_palm_nobody_registered_fails_at_once_or_at_the_last_attempt() {
    let mut ask = question(r#"{"type":"entrance"}"#, &Evidence::new(None, Some(Side::Left)));
    assert_eq!(subject(&ask), None);
    let outcome = |ask: &Question| decide(ask, None).settled;
    let Settled::Outcome(Outcome::Declined { body }) = outcome(&ask) else { panic!() };
    assert_eq!(Refused::read(&body), Refused::found(Finding::UserNotFound));

    let choices = Choices { scan_attempts: 3, ..Choices::default() };
    ask.request = context(r#"{"type":"entrance"}"#, &choices);
    for attempt in [1, 2] {
        ask.attempt = attempt;
        let Settled::Again { note } = outcome(&ask) else { panic!() };
        assert_eq!(Note::read(&note), Some(Code::AuthFailed));
    }
    ask.attempt = 3;
    let Settled::Outcome(Outcome::Declined { body }) = outcome(&ask) else { panic!() };
    assert_eq!((Refused::read(&body).code(), Refused::read(&body).finding()), (Code::AuthFailed, None));
}

#[test]
fn members_are_looked_up_by_what_the_scanner_found() {
    let ask = |subject| question(r#"{"type":"entrance"}"#, &Evidence::new(Some(subject), None));
    assert_eq!(subject(&ask(of_test_user("usr_8tk2"))).as_deref(), Some("user:usr_8tk2"));
    let template = subject(&ask(of_template("cGFsbQ=="))).unwrap();
    assert_eq!(template.len(), "template:".len() + 64);
}

#[test]
fn what_cannot_be_read_fails_and_nobody_pays() {
    let mut ask = question(r#"{"type":"payment","amount":1}"#, &ida_shows(Side::Left));
    ask.evidence = Opaque::from_static(b"{\"v\":2}");
    let decision = decide(&ask, Some(&ida()));
    assert_eq!(decision.debit, None);
    assert!(matches!(decision.settled, Settled::Outcome(Outcome::Failed { cause: FailCause::Service, .. })));
}
