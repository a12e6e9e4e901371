//! What becomes of a request: site, force HTTPS, HSTS, application, response.

use super::{Answered, Facts, Finding, Mark, SiteFacts, Step, UpstreamFacts, Vantage, list, took};
use crate::{ForceHttps, HostPattern, Hsts, Scheme, UpstreamHttp, hsts_header};

pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    let mut findings = vec![site(facts)];
    if let Some(site) = &facts.site {
        findings.extend(force_https(facts, site));
        findings.extend(hsts(facts, site));
        findings.extend(site.route.as_ref().map(|prefix| {
            let message =
                format!("The path is below {prefix}, so a route of the site takes it to upstreams of its own.");
            Finding::new(Step::Upstream, Mark::Good, message)
        }));
        findings.extend(facts.upstreams.iter().map(|found| {
            let finding = upstream(found, site);
            // What one cannot take, others do.
            let others = facts.upstreams.iter().filter(|other| !std::ptr::eq(*other, found));
            match finding.mark == Mark::Bad && others.into_iter().any(is_well) {
                true => Finding { mark: Mark::Warning, ..finding }.detail("instead", "another upstream of the site"),
                false => finding,
            }
        }));
        if site.is_portal {
            findings.push(Finding::new(
                Step::Upstream,
                Mark::Good,
                "The site is the portal, which Portward answers itself.",
            ));
        }
    }
    let inside = facts.inside.as_ref().and_then(|look| look.answer.as_ref());
    findings.extend(inside.map(|answer| response(facts, answer).from(Vantage::Inside)));
    for (_, look) in &facts.outside {
        let answer = look.as_ref().ok().and_then(|look| look.answer.as_ref());
        findings.extend(answer.map(|answer| outside(facts, answer, inside).from(Vantage::Dns)));
    }
    findings
}

fn site(facts: &Facts) -> Finding {
    let host = &facts.asked.host;
    let Some(site) = &facts.site else {
        let message = match facts.sites {
            0 => "There is no site, so every request is answered with 404.".to_owned(),
            _ => format!("No site has the name {host}, so it is answered with 404."),
        };
        let remedy = format!(
            "portward site add {host} --upstream URL, or give the name to a site that is there: portward site edit ID --name {host}"
        );
        return Finding::new(Step::Site, Mark::Bad, message).fix(remedy);
    };
    if is_refused(facts) {
        let message =
            format!("The site {} is the portal, and {host} is none of its names, so it is answered with 421.", site.id);
        let remedy = format!("portward site add {host} --upstream portal");
        return Finding::new(Step::Site, Mark::Bad, message).fix(remedy);
    }
    let why = match &site.pattern {
        HostPattern::Exact(_) => format!("{host} is one of its names"),
        pattern @ HostPattern::Wildcard(_) => format!("its name {pattern} fits, and no site has {host} itself"),
        HostPattern::Any => format!("it is for every name, and no site has {host} itself"),
    };
    Finding::new(Step::Site, Mark::Good, format!("The site {} serves it: {why}.", site.id))
}

/// Whether the portal does not answer to the name: a site for every name gives it none.
fn is_refused(facts: &Facts) -> bool {
    let inside = facts.inside.as_ref().and_then(|look| look.answer.as_ref());
    facts.site.as_ref().is_some_and(|site| site.is_portal)
        && inside.is_some_and(|answer| answer.as_ref().is_ok_and(|answer| answer.status == 421))
}

fn force_https(facts: &Facts, site: &SiteFacts) -> Option<Finding> {
    let plain = facts.plain.as_ref()?;
    let mode = site.force_https;
    let finding = match (mode, plain) {
        (_, Err(why)) => {
            Finding::new(Step::ForceHttps, Mark::Unknown, format!("The http binding does not answer: {why}."))
        }
        (ForceHttps::Off, Ok(_)) if facts.asked.scheme == Some(Scheme::Http) => {
            Finding::new(Step::ForceHttps, Mark::Good, "Force HTTPS is off: plain HTTP is served as it is.")
        }
        (ForceHttps::Off, Ok(_)) => {
            let message = "Force HTTPS is off: who asks in the clear is answered in the clear.";
            Finding::new(Step::ForceHttps, Mark::Warning, message)
                .fix(format!("portward site edit {} --force-https browsers", site.id))
        }
        (mode, Ok(Answered { status: 308, location: Some(location), .. })) => {
            let message = format!("Force HTTPS is {mode}: a browser is sent to {location}.");
            Finding::new(Step::ForceHttps, Mark::Good, message)
        }
        (mode, Ok(Answered { status, .. })) => {
            let message = format!(
                "Force HTTPS is {mode}, and a browser is answered with {status} instead of being sent to https."
            );
            Finding::new(Step::ForceHttps, Mark::Warning, message)
                .fix("No https binding has the address of the http one: portward binding add https://[::]:443")
        }
    };
    Some(finding)
}

fn hsts(facts: &Facts, site: &SiteFacts) -> Option<Finding> {
    let answer = facts.inside.as_ref()?.answer.as_ref()?.as_ref().ok()?;
    facts.inside.as_ref()?.tls.as_ref()?;
    let finding = match (site.hsts, &answer.hsts) {
        (Hsts::Off, None) => Finding::new(Step::Hsts, Mark::Off, "HSTS is off: browsers remember nothing."),
        (Hsts::Off, Some(sent)) => {
            let message = format!("HSTS is off here, and the application sends {sent}.");
            Finding::new(Step::Hsts, Mark::Warning, message)
                .fix("Set it here, so that it is never sent with a certificate that browsers refuse.")
        }
        (hsts, sent) => {
            let wanted = facts.wanted.as_ref();
            let due = wanted
                .and_then(|wanted| hsts_header(hsts, &facts.asked.host, wanted.stored.self_signed, wanted.status));
            match (due, sent) {
                (Some(_), Some(sent)) => {
                    Finding::new(Step::Hsts, Mark::Good, format!("Browsers are told to remember: {sent}."))
                }
                (None, None) => {
                    let message = "HSTS is set, and held back while the certificate is one that browsers refuse, or the host is an address.";
                    Finding::new(Step::Hsts, Mark::Warning, message).fix(
                        "It is sent by itself once browsers accept the certificate; nothing else is to be done here.",
                    )
                }
                // An answer of Portward's own has none.
                (Some(_), None) => {
                    Finding::new(Step::Hsts, Mark::Unknown, format!("HSTS is set ({hsts}), and this answer has none."))
                }
                (None, Some(sent)) => {
                    Finding::new(Step::Hsts, Mark::Warning, format!("{sent} is sent, and should be held back."))
                }
            }
        }
    };
    Some(finding)
}

/// Whether an upstream would take a request, as far as it was seen.
fn is_well(facts: &UpstreamFacts) -> bool {
    facts.connected.is_ok()
        && facts.tls.as_ref().is_none_or(|tls| tls.as_ref().is_ok_and(|tls| tls.trust.is_ok()))
        && facts.answer.as_ref().is_none_or(Result::is_ok)
}

fn upstream(facts: &UpstreamFacts, site: &SiteFacts) -> Finding {
    let (url, id) = (&facts.url, &site.id);
    let time = match &facts.connected {
        Ok(time) => *time,
        Err(why) => {
            let message = format!("The application at {url} takes no connection: {why}.");
            let flag = match &site.route {
                Some(prefix) => format!("--route {prefix}=URL"),
                None => "--upstream URL".to_owned(),
            };
            let curl = match url.strip_prefix("unix:") {
                Some(path) => format!("curl -v --unix-socket {path} http://localhost/"),
                None => format!("curl -v {url}"),
            };
            let remedy =
                format!("Start it, or say where it is: portward site edit {id} {flag}. To try it from here: {curl}");
            return Finding::new(Step::Upstream, Mark::Bad, message).fix(remedy);
        }
    };
    match &facts.tls {
        Some(Err(why)) => {
            let message = format!("There is no TLS handshake with {url}: {why}.");
            let remedy = "If it speaks plain HTTP, begin its URL with http://.";
            return Finding::new(Step::Upstream, Mark::Bad, message).fix(remedy);
        }
        Some(Ok(tls)) => {
            if let Err(why) = &tls.trust {
                let message = format!("The certificate of {url} is not accepted: {why}.");
                let remedy = format!(
                    "Give its authority with --upstream-ca FILE, or trust this one: portward site edit {id} --upstream-pin {}",
                    tls.thumbprint
                );
                return Finding::new(Step::Upstream, Mark::Bad, message).fix(remedy);
            }
        }
        None => {}
    }
    let finding = match &facts.answer {
        Some(Ok(answer)) => {
            let mark = if answer.status >= 500 { Mark::Warning } else { Mark::Good };
            let finding = Finding::new(Step::Upstream, mark, format!("{url} answers with {}.", answer.status));
            let finding = if answer.status >= 500 {
                finding.fix("The application has an error of its own: its log says which.")
            } else {
                finding
            };
            finding.detail("took", took(answer.took))
        }
        Some(Err(why)) => {
            let message = format!("{url} takes connections and does not answer: {why}.");
            Finding::new(Step::Upstream, Mark::Bad, message)
                .fix("Look whether that port is the one where it speaks HTTP.")
        }
        None if site.http == UpstreamHttp::Two => {
            let message = format!(
                "{url} takes connections. It is spoken to in HTTP/2 without being asked, which is not tried here."
            );
            Finding::new(Step::Upstream, Mark::Unknown, message)
        }
        None => Finding::new(Step::Upstream, Mark::Unknown, format!("{url} takes connections.")),
    };
    finding.detail("connected in", took(time))
}

fn response(facts: &Facts, answer: &Result<Answered, String>) -> Finding {
    let answer = match answer {
        Ok(answer) => answer,
        Err(why) => {
            return Finding::new(Step::Response, Mark::Bad, format!("No response came: {why}."))
                .fix("The log of Portward says what became of the request.");
        }
    };
    let status = answer.status;
    let down =
        facts.upstreams.iter().filter(|upstream| upstream.connected.is_err()).map(|upstream| upstream.url.as_str());
    let finding = match status {
        502..=504 if facts.site.is_some() => {
            let down = list(down);
            let message = match down.as_str() {
                "" => {
                    format!("The client gets {status} from Portward, as the application does not answer as it should.")
                }
                down => format!("The client gets {status} from Portward, as {down} is not there."),
            };
            Finding::new(Step::Response, Mark::Bad, message).fix("What is said of the application is the cause.")
        }
        500.. => Finding::new(Step::Response, Mark::Warning, format!("The client gets {status}."))
            .fix("The application has an error of its own: its log says which."),
        404 | 421 if facts.site.is_none() => Finding::new(
            Step::Response,
            Mark::Bad,
            format!("The client gets {status} from Portward, as no site has the name."),
        )
        .fix("What is said of the site is the cause."),
        421 if is_refused(facts) => Finding::new(
            Step::Response,
            Mark::Bad,
            format!("The client gets 421 from Portward, as {} is no name of the portal.", facts.asked.host),
        )
        .fix("What is said of the site is the cause."),
        _ => Finding::new(Step::Response, Mark::Good, format!("The client gets {status}.")),
    };
    details(finding, answer)
}

/// What comes back where DNS leads, beside what comes back here.
fn outside(facts: &Facts, answer: &Result<Answered, String>, inside: Option<&Result<Answered, String>>) -> Finding {
    match (answer, inside) {
        // It means what the same means here.
        (Ok(there), Some(Ok(inside))) if there.status == inside.status => response(facts, answer),
        (Err(why), _) => Finding::new(Step::Response, Mark::Warning, format!("No response came: {why}.")),
        (Ok(answer), Some(Ok(inside))) => {
            let message =
                format!("The client gets {}, and straight from here it would be {}.", answer.status, inside.status);
            let finding = Finding::new(Step::Response, Mark::Warning, message);
            details(finding.fix("Something between changes the answer, or another server gives it."), answer)
        }
        (Ok(answer), _) => {
            details(Finding::new(Step::Response, Mark::Good, format!("The client gets {}.", answer.status)), answer)
        }
    }
}

fn details(mut finding: Finding, answer: &Answered) -> Finding {
    let Answered { location, hsts, server, took: time, .. } = answer;
    for (name, value) in [("location", location), ("strict-transport-security", hsts), ("server", server)] {
        if let Some(value) = value {
            finding = finding.detail(name, value);
        }
    }
    finding.detail("took", took(*time))
}
