//! The demo's simulated scanner: one registered palm for every context.

use std::time::Duration;

use anyhow::Context;
use client::boop::{ScannerConfig, ScannerEvent};
use client::{Endpoint, State};
use devices::palm::{Event, Script, run};
use model::{MemberId, Secret};
use tokio::sync::watch;

use super::people::IDA;
use super::secrets::SIMULATED_SCANNER;

/// How long after a context opens the palm is shown.
const AFTER: Duration = Duration::from_millis(500);

/// A scanner at work on this runtime.
pub(super) struct Palm {
    online: watch::Receiver<bool>,
}

impl Palm {
    pub(super) fn start(url: &str, key: &Secret) -> anyhow::Result<Self> {
        let script = Script::presenting(MemberId::parse(IDA).context("a member's id")?, AFTER);
        let config = ScannerConfig::new(SIMULATED_SCANNER, key.clone());
        let (tell, online) = watch::channel(false);
        let told = move |event| match event {
            Event::Heard(ScannerEvent::State(State::Authenticated)) => drop(tell.send_replace(true)),
            Event::Heard(ScannerEvent::Lost(lost)) => tracing::info!(%lost, "simulated scanner lost its connection"),
            Event::Heard(_) | Event::Did { .. } => {}
        };
        let endpoint = Endpoint::new(url);
        tokio::spawn(async move {
            match run(endpoint, config, script, std::future::pending(), told).await {
                Ok(ended) => tracing::warn!(%ended, "the simulated scanner has ended"),
                Err(error) => tracing::error!(%error, "the simulated scanner could not start"),
            }
        });
        Ok(Self { online })
    }

    /// Resolves once it has logged in.
    pub(super) async fn online(&self) -> anyhow::Result<()> {
        let mut online = self.online.clone();
        online.wait_for(|online| *online).await.context("the simulated scanner has ended; the log says why")?;
        Ok(())
    }
}
