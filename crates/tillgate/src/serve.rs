//! `tillgate serve`: the gateway on its data folder, until a signal.

use clap::Args;
use gateway::Listen;

use crate::config::Configuration;
use crate::place::{self, Place};
use crate::running::{self, Hangup, Signals};
use crate::talk;

pub(crate) const AFTER: &str = "\
Prints its base address on stdout once it takes work; logs go to stderr. SIGTERM and Ctrl-C drain: new work is refused,
peers are told to come back, what runs gets its outcome, and the exit code is 0. SIGHUP looks at the certificate's files.

Exit codes: 0 drained; 1 could not run; 2 the command line or the configuration is wrong; 3 another process has the
data folder.";

#[derive(Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    place: Place,
    /// Where peers connect, port 0 for any free one; wins over the configuration
    #[arg(long, value_name = "ADDR")]
    listen: Option<Listen>,
}

pub(crate) fn run(serve: &Serve) -> anyhow::Result<()> {
    let mut configuration = serve.place.configuration()?;
    if let Some(listen) = serve.listen {
        configuration.server.listen.0 = vec![listen];
    }
    running::prepare(&configuration)?;
    if configuration.dialects.boop.test_user_ids {
        tracing::warn!("boop.test_user_ids is on: whoever has a scanner's key can be any user");
    }
    running::block_on(serve_until_told(&configuration))
}

async fn serve_until_told(configuration: &Configuration) -> anyhow::Result<()> {
    let mut signals = Signals::listen()?;
    let running = running::start(configuration, place::own(&configuration.server.data.0)?).await?;
    talk::data(running::base(configuration, &running)?)?;
    running::until_told(running, &mut signals, Hangup::Reloads).await
}
