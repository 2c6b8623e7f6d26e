//! What only bytes that came before a timer can show: an ask in the very instant memory forgets what it is about.

use std::time::Duration;

use model::{Request, Timestamp};
use store::Memory;
use transcript::Theatre as _;
use transcript::scene;
use transcript::world::{Hearing, Sent, Shown, Sight, Socket};

use crate::MANNERS;
use crate::shell::Shell;

const GIVEN: &str = r#"# A payment is remembered for a second.
# mark: choice

= set modulus.remember 1s
= pos modulus requester key=mk_pos group=store-1
= lane modulus performer key=mk_lane group=store-1 device=lane-7

@ +1s
"#;

const PAY: &str = r#"{"action":"payment","terminalId":"lane-7","paymentRequest":
    {"transactionId":"K-118","amount":"1250.00","currency":"PHP","paymentMethod":"CARD"}}"#;
const PAID: &str = r#"{"action":"paymentResponse","transactionId":"K-118","paymentResponse":
    {"status":"SUCCESS","amount":"1250.00","currency":"PHP"}}"#;

fn open(shell: &mut Shell, headers: &[(&str, &str)]) -> Socket {
    let request = Request {
        method: "GET".into(),
        path: "/v1".into(),
        query: Vec::new(),
        headers: headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        body: bytes::Bytes::new(),
        peer: std::net::Ipv4Addr::LOCALHOST.into(),
        certificate: None,
    };
    let socket = shell.open(0, &request, Hearing::Hears);
    shell.settle();
    socket
}

/// What a peer heard since the last look.
fn heard(shell: &mut Shell, by: Socket) -> Vec<String> {
    let seen = shell.take_seen().into_iter();
    let texts = seen.filter_map(|seen| match seen.sight {
        Sight::Wire(socket, Shown::Text(text)) if socket == by => Some(String::from_utf8(text.to_vec()).unwrap()),
        _ => None,
    });
    texts.collect()
}

#[test]
fn a_repeat_in_the_instant_it_is_forgotten_is_no_second_payment() {
    let story = transcript::parse("story.txt", GIVEN).unwrap();
    let mut store: Box<dyn store::Store> = Box::new(Memory::new());
    let setup = scene(&story, 1, &mut *store).unwrap();
    let mut shell = Shell::new(setup, MANNERS[0], store);
    let pos = open(&mut shell, &[("x-api-key", "mk_pos")]);
    let lane = open(&mut shell, &[("x-api-key", "mk_lane"), ("x-device-id", "lane-7")]);
    for (who, says) in [(pos, PAY), (lane, PAID)] {
        shell.send(who, Sent::Text(says.to_owned()));
        shell.settle();
    }
    let complete = |said: &[String]| said.iter().filter(|said| said.contains("paymentComplete")).count();
    assert_eq!(complete(&heard(&mut shell, pos)), 1);
    let ended: Timestamp = shell.now().at;

    shell.send(pos, Sent::Text(PAY.to_owned()));
    shell.advance_over_what_is_sent(ended.after(Duration::from_secs(1)));
    let seen = shell.take_seen();
    let offered = seen.iter().any(|seen| matches!(&seen.sight, Sight::Wire(socket, Shown::Text(_)) if *socket == lane));
    assert!(!offered, "it is asked for a second time: {seen:?}");
    assert!(seen.iter().any(|seen| match &seen.sight {
        Sight::Wire(socket, Shown::Text(text)) if *socket == pos => String::from_utf8_lossy(text).contains("SUCCESS"),
        _ => false,
    }));
    assert_eq!(shell.end(), [""; 0]);
}
