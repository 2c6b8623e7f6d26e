//! Whatever stands in a file: reading it never panics, and what is read survives printing.

use proptest::prelude::*;
use transcript::binding::Bindings;
use transcript::json::{Json, Speech};
use transcript::parse::parse;
use transcript::story::Story;

const LINES: [&str; 20] = [
    "# mark: choice",
    "= a boop requester vendor_id=v key=k group=g name=\"x y\"",
    "= b boop performer device=d",
    "= member u balance=5 USD attr.e=\"x\" attested=e template=p:left",
    "= random 00 ff",
    "a> {\"type\":\"ping\",\"n\":$n,\"pad\":\"${x*3}$$\"}",
    "a> 3 times text ${n}é$#",
    "a> binary 00ff",
    "a> POST /x",
    "  x-key: $n",
    "  {\"a\":[1,2.50,\"\\u00e9\"]}",
    "b< 401",
    "b< {\"a\":$n,\"b\":\"$n\"}",
    "a< close 4409 displaced",
    "* 2 times event accepted payment",
    "@ +1m30s",
    "! open b /x?y=z origin=\"q\"",
    "! fault a too_big",
    "",
    "? balance u 5 USD",
];

fn survives(story: &Story) {
    let printed = story.to_string();
    let again = parse("again", &printed).unwrap_or_else(|mistakes| panic!("{mistakes:?}\n{printed}"));
    let items = |story: &Story| story.lines.iter().map(|line| line.item.clone()).collect::<Vec<_>>();
    assert_eq!(items(&again), items(story), "{printed}");
}

fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        "-?(0|[1-9][0-9]{0,4})(\\.[0-9]{1,3})?([eE][+-]?[0-9]{1,2})?".prop_map(Json::Number),
        any::<String>().prop_map(Json::Text),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::Array),
            prop::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|members| Json::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn reading_never_panics(lines in prop::collection::vec(0..LINES.len(), 0..12), cut in 0_usize..400, junk in ".{0,6}") {
        let mut text: String = LINES[..3].iter().map(|line| format!("{line}\n")).collect();
        lines.iter().for_each(|line| text.push_str(&format!("{}\n", LINES[*line])));
        let at = (0..=cut.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        for text in [text.clone(), format!("{}{junk}{}", &text[..at], &text[at..]), junk] {
            if let Ok(story) = parse("test", &text) {
                survives(&story);
                let _ = story.steps();
            }
        }
    }

    #[test]
    fn a_value_reads_back_as_printed_and_meets_itself(value in json(), junk in "\\PC{0,12}") {
        let text = value.to_string();
        let read = Json::parse(&text, Speech::Wire);
        prop_assert_eq!(read.as_ref(), Ok(&value));
        let _ = Json::parse(&junk, Speech::Story);
        let _ = Bindings::default().fill_json(&junk, 1);
        let _ = Bindings::default().fill(&junk, 1);
    }
}
