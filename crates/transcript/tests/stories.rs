//! Stories of the World itself, played on the real node and a real dialect.

#[test]
fn stories_hold() {
    transcript::run_folder(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/stories")).expect_all_hold();
}
