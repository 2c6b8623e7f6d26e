//! Runs the machine against a server.

use client::boop::{ScannerConfig, ScannerEvent};
use client::{BadEndpoint, Ended, Endpoint, State, drive};
use tokio::sync::mpsc;

use super::scanner::{Event, Scanner};
use super::script::Script;

/// Runs a palm scanner until `shutdown` resolves, or until there is no point in coming back. `told` hears everything,
/// also when it is logged in: `Event::Heard(ScannerEvent::State(State::Authenticated))`.
///
/// ```
/// use client::Endpoint;
/// use client::boop::{ScannerConfig, ScannerEvent};
/// use devices::palm::{Event, Script, run};
/// use model::Secret;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// # let url = client::rehearsal::boop().await?;
/// let script = Script::parse("palm usr_8tk2 after 10ms")?;
/// let config = ScannerConfig::new("pvs_till2", Secret::new("dk_test_77c"));
/// let (done, finished) = tokio::sync::oneshot::channel();
/// let mut done = Some(done);
/// let told = move |event| {
///     if let Event::Heard(ScannerEvent::Settled { result, .. }) = event {
///         println!("{result:?}");
///         done.take().map(|done| done.send(()));
///     }
/// };
/// let shutdown = async { drop(finished.await) };
/// let ended = run(Endpoint::new(&url), config, script, shutdown, told).await?;
/// assert_eq!(ended, client::Ended::Finished);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`BadEndpoint`] when the address or the extra CA is wrong.
pub async fn run(
    endpoint: Endpoint,
    config: ScannerConfig,
    script: Script,
    shutdown: impl Future<Output = ()>,
    mut told: impl FnMut(Event) + Send,
) -> Result<Ended, BadEndpoint> {
    let mut ended = Ended::Finished;
    let listener = |event: Event| {
        if let Event::Heard(ScannerEvent::State(State::Closed(why))) = &event {
            ended = why.clone();
        }
        told(event);
    };
    let (_, no_commands) = mpsc::channel(1);
    let make = |seed, now| Scanner::new(config, script, seed, now);
    drive(endpoint, make, no_commands, shutdown, listener).await?;
    Ok(ended)
}
