//! A payment over HTTP, pursued until its outcome is known. Pure: it is told what a call came to, and says what to do.
//!
//! Whatever leaves the outcome open (a 504, a lost connection, a fault of the gateway) is never answered by asking again:
//! the transaction is looked up, until it has an end. Only when the gateway says that it knows no such transaction, the
//! payment is asked for again, under its id and with its body. An answer about another transaction says nothing.

use model::Timestamp;

use super::choices::Choices;
use super::codes;
use super::http::HttpFailure;
use super::types::{Payment, TransactionId};
use super::wire;
use crate::link::Lost;
use crate::problem::Problem;

/// How often a payment is asked for that the gateway does not know.
const TRIES: u32 = 3;

/// What a call came to.
#[derive(Clone, Debug)]
pub(super) enum Came {
    /// A whole response.
    Answer { status: u16, body: String },
    /// Nothing of the call reached anybody.
    NotSent(Lost),
    /// It may have reached the gateway.
    Lost(Lost),
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Ask for the payment.
    Pay,
    /// Look it up at that time.
    LookAt(Timestamp),
    /// It is over.
    Done(Box<Result<Payment, HttpFailure>>),
}

impl Next {
    fn done(result: Result<Payment, HttpFailure>) -> Self {
        Self::Done(Box::new(result))
    }
}

/// The machine.
#[derive(Debug)]
pub(super) struct Pursuit {
    id: TransactionId,
    choices: Choices,
    until: Timestamp,
    tries: u32,
    looks: u32,
    doing: Doing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    Paying,
    Looking,
}

impl Pursuit {
    /// Begins; the first thing to do is [`Next::Pay`].
    pub(super) fn new(id: TransactionId, choices: Choices, now: Timestamp) -> Self {
        let until = now.after(choices.payment_within);
        Self { id, choices, until, tries: 1, looks: 0, doing: Doing::Paying }
    }

    /// What a call came to, and what to do then. `said` hears what a person may want to know.
    pub(super) fn next(&mut self, now: Timestamp, came: Came, mut said: impl FnMut(String)) -> Next {
        match (self.doing, came) {
            (Doing::Paying, Came::NotSent(lost)) if self.tries == 1 => Next::done(Err(HttpFailure::NotSent(lost))),
            (_, Came::NotSent(lost) | Came::Lost(lost)) => {
                said(format!("{lost}; looking the transaction up"));
                self.look(now)
            }
            (Doing::Paying, Came::Answer { status, body }) => self.paid(now, status, &body, said),
            (Doing::Looking, Came::Answer { status, body }) => self.looked(now, status, &body, said),
        }
    }

    fn paid(&mut self, now: Timestamp, status: u16, body: &str, mut said: impl FnMut(String)) -> Next {
        match status {
            200 => match read_payment(&self.id, body) {
                Some(payment) if payment.status.is_final() => Next::done(Ok(payment)),
                Some(_) | None => self.look(now),
            },
            201..=299 => self.look(now),
            504 => {
                said("no answer from the terminal yet; looking the transaction up".to_owned());
                self.look(now)
            }
            _ => {
                let problem = problem(status, body);
                // Who is not let in at the door is not told of a payment: one that is named was under way.
                let is_cut_short = status == 401 && wire::read_refused(body).is_some();
                // What is known under the id of another payment is not what became of this one.
                if is_cut_short || problem.is(codes::DUPLICATE_TRANSACTION) {
                    return Next::done(Err(HttpFailure::Unknown(problem)));
                }
                if codes::is_refusal(status, &problem) {
                    return Next::done(Err(HttpFailure::Refused { status, problem }));
                }
                said(format!("{problem}; looking the transaction up"));
                self.look(now)
            }
        }
    }

    fn looked(&mut self, now: Timestamp, status: u16, body: &str, mut said: impl FnMut(String)) -> Next {
        if status == 200 {
            return match read_payment(&self.id, body) {
                Some(payment) if payment.status.is_final() => Next::done(Ok(payment)),
                Some(payment) => {
                    said(payment.status.name().to_owned());
                    self.look(now)
                }
                None => self.look(now),
            };
        }
        let problem = problem(status, body);
        if problem.is(codes::TRANSACTION_NOT_FOUND) {
            return if self.tries < TRIES && now < self.until {
                said("the gateway has not heard of it; asking again under the same id".to_owned());
                self.tries += 1;
                self.looks = 0;
                self.doing = Doing::Paying;
                Next::Pay
            } else {
                Next::done(Err(HttpFailure::Unknown(problem)))
            };
        }
        if matches!(status, 400..=499) && status != 429 {
            // It will not say anything else next time.
            return Next::done(Err(HttpFailure::Unknown(problem)));
        }
        said(problem.to_string());
        self.look(now)
    }

    /// Looks it up after a pause that doubles, as long as there is time.
    fn look(&mut self, now: Timestamp) -> Next {
        if now >= self.until {
            let problem = Problem::new(None, "the gateway did not say in time what became of it");
            return Next::done(Err(HttpFailure::Unknown(problem)));
        }
        let pause = self.choices.look_first.saturating_mul(1 << self.looks.min(20)).min(self.choices.look_most);
        self.looks += 1;
        self.doing = Doing::Looking;
        Next::LookAt(now.after(pause))
    }
}

/// What the body of a good answer says became of a payment; none where it says nothing, or speaks of another.
pub(super) fn read_payment(id: &TransactionId, body: &str) -> Option<Payment> {
    wire::read_payment(body).ok().filter(|payment| payment.transaction_id == *id)
}

/// What the body of a refusal says; its status where it says nothing.
pub(super) fn problem(status: u16, body: &str) -> Problem {
    let problem = Problem::of_body(body);
    if problem.is_silent() { Problem::new(None, format!("HTTP status {status}")) } else { problem }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::modulus::Status;

    fn start() -> (Pursuit, Timestamp) {
        let now = Timestamp::from_millis(1_000_000);
        (Pursuit::new(TransactionId::parse("t").unwrap(), Choices::default(), now), now)
    }

    fn answer(status: u16, body: &str) -> Came {
        Came::Answer { status, body: body.to_owned() }
    }

    fn refusal(status: u16, code: &str) -> Came {
        answer(
            status,
            &format!(r#"{{"error":{{"code":"{code}","message":"m","details":{{}}}},"code":"{code}","message":"m"}}"#),
        )
    }

    fn lost() -> Came {
        Came::Lost(Lost::Broken("cable".to_owned()))
    }

    fn look_after(next: &Next, now: Timestamp) -> Duration {
        let Next::LookAt(at) = next else { panic!("{next:?}") };
        at.since(now)
    }

    fn end(next: Next) -> Result<Payment, HttpFailure> {
        let Next::Done(result) = next else { panic!("{next:?}") };
        *result
    }

    fn status(next: Next) -> Status {
        end(next).unwrap().status
    }

    fn failure(next: Next) -> HttpFailure {
        end(next).unwrap_err()
    }

    const PAID: &str = r#"{"transactionId":"t","status":"SUCCESS","paymentResponse":{"transactionId":"t","status":"SUCCESS","amount":"1.00","currency":"PHP"}}"#;
    const ANOTHER: &str =
        r#"{"transactionId":"u","status":"SUCCESS","paymentResponse":{"transactionId":"u","status":"SUCCESS"}}"#;
    const PENDING: &str = r#"{"transactionId":"t","status":"PENDING"}"#;
    const DONE: &str = r#"{"transactionId":"t","status":"COMPLETED","response":{"transactionId":"t","status":"SUCCESS","amount":"1.00"}}"#;

    #[test]
    fn an_answer_in_time_is_the_outcome() {
        let (mut pursuit, now) = start();
        assert_eq!(status(pursuit.next(now, answer(200, PAID), |_| {})), Status::Success);
    }

    #[test]
    fn what_was_never_sent_is_told_at_once_and_is_safe() {
        let (mut pursuit, now) = start();
        let next = pursuit.next(now, Came::NotSent(Lost::ConnectTimeout), |_| {});
        let why = failure(next);
        assert!(why.is_safe_to_retry());
    }

    #[test]
    fn refusals_are_the_end_and_say_that_nothing_was_begun() {
        for (status, code) in [
            (400, "INVALID_REQUEST"),
            (401, "INVALID_SIGNATURE"),
            (403, "GROUP_MISMATCH"),
            (404, "TERMINAL_NOT_FOUND"),
            (409, "PAYMENT_IN_PROGRESS"),
            (503, "TERMINAL_OFFLINE"),
        ] {
            let (mut pursuit, now) = start();
            let next = pursuit.next(now, refusal(status, code), |_| {});
            let why = failure(next);
            assert!(why.is_safe_to_retry(), "{why}");
        }
    }

    #[test]
    fn an_id_of_another_payment_and_a_call_that_is_cut_short_leave_it_unknown() {
        let revoked = r#"{"error":{"code":"UNAUTHORIZED","message":"m"},"code":"UNAUTHORIZED","transactionId":"t"}"#;
        for open in [refusal(409, "DUPLICATE_TRANSACTION"), answer(401, revoked)] {
            let (mut pursuit, now) = start();
            let why = failure(pursuit.next(now, open, |_| {}));
            assert!(matches!(why, HttpFailure::Unknown(_)) && !why.is_safe_to_retry(), "{why}");
        }
        for (status, code) in [(409, "DUPLICATE_TRANSACTION"), (500, "INTERNAL_ERROR")] {
            let why = HttpFailure::Refused { status, problem: Problem::new(Some(code.to_owned()), "m") };
            assert!(!why.is_safe_to_retry(), "{why}");
        }
    }

    #[test]
    fn whatever_leaves_it_open_is_looked_up_until_it_has_an_end() {
        for open in [
            refusal(504, "TIMEOUT"),
            lost(),
            refusal(500, "INTERNAL_ERROR"),
            answer(502, "<html>"),
            answer(202, PENDING),
            answer(200, ANOTHER),
            answer(307, ""),
        ] {
            let (mut pursuit, now) = start();
            assert_eq!(look_after(&pursuit.next(now, open, |_| {}), now).as_secs(), 1);
            for (pause, body) in [(2, PENDING), (4, ANOTHER), (8, PENDING), (10, "<html>"), (10, ANOTHER)] {
                assert_eq!(look_after(&pursuit.next(now, answer(200, body), |_| {}), now).as_secs(), pause);
            }
            assert_eq!(status(pursuit.next(now, answer(200, DONE), |_| {})), Status::Success);
        }
    }

    #[test]
    fn it_is_asked_for_again_only_when_the_gateway_does_not_know_it() {
        let (mut pursuit, now) = start();
        for _ in 0..2 {
            look_after(&pursuit.next(now, lost(), |_| {}), now);
            assert_eq!(pursuit.next(now, refusal(404, "TRANSACTION_NOT_FOUND"), |_| {}), Next::Pay);
        }
        pursuit.next(now, Came::NotSent(Lost::ConnectTimeout), |_| {});
        let next = pursuit.next(now, refusal(404, "TRANSACTION_NOT_FOUND"), |_| {});
        assert!(matches!(failure(next), HttpFailure::Unknown(_)));
    }

    #[test]
    fn a_gateway_that_never_says_is_left_with_the_outcome_unknown() {
        let (mut pursuit, mut now) = start();
        let mut next = pursuit.next(now, lost(), |_| {});
        let mut looks = 0;
        while let Next::LookAt(at) = next {
            now = at;
            next = pursuit.next(now, lost(), |_| {});
            looks += 1;
        }
        let why = failure(next);
        assert!(!why.is_safe_to_retry() && looks > 90, "{looks} looks");
        let (mut pursuit, now) = start();
        pursuit.next(now, lost(), |_| {});
        let next = pursuit.next(now, refusal(401, "UNAUTHORIZED"), |_| {});
        assert!(matches!(failure(next), HttpFailure::Unknown(_)));
    }
}
