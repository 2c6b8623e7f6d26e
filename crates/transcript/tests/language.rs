//! The language as its readers meet it: what is read, what is refused and where, and that nothing is lost in printing.

use transcript::check::Order;
use transcript::parse::parse;
use transcript::play::{Mode, play};
use transcript::story::{Act, Given, Item, Say, Story};

const HEAD: &str = "# mark: choice\n= a boop requester\n= b boop performer\n";

fn items(story: &Story) -> Vec<&Item> {
    story.lines.iter().map(|line| &line.item).collect()
}

fn mistakes(text: &str) -> Vec<String> {
    parse("test", text).expect_err(text).iter().map(ToString::to_string).collect()
}

#[test]
fn every_kind_of_line_is_read_back_as_printed() {
    let text = r##"# Every kind of line.
#
# mark: doc
# from: this test, here

= now 2031-03-04T05:10:00.25Z
= random 00 11 ff
= set boop.scan_attempts 2
= set boop.life 1500ms
= set boop.on true
= set boop.words ["a","b c"]
= set boop.name "two words"
= till boop requester vendor_id=v key=k group=g name="Harbour \"Bakery\"" permission=x permission=y
= lane boop performer device=d key=k2 group=g network=n principal=p expires=2031-03-05T00:00:00Z address=::1 deaf
= pos modulus requester key=mk secret="m s" group=store-1 header.x-group-id=store-1 query.x-api-key=mk_2 no-key
= lane8 modulus performer device=lane-8 key=mk
= member usr_1 network=n balance=-2500 EUR attr.email="ida@sample.test" attr.address={"city": "Zürich"}
  attested=email sides=left sides.address=left,right groups=g,h template=cGFsbQ==:left template="palm 8:right"
= member usr_2

! open till
! open lane /ws/pvs?x=$y x-api-key=dk origin="https://a.test/ b"
till> {"type":"ping","n":$#,
  "pad":"${x*3}"}
till> 3 times text not {json
till> text
till> binary 00ff10
till> ping
till> pong
till> close 1000 bye bye
till> close 1000
pos> POST /v1/terminals/$lane/payments
  {"amount":
till> POST /api/v1/auth?x=1
  x-api-key: sk
  {"context_id":"$id"}
lane> 200
  two
  lines
till< {"a":[1.50,"txn_$id",$left]}
till< 5 times text hello
till< text
till< ping
till< accept
till< close 4409 displaced
lane< 401
  retry-after: $after
  {"error":"x"}
lane< GET /orders
* presence lane away
* 100 times event accepted payment
? balance usr_1 625 EUR
@ +1m30s
@ +250ms
! drop lane
! fault lane too_big
! dropped lane 3
! room lane
! restart
! drain
! drain 10s
! fail commit
! fail load
! hold commits
! release commits
! revoke till
"##;
    let story = parse("test", text).unwrap();
    let printed = story.to_string();
    let again = parse("test", &printed).unwrap_or_else(|mistakes| panic!("{mistakes:?}\n{printed}"));
    assert_eq!(items(&again), items(&story));
    assert_eq!(again.to_string(), printed);
}

#[test]
fn the_example_of_the_documentation_is_a_story_that_holds() {
    let source = include_str!("../src/lib.rs");
    let example = source.split("//! ```text\n").nth(1).and_then(|rest| rest.split("//! ```").next()).unwrap();
    let lines = example.lines().map(|line| line.strip_prefix("//!").unwrap());
    let text: String = lines.map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line))).collect();
    let story = parse("lib.rs", &text).unwrap();
    assert_eq!(story.peers().count(), 2);
    let steps = story.steps();
    let counts: Vec<(usize, usize)> = steps.iter().map(|step| (step.acts.len(), step.outputs.len())).collect();
    assert_eq!(counts, [(0, 0), (1, 2), (2, 3), (1, 0), (1, 3)]);
    let store = Box::new(store::memory::Memory::default());
    play(&story, 1, Order::Exact, store, Mode::Check).unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn mistakes_are_told_all_at_once_with_their_lines() {
    let told = mistakes("# mark: doc\n= a boop requester\na> {\"x\":}\n@ 30s\n! explode\nb> {}\n= random 00\n");
    assert_eq!(
        told,
        [
            "line 3: expected a value in JSON, got `}`",
            "line 4: expected a duration such as `+30s` or `+29s999ms`, got `30s`",
            "line 5: expected open, drop, fault, dropped, room, restart, drain, fail commit, fail load, hold commits, \
             release commits, revoke, cancel or dismiss, got `explode`",
            "line 6: no peer called `b` is given",
            "line 1: a story marked doc says `# from: document, section`",
        ]
    );
}

#[test]
fn what_is_no_line_says_what_would_be() {
    for (line, what) in [
        ("hello", "expected `#`, `=`, `@`, `!`, `*`, `?`, or a peer with `>` or `<`, got `hello`"),
        ("> {}", "with several peers each line names its peer"),
        ("a>{}", "expected a space and what is said"),
        (
            "a> hello",
            "expected JSON in braces or brackets, text, binary, ping, pong, close or an HTTP message, got `hello`",
        ),
        (
            "a< binary 00",
            "expected JSON in braces or brackets, text, ping, accept, close or an HTTP message, got `binary 00`",
        ),
        ("a> 0 times ping", "expected 1 to 100000 times, got 0"),
        ("a> {\"x\":\"$5\"}", "`$5` is no name; a dollar itself is `$$`"),
        ("a> text ${x", "`${` without `}`"),
        ("a> binary 0", "expected bytes in hex, got `0`"),
        ("a> ping\n  {}", "only JSON and HTTP messages are continued"),
        ("a> {\"x\":1,\"x\":1}", "the key \"x\" comes twice"),
        ("! fault a tired", "no reason is called that in `fault a tired`"),
        ("! open a X=1", "expected `header=value` in lower case, got `X=1`"),
        ("? balance usr 5", "expected `balance ID 625 USD`, got `balance usr 5`"),
        ("@ +0s", "expected a duration such as `+30s` or `+29s999ms`, got `+0s`"),
        ("= a boop requester", "a second peer called `a`"),
        ("= c bop requester", "no dialect is called \"bop\"; there are modulus, fingerprint, fd1, ordernpay and boop"),
        ("= c boop requester key=k", "a key wants its `group=`"),
        (
            "= c boop requester hat=k",
            "a peer has vendor_id, device, subject, key, secret, group, name, network, principal, permission, expires, \
             address, url, header.NAME, query.NAME, no-key and deaf; got `hat`",
        ),
        ("= c modulus requester secret=s", "a secret wants its `key=`"),
        ("= c modulus requester mute", "expected `word=value`, `no-key` or `deaf`, got `mute`"),
        ("a< 200\n  {\"x\":", "expected a value, the JSON text ends"),
        ("= member u attested=email", "the member has no `attr.email`"),
        ("= random 00112233445566778899", "expected at most 8 bytes"),
    ] {
        assert_eq!(mistakes(&format!("{HEAD}{line}\n")), [format!("line 4: {what}")], "{line}");
    }
}

#[test]
fn every_story_has_one_mark_and_what_a_vendor_lacks_is_prose_only() {
    assert_eq!(mistakes("# a story\n"), ["line 1: expected `# mark: doc`, `inferred` or `choice`"]);
    assert_eq!(mistakes("# mark: maybe\n"), ["line 1: a mark is doc, inferred or choice"]);
    assert_eq!(mistakes("# mark: choice\n# mark: choice\n"), ["line 2: a second mark"]);
    assert_eq!(mistakes("# n/a: no such thing\n= random 00\n"), ["line 2: a file with `# n/a:` holds prose only"]);
    assert_eq!(parse("test", "# n/a: no such thing\n").unwrap().not_applicable(), Some("no such thing"));
}

#[test]
fn with_one_peer_its_name_may_be_left_out() {
    let story = parse("test", "# mark: choice\n= a boop requester\n> ping\na> pong\n").unwrap();
    let said: Vec<(&str, &Say)> = story
        .lines
        .iter()
        .filter_map(|line| match &line.item {
            Item::Act(Act::Say { peer, say, .. }) => Some((peer.as_str(), say)),
            _ => None,
        })
        .collect();
    assert_eq!(said, [("a", &Say::Ping), ("a", &Say::Pong)]);
    assert!(story.to_string().ends_with("> ping\na> pong\n"));
}

#[test]
fn acts_on_adjoining_lines_are_one_step() {
    let text =
        format!("{HEAD}a> ping\nb> ping\n\na> pong\n# prose\na> pong\na< ping\nb> pong\n@ +1s\n@ +1s\na> ping\n");
    let story = parse("test", &text).unwrap();
    let acts: Vec<usize> = story.steps().iter().map(|step| step.acts.len()).collect();
    assert_eq!(acts, [0, 2, 1, 1, 1, 1, 1, 1]);
}

#[test]
fn a_given_after_the_first_act_is_a_mistake() {
    let told = mistakes(&format!("{HEAD}a> ping\n= random 00\n"));
    assert_eq!(told, ["line 5: what is given stands before the first act"]);
    let story = parse("test", HEAD).unwrap();
    assert!(matches!(story.givens().next(), Some((2, Given::Peer(_)))));
}
