//! Sockets that listen, and why an address cannot have one.
//!
//! Each worker gets a socket of its own on the same address (`SO_REUSEPORT`), and the kernel deals out the connections.
//! The price: another program of the same user could share the port without an error, so the address is first tried
//! without that option.

mod error;
mod holder;
mod machine;

use std::{
    collections::HashSet,
    io,
    net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener},
    num::NonZeroUsize,
};

use portward_core::sockets_overlap;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

pub use error::{BindError, Holder};
pub use machine::addresses;

/// Is a set of sockets that listen on one address.
#[derive(Debug)]
pub(crate) struct Opened {
    /// Those of each worker.
    pub(crate) listeners: Vec<Vec<TcpListener>>,
    /// The address with the port that the operating system chose.
    pub(crate) local: SocketAddr,
    /// Their inode numbers, by which `/proc` names them.
    pub(crate) inodes: Vec<u64>,
}

/// Opens one socket for each of `count` workers on `address`; they do not block.
///
/// `own` are the sockets that Portward holds already: where one of them overlaps, `address` is taken beside it, so that
/// a binding can move without a gap.
pub(crate) fn open<'a>(
    address: SocketAddr,
    count: NonZeroUsize,
    own: impl IntoIterator<Item = (SocketAddr, &'a [u64])>,
) -> Result<Opened, BindError> {
    let beside: HashSet<u64> = own
        .into_iter()
        .filter(|(local, _)| sockets_overlap(*local, address))
        .flat_map(|(_, inodes)| inodes.iter().copied())
        .collect();
    if beside.is_empty() {
        probe(address)?;
    } else if let Some(holder) = holder::find(address, &beside) {
        return Err(BindError::Taken { address, holder: holder.process });
    }
    open_shared(address, count).map_err(|error| BindError::explain(address, error, &beside))
}

/// Takes sockets that listen already on one address, and deals them out to `count` workers: each of them is accepted on,
/// and each worker has one.
pub(crate) fn adopt(sockets: Vec<TcpListener>, count: NonZeroUsize) -> io::Result<Opened> {
    let Some(first) = sockets.first() else { return Err(io::ErrorKind::InvalidInput.into()) };
    let local = first.local_addr()?;
    for socket in &sockets {
        let socket = SockRef::from(socket);
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        // Of a socket that listens it changes the length of the queue alone.
        socket.listen(BACKLOG)?;
    }
    let inodes = sockets.iter().map(inode).collect::<io::Result<_>>()?;
    let mut listeners: Vec<Vec<TcpListener>> = (0..count.get()).map(|_| Vec::new()).collect();
    for worker in sockets.len()..count.get() {
        listeners[worker].push(sockets[worker % sockets.len()].try_clone()?);
    }
    for (index, socket) in sockets.into_iter().enumerate() {
        listeners[index % count.get()].push(socket);
    }
    Ok(Opened { listeners, local, inodes })
}

/// Tries for real whether `address` can be listened on, and lets it go again.
pub(crate) fn probe(address: SocketAddr) -> Result<(), BindError> {
    listen(address, Sharing::Alone).map(drop).map_err(|error| BindError::explain(address, error, &HashSet::new()))
}

/// Whether this machine listens on IPv6 at all, so that `[::]` can stand for every address.
pub fn has_ipv6() -> bool {
    listen(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), 0), Sharing::Alone).is_ok()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sharing {
    Alone,
    AmongWorkers,
}

fn open_shared(address: SocketAddr, count: NonZeroUsize) -> io::Result<Opened> {
    let first = listen(address, Sharing::AmongWorkers)?;
    let local = first.local_addr()?;
    let mut listeners = vec![first];
    for _ in 1..count.get() {
        listeners.push(listen(local, Sharing::AmongWorkers)?);
    }
    let inodes = listeners.iter().map(inode).collect::<io::Result<_>>()?;
    Ok(Opened { listeners: listeners.into_iter().map(|listener| vec![listener]).collect(), local, inodes })
}

fn listen(address: SocketAddr, sharing: Sharing) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    // Connections of a former process that are in TIME_WAIT must not hold the port.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(sharing == Sharing::AmongWorkers)?;
    if let IpAddr::V6(ip) = address.ip() {
        // [::] stands for every address, whatever net.ipv6.bindv6only says.
        socket.set_only_v6(!ip.is_unspecified() && ip.to_ipv4_mapped().is_none())?;
    }
    // Accepted sockets inherit it: one call for each listener instead of one for each connection.
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn inode(listener: &TcpListener) -> io::Result<u64> {
    Ok(rustix::fs::fstat(listener)?.st_ino)
}

/// Connections that wait to be accepted, for each socket; the kernel lowers it to `net.core.somaxconn`.
///
/// nginx and Apache wait with 511, Go with somaxconn (4096 today); there is a queue for each worker here.
const BACKLOG: i32 = 1024;

#[cfg(test)]
mod tests;
