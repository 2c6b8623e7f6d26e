//! The clients in other languages are pinned, and their pins name no particular registry.

use crate::{nothing_found, text};

#[test]
fn the_node_lock_file_names_no_registry_host() {
    let lock = text("clients/node/package-lock.json");
    let findings: Vec<String> = lock
        .lines()
        .filter(|line| line.contains("\"resolved\"") || line.contains("://"))
        .map(|line| line.trim().to_owned())
        .collect();
    nothing_found(
        "write the lock file with `npm install --package-lock-only --omit-lockfile-registry-resolved`",
        &findings,
    );
    assert!(lock.contains("\"integrity\""), "the lock file holds the packages' digests");
}

#[test]
fn every_python_package_is_pinned() {
    let findings: Vec<String> = text("clients/python/requirements.txt")
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .filter(|line| line.starts_with('-') || !line.contains("=="))
        .map(str::to_owned)
        .collect();
    nothing_found("a Python package is named as `name==version`", &findings);
}
