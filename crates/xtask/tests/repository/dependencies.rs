//! Every crate we rely on has its reason written down.

use std::collections::BTreeSet;

use cargo_metadata::MetadataCommand;

use crate::{nothing_found, root, text};

#[test]
fn every_dependency_has_its_line() {
    let reasons = text("docs/dependencies.md");
    let findings: Vec<String> = dependencies()
        .into_iter()
        .map(|name| format!("`{name}`"))
        .filter(|name| !reasons.lines().any(|line| line.contains(name.as_str())))
        .collect();
    nothing_found("docs/dependencies.md has a line for every dependency, its name in backticks", &findings);
}

/// What the workspace offers its members, and what members take beside that; ours left out.
fn dependencies() -> BTreeSet<String> {
    let manifest: toml::Table = text("Cargo.toml").parse().expect("Cargo.toml is TOML");
    let offered = manifest["workspace"]["dependencies"].as_table().expect("the workspace names its dependencies");
    let mut names: BTreeSet<String> =
        offered.iter().filter(|(_, wanted)| wanted.get("path").is_none()).map(|(name, _)| name.clone()).collect();
    let metadata =
        MetadataCommand::new().current_dir(root()).no_deps().exec().expect("cargo can describe the workspace");
    for package in metadata.packages {
        for dependency in package.dependencies {
            if dependency.path.is_none() {
                names.insert(dependency.name);
            }
        }
    }
    names
}
