//! The engine and the node have never heard of any vendor.

use crate::{nothing_found, rust_below};

/// Dialects, vendors, and the things only one of them has.
const VENDORS: [&str; 9] =
    ["modulus", "fingerprint", "fd1", "fieldpine", "ordernpay", "powerepos", "boop", "palm", "pvs"];

#[test]
fn engine_and_node_name_no_dialect() {
    let mut findings = Vec::new();
    for folder in ["crates/engine/src", "crates/node/src"] {
        for (file, text) in rust_below(folder) {
            for (index, line) in text.lines().enumerate() {
                let lower = line.to_lowercase();
                for vendor in VENDORS.iter().filter(|vendor| lower.contains(**vendor)) {
                    findings.push(format!("{file}:{}: {vendor} in `{}`", index + 1, line.trim()));
                }
            }
        }
    }
    nothing_found("a difference between vendors is a value in Rules, never a name in engine or node", &findings);
}
