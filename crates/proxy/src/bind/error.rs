//! Why an address cannot be listened on, in words for an operator.

use std::{
    collections::HashSet,
    fmt::Write,
    io,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::Arc,
};

use portward_core::BindingId;
use rustix::io::Errno;

use super::{holder, machine};

/// Says why an address cannot be listened on, and what can be done about it.
///
/// The messages are complete sentences for an operator.
#[derive(Clone, Debug, thiserror::Error)]
pub enum BindError {
    /// A binding of Portward's own is there.
    #[error(
        "Portward listens there already, by the binding {0}. Choose another port, or change or remove that binding first."
    )]
    Ours(BindingId),
    /// Another program is there.
    #[error("{} is taken by {}", place(*.address), taken(.holder.as_ref()))]
    Taken {
        /// What was asked for.
        address: SocketAddr,
        /// The program, if Portward is permitted to see which it is.
        holder: Option<Holder>,
    },
    /// The port is one of those that are kept for privileged programs.
    #[error("{}", privilege(*.address, *.unprivileged_from, .program.as_ref()))]
    Privilege {
        /// What was asked for.
        address: SocketAddr,
        /// The first port that needs no privilege.
        unprivileged_from: u16,
        /// The file of this program.
        program: Option<PathBuf>,
    },
    /// The port needs no privilege, and yet the operating system does not permit it.
    #[error(
        "{} is not permitted to this program, although the port needs no privilege: a security policy (SELinux, AppArmor, or the service's sandbox) forbids it. Choose another port, or permit this one in that policy; its log says which rule it was (ausearch -m avc, or journalctl -k).",
        place(*.0)
    )]
    Forbidden(SocketAddr),
    /// The machine does not have the address.
    #[error("{}", not_an_address(.address, .addresses))]
    NotAnAddress {
        /// What was asked for.
        address: IpAddr,
        /// What the machine has.
        addresses: Vec<IpAddr>,
    },
    /// IPv6 is switched off.
    #[error(
        "{0} needs IPv6, which this machine does not have. Choose an IPv4 address (0.0.0.0 for all of them), or switch IPv6 on (sysctl net.ipv6.conf.all.disable_ipv6=0, and no ipv6.disable=1 in the kernel's command line)."
    )]
    NoIpv6(SocketAddr),
    /// The process or the machine has as many files open as it may.
    #[error(
        "{0} cannot be listened on because too many files and connections are open. Raise the limit (LimitNOFILE= in the systemd unit, or ulimit -n; fs.file-max for the whole machine), or wait until connections have ended."
    )]
    TooManyFiles(SocketAddr),
    /// The operating system refuses for another reason.
    #[error("{address} cannot be listened on: the operating system says \"{source}\". Choose another address or port.")]
    Refused {
        /// What was asked for.
        address: SocketAddr,
        /// What the operating system says.
        source: Arc<io::Error>,
    },
}

/// Is a program that holds a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its name as the kernel knows it: at most 15 characters.
    pub name: String,
    /// Number of its process.
    pub process: u32,
}

impl BindError {
    /// Finds out what `error`, which the operating system gave for `address`, means to an operator.
    pub(crate) fn explain(address: SocketAddr, error: io::Error, own: &HashSet<u64>) -> Self {
        match error.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::ADDRINUSE) => {
                Self::Taken { address, holder: holder::find(address, own).and_then(|holder| holder.process) }
            }
            Some(Errno::ACCESS | Errno::PERM) => {
                let unprivileged_from = machine::unprivileged_from();
                if (1..unprivileged_from).contains(&address.port()) {
                    Self::Privilege { address, unprivileged_from, program: std::env::current_exe().ok() }
                } else {
                    Self::Forbidden(address)
                }
            }
            Some(Errno::AFNOSUPPORT) if address.is_ipv6() => Self::NoIpv6(address),
            Some(Errno::ADDRNOTAVAIL) => {
                let addresses = machine::addresses();
                if address.is_ipv6() && !addresses.iter().any(IpAddr::is_ipv6) {
                    Self::NoIpv6(address)
                } else {
                    Self::NotAnAddress { address: address.ip(), addresses }
                }
            }
            Some(Errno::MFILE | Errno::NFILE) => Self::TooManyFiles(address),
            _ => Self::Refused { address, source: Arc::new(error) },
        }
    }
}

fn place(address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        format!("Port {}", address.port())
    } else {
        format!("Port {} of {}", address.port(), address.ip())
    }
}

fn taken(holder: Option<&Holder>) -> String {
    match holder {
        Some(Holder { process, .. }) if *process == std::process::id() => {
            format!("Portward itself (process {process}), for something that is not a binding. Choose another port.")
        }
        Some(Holder { name, process }) => {
            format!("{name} (process {process}). Choose another port, or stop that program.")
        }
        None => {
            "another program. Choose another port, or stop that program (ss -ltnp, run as root, shows which it is)."
                .to_owned()
        }
    }
}

fn privilege(address: SocketAddr, unprivileged_from: u16, program: Option<&PathBuf>) -> String {
    let port = address.port();
    let program = program.map_or_else(|| "/path/of/portward".into(), |program| program.to_string_lossy());
    format!(
        "Port {port} needs a privilege: ports below {unprivileged_from} need CAP_NET_BIND_SERVICE. \
         Choose a port from {unprivileged_from} on, or grant it by one of: \
         setcap 'cap_net_bind_service=+ep' {program}; \
         AmbientCapabilities=CAP_NET_BIND_SERVICE in the systemd unit; \
         sysctl net.ipv4.ip_unprivileged_port_start={port}."
    )
}

fn not_an_address(address: &IpAddr, addresses: &[IpAddr]) -> String {
    let mut text = format!("{address} is not an address of this machine");
    for (index, own) in addresses.iter().enumerate() {
        let before = if index == 0 { "; its addresses are " } else { ", " };
        // Writing to a String cannot fail.
        let _ = write!(text, "{before}{own}");
    }
    text.push_str(". Choose one of its addresses, 0.0.0.0 for all of IPv4, or [::] for all addresses.");
    text
}
