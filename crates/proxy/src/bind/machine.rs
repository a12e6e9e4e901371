//! What the machine offers: its addresses, and which ports need a privilege.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// The addresses of this machine that can be bound, IPv4 first; without IPv6 link-local ones, which need an interface.
pub fn addresses() -> Vec<IpAddr> {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let mut addresses = parse_fib_trie(&read("/proc/net/fib_trie"));
    addresses.extend(parse_if_inet6(&read("/proc/net/if_inet6")));
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

/// The first port that needs no privilege.
pub(super) fn unprivileged_from() -> u16 {
    fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start")
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(UNPRIVILEGED_FROM)
}

/// Reads `/proc/net/fib_trie`: an address of ours is a leaf `|-- 10.0.0.5` whose next line is `/32 host LOCAL`.
fn parse_fib_trie(text: &str) -> Vec<IpAddr> {
    let mut leaf: Option<Ipv4Addr> = None;
    let mut addresses = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            leaf = address.parse().ok();
        } else if line == "/32 host LOCAL" {
            addresses.extend(leaf.map(IpAddr::V4));
        }
    }
    addresses
}

/// Reads `/proc/net/if_inet6`: 32 digits of address, index, prefix length, scope, flags, interface.
fn parse_if_inet6(text: &str) -> Vec<IpAddr> {
    text.lines()
        .filter_map(|line| {
            let mut fields = line.split_ascii_whitespace();
            let digits = fields.next().filter(|digits| digits.len() == 32)?;
            let scope = fields.nth(2)?;
            let address = Ipv6Addr::from(u128::from_str_radix(digits, 16).ok()?);
            (scope != LINK_LOCAL).then_some(IpAddr::V6(address))
        })
        .collect()
}

/// Linux's `PROT_SOCK`, for a kernel older than the setting.
const UNPRIVILEGED_FROM: u16 = 1024;

/// `IPV6_ADDR_LINKLOCAL` of the kernel's `include/net/ipv6.h`, as the file prints it.
const LINK_LOCAL: &str = "20";

#[cfg(test)]
mod tests {
    use super::*;

    const FIB_TRIE: &str = "\
Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 10.1.0.0/24 2 0 2
        |-- 10.1.0.0
           /24 link UNICAST
        |-- 10.1.0.5
           /32 host LOCAL
        |-- 10.1.0.255
           /32 link BROADCAST
";
    const IF_INET6: &str = "\
fe800000000000000000000000000005 02 40 20 80     eth0
00000000000000000000000000000001 01 80 10 80       lo
20010db8000000000000000000000005 02 40 00 80     eth0
";

    fn ips(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().filter_map(|text| text.parse().ok()).collect()
    }

    #[test]
    fn addresses_of_this_machine_are_told_from_routes() {
        assert_eq!(parse_fib_trie(FIB_TRIE), ips(&["10.1.0.5"]));
    }

    #[test]
    fn ipv6_addresses_are_read_without_the_link_local_ones() {
        assert_eq!(parse_if_inet6(IF_INET6), ips(&["::1", "2001:db8::5"]));
    }

    #[test]
    fn no_prefix_of_a_table_gives_an_address_that_is_not_in_it() {
        for end in 0..FIB_TRIE.len() {
            assert!(ips(&["10.1.0.5"]).starts_with(&parse_fib_trie(&FIB_TRIE[..end])), "{end}");
        }
        for end in 0..IF_INET6.len() {
            // A scope cut to one digit is read as it stands.
            let read = parse_if_inet6(&IF_INET6[..end]);
            assert!(read.iter().all(|ip| ips(&["fe80::5", "::1", "2001:db8::5"]).contains(ip)), "{end}");
        }
    }

    #[test]
    fn loopback_is_an_address_of_this_machine() {
        assert!(addresses().contains(&IpAddr::V4(Ipv4Addr::LOCALHOST)));
    }
}
