//! `cargo xtask`: what CI runs and what a contributor runs before a push, one and the same.
//!
//! This file is the command line and the list of steps. How a list of steps is run is `steps`,
//! what is needed beyond Rust is `tools`, the clients in other languages are `clients`, the
//! running server they talk to is `demo`, and proxies with frozen clients are `zombies`. Checks about the repository itself are ordinary tests
//! in `tests/`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "talking to whoever runs it is this program's work")]

mod autobahn;
mod clients;
mod demo;
mod fuzz;
mod soak;
mod steps;
mod tools;
mod zombies;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::steps::{Failing, Step};

/// Everything CI checks.
#[derive(Parser)]
#[command(name = "cargo xtask", version)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Everything: format, clippy, all tests, the documentation, and the real clients
    Test {
        /// Go on after a failing step; the run still fails at the end
        #[arg(long)]
        keep_going: bool,
    },
    /// Format and clippy only
    Check {
        /// Go on after a failing step; the run still fails at the end
        #[arg(long)]
        keep_going: bool,
    },
    /// Build the server and run the Node and Python clients against its demo
    Clients,
    /// Build the server, freeze clients behind HAProxy and nginx, and see the gateway notice
    Zombies,
    /// Let 10,000 sessions come back at once, after a kill and after a drain, and print the curves
    Storm,
    /// Build the fuzz targets and look for inputs that break what must hold
    Fuzz {
        /// Which of them; all when none is named
        targets: Vec<String>,
        /// How long each runs
        #[arg(long, default_value_t = 60)]
        seconds: u32,
        /// Renew the committed corpora from what earlier runs have reached
        #[arg(long)]
        minimise: bool,
    },
    /// Play everything hostile at once against the release build of the server
    Soak {
        /// How long; ten minutes for a figure to believe
        #[arg(long, default_value_t = 20)]
        seconds: u64,
        /// Also each kind of hostile peer by itself before, for as long
        #[arg(long)]
        alone: bool,
    },
    /// Play streets of tills and terminals from seeds, with everything that goes wrong, and look at the laws
    Simulate {
        /// How many
        #[arg(long, default_value_t = 2_000)]
        seeds: u64,
        /// The first
        #[arg(long, default_value_t = 1)]
        from: u64,
        /// On the real store, in a temporary folder, instead of the one in memory
        #[arg(long)]
        sqlite: bool,
    },
    /// Run the Autobahn test suite against our server, our client and the gateway itself
    Autobahn {
        /// How many cases
        #[arg(value_enum, default_value = "core")]
        extent: autobahn::Extent,
        /// Judge only one of them; the page is not written then
        #[arg(long, value_enum)]
        only: Option<autobahn::Judged>,
    },
    /// Install, or say how to install, what the other tasks need beyond Rust
    Tools,
}

/// Long enough for every kind of hostile peer to have had its go.
const SHORT_SOAK: Duration = Duration::from_secs(12);

/// Seeds that are played each time.
const SHORT_SIMULATION: u64 = 200;

fn main() -> ExitCode {
    let (name, steps, failing) = match Arguments::parse().task {
        Task::Test { keep_going } => ("test", everything(), Failing::from_flag(keep_going)),
        Task::Check { keep_going } => ("check", style(), Failing::from_flag(keep_going)),
        Task::Autobahn { extent, only } => {
            let step = Step::doing("the Autobahn test suite", move || autobahn::run(extent, only));
            ("autobahn", vec![step], Failing::Stop)
        }
        Task::Clients => ("clients", real_clients(), Failing::Stop),
        Task::Zombies => ("zombies", vec![needed_tools(), release_build(), zombies()], Failing::Stop),
        Task::Storm => ("storm", vec![storm()], Failing::Stop),
        Task::Fuzz { targets, seconds, minimise } => {
            let what = if minimise { fuzz::What::Minimise } else { fuzz::What::Run(seconds) };
            ("fuzz", vec![Step::doing("fuzz", move || fuzz::run(&targets, what))], Failing::Stop)
        }
        Task::Soak { seconds, alone } => {
            let plan = soak::Plan { storm: Duration::from_secs(seconds), timed: true, alone };
            let soak = Step::doing("everything hostile at once", move || soak::run(plan));
            ("soak", vec![release_build(), soak], Failing::Stop)
        }
        Task::Simulate { seeds, from, sqlite } => ("simulate", vec![simulation(seeds, from, sqlite)], Failing::Stop),
        Task::Tools => ("tools", vec![needed_tools()], Failing::Stop),
    };
    if steps::run(name, steps, failing) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The tools come first: a missing one is better news now than after ten minutes of compiling.
fn everything() -> Vec<Step> {
    let mut steps = vec![needed_tools()];
    steps.extend(style());
    steps.push(Step::command("all tests and documentation examples", cargo(&["test", "--workspace", "--locked"])));
    let mut documentation = cargo(&["doc", "--workspace", "--no-deps", "--locked"]);
    documentation.env("RUSTDOCFLAGS", "-D warnings");
    steps.push(Step::command("documentation, warnings denied", documentation));
    steps.push(simulation(SHORT_SIMULATION, 1, false));
    steps.push(simulation(SHORT_SIMULATION, 1, true));
    steps.extend(build_and_run_clients());
    steps.push(zombies());
    let plan = soak::Plan { storm: SHORT_SOAK, timed: false, alone: false };
    steps.push(Step::doing("everything hostile at once, shortly", move || soak::run(plan)));
    steps
}

fn style() -> Vec<Step> {
    vec![
        Step::command("format", cargo(&["fmt", "--all", "--check"])),
        Step::command(
            "clippy, warnings denied",
            cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]),
        ),
    ]
}

fn real_clients() -> Vec<Step> {
    let mut steps = vec![needed_tools()];
    steps.extend(build_and_run_clients());
    steps
}

fn build_and_run_clients() -> Vec<Step> {
    vec![release_build(), Step::new("real clients in Node and Python", clients::run)]
}

fn release_build() -> Step {
    Step::command("release build of the server", cargo(&["build", "--release", "--locked", "-p", "tillgate"]))
}

fn zombies() -> Step {
    Step::new("frozen clients behind HAProxy and nginx", zombies::run)
}

fn simulation(seeds: u64, from: u64, sqlite: bool) -> Step {
    let (seeds, from) = (seeds.to_string(), from.to_string());
    let mut run = vec!["run", "--release", "--locked", "-p", "transcript", "--example", "simulate", "--"];
    run.extend(["--seeds", &seeds, "--from", &from]);
    if sqlite {
        run.push("--sqlite");
    }
    let name = if sqlite { "tills and terminals from seeds, on SQLite" } else { "tills and terminals from seeds" };
    Step::command(name, cargo(&run))
}

fn storm() -> Step {
    let run = ["run", "--release", "--locked", "-p", "tillgate", "--example", "storm"];
    Step::command("ten thousand sessions come back", cargo(&run))
}

fn needed_tools() -> Step {
    Step::new("tools beyond Rust", tools::make_sure)
}

/// The workspace's root, where every command runs.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("this crate lives two folders below the root")
        .to_path_buf()
}

/// A cargo command at the root, with an environment as if a person had typed it.
///
/// Cargo describes *this* package to us in variables; handed on, they make build scripts that
/// watch them run again on every change between `cargo xtask` and plain cargo.
fn cargo(arguments: &[&str]) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root());
    for (name, _) in std::env::vars_os() {
        let about_this_package =
            name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"));
        if about_this_package {
            command.env_remove(name);
        }
    }
    command
}
