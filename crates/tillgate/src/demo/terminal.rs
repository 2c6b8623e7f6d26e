//! The demo's simulated payment terminal: the cents of an amount say what happens.

use std::time::Duration;

use anyhow::Context;
use client::modulus::{TerminalConfig, TerminalEvent};
use client::{Endpoint, State};
use devices::terminal::{Event, Script, run};
use model::Secret;
use tokio::sync::{mpsc, watch};

use super::secrets::TERMINAL;

/// How long after a payment is offered it is done.
const AFTER: Duration = Duration::from_millis(500);

/// A terminal at work on this runtime.
pub(super) struct Terminal {
    online: watch::Receiver<bool>,
}

impl Terminal {
    pub(super) fn start(url: &str, key: &Secret) -> Self {
        let config = TerminalConfig::new(key.clone(), TERMINAL);
        let (tell, online) = watch::channel(false);
        let told = move |event| match event {
            Event::Heard(TerminalEvent::State(State::Authenticated)) => drop(tell.send_replace(true)),
            Event::Heard(TerminalEvent::Lost(lost)) => tracing::info!(%lost, "simulated terminal lost its connection"),
            Event::Heard(_) | Event::Did { .. } | Event::Voided { .. } => {}
        };
        let endpoint = Endpoint::new(url);
        let (_, nobody_presses) = mpsc::channel(1);
        tokio::spawn(async move {
            let script = Script::by_amount(AFTER);
            match run(endpoint, config, script, nobody_presses, std::future::pending(), told).await {
                Ok(ended) => tracing::warn!(%ended, "the simulated terminal has ended"),
                Err(error) => tracing::error!(%error, "the simulated terminal could not start"),
            }
        });
        Self { online }
    }

    /// Resolves once it has been let in.
    pub(super) async fn online(&self) -> anyhow::Result<()> {
        let mut online = self.online.clone();
        online.wait_for(|online| *online).await.context("the simulated terminal has ended; the log says why")?;
        Ok(())
    }
}
