//! Where HTTP calls of ours go. One reader serves whoever writes an address down and whoever calls it, so that both mean
//! the same place.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The longest URL, in bytes.
const URL_BYTES: usize = 2_048;
/// The longest name of a host, and of one part of it, in bytes.
const NAME_BYTES: usize = 253;
const LABEL_BYTES: usize = 63;

/// An `http` or `https` URL that says one thing only: no name and password, no fragment, no escapes in the host, and no
/// spelling of an address that somebody could read as another one. Its path may hold secrets, so it prints none.
#[derive(Clone, PartialEq, Eq)]
pub struct WebAddress {
    /// Whether it is `https`.
    pub encrypted: bool,
    /// Whom to call.
    pub host: Host,
    /// At which port.
    pub port: u16,
    /// Path and query; begins with `/`.
    pub path: Box<str>,
    /// Host and port as they were written, for the header.
    pub authority: Box<str>,
}

/// Whom to call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// A name, to be looked up; in small letters.
    Name(Box<str>),
    /// An address.
    Address(IpAddr),
}

impl WebAddress {
    /// Reads a URL, whole or not at all.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > URL_BYTES {
            return None;
        }
        let (encrypted, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => return None,
        };
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if !path.bytes().all(is_of_a_path) {
            return None;
        }
        let (host, port) = match authority.rfind([':', ']']) {
            Some(at) if authority[at..].starts_with(':') => (&authority[..at], Some(&authority[at + 1..])),
            Some(_) | None => (authority, None),
        };
        let port = match port {
            None => {
                if encrypted {
                    443
                } else {
                    80
                }
            }
            Some(digits) if !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().ok()?
            }
            Some(_) => return None,
        };
        let host = match host.strip_prefix('[') {
            Some(host) => Host::Address(IpAddr::V6(host.strip_suffix(']')?.parse().ok()?)),
            None => name_or_address(host)?,
        };
        let path = if path.starts_with('/') { path.into() } else { format!("/{path}").into() };
        Some(Self { encrypted, host, port, path, authority: authority.into() })
    }
}

impl fmt::Debug for WebAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebAddress").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(address) => address.fmt(f),
        }
    }
}

/// What RFC 3986 lets stand in a path or a query.
const fn is_of_a_path(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&' | b'\'' | b'('..=b',')
        || matches!(byte, b';' | b'=' | b':' | b'@' | b'%' | b'/' | b'?')
}

/// A name of labels with letters, digits and hyphens, or four plain numbers. What ends in a number or in `0x…` is an
/// address to many a resolver, in octal or of fewer parts: it is none to us, unless it is written as everybody reads it.
fn name_or_address(host: &str) -> Option<Host> {
    let last = host.rsplit('.').next()?;
    if last.starts_with(|first: char| first.is_ascii_digit()) {
        return host.parse().ok().map(|address| Host::Address(IpAddr::V4(address)));
    }
    let is_label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        (1..=LABEL_BYTES).contains(&label.len())
            && label.bytes().all(inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let is_name = host.len() <= NAME_BYTES && host.split('.').all(is_label);
    is_name.then(|| Host::Name(host.to_ascii_lowercase().into()))
}

/// Whether an address is one of the whole internet's, and nothing that leads back to us or to our neighbours.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let shared = a == 100 && b & 0xc0 == 64;
    let assigned = (a, b, c) == (192, 0, 0) || (a, b, c) == (192, 88, 99);
    let measured = a == 198 && b & 0xfe == 18;
    !(a == 0
        || a >= 224
        || address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_documentation()
        || shared
        || assigned
        || measured)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    // Only 2000::/3 is given out. In it: Teredo and other protocols' own, documentation, and 6to4, which carries an
    // IPv4 address. Mapped, translated, local and multicast addresses all lie outside.
    let global = a & 0xe000 == 0x2000;
    let special = match a {
        0x2001 => b < 0x0200 || b == 0x0db8,
        0x2002 | 0x3fff => true,
        _ => false,
    };
    global && !special
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_read_whole_or_not_at_all() {
        let address = WebAddress::parse("https://Hooks.example.test:8443/pay?x=1").unwrap();
        assert_eq!((address.host, address.port, &*address.path), (name("hooks.example.test"), 8443, "/pay?x=1"));
        assert_eq!(&*address.authority, "Hooks.example.test:8443");
        let read = |text| WebAddress::parse(text).map(|address| (address.encrypted, address.host, address.port));
        assert_eq!(read("https://a.test"), Some((true, name("a.test"), 443)));
        assert_eq!(read("http://a.test/"), Some((false, name("a.test"), 80)));
        assert_eq!(read("http://localhost:1"), Some((false, name("localhost"), 1)));
        let six = "2606:4700::1111".parse().unwrap();
        assert_eq!(read("https://[2606:4700::1111]:9/"), Some((true, Host::Address(six), 9)));
        assert_eq!(&*WebAddress::parse("https://a.test?x").unwrap().path, "/?x");
        for wrong in [
            "https://",
            "https:///pay",
            "https://?x",
            "HTTPS://a.test/",
            "ftp://a.test/",
            "/pay",
            "https://a.test:/",
            "https://a.test:0/",
            "https://a.test:0443/",
            "https://a.test:65536/",
            "https://a.test:+443/",
            "https://a.test:1:2/",
            "https://:443/",
            "https://[::1/",
            "https://::1/",
            "https://[::1]x/",
            "https://[fe80::1%eth0]/",
            "https://[127.0.0.1]/",
        ] {
            assert_eq!(WebAddress::parse(wrong), None, "{wrong}");
        }
    }

    fn name(name: &str) -> Host {
        Host::Name(name.into())
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_not_read() {
        for wrong in [
            "https://u:p@a.test/",
            "https://a.test@127.0.0.1/",
            "https://a.test#@127.0.0.1/",
            "https://a.test/#x",
            "https://a.test\\@127.0.0.1/",
            "https://2130706433/",
            "https://0x7f000001/",
            "https://0x7f.1/",
            "https://0177.0.0.1/",
            "https://127.1/",
            "https://127.0.0.01/",
            "https://127.0.0.1./",
            "https://127.0.0.256/",
            "https://1.2.3.4.5/",
            "https://a.1/",
            "https://a.test./",
            "https://a..test/",
            "https://.a.test/",
            "https://-a.test/",
            "https://b\u{fc}cher.test/",
            "https://\u{2460}\u{2461}\u{2466}.0.0.1/",
            "https://127\u{3002}0\u{3002}0\u{3002}1/",
            "https://a%2etest/",
            "https://%31%32%37.0.0.1/",
            "https://a.test/p ay",
            "https://a.test/\r\nx: y",
            "https://a.test/\u{fc}",
            " https://a.test/",
            "https://a.test\t/",
        ] {
            assert_eq!(WebAddress::parse(wrong), None, "{wrong}");
        }
        assert!(WebAddress::parse(&format!("https://{}.test/", "a".repeat(64))).is_none());
        assert!(WebAddress::parse(&format!("https://{}test/", "a.".repeat(125))).is_none());
        assert!(WebAddress::parse(&format!("https://a.test/{}", "a".repeat(2_034))).is_none());
        assert_eq!(WebAddress::parse("https://xn--bcher-kva.test/").unwrap().host, name("xn--bcher-kva.test"));
    }

    #[test]
    fn only_addresses_of_the_whole_internet_are_public() {
        for public in ["93.184.216.34", "1.1.1.1", "172.15.255.255", "172.32.0.1", "100.128.0.1", "2606:4700::1111"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for inside in [
            "0.0.0.0",
            "0.1.2.3",
            "127.0.0.1",
            "127.255.255.254",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "192.0.0.8",
            "192.0.2.1",
            "198.18.0.1",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:93.184.216.34",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "fe80::1",
            "fec0::1",
            "fc00::1",
            "fd12:3456::1",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "2002:7f00:1::",
            "100::1",
        ] {
            assert!(!is_public(inside.parse().unwrap()), "{inside}");
        }
    }
}
