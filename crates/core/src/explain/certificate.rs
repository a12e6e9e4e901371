//! What is presented: wanted, stored, served.

use super::{Facts, Finding, Look, Mark, Step, TlsFacts, Vantage, WantedCertificate, Why, list};
use crate::{CertificateStatus, Host, LeafFacts, Scheme, Timestamp};

pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    if facts.asked.scheme == Some(Scheme::Http) {
        return findings;
    }
    findings.push(wanted(facts));
    let presented = |look: &Look| look.tls.clone().and_then(Result::ok);
    let inside = facts.inside.as_ref().and_then(presented);
    if let Some(tls) = &inside {
        findings.push(served(facts, tls).from(Vantage::Inside));
        findings.extend(trusted(facts, tls).map(|finding| finding.from(Vantage::Inside)));
    }
    for (address, look) in &facts.outside {
        let Some(tls) = look.as_ref().ok().and_then(presented) else { continue };
        let is_same = inside.as_ref().map(|inside| inside.thumbprint == tls.thumbprint);
        let finding = match is_same {
            Some(true) => {
                Finding::new(Step::Certificate, Mark::Good, format!("{address} presents the same certificate."))
            }
            Some(false) => {
                let message = format!("{address} presents another certificate than this machine: {}.", subject(&tls));
                Finding::new(Step::Certificate, Mark::Bad, message)
                    .fix("Clients see that one. Let DNS lead to this machine, or renew the certificate where it is.")
            }
            None => Finding::new(Step::Certificate, Mark::Unknown, format!("{address} presents {}.", subject(&tls))),
        };
        findings.push(finding.detail("SHA-256", tls.thumbprint).from(Vantage::Dns));
        if is_same != Some(true) {
            findings.extend(trusted(facts, &tls).map(|finding| finding.from(Vantage::Dns)));
        }
    }
    findings
}

/// What is configured, and in the store.
fn wanted(facts: &Facts) -> Finding {
    let host = &facts.asked.host;
    let Some(wanted) = &facts.wanted else {
        let message = format!("No certificate is for {host}, and no binding has a default one.");
        return Finding::new(Step::Certificate, Mark::Bad, message).fix(get(facts));
    };
    let WantedCertificate { id, why, stored, status, managed } = wanted;
    let left = left(stored.validity.not_after, facts.now);
    let renew = if *managed {
        format!("portward acme attempts {id} says why it was not renewed; portward certificate renew {id} tries again.")
    } else {
        format!("Import its successor: portward certificate import FILE --replace {id}")
    };
    let finding = match (why, status) {
        (Why::Default, _) if !covers(stored, host) => {
            let message = format!(
                "No certificate is for {host}; the binding's default {id} is presented, and clients refuse it."
            );
            Finding::new(Step::Certificate, Mark::Bad, message).fix(get(facts))
        }
        (Why::Site, _) if !covers(stored, host) => {
            let message = format!(
                "The site names the certificate {id}, which is for {}, and not for {host}.",
                list(&stored.names)
            );
            let site = facts.site.as_ref().map(|site| site.id.to_string()).unwrap_or_default();
            Finding::new(Step::Certificate, Mark::Bad, message)
                .fix(format!("portward site edit {site} --certificate auto"))
        }
        (_, CertificateStatus::Expired) => {
            Finding::new(Step::Certificate, Mark::Bad, format!("The certificate {id} expired {left}.")).fix(renew)
        }
        (_, CertificateStatus::NotYetValid) => {
            let message = format!("The certificate {id} is not valid before {}.", stored.validity.not_before);
            Finding::new(Step::Certificate, Mark::Bad, message).fix("Look at the clock of this machine.")
        }
        (_, CertificateStatus::ExpiresSoon) => {
            Finding::new(Step::Certificate, Mark::Warning, format!("The certificate {id} expires {left}.")).fix(renew)
        }
        (why, CertificateStatus::Valid) => {
            let reason = match why {
                Why::Site => "the site names it",
                Why::Name => "it is the best one that has the name",
                Why::Default => "it is the binding's default",
            };
            let message = format!("The certificate {id} is wanted, as {reason}; it expires {left}.");
            Finding::new(Step::Certificate, Mark::Good, message)
        }
    };
    finding
        .detail("names", list(&stored.names))
        .detail("issuer", &stored.issuer)
        .detail("stored SHA-256", stored.thumbprint)
}

/// Whether what is presented is what is wanted and stored.
fn served(facts: &Facts, tls: &TlsFacts) -> Finding {
    let finding = match &facts.wanted {
        Some(wanted) if wanted.stored.thumbprint == tls.thumbprint => {
            Finding::new(Step::Certificate, Mark::Good, "Wanted, stored and served are the same.")
        }
        Some(wanted) => {
            let message = format!("{} is wanted and stored, and the handshake presents {}.", wanted.id, subject(tls));
            Finding::new(Step::Certificate, Mark::Bad, message)
                .fix("portward status says whether the newest revision is served; the log says why if it is not.")
        }
        None => Finding::new(Step::Certificate, Mark::Unknown, format!("The handshake presents {}.", subject(tls))),
    };
    finding.detail("served SHA-256", tls.thumbprint)
}

/// Whether clients believe it.
fn trusted(facts: &Facts, tls: &TlsFacts) -> Option<Finding> {
    let is_self_signed = tls.leaf.as_ref().is_some_and(|leaf| leaf.self_signed);
    let finding = match &tls.trust {
        _ if is_self_signed => {
            let message = "The certificate is signed by its own key, so only clients that were given it believe it.";
            Finding::new(Step::Certificate, Mark::Warning, message).fix(get(facts))
        }
        Ok(()) => return None,
        Err(why) if !tls.in_order => {
            let message = format!("The certificates are not sent in the order in which they sign one another: {why}.");
            Finding::new(Step::Certificate, Mark::Bad, message)
                .fix("Import it again with its issuers; Portward puts them in order.")
        }
        Err(why) => {
            let message = format!("This machine does not trust the certificate: {why}.");
            let remedy =
                "If it is from an authority of your own, clients need that one; else import it again with its issuers.";
            Finding::new(Step::Certificate, Mark::Warning, message).fix(remedy)
        }
    };
    Some(finding.detail("certificates sent", tls.sent))
}

fn subject(tls: &TlsFacts) -> String {
    match &tls.leaf {
        Some(leaf) if !leaf.names.is_empty() => format!("one for {}", list(leaf.names.iter().take(3))),
        Some(leaf) => leaf.subject.to_string(),
        None => "one that cannot be read".to_owned(),
    }
}

fn get(facts: &Facts) -> String {
    format!(
        "Get one: portward certificate request {} --wait, or import one: portward certificate import FILE",
        facts.asked.host
    )
}

fn covers(leaf: &LeafFacts, host: &Host) -> bool {
    leaf.names.iter().any(|name| name.matches(host))
}

/// How far away an end is.
fn left(end: Timestamp, now: Timestamp) -> String {
    const DAY: u64 = 24 * 3600;
    let days = |seconds: u64| match seconds / DAY {
        0 => format!("{} hours", seconds / 3600),
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    };
    if end >= now {
        format!("in {}", days(end.since(now).as_secs()))
    } else {
        format!("{} ago", days(now.since(end).as_secs()))
    }
}
