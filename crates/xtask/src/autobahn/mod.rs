//! `cargo xtask autobahn`: what the Autobahn test suite says of both our ends, and of the gateway as it is.
//!
//! The two echoes are examples that run the product's own connection code; the gateway itself is judged dialect by
//! dialect, in the words of each. How the suite is found is `python`, how it is run and understood is `suite`, who is
//! judged is `echo` and `dialect`, and what is written about it is `page`.

mod dialect;
mod echo;
mod page;
mod python;
mod suite;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, ensure};
use clap::ValueEnum;

use suite::{Run, Suite};

/// How many cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Extent {
    /// Without the long messages; writes no page
    Quick,
    /// Sections 1 to 7, 9 and 10: all but compression, which we do not offer. Writes docs/conformance.md
    Core,
}

impl Extent {
    /// The suite's patterns; a dot and a star there are a dot and anything.
    fn cases(self) -> &'static [&'static str] {
        match self {
            Self::Quick => &["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.1.*", "9.2.*", "10.*"],
            Self::Core => &["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.*", "10.*"],
        }
    }
}

/// Whom to judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Judged {
    /// The echo on the gateway's connection code
    Server,
    /// The echo on the client's connection code
    Client,
    /// The gateway itself in every dialect it speaks
    Dialects,
}

/// Judges everybody, or the one that is named.
pub(crate) fn run(extent: Extent, only: Option<Judged>) -> anyhow::Result<()> {
    let suite = Suite::ready(python::make_sure()?, folder()?, extent.cases());
    let wanted = |judged| only.is_none_or(|only| only == judged);
    let mut runs: Vec<Run> = Vec::new();
    if wanted(Judged::Server) {
        runs.push(echo::server(&suite)?);
    }
    if wanted(Judged::Client) {
        runs.push(echo::client(&suite)?);
    }
    if wanted(Judged::Dialects) {
        runs.extend(dialect::all(&suite)?);
    }
    for run in &runs {
        println!("{}", page::summary(run));
    }
    if extent == Extent::Core && only.is_none() {
        let name = "docs/conformance.md";
        let page = page::whole(&runs, &python::versions()?);
        fs::write(crate::root().join(name), page).with_context(|| format!("cannot write {name}"))?;
        println!("written: {name}");
    }
    let bad: Vec<&str> = runs.iter().filter(|run| !run.is_clean()).map(|run| run.name.as_str()).collect();
    ensure!(bad.is_empty(), "not clean: {}; the suite's own pages are below target/autobahn", bad.join(", "));
    Ok(())
}

/// Where everything is kept that can be made again.
fn folder() -> anyhow::Result<PathBuf> {
    let folder = crate::root().join("target/autobahn");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}
