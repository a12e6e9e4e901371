//! Which program listens on a port, as far as `/proc` shows it.

use std::{
    collections::HashSet,
    fs,
    io::{BufRead, BufReader},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
};

use portward_core::sockets_overlap;

use super::Holder;

/// Is a socket of somebody else that listens where we want to.
#[derive(Debug)]
pub(super) struct Found {
    /// The program; none if its files are not for us to see.
    pub(super) process: Option<Holder>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Listening {
    local: SocketAddr,
    inode: u64,
}

/// Finds a socket that listens where `address` would, apart from those with an inode in `own`.
pub(super) fn find(address: SocketAddr, own: &HashSet<u64>) -> Option<Found> {
    let found = ["/proc/net/tcp", "/proc/net/tcp6"]
        .into_iter()
        .flat_map(listening)
        .filter(|listening| sockets_overlap(listening.local, address) && !own.contains(&listening.inode))
        // [::] of another program may be for IPv6 alone: the same address is the better suspect.
        .max_by_key(|listening| listening.local.ip() == address.ip())?;
    Some(Found { process: process_with(found.inode) })
}

fn listening(table: &str) -> Vec<Listening> {
    let Ok(file) = fs::File::open(table) else { return Vec::new() };
    // The kernel lists all sockets that listen before all others, of which there may be very many.
    BufReader::new(file).lines().map_while(Result::ok).skip(1).map_while(|line| parse(&line)).collect()
}

/// Reads a line of `/proc/net/tcp` or `tcp6`; none unless it is of a socket that listens.
fn parse(line: &str) -> Option<Listening> {
    let mut fields = line.split_ascii_whitespace();
    let local = parse_address(fields.nth(1)?)?;
    let state = fields.nth(1)?;
    if state != "0A" {
        return None;
    }
    let inode = fields.nth(5)?.parse().ok()?;
    Some(Listening { local, inode })
}

/// Reads `0100007F:1F90`: each 32-bit word as a number of this machine, the port as a plain number.
fn parse_address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let word = |index: usize| {
        let digits = address.get(index * 8..index * 8 + 8)?;
        Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
    };
    let ip: IpAddr = match address.len() {
        8 => Ipv4Addr::from(word(0)?).into(),
        32 => {
            let mut octets = [0; 16];
            for (index, octets) in octets.chunks_exact_mut(4).enumerate() {
                octets.copy_from_slice(&word(index)?);
            }
            Ipv6Addr::from(octets).into()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

fn process_with(inode: u64) -> Option<Holder> {
    let wanted = format!("socket:[{inode}]");
    fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
        let process: u32 = entry.file_name().to_str()?.parse().ok()?;
        let has = fs::read_dir(entry.path().join("fd"))
            .ok()?
            .flatten()
            .any(|file| fs::read_link(file.path()).is_ok_and(|target| target == Path::new(&wanted)));
        has.then(|| Holder { name: name_of(&entry.path()), process })
    })
}

/// The name of a process, which that process chooses: what could disturb a terminal or a log is left out.
fn name_of(process: &Path) -> String {
    let name = fs::read_to_string(process.join("comm")).unwrap_or_default();
    let name: String = name.trim().chars().filter(|c| !c.is_control()).collect();
    if name.is_empty() { "another program".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const V4: &str = "   3: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 56789 1 0 100 0 0 10 0";
    const V6: &str = "   0: 00000000000000000000000001000000:01BB 00000000000000000000000000000000:0000 0A \
                      00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0";

    #[test]
    #[cfg(target_endian = "little")]
    fn a_line_of_a_listening_socket_is_read() {
        assert_eq!(parse(V4).unwrap(), Listening { local: "127.0.0.1:8080".parse().unwrap(), inode: 56_789 });
        assert_eq!(parse(V6).unwrap(), Listening { local: "[::1]:443".parse().unwrap(), inode: 4711 });
    }

    #[test]
    fn a_connection_is_no_listener() {
        assert_eq!(parse(&V4.replace(" 0A ", " 01 ")), None);
    }

    #[test]
    fn no_prefix_of_a_line_is_misread() {
        for line in [V4, V6] {
            let whole = parse(line).unwrap();
            let inode = whole.inode.to_string();
            let end_of_inode = line.find(&format!(" {inode} ")).unwrap() + 1 + inode.len();
            for end in 0..line.len() {
                let read = parse(&line[..end]);
                if end >= end_of_inode {
                    assert_eq!(read, Some(whole), "{end}");
                } else {
                    assert!(read.is_none_or(|read| inode.starts_with(&read.inode.to_string())), "{end}");
                }
            }
        }
    }

    #[test]
    fn a_socket_of_this_process_is_found_with_name_and_number() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let found = find(listener.local_addr().unwrap(), &HashSet::new()).unwrap();
        assert_eq!(found.process.unwrap().process, std::process::id());
    }

    #[test]
    fn sockets_of_our_own_are_not_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let own = HashSet::from([super::super::inode(&listener).unwrap()]);
        assert!(find(listener.local_addr().unwrap(), &own).is_none());
    }
}
