//! What the tests need beyond Rust: Node with npm and Python with venv for real clients, HAProxy and nginx for real
//! proxies.
//!
//! As root on a machine with apt they are installed; anywhere else the one line to run is named.
//! The packages the clients use (`ws`, `websockets`) are pinned in `clients/` and stay inside
//! the checkout.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};

use crate::steps::line;

const INSTALL: &str = "apt-get install -y nodejs npm python3 python3-venv haproxy nginx-light";
const NODE_IS_RECENT: &str = "process.exit(+process.versions.node.split('.')[0] >= 18 ? 0 : 1)";
const PYTHON_IS_RECENT: &str = "import sys, venv, ensurepip; sys.exit(0 if sys.version_info >= (3, 11) else 1)";

/// Makes sure of every tool and every pinned package.
pub(crate) fn make_sure() -> anyhow::Result<()> {
    let missing = missing_programs();
    if !missing.is_empty() {
        println!("missing: {}", missing.join(", "));
        install(&missing)?;
    }
    node_packages()?;
    python_packages()?;
    for (program, argument) in [("node", "--version"), ("npm", "--version")] {
        let version = said(Command::new(program).arg(argument))?;
        println!("{program} {version}");
    }
    println!("{}", said(Command::new(python()).arg("--version"))?);
    Ok(())
}

/// The Python of the clients' own environment.
pub(crate) fn python() -> PathBuf {
    python_environment().join("bin/python")
}

/// The folder of the Node clients.
pub(crate) fn node_folder() -> PathBuf {
    crate::root().join("clients/node")
}

/// The folder of the Python clients.
pub(crate) fn python_folder() -> PathBuf {
    crate::root().join("clients/python")
}

fn python_environment() -> PathBuf {
    crate::root().join("target/clients-python")
}

fn missing_programs() -> Vec<&'static str> {
    let mut missing = Vec::new();
    if !succeeds("node", &["-e", NODE_IS_RECENT]) {
        missing.push("node (18 or later)");
    }
    if !succeeds("npm", &["--version"]) {
        missing.push("npm");
    }
    if !succeeds("python3", &["-c", PYTHON_IS_RECENT]) {
        missing.push("python3 (3.11 or later) with venv");
    }
    if !succeeds("haproxy", &["-v"]) {
        missing.push("haproxy");
    }
    if !succeeds("nginx", &["-v"]) {
        missing.push("nginx");
    }
    missing
}

fn install(missing: &[&str]) -> anyhow::Result<()> {
    let root = said(Command::new("id").arg("-u")).is_ok_and(|id| id == "0");
    if !succeeds("apt-get", &["--version"]) {
        bail!(
            "needs {}; install them with this machine's package manager (on Debian: sudo apt-get update && sudo {INSTALL})",
            missing.join(", ")
        );
    }
    if !root {
        bail!("needs {}; run: sudo apt-get update && sudo {INSTALL}", missing.join(", "));
    }
    loud(Command::new("apt-get").arg("update"))?;
    let mut words = INSTALL.split(' ');
    let program = words.next().expect("the line starts with a program");
    loud(Command::new(program).args(words).env("DEBIAN_FRONTEND", "noninteractive"))?;
    let still = missing_programs();
    ensure!(
        still.is_empty(),
        "still missing after `{INSTALL}`: {}; a newer release of this system, or the programs' own installers, have them",
        still.join(", ")
    );
    Ok(())
}

fn node_packages() -> anyhow::Result<()> {
    let folder = node_folder();
    let wanted =
        fs::read_to_string(folder.join("package-lock.json")).context("cannot read clients/node/package-lock.json")?;
    once_per(&folder.join("node_modules/.installed"), &wanted, || {
        loud(Command::new("npm").args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&folder))
    })
}

fn python_packages() -> anyhow::Result<()> {
    let environment = python_environment();
    let pins = python_folder().join("requirements.txt");
    let wanted = fs::read_to_string(&pins).context("cannot read clients/python/requirements.txt")?;
    let wanted = format!("{}\n{wanted}", said(Command::new("python3").arg("--version"))?);
    once_per(&environment.join(".installed"), &wanted, || {
        loud(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment))?;
        loud(
            Command::new(environment.join("bin/python"))
                .args(["-m", "pip", "install", "--quiet", "--requirement"])
                .arg(&pins)
                .env("PIP_DISABLE_PIP_VERSION_CHECK", "1"),
        )
    })
}

/// Does `work` unless `stamp` says it was done for the same wish.
pub(crate) fn once_per(stamp: &Path, wanted: &str, work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
    if fs::read_to_string(stamp).is_ok_and(|done| done == wanted) {
        return Ok(());
    }
    work()?;
    fs::write(stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))
}

pub(crate) fn succeeds(program: &str, arguments: &[&str]) -> bool {
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// The trimmed standard output of a command that has to succeed.
pub(crate) fn said(command: &mut Command) -> anyhow::Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot start `{}`", line(command)))?;
    ensure!(output.status.success(), "`{}` ended with {}", line(command), output.status);
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_string())
}

pub(crate) fn loud(command: &mut Command) -> anyhow::Result<()> {
    println!("$ {}", line(command));
    let status = command.stdin(Stdio::null()).status().with_context(|| format!("cannot start `{}`", line(command)))?;
    ensure!(status.success(), "`{}` ended with {status}", line(command));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_done_once_for_the_same_wish_and_again_for_another() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let stamp = folder.path().join("stamp");
        let mut times = 0;
        for wanted in ["ws 1", "ws 1", "ws 2"] {
            once_per(&stamp, wanted, || {
                times += 1;
                Ok(())
            })
            .expect("the stamp can be written");
        }
        assert_eq!(times, 2);
    }

    #[test]
    fn failed_work_is_not_remembered() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let stamp = folder.path().join("stamp");
        assert!(once_per(&stamp, "ws 1", || bail!("no network")).is_err());
        assert!(!stamp.exists());
    }
}
