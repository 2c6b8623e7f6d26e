//! Servers to rehearse against: for this crate's examples and tests, and for those who build on it.
//!
//! Not part of the promised interface. A [`Peer`] is the server's end of one connection, well behaved or not.

use std::collections::VecDeque;
use std::io;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use websocket::handshake::accept_key;
use websocket::{Close, CloseCode, Connection, Limits, Message, Role};

use crate::link::Lost;
use crate::shell::{Dial, Dialing, Stream, Target};

/// How much a pipe holds before its writer waits, in bytes.
const PIPE_BYTES: usize = 64 * 1024;

/// A way to dial that ends in the hands of whoever holds the [`Doorbell`].
#[derive(Clone, Debug)]
pub struct Pipes {
    rings: mpsc::UnboundedSender<DuplexStream>,
}

/// Tells of each dial, and holds the server's end of its pipe.
#[derive(Debug)]
pub struct Doorbell {
    rings: mpsc::UnboundedReceiver<DuplexStream>,
}

/// Pipes in memory instead of sockets, so that a test can move the clock.
#[must_use]
pub fn pipes() -> (Pipes, Doorbell) {
    let (ring, rings) = mpsc::unbounded_channel();
    (Pipes { rings: ring }, Doorbell { rings })
}

impl Dial for Pipes {
    fn dial(&self, _: &Target) -> Dialing {
        let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
        let answered = self.rings.send(theirs).is_ok();
        Box::pin(async move {
            if answered {
                Ok(Box::new(ours) as Box<dyn Stream>)
            } else {
                Err(Lost::Unreachable("nobody is there".to_owned()))
            }
        })
    }
}

impl Doorbell {
    /// The server's end of the next dial, before any upgrade.
    pub async fn ring(&mut self) -> DuplexStream {
        match self.rings.recv().await {
            Some(stream) => stream,
            None => std::future::pending().await,
        }
    }

    /// The next dial, upgraded.
    ///
    /// # Errors
    ///
    /// When the client goes away or asks for something else.
    pub async fn accept(&mut self) -> io::Result<Peer> {
        Peer::accept(self.ring().await).await
    }
}

/// The server's end of a connection.
pub struct Peer {
    stream: Box<dyn Stream>,
    connection: Connection,
    heard: VecDeque<Message<'static>>,
}

impl Peer {
    /// Reads a request and upgrades.
    ///
    /// # Errors
    ///
    /// When the client goes away or asks for something else.
    pub async fn accept(stream: impl Stream + 'static) -> io::Result<Self> {
        let mut stream = Box::new(stream);
        let key = read_request(&mut stream).await?;
        let accept = accept_key(&key);
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
             sec-websocket-accept: {accept}\r\n\r\n"
        );
        stream.write_all(answer.as_bytes()).await?;
        Ok(Self { stream, connection: Connection::new(Role::Server, Limits::of(1 << 20)), heard: VecDeque::new() })
    }

    /// Sends a text frame.
    ///
    /// # Errors
    ///
    /// When the client is gone.
    pub async fn send(&mut self, text: &str) -> io::Result<()> {
        self.write(&Message::text(text)).await
    }

    /// Sends a close frame.
    ///
    /// # Errors
    ///
    /// When the client is gone.
    pub async fn close(&mut self, code: u16, reason: &str) -> io::Result<()> {
        let code = CloseCode::new(code).ok_or(io::ErrorKind::InvalidInput)?;
        let close = Close::new(code, reason.to_owned()).map_err(io::Error::other)?;
        self.write(&Message::Close(close)).await
    }

    /// Sends bytes that need not be frames.
    ///
    /// # Errors
    ///
    /// When the client is gone.
    pub async fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// The next message, pings and closes answered; none when the client is gone.
    pub async fn hear(&mut self) -> Option<Message<'static>> {
        let mut buffer = [0; 4096];
        loop {
            if let Some(message) = self.heard.pop_front() {
                return Some(message);
            }
            let count = self.stream.read(&mut buffer).await.ok().filter(|count| *count > 0)?;
            let mut input = &mut buffer[..count];
            let mut answers = BytesMut::new();
            while let Ok(Some(message)) = self.connection.receive(&mut input) {
                self.connection.answer(&message, 0, &mut answers);
                self.heard.push_back(message.into_owned());
            }
            if self.stream.write_all(&answers).await.is_err() {
                return self.heard.pop_front();
            }
        }
    }

    /// The next text; none when something else comes, or nothing more.
    pub async fn text(&mut self) -> Option<String> {
        match self.hear().await {
            Some(Message::Text(text)) => Some(text.into_owned()),
            Some(Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Close(_)) | None => None,
        }
    }

    /// Reads the login and accepts it, whatever it says.
    ///
    /// # Errors
    ///
    /// When the client is gone or says something else.
    pub async fn login(&mut self) -> io::Result<()> {
        match self.text().await {
            Some(login) if login.contains("\"authenticate\"") => self.send(r#"{"type":"authenticated"}"#).await,
            Some(_) | None => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    async fn write(&mut self, message: &Message<'_>) -> io::Result<()> {
        let mut out = BytesMut::new();
        self.connection.send(message, 0, &mut out).map_err(io::Error::other)?;
        self.stream.write_all(&out).await
    }
}

/// Reads a request's head; gives its key.
///
/// # Errors
///
/// When the client goes away or sends no key.
pub async fn read_request(stream: &mut (impl AsyncReadExt + Unpin)) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8(head).map_err(io::Error::other)?;
    let key = head.lines().find_map(|line| line.strip_prefix("sec-websocket-key: "));
    key.map(str::to_owned).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// A tiny BOOP server on a port of its own, living as long as the runtime. It accepts every login, recognises every
/// palm, offers each scanner one context, and answers pings. Gives its address.
///
/// # Errors
///
/// When no port can be had.
pub async fn boop() -> io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("ws://{}/ws/vendor", listener.local_addr()?);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream));
        }
    });
    Ok(url)
}

/// A tiny Modulus gateway on a port of its own, living as long as the runtime. It lets every key in, has one terminal
/// `lane-7` on which every payment succeeds, offers each connection one payment, and answers pings. Gives its address.
///
/// # Errors
///
/// When no port can be had.
pub async fn modulus() -> io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("ws://{}/v1", listener.local_addr()?);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer_modulus(stream));
        }
    });
    Ok(url)
}

async fn answer_modulus(stream: impl Stream + 'static) -> io::Result<()> {
    let mut peer = Peer::accept(stream).await?;
    let request = r#"{"transactionId":"K-118","amount":"1250.00","currency":"PHP","paymentMethod":"CARD"}"#;
    peer.send(&format!(r#"{{"action":"payment","terminalId":"lane-7","paymentRequest":{request}}}"#)).await?;
    while let Some(text) = peer.text().await {
        let frame: serde_json::Value = serde_json::from_str(&text)?;
        match frame["action"].as_str().unwrap_or_default() {
            "getTerminals" => {
                let terminal = r#"{"connectionId":"c1","deviceId":"lane-7","status":"online","metadata":{}}"#;
                peer.send(&format!(r#"{{"action":"terminalsResponse","terminals":[{terminal}]}}"#)).await?;
            }
            "payment" => {
                let (id, terminal) = (&frame["paymentRequest"]["transactionId"], &frame["terminalId"]);
                let (amount, currency) = (&frame["paymentRequest"]["amount"], &frame["paymentRequest"]["currency"]);
                peer.send(&format!(
                    r#"{{"action":"paymentComplete","terminalId":{terminal},"transactionId":{id},"status":"SUCCESS","paymentResponse":{{"transactionId":{id},"status":"SUCCESS","amount":{amount},"currency":{currency},"paymentMethod":"CARD"}}}}"#
                ))
                .await?;
            }
            "paymentResponse" => {
                let id = &frame["transactionId"];
                peer.send(&format!(r#"{{"action":"paymentAck","transactionId":{id},"result":"accepted"}}"#)).await?;
            }
            "ping" => peer.send(r#"{"action":"pong"}"#).await?,
            _ => peer.send(r#"{"action":"error","error":"Bad Request","message":"Unknown action"}"#).await?,
        }
    }
    Ok(())
}

async fn answer(stream: impl Stream + 'static) -> io::Result<()> {
    let mut peer = Peer::accept(stream).await?;
    while let Some(text) = peer.text().await {
        let frame: serde_json::Value = serde_json::from_str(&text)?;
        let context_id = &frame["context_id"];
        let field = |name: &str| frame[name].as_str().unwrap_or_default();
        match field("type") {
            "authenticate" => {
                peer.send(r#"{"type":"authenticated"}"#).await?;
                if frame["device_id"].is_string() {
                    let offer =
                        r#"{"type":"context_open","context_id":"c1","auth_type":"entrance","vendor_name":"Hall B"}"#;
                    peer.send(offer).await?;
                }
            }
            "create_context" => {
                let result = r#"{"success":true,"user_id":"usr_8tk2","attributes":{}}"#;
                peer.send(&format!(r#"{{"type":"auth_result","context_id":{context_id},"result":{result}}}"#)).await?;
            }
            "scan_result" => {
                peer.send(&format!(r#"{{"type":"scan_ack","context_id":{context_id},"status":"matched"}}"#)).await?;
            }
            "ping" => peer.send(r#"{"type":"pong"}"#).await?,
            _ => peer.send(r#"{"type":"error","error":"Invalid request","code":"INVALID_REQUEST"}"#).await?,
        }
    }
    Ok(())
}
