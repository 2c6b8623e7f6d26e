//! Programs drawn at random, of everything that may happen, against the properties that play programs.

use properties::TARGETS;
use proptest::prelude::*;

/// Lines of a program, at most.
const LINES: usize = 120;

/// A program: one of the heads with a number, then lines of these forms, some of them more often. `#` is one of a few ids,
/// `@` a time in milliseconds, `%` a number.
fn program(heads: &'static [&'static str], forms: &'static [(u32, &'static str)]) -> impl Strategy<Value = String> {
    let line = |form: &'static str| {
        let filled = (0_u8..6, 0_u16..20_000, 0_u8..8);
        filled.prop_map(move |(id, time, number)| {
            form.replace('#', &id.to_string()).replace('@', &format!("@{time}")).replace('%', &number.to_string())
        })
    };
    let lines =
        prop::strategy::Union::new_weighted(forms.iter().map(|(weight, form)| (*weight, line(form).boxed())).collect());
    let noise = ".{0,40}".prop_map(|noise| format!(">{noise}"));
    let line = prop_oneof![20 => lines, 1 => noise];
    (prop::sample::select(heads), 0_u8..6, prop::collection::vec(line, 0..LINES))
        .prop_map(|(head, number, lines)| format!("{head}{number}\n{}", lines.join("\n")))
}

fn check(target: &str, program: &str) {
    let (_, check) = TARGETS.iter().find(|(name, _)| *name == target).expect("there is such a target");
    check(program.as_bytes());
}

const BOOP_CLIENT: &[(u32, &str)] = &[
    (4, "o"),
    (6, "y"),
    (2, "L%"),
    (4, "a# 30"),
    (1, "a# %"),
    (1, "x#"),
    (6, "@"),
    (1, "C"),
    (1, r#">{"type":"pong"}"#),
    (1, r#">{"type":"vendor_hello_response","success":false}"#),
    (1, r#">{"type":"error","code":"INVALID_CREDENTIALS"}"#),
    (1, r#">{"type":"error","code":"CONNECTION_REPLACED"}"#),
    (1, r#">{"type":"error","code":"GOING_AWAY","retry_after":1e300}"#),
    (1, r#">{"type":"error","retry_after":-4}"#),
    (3, r#">{"type":"auth_result","context_id":"c#","success":true}"#),
    (2, r#">{"type":"error","error":"Context expired","context_id":"c#"}"#),
    (2, r#">{"type":"error","code":"VENDOR_RATE_LIMIT","context_id":"c#","details":{"retry_allowed":true}}"#),
    (2, r#">{"type":"error","code":"AUTH_FAILED","context_id":"c#","details":{"retry_allowed":true}}"#),
    (3, r#">{"type":"scan_ack","context_id":"c#","status":"matched"}"#),
    (1, r#">{"type":"context_open","context_id":"c#","auth_type":"entrance"}"#),
    (1, r#">{"type":"context_closed","context_id":"c#"}"#),
];

const MODULUS_CLIENT: &[(u32, &str)] = &[
    (6, "o"),
    (2, "L%"),
    (4, "a# 30"),
    (1, "a# %"),
    (1, "g"),
    (6, "@"),
    (1, "C"),
    (3, "c#"),
    (1, "f#"),
    (1, "v#"),
    (2, "e#"),
    (3, "O#"),
    (1, "q#"),
    (1, "w#"),
    (2, "k#"),
    (1, "j#"),
    (1, "x#"),
    (3, "r#"),
    (1, "d#"),
    (1, "n#"),
    (1, "y#"),
    (2, r#">{"action":"paymentComplete","paymentResponse":{"transactionId":"K#","status":"PENDING"}}"#),
    (2, r#">{"action":"error","error":"Conflict","transactionId":"K#"}"#),
    (1, r#">{"action":"paymentAck","transactionId":"K#","result":"pending"}"#),
    (1, r#">{"action":"paymentAck","transactionId":"K#","result":"late"}"#),
    (1, r#">{"message":"no","requestAction":"payment"}"#),
    (1, r#">{"action":"forceDisconnect","reason":"NEW_CONNECTION"}"#),
    (1, r#">{"action":"forceDisconnect","reason":"SERVER_RESTART"}"#),
    (1, r#">{"action":"terminalsResponse","terminals":[]}"#),
    (1, r#">{"action":"pong"}"#),
];

const BOOP_SESSION: &[(u32, &str)] = &[
    (4, "l"),
    (4, "+"),
    (1, "-%"),
    (1, "="),
    (4, "A"),
    (1, "N%"),
    (4, "nK#"),
    (3, "pK# 250"),
    (2, "xK#"),
    (3, "mK#"),
    (2, "RK#%"),
    (3, "aK#"),
    (1, "gK#{}"),
    (3, "oK#%"),
    (3, "OK#"),
    (1, "wK#%"),
    (2, "tK#%"),
    (4, "@"),
    (1, "i"),
    (1, "b%"),
    (1, "D"),
    (1, "V"),
    (1, "L"),
    (1, "d%"),
    (1, "U"),
    (1, "u"),
];

const MODULUS_SESSION: &[(u32, &str)] = &[
    (4, "+"),
    (1, "-%"),
    (4, "A"),
    (1, "N%"),
    (1, "l"),
    (4, "nK# 25.00"),
    (2, "sK# 25.00"),
    (1, "fK#"),
    (1, "cK#"),
    (1, "hK#"),
    (1, "uK#"),
    (1, "vK#%"),
    (2, "RK# %"),
    (2, "aK#"),
    (3, "oK# %"),
    (1, "e%"),
    (1, "FK# %"),
    (3, "OK# %"),
    (1, "wK# %"),
    (2, "tK# %"),
    (1, "E%"),
    (4, "@"),
    (1, "i"),
    (1, "D"),
    (1, "V"),
    (1, "L"),
    (1, "d%"),
    (1, "U"),
    (1, "u"),
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn clients_of_boop_hold_their_promises(program in program(&["v", "s", "l"], BOOP_CLIENT)) {
        check("boop_client", &program);
    }

    #[test]
    fn clients_of_modulus_hold_their_promises(program in program(&["t", "p", "l"], MODULUS_CLIENT)) {
        check("modulus_client", &program);
    }

    #[test]
    fn sessions_of_boop_hold_their_promises(program in program(&["v", "s", "vrt", "vfm", "vc"], BOOP_SESSION)) {
        check("boop_session", &program);
    }

    #[test]
    fn sessions_of_modulus_hold_their_promises(
        program in program(&["t", "p", "pd", "c", "g", "k", "tfm", "tQ"], MODULUS_SESSION),
    ) {
        check("modulus_session", &program);
    }
}
