//! The two echoes: examples of `gateway` and `client`, which differ from the product in the longest message only.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use cargo_metadata::MetadataCommand;

use super::suite::{Guard, Run, Suite, lines_of};
use crate::demo::wait_for;
use crate::tools::loud;

/// From the start of the server to the line that says where it listens.
const START_WITHIN: Duration = Duration::from_secs(10);
/// One connection of the client; the suite ends its longest case before.
const VISIT_WITHIN: Duration = Duration::from_secs(240);

/// Judges the gateway's end.
pub(super) fn server(suite: &Suite) -> anyhow::Result<Run> {
    let program = build("gateway")?;
    let mut child = Command::new(&program).arg("127.0.0.1:0").stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let stdout = child.stdout.take().context("the echo has no output")?;
    let _child = Guard(child);
    let url = lines_of(stdout).recv_timeout(START_WITHIN).context("the echo does not say where it listens")?;
    suite.judge_server("server", &url, None)
}

/// Judges the client's end: one process for each case.
pub(super) fn client(suite: &Suite) -> anyhow::Result<Run> {
    let program = build("client")?;
    suite.judge_client("client", |url| {
        let mut child = Guard(Command::new(&program).arg(url).stdin(Stdio::null()).spawn()?);
        match wait_for(&mut child.0, VISIT_WITHIN)? {
            Some(status) => ensure!(status.success(), "the echo ended with {status} at {url}"),
            None => bail!("the echo was still connected to {url} after {} s", VISIT_WITHIN.as_secs()),
        }
        Ok(())
    })
}

/// Builds the echo of a crate; gives a copy of it, because both have one name and cargo keeps one file.
fn build(package: &str) -> anyhow::Result<PathBuf> {
    loud(&mut crate::cargo(&["build", "--release", "--locked", "--package", package, "--example", "ws_echo"]))?;
    let metadata = MetadataCommand::new().current_dir(crate::root()).no_deps().exec()?;
    let built = metadata.target_directory.join("release/examples/ws_echo");
    let copy = super::folder()?.join(format!("{package}-echo"));
    fs::copy(&built, &copy).with_context(|| format!("cannot copy {built}"))?;
    Ok(copy)
}
