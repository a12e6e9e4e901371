#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, Ipv6Addr, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::Arc,
    thread,
};

use portward_core::BindingId;
use rustix::{
    io::Errno,
    thread::{CapabilitySet, capabilities, set_capabilities},
};

use super::*;

const THREE: NonZeroUsize = NonZeroUsize::new(3).unwrap();

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn open_alone(address: &str) -> Result<Opened, BindError> {
    open(at(address), THREE, [])
}

/// Is another program that listens; it ends when this is dropped.
struct OtherProgram {
    child: Child,
    port: u16,
}

impl OtherProgram {
    fn listening(host: &str, port: u16, option: &str) -> Self {
        let program = format!(
            "import socket, sys
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.{option}, 1)
s.bind(('{host}', {port}))
s.listen()
print(s.getsockname()[1], flush=True)
sys.stdin.read()"
        );
        let mut child = Command::new("python3")
            .args(["-c", &program])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, port: line.trim().parse().unwrap() }
    }
}

impl Drop for OtherProgram {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        self.child.wait().unwrap();
    }
}

#[test]
fn all_sockets_of_a_binding_have_one_port() {
    let opened = open_alone("127.0.0.1:0").unwrap();
    assert_eq!(opened.listeners.len(), 3);
    assert_ne!(opened.local.port(), 0);
    for listener in opened.listeners.iter().flatten() {
        assert_eq!(listener.local_addr().unwrap(), opened.local);
    }
    assert_eq!(opened.inodes.len(), 3);
}

#[test]
fn accepted_connections_send_small_writes_at_once() {
    let opened = open(at("127.0.0.1:0"), NonZeroUsize::MIN, []).unwrap();
    let _client = TcpStream::connect(opened.local).unwrap();
    opened.listeners[0][0].set_nonblocking(false).unwrap();
    let (accepted, _) = opened.listeners[0][0].accept().unwrap();
    assert!(accepted.nodelay().unwrap());
}

#[test]
fn a_port_of_another_program_is_taken_whether_it_would_share_it_or_not() {
    for option in ["SO_REUSEADDR", "SO_REUSEPORT"] {
        let other = OtherProgram::listening("127.0.0.1", 0, option);
        for address in ["127.0.0.1", "0.0.0.0", "[::]"] {
            let error = open_alone(&format!("{address}:{}", other.port)).unwrap_err();
            let BindError::Taken { holder: Some(holder), .. } = &error else { panic!("{option} {address}: {error:?}") };
            assert_eq!(holder.process, other.child.id(), "{option} {address}");
            assert!(holder.name.starts_with("python"), "{option} {address}: {holder:?}");
        }
        assert!(open_alone(&format!("127.0.0.2:{}", other.port)).is_ok(), "{option}");
    }
}

#[test]
fn the_unspecified_ipv6_address_takes_connections_of_both_families() {
    let opened = open(at("[::]:0"), NonZeroUsize::MIN, []).unwrap();
    opened.listeners[0][0].set_nonblocking(false).unwrap();
    let port = opened.local.port();
    for address in [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()] {
        let mut client = TcpStream::connect((address, port)).unwrap();
        let (mut accepted, _) = opened.listeners[0][0].accept().unwrap();
        client.write_all(b"x").unwrap();
        accepted.read_exact(&mut [0]).unwrap();
    }
    assert!(matches!(open_alone(&format!("0.0.0.0:{port}")), Err(BindError::Taken { .. })));
}

#[test]
fn a_binding_can_move_over_sockets_of_our_own_but_not_over_those_of_others() {
    let first = open_alone("127.0.0.1:0").unwrap();
    let port = first.local.port();
    let own = || [(first.local, first.inodes.as_slice())];
    for wider in ["0.0.0.0", "[::]"] {
        let moved = open(at(&format!("{wider}:{port}")), THREE, own());
        assert_eq!(moved.unwrap().local.port(), port, "{wider}");
    }
    let other = OtherProgram::listening("127.0.0.2", port, "SO_REUSEPORT");
    for wider in ["0.0.0.0", "[::]"] {
        let error = open(at(&format!("{wider}:{port}")), THREE, own()).unwrap_err();
        let BindError::Taken { holder: Some(holder), .. } = &error else { panic!("{wider}: {error:?}") };
        assert_eq!(holder.process, other.child.id(), "{wider}");
    }
}

#[test]
fn a_try_lets_the_address_go_again() {
    let port = open_alone("127.0.0.1:0").unwrap().local.port();
    let address = at(&format!("127.0.0.1:{port}"));
    probe(address).unwrap();
    probe(address).unwrap();
    assert!(open(address, THREE, []).is_ok());
}

#[test]
fn an_address_of_another_machine_is_refused_with_those_of_this_one() {
    // RFC 5737 and RFC 3849: for documentation, on no machine.
    for address in ["192.0.2.7", "[2001:db8::7]"] {
        let error = open_alone(&format!("{address}:0")).unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with(&format!(
                "{} is not an address of this machine; its addresses are ",
                address.trim_matches(['[', ']'])
            )) || matches!(error, BindError::NoIpv6(_)),
            "{text}"
        );
    }
    assert!(open_alone("192.0.2.7:0").unwrap_err().to_string().contains("127.0.0.1"));
}

#[test]
fn a_low_port_needs_a_privilege_that_the_message_names() {
    let unprivileged_from = machine::unprivileged_from();
    // Capabilities belong to threads: this one gives the privilege up, the others of the test program keep it.
    let result = thread::spawn(|| {
        let mut sets = capabilities(None).unwrap();
        sets.effective.remove(CapabilitySet::NET_BIND_SERVICE);
        set_capabilities(None, sets).unwrap();
        open_alone("127.0.0.1:1")
    })
    .join()
    .unwrap();
    if unprivileged_from <= 1 {
        // This machine has given all ports to everybody, as container engines do.
        assert!(result.is_ok(), "{result:?}");
        return;
    }
    let text = result.unwrap_err().to_string();
    assert!(text.starts_with("Port 1 needs a privilege: "), "{text}");
    let program = std::env::current_exe().unwrap();
    assert!(text.contains(&format!("setcap 'cap_net_bind_service=+ep' {}", program.display())), "{text}");
}

#[test]
fn what_the_operating_system_says_is_told_in_our_words() {
    let explain = |address: &str, errno: Errno| BindError::explain(at(address), errno.into(), &HashSet::new());
    use BindError as E;
    let low = machine::unprivileged_from() > 80;
    assert!(matches!(explain("0.0.0.0:80", Errno::ACCESS), E::Privilege { .. }) == low);
    assert!(matches!(explain("0.0.0.0:8443", Errno::ACCESS), E::Forbidden(_)));
    assert!(matches!(explain("0.0.0.0:8443", Errno::PERM), E::Forbidden(_)));
    assert!(matches!(explain("[::]:8443", Errno::AFNOSUPPORT), E::NoIpv6(_)));
    assert!(matches!(explain("0.0.0.0:8443", Errno::MFILE), E::TooManyFiles(_)));
    assert!(matches!(explain("0.0.0.0:8443", Errno::NFILE), E::TooManyFiles(_)));
    assert!(matches!(explain("0.0.0.0:1", Errno::ADDRINUSE), E::Taken { holder: None, .. }));
    assert!(matches!(explain("192.0.2.7:8443", Errno::ADDRNOTAVAIL), E::NotAnAddress { .. }));
    assert!(matches!(explain("0.0.0.0:8443", Errno::INVAL), E::Refused { .. }));
}

#[test]
fn each_message_says_what_why_and_what_to_do() {
    let java = Holder { name: "java".to_owned(), process: u32::MAX };
    for (error, expected) in [
        (
            BindError::Ours(BindingId::parse("front").unwrap()),
            "Portward listens there already, by the binding front. Choose another port, or change or remove that binding first.",
        ),
        (
            BindError::Taken { address: at("0.0.0.0:8443"), holder: Some(java) },
            "Port 8443 is taken by java (process 4294967295). Choose another port, or stop that program.",
        ),
        (
            BindError::Taken { address: at("[::1]:8443"), holder: None },
            "Port 8443 of ::1 is taken by another program. Choose another port, or stop that program (ss -ltnp, run as root, shows which it is).",
        ),
        (
            BindError::Privilege {
                address: at("0.0.0.0:443"),
                unprivileged_from: 1024,
                program: Some(PathBuf::from("/usr/bin/portward")),
            },
            "Port 443 needs a privilege: ports below 1024 need CAP_NET_BIND_SERVICE. Choose a port from 1024 on, or grant it by one of: setcap 'cap_net_bind_service=+ep' /usr/bin/portward; AmbientCapabilities=CAP_NET_BIND_SERVICE in the systemd unit; sysctl net.ipv4.ip_unprivileged_port_start=443.",
        ),
        (
            BindError::NotAnAddress {
                address: "10.9.8.7".parse().unwrap(),
                addresses: vec!["10.1.0.5".parse().unwrap(), "127.0.0.1".parse().unwrap()],
            },
            "10.9.8.7 is not an address of this machine; its addresses are 10.1.0.5, 127.0.0.1. Choose one of its addresses, 0.0.0.0 for all of IPv4, or [::] for all addresses.",
        ),
        (
            BindError::NoIpv6(at("[::]:443")),
            "[::]:443 needs IPv6, which this machine does not have. Choose an IPv4 address (0.0.0.0 for all of them), or switch IPv6 on (sysctl net.ipv6.conf.all.disable_ipv6=0, and no ipv6.disable=1 in the kernel's command line).",
        ),
        (
            BindError::TooManyFiles(at("0.0.0.0:443")),
            "0.0.0.0:443 cannot be listened on because too many files and connections are open. Raise the limit (LimitNOFILE= in the systemd unit, or ulimit -n; fs.file-max for the whole machine), or wait until connections have ended.",
        ),
        (
            BindError::Forbidden(at("0.0.0.0:8443")),
            "Port 8443 is not permitted to this program, although the port needs no privilege: a security policy (SELinux, AppArmor, or the service's sandbox) forbids it. Choose another port, or permit this one in that policy; its log says which rule it was (ausearch -m avc, or journalctl -k).",
        ),
        (
            BindError::Refused { address: at("0.0.0.0:8443"), source: Arc::new(Errno::INVAL.into()) },
            "0.0.0.0:8443 cannot be listened on: the operating system says \"Invalid argument (os error 22)\". Choose another address or port.",
        ),
    ] {
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn sockets_that_were_given_are_dealt_out_so_that_none_is_left_and_nobody_has_none() {
    for (sockets, workers, expected) in [(3, 1, vec![3]), (3, 2, vec![2, 1]), (2, 2, vec![1, 1]), (1, 3, vec![1, 1, 1])]
    {
        let opened = open(at("127.0.0.1:0"), NonZeroUsize::new(sockets).unwrap(), []).unwrap();
        let local = opened.local;
        let given = opened.listeners.into_iter().flatten().collect();
        let adopted = adopt(given, NonZeroUsize::new(workers).unwrap()).unwrap();
        let dealt: Vec<_> = adopted.listeners.iter().map(Vec::len).collect();
        assert_eq!((dealt, adopted.local, adopted.inodes.len()), (expected, local, sockets));
    }
}
