//! The machines of vendors and scanners, driven by a program: see `crate::client` for what is the same for all.
//!
//! ```text
//! v3                  the head: vendor, scanner (`s`) or lines (`l`); then attempts at most
//! y                   the server lets it in
//! a3 40               the application asks for a palm, or says what happened at the glass; `x3` takes it back
//! ```

use client::boop::{
    Requirements, Scan, Scanner, ScannerCommand, ScannerConfig, ScannerEvent, Vendor, VendorCommand, VendorConfig,
    VendorEvent,
};
use client::{Held, Lines, State};
use model::{RequestKey, Secret, Side, Timestamp};

use crate::client::{SEED, START, Stage, Watched, preset};
use crate::program;

/// Nothing is said on a line that is not there, the login comes first and once, each ask is settled once, no machine
/// wakes for ever, and one that is told to end ends.
///
/// # Panics
///
/// When that does not hold.
pub fn check(data: &[u8]) {
    let (head, lines) = program::lines(data);
    let preset = preset(&head);
    let vendor = VendorConfig { preset: preset.clone(), ..VendorConfig::new("ven_1", Secret::new("sk_1")) };
    match head.chars().next() {
        Some('s') => {
            let config = ScannerConfig { preset, ..ScannerConfig::new("pvs_1", Secret::new("dk_1")) };
            Stage::new(Scanner::new(config, SEED, START)).play(lines);
        }
        Some('l') => Stage::new(Lines::new(&vendor, SEED, START)).play(lines),
        Some(_) | None => Stage::new(Vendor::new(vendor, SEED, START)).play(lines),
    }
}

/// What a server may say, by the program's letter.
fn server(op: char) -> Option<String> {
    (op == 'y').then(|| r#"{"type":"authenticated"}"#.to_owned())
}

impl Watched for Vendor {
    type Watch = ();

    const ID: &'static str = "c";

    fn command((): &(), op: char, id: &RequestKey, send_by: Timestamp) -> Option<VendorCommand> {
        let context_id = id.clone();
        match op {
            'a' => Some(VendorCommand::Create { context_id, requirements: Requirements::entrance(), send_by }),
            'x' => Some(VendorCommand::Cancel { context_id }),
            _ => None,
        }
    }

    fn server(op: char, _: &RequestKey) -> Option<String> {
        server(op)
    }

    fn state(event: &VendorEvent) -> Option<&State> {
        <Self as Held>::state(event)
    }

    fn settles(event: &VendorEvent) -> Option<RequestKey> {
        if let VendorEvent::Settled { context_id, .. } = event { Some(context_id.clone()) } else { None }
    }

    fn refuses(event: &VendorEvent) -> bool {
        matches!(event, VendorEvent::Problem { .. })
    }
}

impl Watched for Scanner {
    type Watch = ();

    const ID: &'static str = "c";

    fn command((): &(), op: char, id: &RequestKey, send_by: Timestamp) -> Option<ScannerCommand> {
        let (context_id, scan) = (id.clone(), Scan::test_user(None, Side::Left));
        (op == 'a').then_some(ScannerCommand::Scan { context_id, scan, send_by })
    }

    fn server(op: char, _: &RequestKey) -> Option<String> {
        server(op)
    }

    fn state(event: &ScannerEvent) -> Option<&State> {
        <Self as Held>::state(event)
    }

    fn settles(event: &ScannerEvent) -> Option<RequestKey> {
        if let ScannerEvent::Settled { context_id, .. } = event { Some(context_id.clone()) } else { None }
    }

    fn refuses(event: &ScannerEvent) -> bool {
        matches!(event, ScannerEvent::Problem { .. })
    }
}
