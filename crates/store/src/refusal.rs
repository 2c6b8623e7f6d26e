//! What no store does, whatever it is asked: one place for the rules both back ends keep.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use model::{
    Announce, CommitError, Debit, Decision, EndpointId, Member, Money, Notice, OperationId, OperationRow, Partition,
    Settle, Settled,
};

/// Why one batch is refused. The others of its transaction go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The id has no place in a store.
    NotAnId(OperationId),
    /// Only the owner of a partition writes to its operations.
    OtherPartition(OperationId),
    /// There is no such operation to end, settle or owe.
    NotStored(OperationId),
    /// The service panicked.
    Panicked(OperationId),
    /// The service took money without giving an outcome.
    DebitWithoutOutcome(OperationId),
    /// The service took money from nobody.
    NoAccount(OperationId),
    /// The service took money of another currency.
    Currency(OperationId),
    /// The service took nothing, or less.
    NotPositive(OperationId),
    /// The service took more than there is.
    TooMuch(OperationId),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnId(id) => write!(f, "operation id {id} is out of range"),
            Self::OtherPartition(id) => {
                write!(f, "operation {id} belongs to partition {}, not to the batch's", id.partition().0)
            }
            Self::NotStored(id) => write!(f, "operation {id} is not stored"),
            Self::Panicked(id) => write!(f, "the service panicked over operation {id}"),
            Self::DebitWithoutOutcome(id) => write!(f, "operation {id} takes money without an outcome"),
            Self::NoAccount(id) => write!(f, "operation {id} takes money from a member that is not there"),
            Self::Currency(id) => write!(f, "operation {id} takes money of another currency than the balance"),
            Self::NotPositive(id) => write!(f, "operation {id} takes no positive amount"),
            Self::TooMuch(id) => write!(f, "operation {id} takes more than there is"),
        }
    }
}

impl From<Refusal> for CommitError {
    fn from(refusal: Refusal) -> Self {
        Self::Unavailable(Arc::from(refusal.to_string()))
    }
}

/// Whether the operation is one the owner of `partition` may write to.
pub(crate) fn belongs(partition: Partition, operation: OperationId) -> Result<(), Refusal> {
    if i64::try_from(operation.number()).is_err() {
        return Err(Refusal::NotAnId(operation));
    }
    if operation.partition() != partition {
        return Err(Refusal::OtherPartition(operation));
    }
    Ok(())
}

/// Whether the owner of `partition` may write this operation, and the one it makes good for is in its hands too.
pub(crate) fn accepts(partition: Partition, row: &OperationRow) -> Result<(), Refusal> {
    belongs(partition, row.id)?;
    row.about.map_or(Ok(()), |about| belongs(partition, about))
}

/// Asks the service. A panic in it is its own fault, not the store's.
pub(crate) fn decide(settle: &Settle, member: Option<&Member>) -> Result<Decision, Refusal> {
    let operation = settle.question.operation;
    let decision = catch_unwind(AssertUnwindSafe(|| (settle.decide)(&settle.question, member)))
        .map_err(|_| Refusal::Panicked(operation))?;
    match (&decision.settled, &decision.debit) {
        (Settled::Again { .. }, Some(_)) => Err(Refusal::DebitWithoutOutcome(operation)),
        (Settled::Again { .. }, None) | (Settled::Outcome(_), _) => Ok(decision),
    }
}

/// Asks the printer what an endpoint is told.
pub(crate) fn print(announce: &Announce, row: &OperationRow, endpoint: &EndpointId) -> Result<Option<Notice>, Refusal> {
    catch_unwind(AssertUnwindSafe(|| (announce.print)(announce, row, endpoint)))
        .map_err(|_| Refusal::Panicked(announce.operation))
}

/// What is left of `balance` after the debit. The service has checked that; money is checked twice.
pub(crate) fn take(operation: OperationId, debit: &Debit, balance: Option<Money>) -> Result<Money, Refusal> {
    let balance = balance.ok_or(Refusal::NoAccount(operation))?;
    if debit.money.currency != balance.currency {
        return Err(Refusal::Currency(operation));
    }
    if debit.money.minor <= 0 {
        return Err(Refusal::NotPositive(operation));
    }
    if debit.money.minor > balance.minor {
        return Err(Refusal::TooMuch(operation));
    }
    Ok(Money { minor: balance.minor - debit.money.minor, currency: balance.currency })
}
