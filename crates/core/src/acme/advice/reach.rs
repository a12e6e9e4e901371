//! Whether the CA can be expected to reach us.
//!
//! A machine behind a router often cannot reach its own public address, while the world can (NAT hairpin).
//! So silence there is no sign of anything.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Advice, AdviceFacts, Check, Host, HostPattern, PortAnswer, PortBinding, Vantage, typed};

/// Where the name leads.
pub(super) fn addresses(facts: &AdviceFacts) -> Option<Advice> {
    let name = &facts.name;
    let addresses = match facts.addresses.as_ref()? {
        Ok(addresses) => addresses,
        Err(why) => return Some(Advice::unknown(Check::Addresses, format!("{name} cannot be looked up here: {why}"))),
    };
    if addresses.is_empty() {
        return Some(Advice::warning(
            Check::Addresses,
            format!("DNS has no address for {name}"),
            format!("Add an A record for {name} with the public address of this machine, and check the spelling."),
        ));
    }
    let is_address = matches!(name, HostPattern::Exact(Host::Ip(_)));
    let leads =
        |to: &[IpAddr]| if is_address { name.to_string() } else { format!("{name} leads to {}, which", list(to)) };
    let private: Vec<IpAddr> = addresses.iter().copied().filter(|address| !is_public(*address)).collect();
    if facts.vantage == Vantage::Internet && !private.is_empty() {
        let remedy = if is_address {
            "Ask for a public address or a name, or ask a private CA."
        } else {
            "Set its A and AAAA records to public addresses, or use dns-01, which needs none. If the outside has a DNS of its \
             own that says something else, give the issuer resolvers that see the outside."
        };
        return Some(Advice::warning(
            Check::Addresses,
            format!("{} cannot be reached from the internet", leads(&private)),
            remedy,
        ));
    }
    // Where there are both, a check of its own speaks of IPv6.
    let has_ipv4 = addresses.iter().any(IpAddr::is_ipv4);
    let counting: Vec<IpAddr> = addresses.iter().copied().filter(|address| address.is_ipv4() == has_ipv4).collect();
    let foreign: Vec<IpAddr> = counting.iter().copied().filter(|address| !is_ours(facts, *address)).collect();
    if foreign.is_empty() {
        let what = if counting.iter().all(|address| facts.is_own(*address)) { "is this machine" } else { "leads here" };
        return Some(Advice::good(Check::Addresses, format!("{} {what}", leads(&counting))));
    }
    if foreign.iter().any(|address| is_behind_router(facts, *address)) {
        return Some(Advice::unknown(
            Check::Addresses,
            format!("{} may be the router in front of this machine; that cannot be seen from here", leads(&foreign)),
        ));
    }
    let own = list(&facts.own_addresses.iter().copied().filter(|own| !own.is_loopback()).collect::<Vec<_>>());
    let remedy = if is_address {
        "Ask for a certificate for an address of this machine.".to_owned()
    } else {
        format!(
            "Set its A and AAAA records to this machine, unless what is at {} passes the challenge on to it.",
            list(&foreign)
        )
    };
    Some(Advice::warning(
        Check::Addresses,
        format!("{} is no address of this machine ({own})", leads(&foreign)),
        remedy,
    ))
}

/// Whether the IPv6 addresses lead to where the others do; a CA takes them first.
pub(super) fn ipv6(facts: &AdviceFacts) -> Option<Advice> {
    let all = facts.addresses.as_ref()?.as_ref().ok()?;
    let sixes: Vec<IpAddr> = all.iter().copied().filter(IpAddr::is_ipv6).collect();
    if sixes.is_empty() || !all.iter().any(IpAddr::is_ipv4) {
        return None;
    }
    let name = &facts.name;
    let Some(other) = sixes.iter().copied().find(|address| !is_ours(facts, *address)) else {
        return Some(Advice::good(Check::Ipv6, format!("the IPv6 address of {name} leads here too")));
    };
    let remedy = format!(
        "Remove the AAAA record of {name}, or set it to an address of this machine. See it with `dig AAAA {name}`; CAs take \
         IPv6 first."
    );
    let fours_are_ours = all.iter().filter(|address| address.is_ipv4()).all(|address| is_ours(facts, *address));
    let has_ipv6 = facts.own_addresses.iter().any(|own| own.is_ipv6() && is_public(*own));
    match facts.answer(other) {
        Some(PortAnswer::OtherServer { status, server }) => Some(Advice::warning(
            Check::Ipv6,
            format!(
                "the AAAA record of {name} leads to {other}, where {} answers",
                somebody(*status, server.as_deref())
            ),
            remedy,
        )),
        Some(PortAnswer::Redirect { .. }) => None,
        _ if fours_are_ours && !has_ipv6 && facts.own_addresses.iter().any(|own| all.contains(own)) => {
            Some(Advice::warning(
                Check::Ipv6,
                format!("the AAAA record of {name} leads to {other}, and this machine has no public IPv6 address"),
                remedy,
            ))
        }
        Some(answer @ (PortAnswer::Refused | PortAnswer::TimedOut | PortAnswer::Failed(_))) if has_ipv6 => {
            Some(Advice::warning(
                Check::Ipv6,
                format!(
                    "the AAAA record of {name} leads to {other}, no address of this machine, which {}",
                    silence(answer)
                ),
                remedy,
            ))
        }
        _ => Some(Advice::unknown(
            Check::Ipv6,
            format!("the AAAA record of {name} leads to {other}; whether that leads here cannot be seen without IPv6"),
        )),
    }
}

/// What answers on the port that the CA asks at; redirects are another matter.
pub(super) fn port(facts: &AdviceFacts) -> Option<Advice> {
    let port = facts.port;
    let has_ipv4 = facts.answers.iter().any(|(address, _)| address.is_ipv4());
    // Where there are both, a check of its own speaks of IPv6.
    let answers = || facts.answers.iter().filter(move |(address, _)| address.is_ipv4() == has_ipv4);
    let other = answers().find_map(|(address, answer)| match answer {
        PortAnswer::OtherServer { status, server } => Some((address, somebody(*status, server.as_deref()))),
        _ => None,
    });
    if let Some((address, somebody)) = other {
        let router = if is_behind_router(facts, *address) {
            "; if that is the router itself, the CA may see something else"
        } else {
            ""
        };
        return Some(Advice::warning(
            Check::Port,
            format!("on port {port} of {address} {somebody} answers, not Portward{router}"),
            format!(
                "Forward port {port} of {address} to Portward, or set the address of {} to this machine.",
                facts.name
            ),
        ));
    }
    let silent = answers()
        .find(|(_, answer)| matches!(answer, PortAnswer::Refused | PortAnswer::TimedOut | PortAnswer::Failed(_)));
    if let Some((address, answer)) = silent {
        let what = silence(answer);
        if is_behind_router(facts, *address) {
            return Some(Advice::unknown(
                Check::Port,
                format!(
                    "port {port} of {address} {what} when asked from here; this machine is behind a router, and many routers do \
                     not lead back inside, so that the CA may well get through"
                ),
            ));
        }
        if matches!(facts.binding, Some(PortBinding::ForTheChallenge)) && *answer == PortAnswer::Refused {
            return Some(Advice::unknown(
                Check::Port,
                format!(
                    "nobody listens on port {port} of {address} before the challenge, so that nothing can be seen yet"
                ),
            ));
        }
        return Some(Advice::warning(
            Check::Port,
            format!("port {port} of {address} {what}"),
            format!(
                "Let port {port} through in every firewall on the way, and see that Portward listens there: `portward binding add \
                 {}://[::]:{port}`. Or use dns-01, which needs no port.",
                facts.scheme()
            ),
        ));
    }
    let ours: Vec<IpAddr> =
        answers().filter(|(_, answer)| *answer == PortAnswer::OurToken).map(|(address, _)| *address).collect();
    (!ours.is_empty()).then(|| Advice::good(Check::Port, format!("Portward answers on port {port} of {}", list(&ours))))
}

/// Whether the challenge is sent elsewhere.
pub(super) fn redirect(facts: &AdviceFacts) -> Option<Advice> {
    let redirected = facts.answers.iter().find_map(|(address, answer)| match answer {
        PortAnswer::Redirect { location, status } => Some((address, location, status)),
        _ => None,
    });
    if let Some((address, location, status)) = redirected {
        return Some(Advice::warning(
            Check::Redirect,
            format!("{address} redirects the challenge ({status}) to {location}"),
            format!(
                "Let /.well-known/acme-challenge/ reach Portward as it is: switch off forced HTTPS for that path at whatever \
                 stands in front, such as a CDN or a router. Then `portward acme check {}`.",
                typed(&facts.name)
            ),
        ));
    }
    let ours = facts.answers.iter().any(|(_, answer)| *answer == PortAnswer::OurToken);
    ours.then(|| Advice::good(Check::Redirect, "nothing redirects the challenge"))
}

fn is_ours(facts: &AdviceFacts, address: IpAddr) -> bool {
    facts.is_own(address) || facts.answer(address) == Some(&PortAnswer::OurToken)
}

/// Whether the address may be that of a router in front: a public one, while this machine has none of its family.
fn is_behind_router(facts: &AdviceFacts, address: IpAddr) -> bool {
    let same_family = |own: &&IpAddr| own.is_ipv4() == address.is_ipv4();
    is_public(address)
        && !facts.is_own(address)
        && !facts.own_addresses.iter().filter(same_family).any(|own| is_public(*own))
}

fn somebody(status: u16, server: Option<&str>) -> String {
    match server {
        Some(server) => format!("a server that calls itself {server:?} (status {status})"),
        None => format!("another server (status {status})"),
    }
}

fn silence(answer: &PortAnswer) -> String {
    match answer {
        PortAnswer::Refused => "refuses connections".to_owned(),
        PortAnswer::TimedOut => "does not answer".to_owned(),
        PortAnswer::Failed(why) => format!("gives no answer ({why})"),
        PortAnswer::OurToken | PortAnswer::OtherServer { .. } | PortAnswer::Redirect { .. } => "answers".to_owned(),
    }
}

fn list(addresses: &[IpAddr]) -> String {
    let texts: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    if texts.is_empty() { "it has none".to_owned() } else { texts.join(" and ") }
}

/// Whether the internet may lead to the address. Those for documentation count as public; nobody uses them.
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    let shared = first == 100 && (64..128).contains(&second); // RFC 6598
    let benchmark = first == 198 && (18..20).contains(&second); // RFC 2544
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || first == 0
        || first >= 224
        || shared
        || benchmark)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    // Global unicast is 2000::/3 (RFC 4291 section 2.4, as assigned).
    address.segments()[0] & 0xe000 == 0x2000
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn the_internet_leads_to_public_addresses_only() {
        for (address, expected) in [
            ("203.0.113.7", true),
            ("8.8.8.8", true),
            ("10.0.0.1", false),
            ("172.16.3.4", false),
            ("192.168.1.5", false),
            ("127.0.0.1", false),
            ("169.254.0.1", false),
            ("100.64.0.1", false),
            ("100.128.0.1", true),
            ("198.18.0.1", false),
            ("224.0.0.1", false),
            ("0.0.0.0", false),
            ("2001:db8::1", true),
            ("fe80::1", false),
            ("fd00::1", false),
            ("::1", false),
            ("ff02::1", false),
            ("::ffff:10.0.0.1", false),
            ("::ffff:203.0.113.7", true),
        ] {
            assert_eq!(is_public(address.parse().unwrap()), expected, "{address}");
        }
    }
}
