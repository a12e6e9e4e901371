//! Which https binding the portal has from now on, and which one goes for it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use portward_core::{Binding, BindingId, BindingProtocol, HostPattern};
use portward_proxy::{BindError, has_ipv6};
use portward_store::{
    change::Expected,
    desired::{Desired, Stored},
};

use crate::app::{App, AppError, bindings, slug, ways_in};

/// Is what becomes of the https binding.
pub(super) struct Door {
    /// As it will be.
    pub(super) binding: Binding,
    /// As it is; none if it is new.
    before: Option<Stored<Binding>>,
    /// The one whose place it takes.
    pub(super) retires: Option<BindingId>,
}

impl Door {
    fn as_it_is(stored: &Stored<Binding>) -> Self {
        Self { binding: stored.value.clone(), before: Some(stored.clone()), retires: None }
    }

    /// Whether it is written: what takes the place of another one is, so that nobody removes it meanwhile.
    pub(super) fn is_written(&self) -> bool {
        self.retires.is_some() || self.before.as_ref().is_none_or(|before| before.value != self.binding)
    }

    /// What it is written over.
    pub(super) fn expected(&self) -> Expected {
        self.before.as_ref().map_or(Expected::Absent, |before| Expected::At(before.revision))
    }
}

impl App {
    /// The https binding for a port; a new one is tried. None if there is none and no port was asked for.
    pub(super) fn door(&self, desired: &Desired, port: Option<u16>) -> Result<Option<Door>, AppError> {
        let now = ways_in::https_binding(desired);
        let is_another = |port: &u16| now.is_none_or(|stored| stored.value.address.port() != *port);
        let Some(port) = port.filter(is_another) else { return Ok(now.map(Door::as_it_is)) };
        let Some(former) = now.map(|stored| &stored.value) else {
            return self.new_door(desired, None, port).map(Some);
        };
        let is_in_place = |stored: &&Stored<Binding>| {
            let (binding, address) = (&stored.value, stored.value.address);
            binding.is_https() && address.port() == port && takes_all(address.ip(), former.address.ip())
        };
        let Some(stored) = desired.bindings.iter().find(is_in_place) else {
            return self.new_door(desired, Some(former), port).map(Some);
        };
        refuse_loss(former, &stored.value)?;
        Ok(Some(Door { retires: Some(former.id.clone()), ..Door::as_it_is(stored) }))
    }

    /// A binding at a port that has none, with all that the one has whose place it takes.
    fn new_door(&self, desired: &Desired, former: Option<&Binding>, port: u16) -> Result<Door, AppError> {
        let everywhere = || {
            if has_ipv6() { IpAddr::V6(Ipv6Addr::UNSPECIFIED) } else { IpAddr::V4(Ipv4Addr::UNSPECIFIED) }
        };
        let address = SocketAddr::new(former.map_or_else(everywhere, |former| former.address.ip()), port);
        let is_taken = |id: &str| desired.bindings.iter().any(|stored| stored.value.id.as_str() == id);
        let id = slug(&format!("https-{port}"), "binding", is_taken);
        let id = BindingId::parse(&id).map_err(|error| AppError::invalid("id", &error))?;
        let binding = match former {
            Some(former) => Binding { id, address, ..former.clone() },
            None => Binding::new(id, BindingProtocol::Https, address),
        };
        if let Some(other) = desired.bindings.iter().map(|stored| &stored.value).find(|other| other.overlaps(&binding))
        {
            return Err(match former {
                Some(former) if other.is_https() => takes_less(former, other),
                _ => bindings::unsaved(&binding, &BindError::Ours(other.id.clone())),
            });
        }
        let tried = self.parts.proxy.try_bind(BindingProtocol::Https, binding.address);
        tried.map_err(|error| bindings::unsaved(&binding, &error))?;
        Ok(Door { binding, before: None, retires: former.map(|former| former.id.clone()) })
    }
}

/// Whether whoever reaches one address reaches the other.
fn takes_all(address: IpAddr, other: IpAddr) -> bool {
    address == other
        || match address {
            IpAddr::V6(v6) => v6.is_unspecified(),
            IpAddr::V4(v4) => v4.is_unspecified() && other.is_ipv4(),
        }
}

/// Refuses to have a binding go that passes names through, or hears proxies, which the one in its place does not.
fn refuse_loss(former: &Binding, door: &Binding) -> Result<(), AppError> {
    let is_missing = |name: &HostPattern| door.to.iter().all(|passage| passage.name != *name);
    let to: Vec<String> =
        former.to.iter().filter(|passage| is_missing(&passage.name)).map(ToString::to_string).collect();
    let is_unheard = |network: &&_| !door.accept_proxy_from.contains(network);
    let networks: Vec<String> = former.accept_proxy_from.iter().filter(is_unheard).map(ToString::to_string).collect();
    if to.is_empty() && networks.is_empty() {
        return Ok(());
    }
    // An edit takes the place of the whole list.
    let option = |name: &str, own: Vec<String>, lacks: &[String]| match lacks {
        [] => String::new(),
        _ => format!(" {name} {}", [&own[..], lacks].concat().join(" ")),
    };
    let own_networks = door.accept_proxy_from.iter().map(ToString::to_string).collect();
    let options = [
        option("--accept-proxy-from", own_networks, &networks),
        option("--to", door.to.iter().map(ToString::to_string).collect(), &to),
    ];
    Err(does_less(format!(
        "the binding \"{0}\" would go for \"{1}\", which lacks what it has: {2}. Give it that first: portward binding edit {1}{3}; or go on without: portward binding remove {0}. Nothing was changed",
        former.id,
        door.id,
        [networks, to].concat().join(", "),
        options.concat(),
    )))
}

fn takes_less(former: &Binding, other: &Binding) -> AppError {
    does_less(format!(
        "the binding \"{1}\" listens at {3}, and takes not all that \"{0}\" at {2} does, so that it cannot take its place. Remove it first, and set the port again: portward binding remove {1}; or go on with it alone: portward binding remove {0}. Nothing was changed",
        former.id, other.id, former.address, other.address,
    ))
}

fn does_less(message: String) -> AppError {
    AppError::conflict("binding-does-less", message)
}
