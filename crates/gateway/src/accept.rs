//! Taking connections off a listener: room first, then HTTP, then the WebSocket, in one future per connection.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

use crate::connection::Connection;
use crate::core::Core;
use crate::http::{self, Room};

/// The pause after the kernel had no file or memory for one more connection.
const OUT_OF_FILES_PAUSE: Duration = Duration::from_millis(100);

/// Connections beyond the bound that still hear why they are refused; more are cut at once.
const REFUSED_KINDLY: usize = 1024;

/// Accepts for ever.
pub(crate) async fn accept(core: Rc<Core>, listener: Rc<TcpListener>) {
    let mut complained = false;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                complained = false;
                admit(&core, stream, peer);
            }
            Err(error) if is_the_peers(&error) => {}
            Err(error) => {
                if !complained {
                    tracing::error!(%error, "connections cannot be accepted, is the limit on open files too low?");
                    complained = true;
                }
                tokio::time::sleep(OUT_OF_FILES_PAUSE).await;
            }
        }
    }
}

/// Takes what already waits, so that closing the listener resets nobody.
pub(crate) async fn empty(core: &Rc<Core>, listener: &TcpListener) {
    while let Some(Ok((stream, peer))) = ready_now(listener.accept()).await {
        admit(core, stream, peer);
    }
}

/// What the future gives when it is ready at its first poll.
async fn ready_now<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// The peer went away between asking and being accepted.
fn is_the_peers(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

fn admit(core: &Rc<Core>, stream: TcpStream, peer: SocketAddr) {
    core.counters().accepted.add(1);
    let most = core.settings().connections_most;
    let ticket = Socket::new(core);
    let room = match core.house.sockets() {
        open if open <= most => Room::Free,
        open if open <= most + REFUSED_KINDLY => Room::Full,
        _ => return core.metrics().refused("full"),
    };
    // Without it every answer would wait for the peer's delayed acknowledgement.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "nagle's algorithm stays on");
    }
    let core = Rc::clone(core);
    tokio::task::spawn_local(async move {
        serve(core, stream, peer, room).await;
        drop(ticket);
    });
}

/// One connection from its first byte to its last; any stream will do: plain, TLS or a pipe in memory.
pub(crate) async fn serve<S>(core: Rc<Core>, stream: S, peer: SocketAddr, room: Room)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    // Boxed: hyper's state is much larger than the connection's and lives only until the upgrade.
    let opened = Box::pin(http::serve(&core, stream, peer.ip(), room)).await;
    if let Some(opened) = opened {
        Connection::new(core, opened).await;
    }
}

/// Counts a socket for as long as it lives.
struct Socket(Rc<Core>);

impl Socket {
    fn new(core: &Rc<Core>) -> Self {
        core.house.socket_opened();
        Self(Rc::clone(core))
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.0.house.socket_closed();
    }
}
