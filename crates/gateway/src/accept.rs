//! Taking connections off a listener: room first, then HTTP, then the WebSocket, in one future per connection.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

use crate::connection::Connection;
use crate::core::Core;
use crate::http::{self, Opened, Room};

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
    tokio::task::spawn_local(Life { stage: Stage::begin(core, stream, peer, room), _ticket: ticket });
}

/// One connection from its first byte to its last. Written out, because an async block would hold both stages at once.
struct Life<S> {
    stage: Stage<S>,
    _ticket: Socket,
}

/// What a connection speaks. Any stream will do: plain, TLS or a pipe in memory.
enum Stage<S> {
    /// Boxed: hyper's state is much larger than the connection's and lives only until the upgrade.
    Http(Rc<Core>, Pin<Box<dyn Future<Output = Option<Opened<S>>>>>),
    WebSocket(Connection<S>),
}

impl<S: AsyncRead + AsyncWrite + Unpin + 'static> Stage<S> {
    fn begin(core: &Rc<Core>, stream: S, peer: SocketAddr, room: Room) -> Self {
        Self::Http(Rc::clone(core), Box::pin(http::serve(Rc::clone(core), stream, peer.ip(), room)))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + 'static> Future for Life<S> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        loop {
            let (core, opened) = match &mut self.stage {
                Stage::Http(core, http) => (Rc::clone(core), ready!(http.as_mut().poll(context))),
                Stage::WebSocket(connection) => return Pin::new(connection).poll(context),
            };
            let Some(opened) = opened else { return Poll::Ready(()) };
            self.stage = Stage::WebSocket(Connection::new(core, opened));
        }
    }
}

/// A connection for which there is room and that no listener brought: any stream will do.
pub(crate) fn live<S>(core: &Rc<Core>, stream: S, peer: std::net::IpAddr) -> impl Future<Output = ()> + use<S>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let stage = Stage::begin(core, stream, SocketAddr::new(peer, 0), Room::Free);
    Life { stage, _ticket: Socket::new(core) }
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

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::mem::size_of;
    use std::sync::Arc;

    use model::{Class, Frame, Now, Route, Timestamp};
    use node::{Input, Output, Wire};
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::task::LocalSet;

    use super::*;
    use crate::clock::RealClock;
    use crate::machine::Machine;
    use crate::running::House;
    use crate::settings::Settings;
    use crate::slot::Slot;
    use crate::storage::Desks;

    /// Says every text back.
    struct Echo;

    impl Machine for Echo {
        fn route(&mut self) -> Route {
            Route { core: 0, slot: 1 }
        }

        fn handle(&mut self, _: Now, input: Input<'_>, out: &mut Vec<Output>) {
            let (route, wire) = match input {
                Input::Open { route, .. } => (route, Wire::Accept),
                Input::Frame { route, frame: Frame::Text(text) } => {
                    (route, Wire::Send { text: text.to_owned().into(), class: Class::Answer })
                }
                _ => return,
            };
            out.push(Output::Wire { route, wire });
        }

        fn deadline(&self) -> Option<Timestamp> {
            None
        }

        fn loading(&self) -> usize {
            0
        }
    }

    #[tokio::test]
    async fn a_narrow_pipe_in_memory_does_as_well_as_a_socket() {
        let settings = Settings { cores: 1, ..Settings::default() };
        let house = Arc::new(House::new(settings, Arc::new(RealClock::start()), "test".into()));
        let core = Core::new(0, Box::new(Echo), Arc::clone(&house), Desks::new(false).desk);
        let (near, far) = duplex(7);
        let story = async {
            let peer = SocketAddr::from(([127, 0, 0, 1], 1));
            let stage = Stage::begin(&core, far, peer, Room::Free);
            let life = tokio::task::spawn_local(Life { stage, _ticket: Socket::new(&core) });
            let (mut reader, mut writer) = tokio::io::split(near);
            let say = async {
                let mut bytes = bytes::BytesMut::from(
                    "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                );
                for message in [websocket::Message::text("one"), websocket::Message::Close(websocket::Close::EMPTY)] {
                    websocket::encode(&message, websocket::Role::Client, 5, &mut bytes);
                }
                writer.write_all(&bytes).await.unwrap();
            };
            let mut heard = Vec::new();
            let (_, read) = tokio::join!(say, reader.read_to_end(&mut heard));
            read.unwrap();
            assert!(heard.starts_with(b"HTTP/1.1 101 "));
            assert!(heard.ends_with(b"\r\n\r\n\x81\x03one\x88\x00"), "{:?}", String::from_utf8_lossy(&heard));
            drop((reader, writer));
            life.await.unwrap();
        };
        LocalSet::new().run_until(story).await;
        assert_eq!(house.sockets(), 0);
    }

    #[test]
    fn an_idle_connection_is_one_small_future_and_one_small_slot() {
        let (life, slot) = (size_of::<Life<TcpStream>>(), size_of::<RefCell<Slot>>());
        assert!(life <= 216, "the future has {life} bytes");
        assert!(slot <= 200, "the slot has {slot} bytes");
    }
}
