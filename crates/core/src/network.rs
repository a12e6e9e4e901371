//! Networks: addresses that begin alike.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// Is all addresses that begin with the same bits, written as in `10.0.0.0/8` (RFC 4632 section 3.1).
///
/// The bits behind the prefix are zero. An IPv4 network has the addresses that IPv6 sockets show as `::ffff:10.1.2.3`, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// Says why a text is no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// Neither an address nor one with a prefix.
    #[error("\"{0}\" is no network; it is ADDRESS/BITS, as in 10.0.0.0/8 or 2001:db8::/32, or one address")]
    Shape(String),
    /// More bits than the address has.
    #[error("\"{text}\" has a prefix of more than {most} bits, which is all that the address has")]
    Prefix {
        /// What was given.
        text: String,
        /// Bits of such an address.
        most: u8,
    },
    /// An address in the network, where the network is meant.
    #[error("\"{text}\" has bits behind its prefix; the network is {network}")]
    Bits {
        /// What was given.
        text: String,
        /// The network that has the address.
        network: Network,
    },
}

impl Network {
    /// Reads `ADDRESS/BITS`, or an address for that one alone.
    pub fn parse(text: &str) -> Result<Self, NetworkError> {
        let text = text.trim();
        let shape = || NetworkError::Shape(text.chars().take(100).collect());
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| shape())?;
        let most = bits(address);
        let Some(prefix) = prefix else { return Ok(Self { address, prefix: most }) };
        // Without signs and heading zeroes.
        let plain = prefix == "0" || (prefix.bytes().all(|b| b.is_ascii_digit()) && !prefix.starts_with('0'));
        let prefix: u16 = prefix.parse().ok().filter(|_| plain).ok_or_else(shape)?;
        let prefix = u8::try_from(prefix).ok().filter(|prefix| *prefix <= most);
        let prefix = prefix.ok_or_else(|| NetworkError::Prefix { text: text.to_owned(), most })?;
        let network = Self { address: masked(address, prefix), prefix };
        if network.address == address {
            Ok(network)
        } else {
            Err(NetworkError::Bits { text: text.to_owned(), network })
        }
    }

    /// Whether it has that address.
    pub fn contains(&self, address: IpAddr) -> bool {
        let within = |address: IpAddr| {
            address.is_ipv4() == self.address.is_ipv4() && masked(address, self.prefix) == self.address
        };
        within(address.to_canonical()) || within(address)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// The address with the bits behind the prefix zero.
fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            Ipv4Addr::from_bits(v4.to_bits() & mask).into()
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
            Ipv6Addr::from_bits(v6.to_bits() & mask).into()
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_network_has_the_addresses_that_begin_like_it() {
        for (network, address, expected) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("10.0.0.0/8", "a00::", false),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.6", false),
            ("0.0.0.0/0", "255.255.255.255", true),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "2001:db8::1", true),
            ("::/0", "192.0.2.1", false),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("::1/128", "::1", true),
            ("::ffff:0:0/96", "::ffff:10.1.2.3", true),
        ] {
            let (network, address) = (Network::parse(network).unwrap(), address.parse().unwrap());
            assert_eq!(network.contains(address), expected, "{network} and {address}");
        }
    }

    #[test]
    fn what_is_no_network_is_refused_with_its_reason() {
        for text in
            ["", "10.0.0.0/", "/8", "10.0.0/8", "10.0.0.0/-1", "10.0.0.0/08", "10.0.0.0/+8", "host/8", "10.0.0.0/8/8"]
        {
            assert!(matches!(Network::parse(text), Err(NetworkError::Shape(_))), "{text}");
        }
        assert!(matches!(Network::parse("10.0.0.0/33"), Err(NetworkError::Prefix { most: 32, .. })));
        assert!(matches!(Network::parse("::/300"), Err(NetworkError::Prefix { most: 128, .. })));
        let error = Network::parse("10.1.2.3/8").unwrap_err();
        assert_eq!(error.to_string(), "\"10.1.2.3/8\" has bits behind its prefix; the network is 10.0.0.0/8");
    }

    #[test]
    fn display_reads_back() {
        for (text, shown) in [("10.0.0.0/8", "10.0.0.0/8"), ("::1", "::1/128"), ("192.0.2.1", "192.0.2.1/32")] {
            assert_eq!(Network::parse(text).unwrap().to_string(), shown);
            assert_eq!(Network::parse(shown).unwrap().to_string(), shown);
        }
    }
}
