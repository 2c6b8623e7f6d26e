//! Every story of every dialect, played on real nodes over a memory store, on one core and on two.
//!
//! `TRANSCRIPT_UPDATE=1 cargo test -p dialects --test stories` rewrites what the gateway says in stories that are
//! not marked `doc`.

use std::path::Path;

/// Every dialect that speaks.
const DIALECTS: [&str; 2] = ["boop", "modulus"];

#[test]
fn every_dialect_tells_its_stories() {
    for dialect in DIALECTS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(dialect).join("spec");
        let report = transcript::run_folder(folder);
        report.expect_all_hold();
        assert_eq!(report.lacking(), [""; 0], "{dialect}");
    }
}
