//! What a few letters may mean.

use std::sync::Arc;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use portward_core::{Agent, Certificate, Delivery, Dialling, HostPattern, Permission, Site};
use portward_store::desired::{Desired, Stored};

use super::super::frame::places;
use crate::app::Actor;

/// Is what was found of one kind.
pub(super) struct Group {
    /// What they are.
    pub(super) heading: &'static str,
    /// The best first.
    pub(super) hits: Vec<Hit>,
}

/// Is one thing that was found.
pub(super) struct Hit {
    /// Where it is.
    pub(super) path: String,
    /// Its icon.
    pub(super) icon: &'static str,
    /// What stands before the letters that were looked for.
    pub(super) before: String,
    /// These letters; empty if they are in something that is not shown.
    pub(super) mark: String,
    /// What stands behind them.
    pub(super) after: String,
    /// What it is.
    pub(super) note: String,
}

/// Is who is elsewhere, and what is delivered there.
#[derive(Debug, Default)]
pub(super) struct Machines {
    /// The agents.
    pub(super) agents: Vec<Arc<Stored<Agent>>>,
    /// What they install.
    pub(super) deliveries: Vec<Delivery>,
}

/// Looks for letters in everything that has a page, and that somebody may see and do.
pub(super) fn find(desired: &Desired, machines: &Machines, actor: &Actor, query: &str, most: usize) -> Vec<Group> {
    let query = query.trim().to_lowercase();
    let groups = [
        Group { heading: "Sites and certificates", hits: things(desired, &query, most) },
        Group { heading: "Machines", hits: elsewhere(machines, &query, most) },
        Group { heading: "Commands", hits: commands(desired, actor, &query, most) },
        Group { heading: "Pages", hits: pages(actor, &query) },
    ];
    groups.into_iter().filter(|group| !group.hits.is_empty()).collect()
}

fn things(desired: &Desired, query: &str, most: usize) -> Vec<Hit> {
    if query.is_empty() {
        return Vec::new();
    }
    let sites = desired.sites.iter().filter_map(|stored| {
        let site = &stored.value;
        let name = title(site);
        let is_hit = has(&name, query) || has(site.id.as_str(), query) || names(site).any(|name| has(&name, query));
        is_hit.then(|| hit(format!("/sites/{}", site.id), "i-site", &name, query, "Site"))
    });
    let certificates = desired.certificates.iter().filter_map(|stored| {
        let certificate = &stored.value;
        let is_hit = has(&certificate.name, query)
            || has(certificate.id.as_str(), query)
            || certificate.current_version().is_some_and(|version| {
                let facts = &version.facts;
                facts.names.iter().any(|name| has(&name.to_string(), query))
                    || has_digits(&facts.thumbprint.to_string(), query)
                    || has_digits(&facts.sha1.to_string(), query)
            });
        is_hit.then(|| {
            hit(format!("/certificates/{}", certificate.id), "i-cert", &certificate.name, query, &until(certificate))
        })
    });
    sites.take(most).chain(certificates.take(most)).collect()
}

/// Agents and deliveries.
fn elsewhere(machines: &Machines, query: &str, most: usize) -> Vec<Hit> {
    if query.is_empty() {
        return Vec::new();
    }
    let agents = machines.agents.iter().map(|stored| &stored.value).filter(|agent| {
        let listens = match &agent.dialling {
            Dialling::Polling => false,
            Dialling::Listening(address) => has(&address.to_string(), query),
        };
        let pins = [Some(agent.pins.current), agent.pins.next].into_iter().flatten();
        listens
            || has(agent.name.as_str(), query)
            || pins.map(|pin| pin.to_string().to_lowercase()).any(|pin| has_digits(&pin, query))
    });
    let agents =
        agents.map(|agent| hit(format!("/agents/{}", agent.name), "i-agent", agent.name.as_str(), query, "Agent"));
    let deliveries = machines.deliveries.iter().filter(|delivery| {
        has(delivery.id.as_str(), query)
            || has(delivery.certificate.as_str(), query)
            || delivery.to.iter().any(|path| has(path.as_str(), query))
    });
    let deliveries = deliveries.map(|delivery| {
        let title = format!("{} on {}", delivery.certificate, delivery.agent);
        hit(format!("/deliveries/{}", delivery.id), "i-cert", &title, query, "Delivery")
    });
    agents.take(most).chain(deliveries.take(most)).collect()
}

/// What can be done with what is meant.
fn commands(desired: &Desired, actor: &Actor, query: &str, most: usize) -> Vec<Hit> {
    let mut hits: Vec<Hit> = COMMANDS
        .iter()
        .filter(|(.., permission)| actor.holds(*permission))
        .filter(|(title, words, ..)| has(title, query) || words.split(' ').any(|word| word.starts_with(query)))
        .map(|(title, _, path, icon, _)| hit((*path).to_owned(), icon, title, query, ""))
        .collect();
    if query.is_empty() {
        return hits;
    }
    let named =
        desired.certificates.iter().map(|stored| &stored.value).filter(|certificate| has(&certificate.name, query));
    let named = named.filter(|_| actor.holds(Permission::CertificateChange));
    for certificate in named.take(2) {
        let (id, name) = (&certificate.id, &certificate.name);
        if certificate.management.managed().is_some() {
            hits.push(hit(format!("/certificates/{id}#renew"), "i-le", &format!("Renew {name} now"), query, ""));
        } else {
            let title = format!("Import a new version of {name}");
            hits.push(hit(format!("/import?over={id}"), "i-cert", &title, query, "PFX or PEM"));
        }
    }
    // A wildcard is no name that can be asked for.
    let exact =
        |site: &Site| site.names.iter().find(|name| matches!(name, HostPattern::Exact(_))).map(ToString::to_string);
    let sites = desired.sites.iter().filter_map(|stored| exact(&stored.value)).filter(|name| has(name, query));
    for name in sites.take(2) {
        hits.push(hit(
            format!("/explain?host={}", utf8_percent_encode(&name, NON_ALPHANUMERIC)),
            "i-explain",
            &format!("Explain {name}"),
            query,
            "DNS to response",
        ));
    }
    hits.truncate(most);
    hits
}

fn pages(actor: &Actor, query: &str) -> Vec<Hit> {
    let named = places(actor).filter(|place| has(place.name, query));
    named.map(|place| hit(place.path.to_owned(), place.icon, place.name, query, "Page")).collect()
}

fn hit(path: String, icon: &'static str, title: &str, query: &str, note: &str) -> Hit {
    let lower = title.to_lowercase();
    // Where lower case has another length the place would be wrong; such names are shown without a mark.
    let at = (lower.len() == title.len()).then(|| lower.find(query)).flatten();
    let parts =
        at.and_then(|at| Some((title.get(..at)?, title.get(at..at + query.len())?, title.get(at + query.len()..)?)));
    let (before, mark, after) = parts.unwrap_or((title, "", ""));
    Hit { path, icon, before: before.to_owned(), mark: mark.to_owned(), after: after.to_owned(), note: note.to_owned() }
}

fn has(text: &str, query: &str) -> bool {
    text.to_lowercase().contains(query)
}

/// Whether a thumbprint has the digits, however they are grouped.
fn has_digits(hex: &str, query: &str) -> bool {
    let digits: String = query.chars().filter(|c| !matches!(c, ':' | ' ' | '-')).collect();
    digits.len() >= 4 && digits.chars().all(|c| c.is_ascii_hexdigit()) && has(hex, &digits)
}

fn names(site: &Site) -> impl Iterator<Item = String> {
    site.names.iter().map(ToString::to_string)
}

fn title(site: &Site) -> String {
    names(site).next().unwrap_or_else(|| site.id.to_string())
}

fn until(certificate: &Certificate) -> String {
    match certificate.current_version() {
        Some(version) => format!("Certificate, until {}", version.facts.validity.not_after.date()),
        None => "Certificate".to_owned(),
    }
}

/// Title, other words for it, where it is done, its icon, and what it needs.
const COMMANDS: &[(&str, &str, &str, &str, Permission)] = &[
    ("Add a site", "new upstream application host", "/sites/new", "i-plus", Permission::SiteChange),
    ("Import a certificate", "pfx pem upload p12", "/import", "i-cert", Permission::CertificateChange),
    ("Get a certificate", "request acme order issue", "/request", "i-le", Permission::CertificateChange),
    ("Add a binding", "port listen address", "/bindings#add", "i-plus", Permission::BindingChange),
    ("Add an agent", "machine tentacle join thumbprint", "/agents/add", "i-agent", Permission::AgentChange),
    ("Check all agents", "health machine", "/agents#check", "i-agent", Permission::AgentCheck),
    ("Deliver a certificate", "install machine agent", "/deliveries/add", "i-cert", Permission::DeliveryChange),
    ("Show the thumbprint of this server", "identity trust agents", "/agents/trust", "i-key", Permission::View),
    (
        "Rotate the identity of this server",
        "thumbprint trust",
        "/agents/trust#rotate",
        "i-key",
        Permission::IdentityChange,
    ),
    ("Explain a host name", "why debug diagnose dns", "/explain", "i-explain", Permission::View),
    ("Take a backup", "export restore", "/backup", "i-backup", Permission::StoreBackup),
    ("Add a user", "person invite role", "/users/new", "i-users", Permission::UserChange),
    ("Make a token", "api key", "/tokens/new", "i-key", Permission::TokenChange),
    ("Change my password", "account totp second factor", "/account", "i-key", Permission::View),
    ("Verify the audit", "chain hash log", "/audit?verify=1", "i-audit", Permission::AuditView),
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::{
        app::{Apply, Precondition},
        fixture::{Fixture, bundle, by, import, site},
    };

    #[tokio::test]
    async fn a_few_letters_find_sites_certificates_and_what_to_do_with_them() {
        let fixture = Fixture::start().await;
        fixture.app.add_site(&by(), &site(&["teamcity.test"]), Apply::Now).await.unwrap();
        let input = import(&bundle(&["teamcity.test"], 90), None);
        let taken = fixture.app.import_certificate(&by(), input, Precondition::None, Apply::Now).await.unwrap();
        let desired = fixture.stored().await;
        let anybody = Actor::with(Permission::ALL);
        let groups = find(&desired, &Machines::default(), &anybody, " TEA", 6);
        let paths: Vec<&str> = groups.iter().flat_map(|group| &group.hits).map(|hit| hit.path.as_str()).collect();
        let id = &desired.certificates[0].value.id;
        assert_eq!(
            paths,
            [
                "/sites/teamcity-test",
                &format!("/certificates/{id}"),
                &format!("/import?over={id}"),
                "/explain?host=teamcity%2Etest"
            ]
        );
        let first = &groups[0].hits[0];
        assert_eq!((first.before.as_str(), first.mark.as_str(), first.after.as_str()), ("", "tea", "mcity.test"));
        drop(taken);
        let thumbprint = desired.certificates[0].value.current_version().unwrap().facts.thumbprint.to_string();
        let spaced = format!("{} {}", &thumbprint[..4].to_uppercase(), &thumbprint[4..8]);
        assert_eq!(
            find(&desired, &Machines::default(), &anybody, &spaced, 6)[0].hits[0].path,
            format!("/certificates/{id}")
        );
    }

    #[tokio::test]
    async fn without_letters_there_are_commands_and_pages() {
        let anybody = Actor::with(Permission::ALL);
        let groups = find(&Desired::default(), &Machines::default(), &anybody, "", 20);
        let headings: Vec<&str> = groups.iter().map(|group| group.heading).collect();
        assert_eq!(headings, ["Commands", "Pages"]);
        assert!(find(&Desired::default(), &Machines::default(), &anybody, "zzz", 6).is_empty());
    }

    /// "Explain *" was refused, and a viewer was led to pages that are for others.
    #[tokio::test]
    async fn what_is_found_leads_somewhere_for_whoever_looks() {
        let fixture = Fixture::start().await;
        fixture.app.add_site(&by(), &site(&["*.shop.test", "shop.test"]), Apply::Now).await.unwrap();
        fixture.app.add_site(&by(), &site(&["*.shopping.test"]), Apply::Now).await.unwrap();
        let desired = fixture.stored().await;
        let paths = |permissions: &[Permission], query: &str| -> Vec<String> {
            let groups = find(&desired, &Machines::default(), &Actor::with(permissions), query, 20);
            groups.into_iter().flat_map(|group| group.hits).map(|hit| hit.path).collect()
        };
        let explained = |path: &&String| path.starts_with("/explain?");
        let found = paths(Permission::ALL, "shop");
        let found: Vec<&String> = found.iter().filter(explained).collect();
        assert_eq!(found, ["/explain?host=shop%2Etest"]);
        let rows = crate::portal::rows(std::sync::Arc::clone(&fixture.app));
        for (title, _, path, _, permission) in COMMANDS {
            let page = path.split(['#', '?']).next().unwrap();
            let row = rows.iter().find(|(method, path, _)| *method == http::Method::GET && *path == page).unwrap();
            assert!([Some(*permission), Some(Permission::View)].contains(&row.2), "{title}");
        }
        let seen = paths(&[Permission::View], "");
        for path in ["/users", "/users/new", "/backup", "/import", "/sites/new"] {
            assert!(!seen.iter().any(|seen| seen == path), "{path} in {seen:?}");
        }
    }
}
