//! One HTTP call of our own: only to an address that may be called, to exactly the address that was looked at, without
//! following anybody elsewhere. How long it may take is the business of whoever makes it.
//!
//! The answer is its status: its body is not read, so nobody can feed us one.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use hyper::Request;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST, USER_AGENT};
use hyper_util::rt::TokioIo;
use model::{Host, Post, Posted, WebAddress, is_public};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use crate::http::Whole;
use crate::outside::{Outside, Stream};

/// Addresses of one name that are looked at; a name with more is not called.
const ADDRESSES_MOST: usize = 32;
/// Bytes of an answer's head.
const HEAD_BYTES: usize = 16_384;

/// How receivers prove who they are.
pub(crate) fn tls(trusted: RootCertStore) -> Result<TlsConnector, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut config = config.with_root_certificates(trusted).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

/// One call, however long it takes.
pub(crate) async fn attempt(outside: &dyn Outside, tls: &TlsConnector, post: &Post) -> Posted {
    let Some(to) = WebAddress::parse(&post.url).filter(|to| to.encrypted || post.anywhere) else {
        return Posted::Refused;
    };
    let addresses = match &to.host {
        Host::Address(address) => vec![*address],
        Host::Name(name) => match outside.look_up(name).await {
            Ok(addresses) => addresses,
            Err(_) => return Posted::Unreachable,
        },
    };
    // A name that also stands for something inside is not ours to call at all.
    let may_call = |address: &IpAddr| post.anywhere || is_public(*address);
    if addresses.len() > ADDRESSES_MOST || !addresses.iter().all(may_call) {
        return Posted::Refused;
    }
    for address in addresses {
        let Ok(stream) = outside.connect(SocketAddr::new(address, to.port)).await else { continue };
        if !to.encrypted {
            return speak(stream, &to, post).await;
        }
        let Ok(name) = ServerName::try_from(to.host.to_string()) else { return Posted::Refused };
        return match tls.connect(name, stream).await {
            Ok(stream) => speak(Box::new(stream), &to, post).await,
            Err(_) => Posted::Unreachable,
        };
    }
    Posted::Unreachable
}

/// Says the request, and hears the status.
async fn speak(stream: Box<dyn Stream>, to: &WebAddress, post: &Post) -> Posted {
    let handshake = http1::Builder::new().max_buf_size(HEAD_BYTES).handshake(TokioIo::new(stream)).await;
    let Ok((mut sender, connection)) = handshake else { return Posted::Unreachable };
    let mut request = Request::post(&*to.path)
        .header(HOST, &*to.authority)
        .header(USER_AGENT, concat!("tillgate/", env!("CARGO_PKG_VERSION")))
        .header(CONTENT_TYPE, "application/json");
    for (name, value) in &post.headers {
        request = request.header(*name, value);
    }
    let Ok(request) = request.body(Whole::new(post.body.clone())) else { return Posted::Refused };
    let answer = sender.send_request(request);
    tokio::pin!(answer);
    let answer = tokio::select! {
        answer = &mut answer => answer,
        // It may have ended with the answer.
        _ = connection => answer.await,
    };
    answer.map_or(Posted::Unreachable, |answer| Posted::Answered(answer.status().as_u16()))
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Poll;
    use std::time::Duration;

    use bytes::Bytes;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::outside::Internet;

    async fn call(url: String, anywhere: bool) -> Posted {
        let headers = vec![("x-webhook-signature", "c2lnbmVk".to_owned())];
        let body = Bytes::from_static(b"{}");
        let post = Post { url: url.into(), headers, body, within: Duration::ZERO, anywhere };
        attempt(&Internet, &tls(Internet.trusted()).unwrap(), &post).await
    }

    /// Whether anybody connects who has not been accepted.
    async fn is_called(listener: &TcpListener) -> bool {
        poll_fn(|context| Poll::Ready(listener.poll_accept(context).is_ready())).await
    }

    /// What a call to a receiver that answers so comes to, and what that has heard.
    async fn received(answer: Vec<u8>) -> (Posted, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let receiver = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut heard = Vec::new();
            while !heard.ends_with(b"{}") {
                let mut some = [0; 1024];
                let count = stream.read(&mut some).await.unwrap();
                heard.extend_from_slice(&some[..count]);
            }
            // Whoever has heard enough hangs up.
            let _ = stream.write_all(&answer).await;
            (heard, listener)
        });
        let posted = call(format!("http://127.0.0.1:{port}/pay?x=1"), true).await;
        let (heard, listener) = receiver.await.unwrap();
        assert!(!is_called(&listener).await, "one call is one connection, wherever its answer points");
        (posted, String::from_utf8(heard).unwrap())
    }

    #[tokio::test]
    async fn a_receiver_hears_one_signed_request_and_its_status_is_the_answer() {
        let (posted, heard) = received(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()).await;
        assert_eq!(posted, Posted::Answered(204));
        assert!(heard.starts_with("POST /pay?x=1 HTTP/1.1\r\n"), "{heard}");
        for header in
            ["content-type: application/json", "content-length: 2", "x-webhook-signature: c2lnbmVk", "host: 127"]
        {
            assert!(heard.contains(header), "{heard}");
        }
    }

    #[tokio::test]
    async fn nobody_is_followed_elsewhere_and_nothing_without_end_is_read() {
        let redirect = "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(received(redirect.into()).await.0, Posted::Answered(307));
        let body =
            format!("HTTP/1.1 500 Internal Server Error\r\ncontent-length: 99999999\r\n\r\n{}", "x".repeat(1 << 20));
        assert_eq!(received(body.into()).await.0, Posted::Answered(500));
        let head = format!("HTTP/1.1 200 OK\r\nx: {}", "x".repeat(1 << 20));
        assert_eq!(received(head.into()).await.0, Posted::Unreachable);
        let heads = format!("HTTP/1.1 200 OK\r\n{}", "x: y\r\n".repeat(1_000));
        assert_eq!(received(heads.into()).await.0, Posted::Unreachable);
        assert_eq!(received("SSH-2.0-nonsense\r\n".into()).await.0, Posted::Unreachable);
    }

    #[tokio::test]
    async fn what_lies_inside_is_not_called() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        for host in [
            "127.0.0.1",
            "localhost",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "0.0.0.0",
            "169.254.169.254",
            "2130706433",
            "0x7f.1",
        ] {
            let posted = call(format!("https://{host}:{port}/"), false).await;
            assert!(matches!(posted, Posted::Refused | Posted::Unreachable), "{host}: {posted:?}");
        }
        assert_eq!(call(format!("http://127.0.0.1:{port}/"), false).await, Posted::Refused);
        assert!(!is_called(&listener).await, "not even a connection was made");
    }
}
