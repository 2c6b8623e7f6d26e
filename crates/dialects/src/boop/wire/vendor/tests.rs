//! Tables of what vendors send, and of what they hear.

use model::Certainty;

use super::*;
use crate::boop::wire::Fault;

fn create(requirements: &str) -> Result<Context, String> {
    let text = format!(r#"{{"type":"create_context","context_id":"a","requirements":{requirements}}}"#);
    match create_context(&text, &Choices::default()) {
        Ok((id, Form::Primary, context)) => {
            assert_eq!(id.as_str(), "a");
            Ok(context)
        }
        Err(wrong) => {
            assert_eq!(wrong.context_id.as_ref().map(RequestKey::as_str), Some("a"), "{requirements}");
            assert_eq!(wrong.fault, Fault::Content);
            Err(wrong.text.into_owned())
        }
    }
}

fn asked(wanted: &[Wanted]) -> Vec<&str> {
    wanted.iter().map(|wanted| &*wanted.asked).collect()
}

#[test]
fn a_payment_is_read() {
    let context = create(r#"{"type":"payment","amount":1875,"attributes":["email"],"note":{"any":1}}"#).unwrap();
    assert_eq!(context.kind, Kind::Payment);
    let money = context.money().unwrap();
    assert_eq!((money.minor, money.currency), (1875, Currency::USD));
    assert_eq!(asked(&context.required), ["email"]);
    assert_eq!((context.terminal(), context.min_age), (None, None));
    let euro = create(r#"{"type":"payment","amount":9007199254740991,"currency":"EUR"}"#).unwrap();
    assert_eq!(euro.money().unwrap().minor, 9_007_199_254_740_991);
    assert_eq!(euro.money().unwrap().currency.as_str(), "EUR");
}

#[test]
fn an_amount_that_is_no_whole_number_is_refused() {
    for amount in ["0", "-1", "-0", "25.5", "25.0", "1e3", "\"2500\"", "null", "true", "[1]", "9007199254740992"] {
        let told = create(&format!(r#"{{"type":"payment","amount":{amount}}}"#)).unwrap_err();
        assert!(told.contains("requirements.amount"), "{amount}: {told}");
        assert!(create(&format!(r#"{{"type":"entrance","amount":{amount}}}"#)).is_ok(), "{amount}");
    }
    assert!(create(r#"{"type":"payment"}"#).unwrap_err().contains("requirements.amount"));
}

#[test]
fn the_keys_of_the_other_form_are_understood_too() {
    let context = create(
        r#"{"type":"entrance","attributes":["email","email"],"attributes_required":["phone","email"],
            "attributes_optional":["phone","tier"],"require_age_verification":true,"minimum_age":21,
            "terminal_id":"gate 4"}"#,
    )
    .unwrap();
    assert_eq!(asked(&context.required), ["email", "phone"]);
    assert_eq!(asked(&context.optional), ["tier"]);
    assert_eq!(context.min_age, Some(21));
    assert_eq!(context.terminal().unwrap().as_str(), "gate 4");
}

#[test]
fn an_age_is_wanted_when_somebody_says_so() {
    let age = |keys: &str| create(&format!(r#"{{"type":"entrance"{keys}}}"#)).map(|context| context.min_age);
    assert_eq!(age(""), Ok(None));
    assert_eq!(age(r#","require_age_verification":true"#), Ok(Some(18)));
    assert_eq!(age(r#","minimum_age":16"#), Ok(Some(16)));
    assert_eq!(age(r#","require_age_verification":false,"minimum_age":16"#), Ok(None));
    for bad in [r#","minimum_age":0"#, r#","minimum_age":"18""#, r#","require_age_verification":"yes""#] {
        assert!(age(bad).is_err(), "{bad}");
    }
}

#[test]
fn requirements_that_cannot_be_right_are_refused() {
    for requirements in [
        r#"{"type":"haircut"}"#,
        r#"{"type":"age_verification"}"#,
        r#"{"type":7}"#,
        r#"{"amount":2500}"#,
        r#"[]"#,
        r#"["payment",2500]"#,
        r#""payment""#,
        r#"{"type":"entrance","type":"payment"}"#,
        r#"{"type":"entrance","attributes":"email"}"#,
        r#"{"type":"entrance","attributes":[7]}"#,
        r#"{"type":"entrance","attributes":[""]}"#,
        r#"{"type":"entrance","terminal_id":7}"#,
        r#"{"type":"entrance","terminal_id":""}"#,
        r#"{"type":"payment","amount":1,"currency":"usd"}"#,
    ] {
        assert!(create(requirements).is_err(), "{requirements}");
    }
    let long = "x".repeat(129);
    assert!(create(&format!(r#"{{"type":"entrance","attributes":["{long}"]}}"#)).is_err());
    let many: Vec<String> = (0..65).map(|n| format!("\"a{n}\"")).collect();
    let told = create(&format!(r#"{{"type":"entrance","attributes":[{}]}}"#, many.join(","))).unwrap_err();
    assert_eq!(told, "expected at most 64 attributes");
}

#[test]
fn the_message_alone_says_which_form_a_context_has() {
    let choices = Choices::default();
    for (keys, told) in [
        (r#""context_type":"access","attributes":[]"#, "not spoken here yet"),
        (r#""context_type":"access","requirements":{"type":"entrance"}"#, "not both"),
        (r#""metadata":{}"#, "an object requirements"),
        (r#""requirements":null"#, "an object requirements"),
        (r#""requirements":{"type":"entrance"},"requirements":{"type":"entrance"}"#, "every key once"),
    ] {
        let text = format!(r#"{{"type":"create_context","context_id":"a",{keys}}}"#);
        let wrong = create_context(&text, &choices).unwrap_err();
        assert!(wrong.text.contains(told), "{keys}: {}", wrong.text);
        assert_eq!(wrong.context_id.unwrap().as_str(), "a");
    }
}

#[test]
fn a_context_id_has_bounds_and_is_not_echoed_beyond_them() {
    let choices = Choices::default();
    let long = format!("\"{}\"", "x".repeat(10_000));
    for id in [long.as_str(), "\"\"", "7", "null", "\"a\\nb\"", "[\"a\"]"] {
        let text = format!(r#"{{"type":"create_context","context_id":{id},"requirements":{{"type":"entrance"}}}}"#);
        let wrong = create_context(&text, &choices).unwrap_err();
        assert_eq!(wrong.context_id, None, "{id}");
        assert!(wrong.text.len() < 100);
    }
    let text = r#"{"type":"create_context","requirements":{"type":"entrance"}}"#;
    assert!(create_context(text, &choices).is_err());
    assert!(cancel_context(r#"{"type":"cancel_context"}"#).is_err());
    assert_eq!(cancel_context(r#"{"context_id":"b"}"#).unwrap().as_str(), "b");
}

#[test]
fn a_login_needs_both_halves_and_tells_nothing_back() {
    let (vendor, key) = authenticate(r#"{"vendor_id":"ven_1","api_key":"sk_1","extra":1}"#).unwrap();
    assert_eq!((&*vendor, key.reveal()), ("ven_1", "sk_1"));
    for text in [
        r#"{"vendor_id":"ven_1"}"#,
        r#"{"api_key":"sk_secret"}"#,
        r#"{"vendor_id":7,"api_key":"sk_secret"}"#,
        r#"{"vendor_id":"","api_key":"sk_secret"}"#,
        r#"{"vendor_id":"ven_1","api_key":{"sk_secret":1}}"#,
    ] {
        let wrong = authenticate(text).unwrap_err();
        assert_eq!(wrong.fault, Fault::Content);
        assert!(!wrong.text.contains("secret"), "{}", wrong.text);
    }
}

#[test]
fn every_outcome_has_its_one_message() {
    let id = RequestKey::parse("a").unwrap();
    let wall = Wall::parse("2026-03-02T18:05:00Z").unwrap();
    let certainty = Certainty::Unknown;
    let print = |how| String::from_utf8(outcome(Form::Primary, wall, &id, &how).to_vec()).unwrap();
    let email = RawValue::from_string("\"ida@sample.test\"".to_owned()).unwrap();
    let body = Granted::bytes("usr_8tk2", &[("email", email)], Some("txn_41"));
    assert_eq!(
        print(Outcome::Completed { body }),
        concat!(
            r#"{"type":"auth_result","context_id":"a","result":{"success":true,"user_id":"usr_8tk2","#,
            r#""attributes":{"email":"ida@sample.test"},"transaction_id":"txn_41"}}"#
        )
    );
    assert_eq!(
        print(Outcome::Declined { body: Refused::found(Finding::UserNotFound).bytes() }),
        concat!(
            r#"{"type":"auth_result","context_id":"a","result":{"success":false,"code":"user-not-found","#,
            r#""error":{"code":"AUTH_USER_NOT_FOUND","message":"User not found"}}}"#
        )
    );
    let refused = Refused::new(Code::AuthFailed, "Insufficient balance").unpaid();
    assert_eq!(
        print(Outcome::Declined { body: refused.bytes() }),
        concat!(
            r#"{"type":"auth_result","context_id":"a","result":{"success":false,"#,
            r#""error":{"code":"AUTH_FAILED","message":"Insufficient balance"},"payment":"failed"}}"#
        )
    );
    assert_eq!(
        print(Outcome::Cancelled { certainty }),
        concat!(
            r#"{"type":"auth_result","context_id":"a","result":{"success":false,"code":"cancelled","#,
            r#""error":{"code":"AUTH_FAILED","message":"Cancelled"}}}"#
        )
    );
    assert!(print(Outcome::Expired { certainty }).contains(r#""error":"Context expired""#));
    let cause = model::FailCause::Service;
    assert!(print(Outcome::Failed { cause, certainty, body: model::Opaque::new() }).contains("AUTH_FAILED"));
    assert_eq!(
        print(Outcome::Completed { body: model::Opaque::new() }),
        r#"{"type":"auth_result","context_id":"a","result":{"success":true}}"#
    );
}
