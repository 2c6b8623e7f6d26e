//! Taking connections off a listener: admission first, then TLS, HTTP and the WebSocket, in one future per connection.

use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

use crate::admission::Verdict;
use crate::connection::Connection;
use crate::core::Core;
use crate::http::{self, Opened, Room, Visitor};
use crate::listen::{Front, Listen, Serves, Speaks};
use crate::proxied;
use crate::tls::{shake_hands, shown};

/// The pause after the kernel had no file or memory for one more connection.
const OUT_OF_FILES_PAUSE: Duration = Duration::from_millis(100);

/// Connections beyond the bound that still hear why they are refused; more are cut at once.
const REFUSED_KINDLY: usize = 1024;

/// A core's socket of one listener.
pub(crate) struct Listening {
    pub(crate) socket: TcpListener,
    pub(crate) how: Listen,
}

/// Accepts for ever.
pub(crate) async fn accept(core: Rc<Core>, listening: Rc<Listening>) {
    let mut complained = false;
    loop {
        match listening.socket.accept().await {
            Ok((stream, peer)) => {
                complained = false;
                admit(&core, listening.how, stream, peer.ip());
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
pub(crate) async fn empty(core: &Rc<Core>, listening: &Listening) {
    while let Some(Ok((stream, peer))) = ready_now(listening.socket.accept()).await {
        admit(core, listening.how, stream, peer.ip());
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

fn admit(core: &Rc<Core>, how: Listen, stream: TcpStream, peer: IpAddr) {
    core.counters().accepted.add(1);
    let most = core.settings().connections_most;
    let ticket = Socket::new(core);
    let room = match core.house.sockets() {
        open if open <= most => Room::Free,
        open if open <= most + REFUSED_KINDLY => Room::Full,
        _ => return core.metrics().cut("full"),
    };
    // Without it every answer would wait for the peer's delayed acknowledgement.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "nagle's algorithm stays on");
    }
    let visitor = Visitor { address: peer, front: how.front, serves: how.serves, certificate: None };
    let entry = match how.front {
        Front::Direct => match entry(core, visitor, room) {
            Some(entry) => Some(entry),
            None => return,
        },
        Front::ProxyProtocol => None,
    };
    match (how.speaks, entry) {
        (Speaks::Plain, Some(Entry { wait: None, room })) => {
            let stage = Stage::begin(core, stream, visitor, room);
            tokio::task::spawn_local(Life { stage, _ticket: ticket });
        }
        (Speaks::Plain, entry) => {
            let arrival = arrive(Rc::clone(core), stream, visitor, room, entry);
            tokio::task::spawn_local(Life { stage: Stage::after(core, arrival), _ticket: ticket });
        }
        (Speaks::Tls, entry) => {
            let core_of_it = Rc::clone(core);
            let arrival = async move {
                let (stream, visitor, room) = arrive(Rc::clone(&core_of_it), stream, visitor, room, entry).await?;
                let certificates = core_of_it.house.certificates.as_ref()?;
                let stream = shake_hands(&core_of_it, certificates, stream).await?;
                let visitor = Visitor { certificate: shown(&stream), ..visitor };
                Some((stream, visitor, room))
            };
            tokio::task::spawn_local(Life { stage: Stage::after(core, arrival), _ticket: ticket });
        }
    }
}

/// How a connection gets in.
#[derive(Clone, Copy, Debug)]
struct Entry {
    wait: Option<Duration>,
    room: Room,
}

/// Asks for admission; none when the connection is to be cut, which has been counted then.
fn entry(core: &Core, visitor: Visitor, room: Room) -> Option<Entry> {
    if visitor.serves == Serves::Operators {
        return Some(Entry { wait: None, room: Room::Free });
    }
    // Whoever a trusted proxy speaks for is asked about once it has said so.
    let address = Some(visitor.address).filter(|address| !core.settings().trusted_proxies.contain(*address));
    match core.house.admission.ask(core.now().at, address) {
        Verdict::Welcome => Some(Entry { wait: None, room }),
        Verdict::Wait(wait) => Some(Entry { wait: Some(wait), room }),
        Verdict::Refused(over, hint) if room == Room::Free => Some(Entry { wait: None, room: Room::Over(over, hint) }),
        Verdict::Refused(..) => Some(Entry { wait: None, room }),
        Verdict::Cut(over) => {
            core.metrics().cut(over.label());
            None
        }
    }
}

/// What a connection has behind it before it may speak: the proxy's header, admission and its time in line.
async fn arrive(
    core: Rc<Core>,
    mut stream: TcpStream,
    mut visitor: Visitor,
    room: Room,
    asked: Option<Entry>,
) -> Option<(TcpStream, Visitor, Room)> {
    let entry = match asked {
        Some(entry) => entry,
        None => {
            visitor.address = behind_proxy(&core, &mut stream, visitor.address).await?;
            entry(&core, visitor, room)?
        }
    };
    if let Some(wait) = entry.wait {
        stand_in_line(&core, wait).await;
    }
    Some((stream, visitor, entry.room))
}

/// Whom the proxy speaks for.
async fn behind_proxy(core: &Core, stream: &mut TcpStream, proxy: IpAddr) -> Option<IpAddr> {
    if !proxy.is_loopback() && !core.settings().trusted_proxies.contain(proxy) {
        tracing::warn!(%proxy, "this proxy is not believed, trusted_proxies would allow it");
        core.metrics().cut("untrusted_proxy");
        return None;
    }
    let until = core.now().at.after(core.settings().tls_handshake_time);
    let header = tokio::select! {
        header = proxied::read_header(stream) => header,
        () = core.clock().until(until) => Err(std::io::ErrorKind::TimedOut.into()),
    };
    match header {
        Ok(client) => Some(client.unwrap_or(proxy)),
        Err(error) => {
            tracing::debug!(%proxy, %error, "no header of the PROXY protocol came");
            core.metrics().cut("proxy_header");
            None
        }
    }
}

/// Waits for the instant admission has named.
pub(crate) async fn stand_in_line(core: &Rc<Core>, wait: Duration) {
    /// Counts off, also when the wait is cut short.
    struct Waiting<'a>(&'a Core);

    impl Drop for Waiting<'_> {
        fn drop(&mut self) {
            self.0.counters().waiting.take(1);
        }
    }

    core.counters().queued.add(1);
    core.counters().waiting.add(1);
    let _waiting = Waiting(core);
    core.clock().until(core.now().at.after(wait)).await;
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
    /// The connection may speak.
    fn begin(core: &Rc<Core>, stream: S, visitor: Visitor, room: Room) -> Self {
        Self::Http(Rc::clone(core), Box::pin(http::serve(Rc::clone(core), stream, visitor, room)))
    }

    /// The connection may speak once it has arrived.
    fn after(core: &Rc<Core>, arrival: impl Future<Output = Option<(S, Visitor, Room)>> + 'static) -> Self {
        let of_http = Rc::clone(core);
        let http = async move {
            let (stream, visitor, room) = arrival.await?;
            // Boxed: those in line should not pay for what they do not do yet.
            Box::pin(http::serve(of_http, stream, visitor, room)).await
        };
        Self::Http(Rc::clone(core), Box::pin(http))
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
pub(crate) fn live<S>(core: &Rc<Core>, stream: S, peer: IpAddr) -> impl Future<Output = ()> + use<S>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let visitor = Visitor { address: peer, front: Front::Direct, serves: Serves::Peers, certificate: None };
    let stage = Stage::begin(core, stream, visitor, Room::Free);
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
    use crate::storage::{Desks, Storage, StoreDesk};

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

    /// Where jobs are handed in that nobody works on.
    fn desk() -> StoreDesk {
        let store: Box<dyn store::Store> = Box::new(store::Memory::new());
        Desks::new(&Storage::from(store)).desk
    }

    #[tokio::test]
    async fn a_narrow_pipe_in_memory_does_as_well_as_a_socket() {
        let settings = Settings { cores: 1, ..Settings::default() };
        let house = Arc::new(House::new(settings, Arc::new(RealClock::start()), "test".into()));
        let core = Core::new(0, Box::new(Echo), Arc::clone(&house), desk());
        let (near, far) = duplex(7);
        let story = async {
            let address = IpAddr::from([127, 0, 0, 1]);
            let visitor = Visitor { address, front: Front::Direct, serves: Serves::Peers, certificate: None };
            let stage = Stage::begin(&core, far, visitor, Room::Free);
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

    /// Notes whose text comes when.
    #[derive(Default)]
    struct Ledger {
        routes: u64,
        heard: Rc<RefCell<Vec<u64>>>,
    }

    impl Machine for Ledger {
        fn route(&mut self) -> Route {
            self.routes += 1;
            Route { core: 0, slot: self.routes }
        }

        fn handle(&mut self, _: Now, input: Input<'_>, out: &mut Vec<Output>) {
            match input {
                Input::Open { route, .. } => out.push(Output::Wire { route, wire: Wire::Accept }),
                Input::Frame { route, frame: Frame::Text(_) } => self.heard.borrow_mut().push(route.slot),
                _ => {}
            }
        }

        fn deadline(&self) -> Option<Timestamp> {
            None
        }

        fn loading(&self) -> usize {
            0
        }
    }

    #[tokio::test]
    async fn whoever_says_much_is_not_heard_out_before_the_others() {
        const MANY: usize = 20_000;
        let settings = Settings { cores: 1, ..Settings::default() };
        let house = Arc::new(House::new(settings, Arc::new(RealClock::start()), "test".into()));
        let heard = Rc::new(RefCell::new(Vec::new()));
        let ledger = Ledger { heard: Rc::clone(&heard), ..Ledger::default() };
        let core = Core::new(0, Box::new(ledger), Arc::clone(&house), desk());
        let story = async {
            let mut nears = Vec::new();
            for texts in [MANY, 1] {
                let (mut near, far) = duplex(1 << 20);
                let mut bytes = bytes::BytesMut::from(
                    "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                );
                for _ in 0..texts {
                    websocket::encode(&websocket::Message::text("one"), websocket::Role::Client, 5, &mut bytes);
                }
                near.write_all(&bytes).await.unwrap();
                nears.push(near);
                let address = IpAddr::from([127, 0, 0, 1]);
                let visitor = Visitor { address, front: Front::Direct, serves: Serves::Peers, certificate: None };
                let stage = Stage::begin(&core, far, visitor, Room::Free);
                tokio::task::spawn_local(Life { stage, _ticket: Socket::new(&core) });
            }
            while heard.borrow().len() <= MANY {
                tokio::task::yield_now().await;
            }
        };
        LocalSet::new().run_until(story).await;
        let place = heard.borrow().iter().position(|slot| *slot == 2).unwrap();
        assert!(place < MANY / 2, "the one text came after {place} of the other peer");
    }

    #[test]
    fn an_idle_connection_is_one_small_future_and_one_small_slot() {
        let (life, slot) = (size_of::<Life<TcpStream>>(), size_of::<RefCell<Slot>>());
        assert!(life <= 216, "the future has {life} bytes");
        assert!(slot <= 200, "the slot has {slot} bytes");
    }
}
