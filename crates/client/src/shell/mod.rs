//! The thin async shell: one task for each connection, around any machine. Everything it decides, a machine decided.

mod client;
mod clock;
mod dial;
mod drive;
mod endpoint;
mod listener;
mod random;
mod refusal;
mod tls;
mod upgrade;

use tokio::sync::mpsc;

pub use client::{Answer, Client, Events, Heard, Held, Only};
pub(crate) use clock::{Clock, wall};
pub use dial::{Dial, Dialing, Stream};
use drive::Driver;
pub(crate) use endpoint::Open;
pub use endpoint::{BadEndpoint, Endpoint, Target};
pub use listener::Listener;
pub(crate) use listener::Paced;
pub(crate) use random::{context_id, seed, transaction_id};

use crate::machine::Machine;

/// Puts any machine to work until it is over, which `shutdown` brings about.
///
/// `make` is given a seed and the time. Commands may come while it works; events go to the listener.
///
/// ```
/// use client::boop::{Vendor, VendorConfig, VendorEvent};
/// use client::{Endpoint, State, drive};
/// use model::Secret;
/// use tokio::sync::{mpsc, oneshot};
///
/// # let runtime = tokio::runtime::Runtime::new()?;
/// # runtime.block_on(async {
/// # let url = client::rehearsal::boop().await?;
/// let config = VendorConfig::new("ven_test_bakery7", Secret::new("sk_test_Qm41"));
/// let (_commands, taken) = mpsc::channel(16);
/// let (leave, left) = oneshot::channel();
/// let mut leave = Some(leave);
/// let listener = |event: VendorEvent| {
///     if event == VendorEvent::State(State::Authenticated)
///         && let Some(leave) = leave.take()
///     {
///         leave.send(()).ok();
///     }
/// };
/// let shutdown = async { drop(left.await) };
/// drive(Endpoint::new(&url), |seed, now| Vendor::new(config, seed, now), taken, shutdown, listener).await?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`BadEndpoint`] before the first attempt. What happens after that, the machine tells.
pub async fn drive<M: Machine>(
    endpoint: Endpoint,
    make: impl FnOnce(u64, model::Timestamp) -> M,
    commands: mpsc::Receiver<M::Command>,
    shutdown: impl Future<Output = ()>,
    listener: impl Listener<M::Event>,
) -> Result<(), BadEndpoint> {
    let open = endpoint.open()?;
    let clock = Clock::new();
    let machine = make(seed().map_err(BadEndpoint::Randomness)?, clock.now());
    Driver::new(machine, clock, open, listener).run(commands, shutdown).await;
    Ok(())
}
