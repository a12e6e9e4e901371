//! What a CA saw when it looked at the answer to a challenge.

mod connection;
mod dns;

use std::net::IpAddr;

use super::{Check, Failure, Finding, Verdict, capital, detail, own, problem, sentence};
use crate::{
    Host, HostPattern,
    acme::{AcmeProblem, ChallengeKind, registered_domain},
};

/// Finds the cause of an authorization that is invalid.
pub(super) fn find(failure: &Failure<'_>, name: &HostPattern, kind: ChallengeKind, told: &AcmeProblem) -> Finding {
    if let Some(finding) = about_names(failure, told, Some(name)) {
        return finding;
    }
    let look = Look::of(failure, name, kind, told);
    match kind {
        ChallengeKind::Dns01 => look.dns_01(),
        ChallengeKind::Http01 | ChallengeKind::TlsAlpn01 => look.connection(),
    }
    .unwrap_or_else(|| look.by_type(told))
}

/// Says what can be said of a challenge that failed without a word.
pub(super) fn unexplained(failure: &Failure<'_>, name: &HostPattern, kind: ChallengeKind) -> Finding {
    Finding::new(
        "challenge-failed",
        format!("The CA {} did not accept the {kind} challenge for {name} and does not say why.", failure.issuer.id),
        format!("See what it would see with {}, then {}.", failure.check(name), failure.renew()),
    )
    .with(REACHING)
}

/// Finds the cause where an order tells of a name what an authorization tells elsewhere; the text shows the challenge.
///
/// None if the problem is of another kind, or names nothing.
pub(super) fn find_by_text(failure: &Failure<'_>, told: &AcmeProblem, name: Option<&HostPattern>) -> Option<Finding> {
    let name = name.cloned().or_else(|| HostPattern::parse(&name_in(&told.detail)?).ok())?;
    let text = detail::words(&told.detail);
    let kind = if text.contains("txt") {
        ChallengeKind::Dns01
    } else if text.contains("alpn") {
        ChallengeKind::TlsAlpn01
    } else {
        ChallengeKind::Http01
    };
    matches!(told.word(), "connection" | "dns" | "tls" | "incorrectResponse").then(|| find(failure, &name, kind, told))
}

/// Finds causes that lie in the DNS of a name, which stop challenges and orders alike.
pub(super) fn about_names(failure: &Failure<'_>, told: &AcmeProblem, name: Option<&HostPattern>) -> Option<Finding> {
    let text = detail::words(&told.detail);
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let found = name.cloned().or_else(|| HostPattern::parse(&name_in(&told.detail)?).ok());
    let what = found.as_ref().map_or_else(|| "a name of the order".to_owned(), ToString::to_string);
    let zone = found.as_ref().map_or_else(|| "NAME".to_owned(), registered_domain);
    if has(&["dnssec", "dnskey", "rrsig", "bogus"]) {
        return Some(
            Finding::new(
                "dnssec-broken",
                format!("The CA does not believe what DNS says of {what}, as its DNSSEC signatures do not validate."),
                format!(
                    "Look at https://dnsviz.net/d/{zone}/ for what is broken. Mostly the registrar has a DS record of a former \
                     DNS provider: remove it there, or sign the zone again. Then {}.",
                    failure.renew()
                ),
            )
            .with(&[Check::Dnssec]),
        );
    }
    if told.word() == "caa" || has(&["caa record for", "caa records forbid", "prevents issuance"]) {
        return Some(caa(failure, &what, told));
    }
    if has(&["looking up caa"]) {
        return Some(
            Finding::new(
                "caa-lookup-failed",
                format!(
                    "The CA must read the CAA records of {what} before it signs, and the name servers answer that question \
                     with a failure or not at all."
                ),
                format!(
                    "Ask them with `dig CAA {zone} @SERVER`: they must answer `NOERROR`, even if there are no such records. Old \
                     name servers and some firewalls drop the question; update them, or move the zone."
                ),
            )
            .with(&[Check::Caa, Check::Dnssec]),
        );
    }
    None
}

/// A CAA record that does not allow the CA.
fn caa(failure: &Failure<'_>, what: &str, told: &AcmeProblem) -> Finding {
    let found = told.detail.split("CAA record for ").nth(1).and_then(|rest| rest.split_whitespace().next());
    let place = found.map_or_else(String::new, |at| format!(" at {at}"));
    let (ca, which) = if failure.is_lets_encrypt() {
        ("letsencrypt.org", String::new())
    } else {
        ("DOMAIN-OF-THE-CA", format!("; `curl {}` has the domain at `caaIdentities`", failure.issuer.directory))
    };
    let at = found.unwrap_or_else(|| if what.contains(' ') { "NAME" } else { what });
    Finding::new(
        "caa-forbids",
        format!("A CAA record{place} does not allow the CA {} to sign for {what}.", failure.issuer.id),
        format!(
            "Look with `dig CAA {at}` and add a record that names the CA, as `{at}. CAA 0 issue \"{ca}\"` (`issuewild` \
             for wildcards){which}. A `validationmethods` or `accounturi` in the record must fit too. Then {}.",
            failure.renew()
        ),
    )
    .with(&[Check::Caa])
}

struct Look<'a> {
    failure: &'a Failure<'a>,
    name: &'a HostPattern,
    kind: ChallengeKind,
    detail: &'a str,
    /// The words of it.
    text: String,
    /// Whether the CA saw something else from another place.
    secondary: bool,
    address: Option<IpAddr>,
    port: u16,
}

impl<'a> Look<'a> {
    fn of(failure: &'a Failure<'a>, name: &'a HostPattern, kind: ChallengeKind, told: &'a AcmeProblem) -> Self {
        let text = detail::words(&told.detail);
        let port = match kind {
            ChallengeKind::Http01 => failure.issuer.ports.http,
            ChallengeKind::TlsAlpn01 => failure.issuer.ports.tls,
            ChallengeKind::Dns01 => 53,
        };
        let secondary = text.contains("secondary validation") || text.contains("secondary caa");
        let address = detail::address(&told.detail);
        Self { failure, name, kind, detail: &told.detail, secondary, address, port, text }
    }

    fn has(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.text.contains(word))
    }

    /// `the server at 203.0.113.7`, or what is known instead.
    fn server(&self) -> String {
        self.address.map_or_else(
            || format!("the server that {} leads to", self.name),
            |address| format!("the server at {address}"),
        )
    }

    fn check(&self) -> String {
        self.failure.check(self.name)
    }

    /// The way that needs no port; none for addresses.
    fn or_dns(&self) -> String {
        match self.name {
            HostPattern::Exact(Host::Ip(_)) => String::new(),
            _ if self.kind == ChallengeKind::Dns01 => String::new(),
            _ => self.failure.by_dns().map_or_else(String::new, |command| {
                format!(" Or show control by DNS, which needs no port: {command}.")
            }),
        }
    }

    /// Whether an IPv6 address is to blame: it was the one that was asked, and nobody has seen that it is ours.
    fn is_ipv6(&self) -> bool {
        matches!(self.address, Some(IpAddr::V6(_)))
            && !self.failure.was(Check::Ipv6, Verdict::Good)
            && matches!(self.name, HostPattern::Exact(Host::Name(_)))
    }

    fn ipv6(&self, saw: &str) -> Finding {
        Finding::new(
            "ipv6-points-elsewhere",
            format!(
                "The CA asked {name} at its IPv6 address {address}, which it takes first where there is one, and {saw}. The AAAA \
                 record leads elsewhere than the A record, or IPv6 does not reach this machine.",
                name = self.name,
                address = self.address.map_or_else(String::new, |address| address.to_string()),
            ),
            format!(
                "Remove the AAAA record of {name} if this machine is not reached by IPv6, or set it to this machine's address \
                 and let port {port} through. See both with `dig A {name}` and `dig AAAA {name}`, then {check}.",
                name = self.name,
                port = self.port,
                check = self.check()
            ),
        )
        .with(&[Check::Ipv6, Check::Addresses])
    }

    /// What the type says, where the text says nothing.
    fn by_type(&self, told: &AcmeProblem) -> Finding {
        let said = sentence(&told.to_string());
        let (name, kind) = (self.name, self.kind);
        let finding = |code, cause: String| {
            let remedy = format!("See what the CA would see with {}.{}", self.check(), self.or_dns());
            Finding::new(code, cause, remedy).with(REACHING)
        };
        match told.word() {
            "connection" => finding(
                "challenge-unreachable",
                format!("The CA could not connect to {} on port {}: {said}", self.server(), self.port),
            ),
            "tls" => finding(
                "challenge-answered-by-another-server",
                format!("The TLS handshake with {} failed: {said}", self.server()),
            ),
            "dns" => Finding::new(
                "dns-servfail",
                format!("The CA could not resolve {name}: {said}"),
                format!("See what DNS says of the name with {}.", self.check()),
            )
            .with(&[Check::Addresses, Check::Dnssec]),
            "unauthorized" | "incorrectResponse" if kind == ChallengeKind::Dns01 => finding(
                "dns-record-wrong",
                format!("The CA did not find the TXT record for {name} that it wants: {said}"),
            ),
            "unauthorized" | "incorrectResponse" => finding(
                "challenge-answered-by-another-server",
                format!("The CA did not get the answer to the {kind} challenge for {name} that it wants: {said}"),
            ),
            _ => problem::find(self.failure, told, None),
        }
    }
}

/// The name in `... for shop.test ...`, `... for "shop.test": ...` or in a URL.
pub(super) fn name_in(text: &str) -> Option<String> {
    let of_url = || detail::host(detail::url(text, &["http://"])?);
    let after_for = text.split(" for ").skip(1).find_map(|rest| {
        let word = rest.split([' ', ',', ';', '"']).find(|word| !word.is_empty())?.trim_end_matches([':', '.']);
        HostPattern::parse(word).ok().filter(|_| word.contains('.')).map(|name| name.to_string())
    });
    after_for.or_else(of_url)
}

pub(super) const REACHING: &[Check] = &[Check::Binding, Check::Addresses, Check::Ipv6, Check::Port, Check::Redirect];
