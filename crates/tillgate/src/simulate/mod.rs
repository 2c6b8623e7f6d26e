//! `tillgate simulate`: devices without hardware, against any server.

mod keyboard;
mod scanner;
mod terminal;

use clap::Subcommand;

/// `tillgate simulate`.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// A BOOP palm scanner that follows a script
    #[command(after_help = scanner::AFTER)]
    Scanner(scanner::Scanner),
    /// A Modulus payment terminal that follows a script, the cents of the amount, or you
    #[command(after_help = terminal::AFTER)]
    Terminal(terminal::Terminal),
}

pub(crate) fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Scanner(scanner) => scanner::run(&scanner),
        Command::Terminal(terminal) => terminal::run(&terminal),
    }
}
