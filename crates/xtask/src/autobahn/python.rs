//! The suite and the Python 2.7 it needs: found, or installed as root on a Debian that still has it; otherwise the one
//! line to run is named. What belongs to the suite itself is pinned and stays below `target/`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};

use crate::tools::{loud, once_per, said, succeeds};

/// Names the interpreter when it is nowhere that is looked at.
const VARIABLE: &str = "PYTHON27";
/// The last one that makes environments for Python 2.7.
const VIRTUALENV: &str = "virtualenv==20.21.1";
const IS_27: &str = "import sys; sys.exit(sys.version_info[:2] != (2, 7))";
const PINS: &str = include_str!("requirements.txt");

/// Makes sure of the suite; gives the interpreter that has it.
pub(super) fn make_sure() -> anyhow::Result<PathBuf> {
    let folder = super::folder()?;
    let environment = folder.join("python");
    let wanted = format!("{VIRTUALENV}\n{PINS}");
    once_per(&environment.join(".installed"), &wanted, || install(&folder, &environment))?;
    Ok(environment.join("bin/python"))
}

/// What judged, for the page: name and version, the suite first.
pub(super) fn versions() -> anyhow::Result<Vec<String>> {
    let python = super::folder()?.join("python/bin/python");
    // Asked for its version on the command line, it tells stderr.
    let print = "import platform; print(platform.python_implementation() + ' ' + platform.python_version())";
    let python = said(Command::new(python).args(["-c", print]))?;
    let mut versions: Vec<String> = ["autobahntestsuite", "autobahn", "Twisted"]
        .iter()
        .filter_map(|name| {
            let version = PINS.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix("=="))?;
            Some(format!("{name} {version}"))
        })
        .collect();
    versions.push(python);
    Ok(versions)
}

fn install(folder: &Path, environment: &Path) -> anyhow::Result<()> {
    let python = match found() {
        Some(python) => python,
        None => installed()?,
    };
    println!("Python 2.7 is {}", python.display());
    let tool = folder.join("virtualenv");
    let quiet = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    loud(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&tool))?;
    loud(Command::new(tool.join("bin/python")).args(quiet).arg(VIRTUALENV))?;
    loud(
        Command::new(tool.join("bin/virtualenv"))
            .args(["--quiet", "--clear", "--python"])
            .arg(&python)
            .arg(environment),
    )?;
    let pins = folder.join("requirements.txt");
    fs::write(&pins, PINS).with_context(|| format!("cannot write {}", pins.display()))?;
    loud(Command::new(environment.join("bin/python")).args(quiet).args(["--requirement"]).arg(&pins))
}

/// An interpreter that is there and is 2.7.
fn found() -> Option<PathBuf> {
    let named = std::env::var_os(VARIABLE).map(PathBuf::from);
    let on_the_path = ["python2.7", "python2", "pypy2", "pypy"].map(PathBuf::from);
    let candidates = named.into_iter().chain(of_pyenv()).chain(on_the_path);
    candidates.into_iter().find(|python| python.to_str().is_some_and(|python| succeeds(python, &["-c", IS_27])))
}

/// Those of pyenv, which need not be its chosen ones.
fn of_pyenv() -> Vec<PathBuf> {
    let Ok(root) = said(Command::new("pyenv").arg("root")) else { return Vec::new() };
    let Ok(versions) = fs::read_dir(Path::new(&root).join("versions")) else { return Vec::new() };
    let mut found: Vec<PathBuf> = versions
        .flatten()
        .filter(|version| version.file_name().to_string_lossy().starts_with("2.7"))
        .map(|version| version.path().join("bin/python2.7"))
        .collect();
    found.sort();
    found
}

/// Installs one where that is possible without asking anybody.
fn installed() -> anyhow::Result<PathBuf> {
    const LINE: &str = "apt-get install -y python2.7 python2.7-dev";
    let is_root = said(Command::new("id").arg("-u")).is_ok_and(|id| id == "0");
    if is_root && succeeds("apt-get", &["--version"]) {
        loud(Command::new("apt-get").arg("update"))?;
        if said(Command::new("apt-cache").args(["search", "--names-only", "^python2.7-dev$"]))
            .is_ok_and(|it| !it.is_empty())
        {
            let words: Vec<&str> = LINE.split(' ').collect();
            loud(Command::new(words[0]).args(&words[1..]).env("DEBIAN_FRONTEND", "noninteractive"))?;
            return found().with_context(|| format!("still no Python 2.7 after `{LINE}`"));
        }
    }
    if succeeds("pyenv", &["--version"]) {
        loud(Command::new("pyenv").args(["install", "--skip-existing", "2.7.18"]))?;
        return found().context("still no Python 2.7 after `pyenv install 2.7.18`");
    }
    ensure!(
        !is_root,
        "needs Python 2.7, which this system has no package of; run: pyenv install 2.7.18 (or name one in {VARIABLE})"
    );
    bail!("needs Python 2.7; run: sudo {LINE} (where there is no such package: pyenv install 2.7.18)")
}
