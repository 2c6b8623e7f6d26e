//! Address ranges in settings: which proxies are believed.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use model::setting::{Plain, Value};

/// Address ranges, such as `10.0.0.0/8` and `::1/128`; a bare address is a range of one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Vec<Network>);

impl Networks {
    /// Whether the address lies in one of them.
    #[must_use]
    pub fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(address))
    }
}

impl FromIterator<Network> for Networks {
    fn from_iter<T: IntoIterator<Item = Network>>(networks: T) -> Self {
        Self(networks.into_iter().collect())
    }
}

impl Plain for Networks {
    fn value(&self) -> Value {
        Value::Texts(self.0.iter().map(ToString::to_string).collect())
    }

    fn from_value(value: Value, least: u64, most: u64) -> Result<Self, String> {
        let right = || "a list of address ranges, such as \"10.0.0.0/8\" or \"127.0.0.1\"".to_owned();
        let texts = Vec::<String>::from_value(value, least, most).map_err(|_| right())?;
        texts.iter().map(|text| text.parse()).collect::<Result<_, BadNetwork>>().map_err(|_| right())
    }
}

/// One range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    first: IpAddr,
    bits: u8,
}

impl Network {
    fn contains(self, address: IpAddr) -> bool {
        match (self.first, address) {
            (IpAddr::V4(first), IpAddr::V4(address)) => {
                let apart = 32 - u32::from(self.bits);
                (first.to_bits() ^ address.to_bits()).checked_shr(apart).unwrap_or(0) == 0
            }
            (IpAddr::V6(first), IpAddr::V6(address)) => {
                let apart = 128 - u32::from(self.bits);
                (first.to_bits() ^ address.to_bits()).checked_shr(apart).unwrap_or(0) == 0
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

/// A text that is no address range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an address range such as 10.0.0.0/8")]
pub struct BadNetwork;

impl FromStr for Network {
    type Err = BadNetwork;

    fn from_str(text: &str) -> Result<Self, BadNetwork> {
        let (first, bits) = match text.split_once('/') {
            Some((first, bits)) => (first, Some(bits.parse().map_err(|_| BadNetwork)?)),
            None => (text, None),
        };
        let first: IpAddr = first.parse().map_err(|_| BadNetwork)?;
        let most = if first.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(most);
        if bits > most {
            return Err(BadNetwork);
        }
        Ok(Self { first, bits })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.bits)
    }
}

/// Who counts as one address for limits: an IPv4 address, or the /64 that one IPv6 customer has to himself.
pub(crate) fn place(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(texts: &[&str]) -> Networks {
        texts.iter().map(|text| text.parse::<Network>().unwrap()).collect()
    }

    #[test]
    fn a_range_contains_what_begins_like_it() {
        let networks = networks(&["10.1.0.0/16", "192.168.7.7", "2001:db8::/32", "0.0.0.0/0"][..3]);
        for inside in ["10.1.255.255", "192.168.7.7", "2001:db8:ffff::1", "::ffff:10.1.2.3"] {
            assert!(networks.contain(inside.parse().unwrap()), "{inside}");
        }
        for outside in ["10.2.0.0", "192.168.7.8", "2001:db9::1", "::1"] {
            assert!(!networks.contain(outside.parse().unwrap()), "{outside}");
        }
        assert!("0.0.0.0/0".parse::<Network>().unwrap().contains("9.9.9.9".parse().unwrap()));
        assert!("::/0".parse::<Network>().unwrap().contains("9::9".parse().unwrap()));
        assert!(!Networks::default().contain("127.0.0.1".parse().unwrap()));
    }

    #[test]
    fn what_is_no_range_is_told() {
        for text in ["", "10.0.0.0/33", "10.0.0/8", "::/129", "10.0.0.0/", "10.0.0.0/-1"] {
            assert_eq!(text.parse::<Network>(), Err(BadNetwork), "{text}");
        }
        assert!(Networks::from_value(Value::Texts(vec!["nobody".into()]), 0, 0).is_err());
    }

    #[test]
    fn one_customer_is_one_place() {
        let place = |text: &str| place(text.parse().unwrap()).to_string();
        assert_eq!(place("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(place("::ffff:10.1.2.3"), "10.1.2.3");
    }
}
