//! Webhooks: the errands of calls about endpoints, and what endpoints are told of payments.
//!
//! An errand goes from one slow piece of work to the next. What is posted is printed once, when the store keeps it, and
//! signed anew at every try.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::{
    Announce, Call, Done, Endpoint, EndpointId, EndpointWork, EndpointsDone, GroupId, Notice, Now, Occasion,
    OperationRow, Post, Response, Secret, Submit, Wall,
};
use sha2::{Digest as _, Sha256};

use super::choices::Choices;
use super::codes::Code;
use super::wire::hook::{self, Change, Event};
use super::wire::instant;
use crate::{Headers, Hooks};

/// How Modulus' webhooks are made.
pub(crate) const fn hooks(choices: &Choices) -> Hooks {
    Hooks {
        late_after: choices.webhook_late,
        print,
        sign,
        within: choices.webhook_within,
        tries: choices.webhook_tries,
        pause: choices.webhook_pause,
        anywhere: choices.allow_private_webhook_targets,
    }
}

/// What an endpoint is told of a payment.
fn print(announce: &Announce, row: &OperationRow, endpoint: &EndpointId) -> Option<Notice> {
    let (event, wall) = match announce.occasion {
        Occasion::Late(due) => (Event::timeout(row)?, announce.wall.after(due.since(announce.at))),
        Occasion::Ended => (Event::ended(row, announce.wall)?, announce.wall),
    };
    let id = event_id(row, event.kind, endpoint);
    let body = event.print(row, &id, wall);
    Some(Notice { event: event.kind, id: id.into(), body: body.into() })
}

/// The same whenever the same is told to the same endpoint.
fn event_id(row: &OperationRow, kind: &str, endpoint: &EndpointId) -> String {
    format!("evt_{}", ulid(row.accepted_at.millis(), &format!("{}\n{kind}\n{endpoint}", row.id.number())))
}

/// An id that begins with a time, in milliseconds, and goes on with what a text comes to.
fn ulid(millis: u64, text: &str) -> String {
    let mut bytes = [0; 16];
    bytes[..6].copy_from_slice(&millis.to_be_bytes()[2..]);
    bytes[6..].copy_from_slice(&Sha256::digest(text)[..10]);
    base32(bytes)
}

/// Sixteen bytes as ULIDs are written.
fn base32(bytes: [u8; 16]) -> String {
    const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let number = u128::from_be_bytes(bytes);
    let digit = |place: u32| char::from(DIGITS[usize::try_from(number >> (5 * place) & 31).unwrap_or_default()]);
    (0..26).rev().map(digit).collect()
}

/// The headers of one try.
fn sign(secret: &Secret, wall: Wall, body: &[u8]) -> Headers {
    let timestamp = instant(wall);
    let message = [timestamp.as_bytes(), b".", body].concat();
    let signature = STANDARD.encode(secret.sign(&message));
    vec![("x-webhook-timestamp", timestamp), ("x-webhook-signature", signature)]
}

/// What a call is about, and how far it is.
#[derive(Debug)]
pub(crate) enum Errand {
    /// A payment that wants an active endpoint.
    Pay(Box<Submit>),
    /// The endpoints of the group.
    List,
    /// One of them.
    Read(EndpointId),
    /// One is to go.
    Remove(EndpointId),
    /// There is room for one more, perhaps.
    Create(Change),
    /// It gets its secret.
    Draw(Change),
    /// One is to be changed.
    Update(EndpointId, Change),
    /// It is seen whether it listens.
    Ping(Box<Endpoint>, Kept),
    /// It is stored.
    Store(Box<Endpoint>, Kept),
}

/// Whether an endpoint is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    New,
    Before,
}

/// What follows from a piece of work.
#[derive(Debug)]
pub(crate) enum Next {
    /// Another one.
    Call(Call, Errand),
    /// The payment may be asked for.
    Pay(Box<Submit>),
    /// The call is answered.
    Respond(Response),
    /// The call is answered with an error.
    Fail(Code),
}

impl Errand {
    /// What it begins with.
    pub(crate) fn begin(&self, group: &GroupId) -> Call {
        let work = match self {
            Self::Remove(id) => EndpointWork::Remove(id.clone()),
            Self::Pay(_)
            | Self::List
            | Self::Read(_)
            | Self::Create(_)
            | Self::Draw(_)
            | Self::Update(..)
            | Self::Ping(..)
            | Self::Store(..) => EndpointWork::List,
        };
        Call::Endpoints { group: group.clone(), work }
    }

    /// One piece of work is done.
    pub(crate) fn done(self, choices: &Choices, group: &GroupId, now: Now, done: Done) -> Next {
        match (self, done) {
            (errand, Done::Endpoints(Some(EndpointsDone::Listed(there)))) => errand.listed(choices, there, now),
            (Self::Draw(change), Done::Drawn(Some(drawn))) => {
                let id = format!("wh_{}", ulid(now.wall.millis(), &format!("endpoint\n{}", drawn.reveal())));
                let mut endpoint = Endpoint {
                    id: EndpointId::parse(&id).expect("digits and letters are an id"),
                    group: group.clone(),
                    url: "".into(),
                    events: Vec::new(),
                    active: true,
                    secret: Secret::new(&format!("whsec_{}", drawn.reveal())),
                    description: None,
                    metadata: None,
                    created_at: now.wall,
                    updated_at: now.wall,
                };
                change.apply(&mut endpoint, now.wall);
                ping(choices, now, endpoint, Kept::New)
            }
            (Self::Ping(endpoint, kept), Done::Posted(posted)) if posted.is_taken() => {
                store(choices, group, *endpoint, kept)
            }
            (Self::Ping(..), Done::Posted(_)) => Next::Fail(Code::EndpointValidationFailed),
            (Self::Store(endpoint, Kept::New), Done::Endpoints(Some(EndpointsDone::Made))) => {
                Next::Respond(hook::created(&endpoint))
            }
            (Self::Store(endpoint, Kept::Before), Done::Endpoints(Some(EndpointsDone::Made))) => {
                Next::Respond(hook::endpoint(&endpoint))
            }
            (Self::Remove(_), Done::Endpoints(Some(EndpointsDone::Made))) => Next::Respond(hook::removed()),
            (_, Done::Endpoints(Some(EndpointsDone::Full))) => Next::Fail(Code::EndpointLimitReached),
            (_, Done::Endpoints(Some(EndpointsDone::Missing))) => Next::Fail(Code::EndpointNotFound),
            (_, Done::Endpoints(_) | Done::Drawn(_) | Done::Posted(_) | Done::Authenticated(_)) => {
                Next::Fail(Code::Unavailable)
            }
        }
    }

    fn listed(self, choices: &Choices, there: Vec<Endpoint>, now: Now) -> Next {
        let find = |id: &EndpointId| there.iter().find(|endpoint| endpoint.id == *id);
        match self {
            Self::Pay(submit) if there.iter().any(|endpoint| endpoint.active) => Next::Pay(submit),
            Self::Pay(_) => Next::Fail(Code::NoWebhookEndpoints),
            Self::List => Next::Respond(hook::endpoints(&there, now.wall)),
            Self::Read(id) => match find(&id) {
                Some(endpoint) => Next::Respond(hook::endpoint(endpoint)),
                None => Next::Fail(Code::EndpointNotFound),
            },
            Self::Create(_) if there.len() >= choices.webhook_endpoints_most => Next::Fail(Code::EndpointLimitReached),
            Self::Create(change) => Next::Call(Call::Draw, Self::Draw(change)),
            Self::Update(id, change) => match find(&id).cloned() {
                Some(mut endpoint) => {
                    let moves = change.url.as_ref().is_some_and(|url| *url != endpoint.url);
                    change.apply(&mut endpoint, now.wall);
                    if moves {
                        ping(choices, now, endpoint, Kept::Before)
                    } else {
                        store(choices, &endpoint.group.clone(), endpoint, Kept::Before)
                    }
                }
                None => Next::Fail(Code::EndpointNotFound),
            },
            Self::Remove(_) | Self::Draw(_) | Self::Ping(..) | Self::Store(..) => Next::Fail(Code::InternalError),
        }
    }
}

fn ping(choices: &Choices, now: Now, endpoint: Endpoint, kept: Kept) -> Next {
    let id = format!("evt_{}", ulid(now.wall.millis(), &format!("ping\n{}", endpoint.id)));
    let body = hook::ping(&id, now.wall);
    let post = Post {
        url: endpoint.url.clone(),
        headers: sign(&endpoint.secret, now.wall, &body),
        body,
        within: choices.webhook_within,
        anywhere: choices.allow_private_webhook_targets,
    };
    Next::Call(Call::Post(Box::new(post)), Errand::Ping(Box::new(endpoint), kept))
}

fn store(choices: &Choices, group: &GroupId, endpoint: Endpoint, kept: Kept) -> Next {
    let endpoint = Box::new(endpoint);
    let work = match kept {
        Kept::New => EndpointWork::Add { endpoint: endpoint.clone(), most: choices.webhook_endpoints_most },
        Kept::Before => EndpointWork::Change(endpoint.clone()),
    };
    Next::Call(Call::Endpoints { group: group.clone(), work }, Errand::Store(endpoint, kept))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_written_as_ulids_are() {
        assert_eq!(base32([0; 16]), "00000000000000000000000000");
        assert_eq!(base32([0xff; 16]), "7ZZZZZZZZZZZZZZZZZZZZZZZZZ");
    }

    /// Computed with another implementation of HMAC.
    #[test]
    fn what_is_signed_is_the_time_a_dot_and_the_body() {
        let headers = sign(&Secret::new("whsec_demo"), Wall::parse("2031-03-04T05:06:29.450Z").unwrap(), b"{\"a\":1}");
        assert_eq!(headers[0], ("x-webhook-timestamp", "2031-03-04T05:06:29.450Z".to_owned()));
        assert_eq!(headers[1], ("x-webhook-signature", "qF51dduy7zm+b0/LEKO6vCtbFzGjhiGwGGwlVtca4j4=".to_owned()));
    }
}
