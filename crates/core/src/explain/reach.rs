//! How one comes here: DNS, bindings, connections, handshakes.

use std::{
    iter,
    net::{IpAddr, Ipv6Addr, SocketAddr},
};

use super::{BindingFacts, Dns, Facts, Finding, Look, Mark, PassageFacts, Step, TlsFacts, Vantage, list, took};
use crate::{Scheme, sockets_overlap};

pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    let mut findings = vec![dns(facts), binding(facts)];
    if let Some(inside) = &facts.inside {
        findings.extend(look(facts, inside, Vantage::Inside));
    }
    for (address, outside) in &facts.outside {
        match outside {
            Ok(outside) => findings.extend(look(facts, outside, Vantage::Dns)),
            Err(why) => {
                let message = format!("{address} was not asked: {why}.");
                findings.push(Finding::new(Step::Connection, Mark::Off, message).from(Vantage::Dns));
            }
        }
    }
    findings
}

/// What there is to say of a name whose connections are passed through.
pub(super) fn passed(facts: &Facts, passed: &PassageFacts) -> Vec<Finding> {
    let PassageFacts { binding, passage, connected } = passed;
    let target = &passage.target;
    let message = format!(
        "The binding {binding} passes connections for {} through to {target}, as they are: certificate and answers come from there.",
        passage.name
    );
    let connection = match connected {
        Ok(time) => Finding::new(Step::Connection, Mark::Good, format!("{target} takes connections."))
            .detail("took", took(*time)),
        Err(why) => Finding::new(Step::Connection, Mark::Bad, format!("{target} takes no connection: {why}."))
            .fix("Check that what is meant to answer runs and listens there."),
    };
    vec![dns(facts), Finding::new(Step::Binding, Mark::Good, message), connection]
}

/// Whether an address leads to this machine without anybody between.
pub(super) fn is_own(facts: &Facts, address: IpAddr) -> bool {
    address.to_canonical().is_loopback() || facts.own.contains(&address.to_canonical())
}

/// Whether what is presented where DNS leads shows that it is we who answer there.
fn is_ours(facts: &Facts, address: IpAddr) -> Option<bool> {
    let presented = |look: &Look| Some(look.tls.as_ref()?.as_ref().ok()?.thumbprint);
    let ours = facts.inside.as_ref().and_then(presented);
    let there = facts.outside.iter().find(|(other, _)| *other == address);
    let there = there.and_then(|(_, look)| presented(look.as_ref().ok()?));
    Some(ours? == there?)
}

fn dns(facts: &Facts) -> Finding {
    let host = &facts.asked.host;
    let (alias, addresses) = match &facts.dns {
        Dns::NotAsked => return Finding::new(Step::Dns, Mark::Off, format!("{host} is an address; DNS is not asked.")),
        Dns::Failed(why) => {
            let message = format!("DNS does not say where {host} leads: {why}.");
            return Finding::new(Step::Dns, Mark::Unknown, message).fix(
                "Look whether this machine reaches its resolvers, and whether the zone is signed as it should be.",
            );
        }
        Dns::Leads { alias, addresses } => (alias, addresses),
    };
    let with_alias = |finding: Finding| match alias {
        Some(alias) => finding.detail("CNAME", alias),
        None => finding,
    };
    let ours = if facts.own.is_empty() { "this machine".to_owned() } else { list(&facts.own) };
    if addresses.is_empty() {
        let message = format!("DNS has no address for {host}, so no client finds it.");
        let remedy = format!(
            "Add an A or AAAA record for {host} that leads to this machine ({ours}), or to the router before it."
        );
        return with_alias(Finding::new(Step::Dns, Mark::Bad, message).fix(remedy));
    }
    let (own, strange): (Vec<IpAddr>, Vec<IpAddr>) = addresses.iter().partition(|address| is_own(facts, **address));
    let all = list(addresses);
    let finding = if strange.is_empty() {
        Finding::new(Step::Dns, Mark::Good, format!("{host} leads to {all}, which is this machine."))
    } else if strange.iter().all(|address| is_ours(facts, *address) == Some(true)) {
        let message = format!(
            "{host} leads to {all}, which is not an address of this machine, but what answers there has our certificate."
        );
        Finding::new(Step::Dns, Mark::Good, message)
    } else if strange.iter().any(|address| is_ours(facts, *address) == Some(false)) {
        let other = list(strange.iter().filter(|address| is_ours(facts, **address) == Some(false)));
        let message = format!(
            "{host} leads to {other}, where another server answers: it presents another certificate than this machine."
        );
        let remedy = format!(
            "Let the records of {host} lead to this machine ({ours}). If a CDN or another proxy stands there on purpose, its certificate is the one that clients see."
        );
        Finding::new(Step::Dns, Mark::Bad, message).fix(remedy)
    } else if own.is_empty() {
        let message = format!("{host} leads to {all}, and this machine has {ours}.");
        let remedy =
            "If that is a router which passes the port on to this machine, all is well; else change the records.";
        Finding::new(Step::Dns, Mark::Warning, message).fix(remedy)
    } else {
        let message =
            format!("{host} leads to {}, which is this machine, and to {}, which is not.", list(&own), list(&strange));
        let remedy =
            format!("Remove the record of {}, or let it lead to this machine: some clients go there.", list(&strange));
        Finding::new(Step::Dns, Mark::Warning, message).fix(remedy)
    };
    with_alias(finding).detail("addresses", all)
}

fn binding(facts: &Facts) -> Finding {
    let asked = &facts.asked;
    let scheme = scheme(facts);
    if let Some(inside) = &facts.inside {
        let (id, url) = match asked_binding(facts) {
            Some(binding) => (binding.id.as_str(), format!("{}://{}", binding.protocol, inside.at)),
            None => ("", inside.at.to_string()),
        };
        let port = inside.at.port();
        let usual = scheme.default_port();
        if asked.port.is_none() && port != usual {
            let message =
                format!("The binding {id} accepts at port {port}, and a client that names no port goes to {usual}.");
            let named = format!("Name the port ({}:{port})", asked.host);
            let remedy = match adding(facts, scheme, usual) {
                Ok(command) => format!("{named}, or add a binding: {command}"),
                Err(why) => format!("{named}. {why}"),
            };
            return Finding::new(Step::Binding, Mark::Warning, message).fix(remedy).detail("binding", url);
        }
        return Finding::new(Step::Binding, Mark::Good, format!("The binding {id} accepts there."))
            .detail("binding", url);
    }
    let port = asked.port.unwrap_or_else(|| scheme.default_port());
    let failed = facts.bindings.iter().find(|binding| binding.wanted.port() == port && binding.bound.is_err());
    if let Some((binding, Err(why))) = failed.map(|binding| (binding, &binding.bound)) {
        let message = format!("The binding {} is not bound: {why}.", binding.id);
        return Finding::new(Step::Binding, Mark::Bad, message).fix("portward status says more, and what to do.");
    }
    let others = list(facts.bindings.iter().filter_map(|binding| binding.bound.as_ref().ok()));
    let message = match others.as_str() {
        "" => "Portward accepts connections nowhere.".to_owned(),
        others => format!("No binding of {scheme} accepts at port {port}; Portward accepts at {others}."),
    };
    Finding::new(Step::Binding, Mark::Bad, message).fix(adding(facts, scheme, port).unwrap_or_else(|why| why))
}

/// The binding of ours that was asked; none if none was.
fn asked_binding(facts: &Facts) -> Option<&BindingFacts> {
    let port = facts.inside.as_ref()?.at.port();
    facts.bindings.iter().find(|binding| binding.bound.as_ref().is_ok_and(|at| at.port() == port))
}

/// By which scheme it is asked; who names none means that of the binding that was asked.
fn scheme(facts: &Facts) -> Scheme {
    let of_binding = || asked_binding(facts)?.protocol.scheme();
    facts.asked.scheme.or_else(of_binding).unwrap_or(Scheme::Https)
}

/// The command by which a port is accepted at; what to do instead, where bindings are in the way.
fn adding(facts: &Facts, scheme: Scheme, port: u16) -> Result<String, String> {
    let everywhere = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port);
    // Where a binding has the port at one address, clients that come to another may still be waited for.
    let own = facts.outside.iter().map(|(address, _)| *address).filter(|address| is_own(facts, *address));
    let mut places = iter::once(everywhere).chain(own.map(|address| SocketAddr::new(address.to_canonical(), port)));
    let free = places.find(|place| holder(facts, *place).is_none());
    adding_at(facts, scheme, free.unwrap_or(everywhere))
}

/// The command by which a place is accepted at; what to do instead, where a binding is in the way.
fn adding_at(facts: &Facts, scheme: Scheme, place: SocketAddr) -> Result<String, String> {
    let Some(holder) = holder(facts, place) else { return Ok(format!("portward binding add {scheme}://{place}")) };
    let (id, host, port) = (&holder.id, &facts.asked.host, place.port());
    let elsewhere = format!("portward binding add {scheme}://[::]:PORT");
    Err(match (&holder.bound, holder.protocol.scheme()) {
        (Err(_), _) => format!("The binding {id} is for port {port}, and is not bound: portward status says why."),
        (Ok(_), Some(spoken)) if spoken == scheme => format!(
            "The binding {id} listens there, so something on this machine is in the way: look at its packet filter."
        ),
        (Ok(_), Some(spoken)) => {
            format!(
                "The binding {id} has port {port} for {spoken}. Ask for {spoken}://{host}:{port}, or accept {scheme} at another port: {elsewhere}"
            )
        }
        (Ok(_), None) => format!(
            "The binding {id} has port {port} and passes its connections through; {scheme} needs another port: {elsewhere}"
        ),
    })
}

/// The binding that has a place, or is to have it.
fn holder(facts: &Facts, place: SocketAddr) -> Option<&BindingFacts> {
    let has =
        |binding: &&BindingFacts| sockets_overlap(binding.bound.as_ref().copied().unwrap_or(binding.wanted), place);
    facts.bindings.iter().find(has)
}

fn look(facts: &Facts, look: &Look, vantage: Vantage) -> Vec<Finding> {
    let at = look.at;
    let connection = match &look.connected {
        Ok(time) => {
            Finding::new(Step::Connection, Mark::Good, format!("{at} takes connections.")).detail("took", took(*time))
        }
        Err(why) => {
            let remedy = match vantage {
                Vantage::Inside => {
                    "Portward listens there, so something on this machine is in the way: look at its packet filter."
                        .to_owned()
                }
                Vantage::Dns if is_own(facts, at.ip()) => {
                    let place = SocketAddr::new(at.ip().to_canonical(), at.port());
                    match adding_at(facts, scheme(facts), place) {
                        Ok(command) => format!("Add a binding that accepts there: {command}"),
                        Err(why) => why,
                    }
                }
                Vantage::Dns => format!(
                    "Let port {} through, in the packet filter and in the router, to this machine. A router may also refuse to be asked from its inside: then ask from elsewhere.",
                    at.port()
                ),
            };
            let mark = match vantage {
                Vantage::Dns if !is_own(facts, at.ip()) => Mark::Warning,
                _ => Mark::Bad,
            };
            Finding::new(Step::Connection, mark, format!("{at} takes no connection: {why}.")).fix(remedy)
        }
    };
    let mut findings = vec![connection.from(vantage)];
    match &look.tls {
        Some(Ok(tls)) => findings.push(handshake(tls).from(vantage)),
        Some(Err(why)) => {
            let finding = Finding::new(Step::Tls, Mark::Bad, format!("There is no TLS handshake with {at}: {why}."));
            let remedy = match vantage {
                Vantage::Inside => format!(
                    "Get or import a certificate for {}: portward certificate request {0} --wait, or portward certificate import FILE.",
                    facts.asked.host
                ),
                Vantage::Dns => "Something else answers there, or stands between: look what has that port.".to_owned(),
            };
            findings.push(finding.fix(remedy).from(vantage));
        }
        None => {}
    }
    findings
}

fn handshake(tls: &TlsFacts) -> Finding {
    let spoken = tls.alpn.clone().unwrap_or_else(|| "http/1.1".to_owned());
    Finding::new(Step::Tls, Mark::Good, format!("{}, and {spoken} is spoken.", tls.version))
        .detail("cipher", &tls.cipher)
        .detail("took", took(tls.took))
}
