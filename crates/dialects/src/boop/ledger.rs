//! A context as the operators' ledger shows it.

use model::{OperationRow, Outcome};

use super::codes::Finding;
use super::context::Context;
use super::findings::Refused;
use crate::ledger::{Asked, Entry, Status};

/// What the ledger shows of a context; none when it can not be read. Amounts are in the smallest unit, as BOOP's are.
pub(crate) fn entry(row: &OperationRow) -> Option<Entry> {
    let context = Context::read(&row.request)?;
    let money = match context.money() {
        Some(money) => Some(Asked::new(&money.minor.to_string(), money.currency.as_str())?),
        None => None,
    };
    let status = match &row.outcome {
        Some((Outcome::Declined { body }, _)) if Refused::read(body).finding() == Some(Finding::Cancelled) => {
            Status::Cancelled
        }
        Some(_) | None => Status::plain(row),
    };
    Some(Entry { status, money, doubt: None })
}

#[cfg(test)]
mod tests {
    use model::{
        Certainty, Currency, Dialect, Digest, GroupId, NetworkId, Opaque, OperationId, PrincipalId, RequestKey, Target,
        Timestamp,
    };

    use super::*;
    use crate::boop::{Choices, Kind};

    fn row(context: &Context, outcome: Option<Outcome>) -> OperationRow {
        OperationRow {
            id: OperationId::from_number(1 << 40),
            group: GroupId::of(Dialect::Boop, "ven_1").unwrap(),
            network: NetworkId::parse("default").unwrap(),
            requester: PrincipalId::parse("ven_1").unwrap(),
            requester_name: "Bakery".into(),
            dialect: Dialect::Boop,
            kind: context.kind.name().into(),
            key: RequestKey::parse("till-1").unwrap(),
            body: Digest::of(b""),
            target: Target::AnyOfGroup,
            accepted_at: Timestamp::from_millis(0),
            deliver_by: None,
            answer_by: Timestamp::from_millis(30_000),
            request: context.bytes(),
            memo: Opaque::new(),
            outcome: outcome.map(|outcome| (outcome, Timestamp::from_millis(4_000))),
            about: None,
            late: None,
            compensation: None,
        }
    }

    #[test]
    fn a_context_stands_in_one_place_and_a_payment_says_how_much() {
        let payment = Context::new(Kind::Payment, &Choices::default()).with_money(1875, Currency::USD);
        let declined = |finding| Some(Outcome::Declined { body: Refused::found(finding).bytes() });
        let certainty = Certainty::NotDelivered;
        for (outcome, status) in [
            (None, Status::Open),
            (Some(Outcome::Completed { body: Opaque::new() }), Status::Completed),
            (declined(Finding::UserNotFound), Status::Failed),
            (declined(Finding::Cancelled), Status::Cancelled),
            (Some(Outcome::Expired { certainty }), Status::Failed),
            (Some(Outcome::Cancelled { certainty }), Status::Cancelled),
        ] {
            let entry = entry(&row(&payment, outcome)).unwrap();
            assert_eq!(entry.status, status);
            assert_eq!(entry.money, Asked::new("1875", "USD"));
        }
        let door = Context::new(Kind::Entrance, &Choices::default());
        assert_eq!(entry(&row(&door, None)).unwrap().money, None);
        assert_eq!(entry(&OperationRow { request: Opaque::new(), ..row(&door, None) }), None);
    }
}
