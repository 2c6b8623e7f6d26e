//! A payment and its reversal as the operators' ledger shows them: the word that looking it up gives, too.

use model::{Now, OperationRow, Outcome, Standing};

use super::rules::Kind;
use super::wire::payment::Memo;
use super::wire::result::{Transaction, response};
use super::wire::terminal::fits;
use crate::ledger::{Asked, Doubt, Entry, Status};

/// What the ledger shows of a payment or a reversal; none when it can not be read.
pub(crate) fn entry(row: &OperationRow) -> Option<Entry> {
    let memo = Memo::read(&row.memo)?;
    let (amount, currency) = memo.money();
    let asked = Asked::new(amount.trim_matches('"'), currency)?;
    let (status, doubt) = match Kind::parse(&row.kind)? {
        Kind::Payment | Kind::PaymentCall | Kind::PaymentHook => (payment(row)?, doubt(row)),
        Kind::Void | Kind::VoidCall => (Status::plain(row), None),
    };
    Some(Entry { status, money: Some(asked), doubt })
}

fn payment(row: &OperationRow) -> Option<Status> {
    // Only the word is wanted, and that does not depend on when it is asked for.
    match Transaction::of(row, Standing::Waiting, Now::from_millis(0)).status {
        "COMPLETED" => Some(Status::Completed),
        "FAILED" => Some(Status::Failed),
        "CANCELLED" => Some(Status::Cancelled),
        "VOIDED" => Some(Status::Voided),
        "PENDING" => Some(Status::Open),
        _ => None,
    }
}

fn doubt(row: &OperationRow) -> Option<Doubt> {
    let is_completed = match &row.outcome {
        Some((Outcome::Completed { body }, _)) if !fits(&row.memo, body) => return Some(Doubt::OtherMoney),
        Some((Outcome::Completed { .. }, _)) | None => true,
        Some(_) => false,
    };
    let done_late =
        || row.late.as_ref().and_then(|(body, _)| response(body)).is_some_and(|late| late.status == "SUCCESS");
    match (is_completed, &row.compensation) {
        (true, Some(_)) => Some(Doubt::Reversed),
        (false, None) if done_late() => Some(Doubt::NotReversed),
        (true, None) | (false, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use model::{
        Certainty, DeviceId, Dialect, Digest, FailCause, GroupId, NetworkId, Opaque, OperationId, OutcomeKind,
        PrincipalId, Target, Timestamp,
    };

    use super::*;
    use crate::modulus::wire::payment::Payment;

    const REQUEST: &str = r#"{"transactionId":"K-1","amount":1250.50,"currency":"PHP","paymentMethod":"CARD"}"#;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(1_930_000_000_000 + 1_000 * seconds)
    }

    fn row(outcome: Option<Outcome>) -> OperationRow {
        let payment = Payment::read(REQUEST, || unreachable!()).unwrap();
        OperationRow {
            id: OperationId::from_number(1 << 40),
            group: GroupId::of(Dialect::Modulus, "store-1").unwrap(),
            network: NetworkId::parse("default").unwrap(),
            requester: PrincipalId::parse("till").unwrap(),
            requester_name: "Till 1".into(),
            dialect: Dialect::Modulus,
            kind: "payment".into(),
            key: payment.key,
            body: Digest::of(b""),
            target: Target::Device(DeviceId::parse("lane-7").unwrap()),
            accepted_at: at(0),
            deliver_by: None,
            answer_by: at(900),
            request: payment.request,
            memo: payment.memo,
            outcome: outcome.map(|outcome| (outcome, at(4))),
            about: None,
            late: None,
            compensation: None,
        }
    }

    fn told(status: &str, amount: &str) -> Opaque {
        Opaque::from(format!(r#"{{"transactionId":"K-1","status":"{status}","amount":{amount},"currency":"PHP"}}"#))
    }

    fn completed(amount: &str) -> Option<Outcome> {
        Some(Outcome::Completed { body: told("SUCCESS", amount) })
    }

    fn lost() -> Option<Outcome> {
        let (cause, certainty) = (FailCause::PerformerLost, Certainty::Unknown);
        Some(Outcome::Failed { cause, certainty, body: Opaque::new() })
    }

    fn good(ended: Option<OutcomeKind>) -> Option<(OperationId, Option<(OutcomeKind, Timestamp)>)> {
        Some((OperationId::from_number(2 << 40), ended.map(|kind| (kind, at(90)))))
    }

    #[test]
    fn a_payment_stands_where_looking_it_up_says() {
        let declined = |status| Some(Outcome::Declined { body: told(status, "1250.5") });
        let late = Some((told("SUCCESS", "1250.5"), at(70)));
        let voided = |ended| OperationRow { late: late.clone(), compensation: good(ended), ..row(lost()) };
        let cases = [
            (row(None), Status::Open),
            (row(completed("\"1250.5\"")), Status::Completed),
            (row(declined("FAILED")), Status::Failed),
            (row(declined("CANCELLED")), Status::Cancelled),
            (row(lost()), Status::Failed),
            (row(Some(Outcome::Expired { certainty: Certainty::Unknown })), Status::Failed),
            (voided(Some(OutcomeKind::Completed)), Status::Voided),
            (voided(Some(OutcomeKind::Expired)), Status::Failed),
            (voided(None), Status::Failed),
        ];
        for (row, status) in cases {
            let entry = entry(&row).unwrap();
            assert_eq!((entry.status, entry.doubt), (status, None), "{row:?}");
            let money = entry.money.unwrap();
            assert_eq!((&*money.text, &*money.currency), ("1250.50", "PHP"), "as the till wrote it");
        }
    }

    #[test]
    fn money_that_moved_otherwise_than_the_outcome_says_is_doubted() {
        let doubt = |row: OperationRow| entry(&row).unwrap().doubt;
        assert_eq!(doubt(row(completed("12.50"))), Some(Doubt::OtherMoney));
        assert_eq!(doubt(row(Some(Outcome::Completed { body: Opaque::new() }))), Some(Doubt::OtherMoney));
        let late = |status| Some((told(status, "1250.5"), at(70)));
        assert_eq!(doubt(OperationRow { late: late("SUCCESS"), ..row(lost()) }), Some(Doubt::NotReversed));
        assert_eq!(doubt(OperationRow { late: late("FAILED"), ..row(lost()) }), None);
        let reversed = OperationRow { compensation: good(None), ..row(completed("1250.50")) };
        assert_eq!(doubt(reversed), Some(Doubt::Reversed));
        assert_eq!(doubt(OperationRow { compensation: good(None), ..row(None) }), Some(Doubt::Reversed));
    }

    #[test]
    fn a_reversal_stands_for_itself() {
        let void = |outcome| OperationRow { kind: "void".into(), about: good(None).map(|(id, _)| id), ..row(outcome) };
        assert_eq!(entry(&void(None)).unwrap().status, Status::Open);
        assert_eq!(entry(&void(completed("1250.50"))).unwrap().status, Status::Completed);
        assert_eq!(entry(&void(lost())).unwrap().status, Status::Failed);
    }

    #[test]
    fn what_cannot_be_read_has_no_entry() {
        assert_eq!(entry(&OperationRow { kind: "haircut".into(), ..row(None) }), None);
        assert_eq!(entry(&OperationRow { memo: Opaque::from_static(b"{}"), ..row(None) }), None);
    }
}
