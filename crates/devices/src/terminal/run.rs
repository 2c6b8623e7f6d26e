//! Runs the machine against a server.

use client::modulus::{TerminalConfig, TerminalEvent};
use client::{BadEndpoint, Ended, Endpoint, Login as _, State, drive};
use tokio::sync::mpsc;

use super::machine::{Event, Press, Terminal};
use super::script::Script;

/// Runs a payment terminal until `shutdown` resolves, or until there is no point in coming back. Buttons that are pressed
/// come through `presses`. `told` hears everything, also when it is online:
/// `Event::Heard(TerminalEvent::State(State::Authenticated))`.
///
/// ```
/// use client::Endpoint;
/// use client::modulus::{TerminalConfig, TerminalEvent};
/// use devices::terminal::{Event, Script, run};
/// use model::Secret;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// # let url = client::rehearsal::modulus().await?;
/// let script = Script::parse("approve after 10ms")?;
/// let config = TerminalConfig::new(Secret::new("mt_test_77c"), "lane-7");
/// let (_presses, pressed) = tokio::sync::mpsc::channel(1);
/// let (done, finished) = tokio::sync::oneshot::channel();
/// let mut done = Some(done);
/// let told = move |event| {
///     if let Event::Heard(TerminalEvent::Acknowledged { ack, .. }) = event {
///         println!("{}", ack.name());
///         done.take().map(|done| done.send(()));
///     }
/// };
/// let shutdown = async { drop(finished.await) };
/// let ended = run(Endpoint::new(&url), config, script, pressed, shutdown, told).await?;
/// assert_eq!(ended, client::Ended::Finished);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`BadEndpoint`] when the address, the key or the extra CA is wrong.
pub async fn run(
    endpoint: Endpoint,
    config: TerminalConfig,
    script: Script,
    presses: mpsc::Receiver<Press>,
    shutdown: impl Future<Output = ()>,
    mut told: impl FnMut(Event) + Send,
) -> Result<Ended, BadEndpoint> {
    let mut ended = Ended::Finished;
    let listener = |event: Event| {
        if let Event::Heard(TerminalEvent::State(State::Closed(why))) = &event {
            ended = why.clone();
        }
        told(event);
    };
    let endpoint = config.endpoint(endpoint);
    let make = |seed, now| Terminal::new(config, script, seed, now);
    drive(endpoint, make, presses, shutdown, listener).await?;
    Ok(ended)
}
