//! The page `docs/codes.md`: every way a connection ends, made from the code and compared with the file by a test.

use std::fmt::Write as _;

use model::Reason;

/// What a reason means, and what the peer should do.
#[must_use]
pub const fn meaning(reason: Reason) -> (&'static str, &'static str) {
    match reason {
        Reason::PeerClosed => ("the peer closed with a close frame; ours repeats its code", "nothing"),
        Reason::PeerLost => ("the connection ended without a close frame: reset, cable, crash", "come back now"),
        Reason::SilentBeforeLogin => ("no login in time", "come back now, and log in at once"),
        Reason::Silent => ("no sign of life in time", "come back now, and keep the heartbeat"),
        Reason::NotAuthenticated => ("wrong, expired or revoked credentials", "come back with other credentials"),
        Reason::NotPermitted => ("right credentials, but not for this", "never come back with these"),
        Reason::Displaced => ("another session took this one's place", "stop: the other one works"),
        Reason::Damped => ("too many takeovers of a living peer: the newcomer is held off", "come back later"),
        Reason::TooMuch => ("too many messages or requests", "come back later, slower"),
        Reason::Malformed => ("too many messages in a row that were not the dialect's", "mend the client"),
        Reason::Binary => ("a binary message where only text is spoken", "mend the client"),
        Reason::BadText => ("text that is not UTF-8", "mend the client"),
        Reason::TooBig => ("a message over the limit", "send less"),
        Reason::Protocol => ("the framing rules were broken", "mend the client"),
        Reason::Slow => ("what we sent was not read", "come back later, and read"),
        Reason::Revoked => ("the credentials were revoked while connected", "come back with other credentials"),
        Reason::Dismissed => ("an operator closed the connection", "come back later"),
        Reason::Drained => ("the gateway is about to restart", "come back soon, after the hint if one was given"),
        Reason::Reloaded => ("the gateway could not store and started that part again", "come back soon"),
        Reason::Fault => ("a fault of ours", "come back later, and tell us"),
        Reason::Finished => ("ended on purpose", "nothing"),
    }
}

/// The page.
#[must_use]
pub fn page() -> String {
    let mut page = String::from(
        "# How connections end\n\n\
         Every connection ends for exactly one reason. The reason's word is the close frame's text, the label `reason` of\n\
         the metric `tillgate_closes_total` and the field `reason` of the log line `connection ended`. The code is what the\n\
         peer sees, unless its dialect has one of its own (ordernpay closes with 1000 only).\n\n\
         This page is made from the code: `UPDATE=1 cargo test -p gateway codes`.\n\n\
         | code | reason | what happened | what the peer should do |\n|---:|---|---|---|\n",
    );
    for reason in Reason::ALL {
        let (what, advice) = meaning(reason);
        let code = match reason {
            // Nobody is there to read a code.
            Reason::PeerLost => "-".to_owned(),
            reason => reason.code().0.to_string(),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(page, "| {code} | `{}` | {what} | {advice} |", reason.label());
    }
    page.push_str(
        "\nRefused before the upgrade is done: 400, 405 and 426 for a handshake that is none, 401 and 403 for credentials\n\
         that come with the request, 403 `origin_not_allowed` for a browser page that is not listed, 404 where nobody serves\n\
         the path, 429 when the newcomer is held off, 503 with `Retry-After` while draining or full; counted in\n\
         `tillgate_upgrades_refused_total`.\n\n\
         HTTP calls are answered in their dialect's words. The gateway's own are 413 for a body over `call_body_most`, 400 for one\n\
         that cannot be read, 403 `origin_not_allowed`, 429 and 503 as for an upgrade, and 503 `busy` with `Retry-After` when a\n\
         core has `calls_most` calls or reads `call_bytes_most`; they end the connection and are counted in\n\
         `tillgate_calls_refused_total`. `tillgate_calls_total` counts answers by dialect and the first digit of their status; a\n\
         caller that hung up is in `tillgate_closes_total` as `peer_lost`.\n",
    );
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_in_docs_is_what_the_code_says() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/codes.md");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(file, page()).unwrap();
        }
        let found = std::fs::read_to_string(file).unwrap_or_default();
        assert_eq!(found, page(), "run `UPDATE=1 cargo test -p gateway codes`");
    }
}
