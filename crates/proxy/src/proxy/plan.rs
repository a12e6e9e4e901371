//! Which sockets a new snapshot keeps, and which bindings need new ones: a decision without I/O.

use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
};

use portward_core::{BindingId, sockets_overlap};

use crate::{served::Bound, snapshot::ServedBinding, worker::ListenerKey};

/// Is a set of sockets that the workers hold, one for each of them.
#[derive(Clone, Debug)]
pub(super) struct Held {
    /// Names the set among workers.
    pub(super) key: ListenerKey,
    /// What the binding asked for; with the local address that is all that can be asked for to keep the sockets.
    pub(super) asked: SocketAddr,
    /// The binding that they serve, and where they are for real.
    pub(super) bound: Bound,
    /// Their inode numbers.
    pub(super) inodes: Vec<u64>,
    /// The sockets themselves once more, to be handed to another process; they close with those of the workers.
    pub(super) sockets: Arc<[TcpListener]>,
    /// Whether somebody else keeps them open.
    pub(super) is_shared: bool,
}

/// Says where a wanted binding gets its sockets from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Placement {
    /// From what is held already, by index: it sits there, or another binding did that now gives way.
    Keep(usize),
    /// From the operating system.
    Open,
    /// From nowhere: this binding of the same snapshot is there.
    Conflict(BindingId),
}

/// Finds a place for each wanted binding.
///
/// Sockets go by address, not by id: when two bindings swap their addresses or one turns from https to http, no socket
/// is closed. What runs comes before what is new, whatever the order of the snapshot.
pub(super) fn place(held: &[Held], wanted: &[Arc<ServedBinding>]) -> Vec<Placement> {
    let mut placed: Vec<Option<Placement>> = vec![None; wanted.len()];
    let mut free: Vec<bool> = vec![true; held.len()];
    let stays = |held: &Held, wanted: &ServedBinding| held.bound.id == wanted.id && held.sits_at(wanted.address);
    let inherits = |held: &Held, wanted: &ServedBinding| wanted.address.port() != 0 && held.sits_at(wanted.address);
    for fits in [&stays as &dyn Fn(&Held, &ServedBinding) -> bool, &inherits] {
        for (place, wanted) in placed.iter_mut().zip(wanted).filter(|(place, _)| place.is_none()) {
            if let Some(index) = (0..held.len()).find(|&index| free[index] && fits(&held[index], wanted)) {
                free[index] = false;
                *place = Some(Placement::Keep(index));
            }
        }
    }
    for index in 0..wanted.len() {
        if placed[index].is_some() {
            continue;
        }
        let in_the_way = placed.iter().zip(wanted).find_map(|(place, other)| {
            let there = match place {
                Some(Placement::Keep(index)) => held[*index].bound.local,
                Some(Placement::Open) => other.address,
                Some(Placement::Conflict(_)) | None => return None,
            };
            sockets_overlap(there, wanted[index].address).then(|| other.id.clone())
        });
        placed[index] = Some(in_the_way.map_or(Placement::Open, Placement::Conflict));
    }
    placed.into_iter().flatten().collect()
}

impl Held {
    fn sits_at(&self, address: SocketAddr) -> bool {
        self.asked == address || self.bound.local == address
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use portward_core::BindingProtocol;

    use super::*;
    use crate::snapshot::Serves;

    fn wanted(id: &str, url: &str) -> Arc<ServedBinding> {
        let (protocol, address) = url.split_once("://").unwrap();
        let protocol = if protocol == "https" { BindingProtocol::Https } else { BindingProtocol::Http };
        let address = address.parse().unwrap();
        Arc::new(ServedBinding::new(BindingId::parse(id).unwrap(), protocol, address))
    }

    fn held(id: &str, asked: &str, local: &str) -> Held {
        Held {
            key: ListenerKey(0),
            asked: asked.parse().unwrap(),
            bound: Bound {
                id: BindingId::parse(id).unwrap(),
                protocol: BindingProtocol::Http,
                local: local.parse().unwrap(),
                serves: Serves::Everything,
            },
            inodes: Vec::new(),
            sockets: Arc::new([]),
            is_shared: false,
        }
    }

    #[test]
    fn sockets_stay_where_they_can() {
        use Placement::{Conflict, Keep, Open};
        let conflict = |id| Conflict(BindingId::parse(id).unwrap());
        let at = |id, address| held(id, address, address);
        let a = || at("a", "127.0.0.1:81");
        let b = || at("b", "127.0.0.1:82");
        for (story, held, snapshot, expected) in [
            ("nothing runs", vec![], vec![wanted("a", "http://127.0.0.1:81")], vec![Open]),
            ("nothing changes", vec![a()], vec![wanted("a", "http://127.0.0.1:81")], vec![Keep(0)]),
            ("the scheme changes", vec![a()], vec![wanted("a", "https://127.0.0.1:81")], vec![Keep(0)]),
            ("another binding has the address now", vec![a()], vec![wanted("n", "http://127.0.0.1:81")], vec![Keep(0)]),
            ("the address changes", vec![a()], vec![wanted("a", "http://127.0.0.1:91")], vec![Open]),
            (
                "two swap their addresses",
                vec![a(), b()],
                vec![wanted("a", "http://127.0.0.1:82"), wanted("b", "http://127.0.0.1:81")],
                vec![Keep(1), Keep(0)],
            ),
            (
                "any port stays with its own binding",
                vec![held("a", "127.0.0.1:0", "127.0.0.1:4001"), held("b", "127.0.0.1:0", "127.0.0.1:4002")],
                vec![wanted("b", "http://127.0.0.1:0"), wanted("n", "http://127.0.0.1:0")],
                vec![Keep(1), Open],
            ),
            (
                "the port that was given is asked for by number",
                vec![held("a", "127.0.0.1:0", "127.0.0.1:4001")],
                vec![wanted("a", "http://127.0.0.1:4001")],
                vec![Keep(0)],
            ),
            (
                "what runs comes before what is new",
                vec![a()],
                vec![wanted("n", "http://0.0.0.0:81"), wanted("a", "http://127.0.0.1:81")],
                vec![conflict("a"), Keep(0)],
            ),
            ("what goes is not in the way", vec![a()], vec![wanted("n", "http://[::]:81")], vec![Open]),
            (
                "two new ones want the same",
                vec![],
                vec![wanted("m", "http://[::]:81"), wanted("n", "https://127.0.0.1:81")],
                vec![Open, conflict("m")],
            ),
            (
                "one that has no place is in nobody's way",
                vec![a()],
                vec![
                    wanted("a", "http://127.0.0.1:81"),
                    wanted("m", "http://0.0.0.0:81"),
                    wanted("n", "http://127.0.0.2:81"),
                ],
                vec![Keep(0), conflict("a"), Open],
            ),
        ] {
            assert_eq!(place(&held, &snapshot), expected, "{story}");
        }
    }
}
