//! Failures on this side.

use std::time::Duration;

use super::{Check, DnsFailure, Failure, Finding, capital, sentence, spell};
use crate::{
    HostPattern, Timestamp,
    acme::{LimitKind, NoChallengeError, registered_domain},
};

pub(super) fn dns(failure: &Failure<'_>, name: &HostPattern, text: &str, kind: DnsFailure) -> Finding {
    let said = sentence(text);
    match kind {
        DnsFailure::Unauthorized => Finding::new(
            "dns-credentials",
            format!("The DNS provider refuses the credentials when the TXT record for {name} is written: {said}"),
            format!(
                "Make credentials at the provider that may change the TXT records of this zone, add them under another name \
                 with `portward acme dns add KIND --id NEW --secret NAME=FILE` (`portward acme dns kinds` has the names), and \
                 ask again: {}.",
                failure.by_dns_of("NEW")
            ),
        ),
        DnsFailure::NoZone => Finding::new(
            "dns-no-zone",
            format!("The DNS provider has no zone in which the TXT record for {name} could be written: {said}"),
            format!(
                "See with `dig NS {}` who serves the zone and use that provider (`portward acme dns list`), or give the \
                 credentials the right to this zone. To have another zone answer, make _acme-challenge.{} a CNAME into it.",
                registered_domain(name),
                base(name)
            ),
        ),
        DnsFailure::Unreachable => Finding::new(
            "dns-provider-unreachable",
            format!("The DNS provider cannot be reached to write the TXT record for {name}: {said} {NOT_ASKED}"),
            "Let this machine connect to the provider. It is tried again by itself.",
        ),
        DnsFailure::Lookup => Finding::new(
            "dns-lookup-failed",
            format!("DNS does not say here in which zone the TXT record for {name} belongs: {said} {NOT_ASKED}"),
            format!(
                "See what this machine is told with `dig SOA _acme-challenge.{}`. Where its resolvers do not see the DNS of the \
                 world, name some that do: {}. It is tried again by itself.",
                base(name),
                failure.set_up_again(" --resolver ADDR")
            ),
        ),
        DnsFailure::Failed => Finding::new(
            "dns-provider-failed",
            format!("The DNS provider did not write the TXT record for {name}: {said} {NOT_ASKED}"),
            format!("Do what the provider says, then {}.", failure.renew()),
        ),
    }
}

pub(super) fn not_propagated(name: &HostPattern, missing: &[(String, String)], waited: Duration) -> Finding {
    let servers: Vec<String> = missing.iter().map(|(server, has)| format!("{server} has {has}")).collect();
    let servers = if servers.is_empty() { String::new() } else { format!(": {}", servers.join("; ")) };
    let waited = spell(waited);
    Finding::new(
        "not-propagated",
        format!(
            "The TXT record for {name} was written, but after {waited} not every name server of the zone has \
             it{servers}. {NOT_ASKED}"
        ),
        format!(
            "Look with `dig TXT _acme-challenge.{} @SERVER` at each server that `dig NS {}` names. If one never gets it, \
             mend its transfer from the primary, or take it out at the registrar if it serves the zone no more. If all get \
             it later, nothing is to be done: it is tried again by itself.",
            base(name),
            registered_domain(name)
        ),
    )
}

pub(super) fn not_served(failure: &Failure<'_>, what: &str) -> Finding {
    Finding::new(
        "not-served",
        format!("Portward has {what}, but it was not seen in what is served in time."),
        format!(
            "Look at the problems that `portward status` shows, such as a binding that could not be bound or a node of the \
             cluster that does not follow. Then {}.",
            failure.renew()
        ),
    )
    .with(&[Check::Binding])
}

pub(super) fn port_taken(failure: &Failure<'_>, port: u16, why: &str) -> Finding {
    let scheme = if port == failure.issuer.ports.tls { "https" } else { "http" };
    Finding::new(
        "port-taken",
        format!("Portward cannot listen on port {port} for the challenge: {}", sentence(why)),
        format!(
            "See who has the port with `ss -ltnp 'sport = :{port}'` and stop it, then keep the port with `portward binding \
             add {scheme}://[::]:{port}`.{}",
            failure.by_dns().map_or_else(String::new, |by| format!(" To do without the port, use DNS: {by}."))
        ),
    )
    .with(&[Check::Binding])
}

pub(super) fn budget(failure: &Failure<'_>, limit: LimitKind, until: Timestamp) -> Finding {
    let hint = match limit {
        LimitKind::FailedValidations => {
            format!("Mend meanwhile what failed before: `portward acme attempts {}` shows it.", failure.certificate)
        }
        LimitKind::SameNames => format!(
            "The certificate that was issued last is served. `portward certificate renew {} --force` asks in spite of it.",
            failure.certificate
        ),
        LimitKind::Orders => "Fewer certificates with more names each need fewer orders.".to_owned(),
        LimitKind::CertificatesPerDomain => "One wildcard can take the place of many certificates.".to_owned(),
    };
    Finding::new(
        "budget-spent",
        format!(
            "There were too many {limit} lately. The CA {} was not asked, as it would soon refuse everything for hours or \
             days.",
            failure.issuer.id
        ),
        format!("It goes on by itself at {until}. {hint}"),
    )
}

pub(super) fn terms_not_agreed(failure: &Failure<'_>, url: Option<&str>) -> Finding {
    let at = url.map_or_else(String::new, |url| format!(", {url}"));
    Finding::new(
        "terms-not-agreed",
        format!("The CA {} makes accounts only for who agrees to its terms of service{at}.", failure.issuer.id),
        agree(failure, url),
    )
}

pub(super) fn internal(failure: &Failure<'_>, why: &str) -> Finding {
    Finding::new(
        "internal",
        format!("Portward itself failed at the stage `{}`: {}", failure.stage, sentence(why)),
        "It is tried again by itself. If it fails again, `portward status` and the log say more.",
    )
}

pub(super) fn no_challenge(failure: &Failure<'_>, error: &NoChallengeError) -> Finding {
    let cause = capital(&sentence(&error.to_string()));
    match error {
        NoChallengeError::WildcardWithoutDns(_) => Finding::new(
            "wildcard-needs-dns",
            cause,
            format!(
                "Name who writes TXT records: `portward acme dns add KIND`, which makes the PROVIDER, then {}.",
                failure.by_dns_of("PROVIDER")
            ),
        ),
        NoChallengeError::WildcardNeedsDns { .. } => Finding::new(
            "wildcard-needs-dns",
            cause,
            format!(
                "Ask for it by DNS: {}; or ask for each name that is needed instead.",
                failure.by_dns_of("PROVIDER")
            ),
        ),
        NoChallengeError::AddressOverDns(_) => Finding::new(
            "address-needs-port",
            cause,
            format!(
                "Ask for it by HTTP: {}, with port {} reachable for the CA.",
                failure.by_http(),
                failure.issuer.ports.http
            ),
        ),
        NoChallengeError::NoneOffered { .. } => Finding::new(
            "no-challenge",
            cause,
            format!(
                "Make one of them possible: `portward binding add http://[::]:{}` for http-01, `portward binding add https://[::]:{}` \
                 for tls-alpn-01, or a DNS provider with {}. Where one kind was asked for, ask for another.",
                failure.issuer.ports.http,
                failure.issuer.ports.tls,
                failure.by_dns_of("PROVIDER")
            ),
        ),
    }
}

/// What to do where terms of service must be agreed to.
pub(super) fn agree(failure: &Failure<'_>, url: Option<&str>) -> String {
    let by = failure.set_up_again("");
    match url {
        Some(url) => format!("Read them at {url} and agree: {by}."),
        None => {
            let directory = &failure.issuer.directory;
            format!("Read them, as `curl {directory}` says where they are, and agree: {by}.")
        }
    }
}

/// The name without the star.
pub(super) fn base(name: &HostPattern) -> String {
    match name {
        HostPattern::Wildcard(base) => base.to_string(),
        other => other.to_string(),
    }
}

const NOT_ASKED: &str = "The CA was not asked to look, so that nothing counts against its limits.";
