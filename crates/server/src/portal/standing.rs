//! How a site stands: whether it is served, and how what is presented for its names looks to browsers.
//!
//! Overview, the list of sites and the pages of each ask here, so that they all say the same.

use std::sync::Arc;

use portward_core::{CertificateStatus, HostPattern, Site};
use portward_proxy::ServedCertificate;

use super::view::Mark;
use crate::{
    app::{App, sites::presented::Presented},
    served::ServedState,
};

/// Is how a site stands.
pub(super) struct Standing {
    pub(super) reach: Reach,
    pub(super) mark: Mark,
    pub(super) word: &'static str,
    /// Name by name.
    pub(super) names: Vec<Named>,
}

/// Says over what a site can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Nothing: it is left out of what is served.
    Nothing,
    /// HTTP, as no https binding is there.
    HttpAlone,
    /// HTTPS.
    Https,
}

/// Is one name of a site, and how what is presented for it looks.
pub(super) struct Named {
    pub(super) name: String,
    pub(super) mark: Mark,
    pub(super) word: &'static str,
    /// What is presented; none if only the default of a binding is.
    pub(super) certificate: Option<Arc<ServedCertificate>>,
}

impl Standing {
    pub(super) fn of(app: &App, served: &ServedState, site: &Site) -> Self {
        let Some(presented) = app.presented(site) else {
            let names = site.names.iter().map(|name| Named::of(Presented { name: name.clone(), certificate: None }));
            return Self { reach: Reach::Nothing, mark: Mark::Bad, word: "Not served", names: names.collect() };
        };
        let has_https = served.desired.bindings.iter().any(|stored| stored.value.is_https());
        let names: Vec<Named> = presented.into_iter().map(Named::of).collect();
        if !has_https {
            return Self { reach: Reach::HttpAlone, mark: Mark::Warn, word: "Served over HTTP alone", names };
        }
        let worst = names.iter().max_by_key(|named| named.mark).filter(|named| named.mark >= Mark::Warn);
        let (mark, word) = match worst {
            None => (Mark::Ok, "Served over HTTPS"),
            Some(Named { certificate: None, .. }) => (Mark::Warn, "A name has no certificate"),
            Some(named) => (
                named.mark,
                match named.word {
                    "Self-signed" => "Self-signed certificate",
                    "Expired" => "Certificate expired",
                    "Not valid yet" => "Certificate not valid yet",
                    _ => "Certificate expires soon",
                },
            ),
        };
        Self { reach: Reach::Https, mark, word, names }
    }

    /// The certificate of its first name.
    pub(super) fn certificate(&self) -> Option<&Arc<ServedCertificate>> {
        self.names.iter().find_map(|named| named.certificate.as_ref())
    }

    /// Whether browsers come to it over HTTPS, and are not warned.
    pub(super) fn is_safe(&self) -> bool {
        self.reach == Reach::Https && self.is_believed()
    }

    /// Whether browsers believe what is presented for every name.
    pub(super) fn is_believed(&self) -> bool {
        let is_believed = |named: &Named| {
            named
                .certificate
                .as_ref()
                .is_some_and(|certificate| !certificate.self_signed && certificate.status.is_in_force())
        };
        self.names.iter().all(is_believed)
    }
}

/// How all sites stand, in the order of their ids.
pub(super) fn standings<'a>(app: &App, served: &'a ServedState) -> Vec<(&'a Site, Standing)> {
    let sites = served.desired.sites.iter().map(|stored| &stored.value);
    sites.map(|site| (site, Standing::of(app, served, site))).collect()
}

impl Named {
    fn of(presented: Presented) -> Self {
        let Presented { name, certificate } = presented;
        let (mark, word) = match &certificate {
            None if name == HostPattern::Any => (Mark::Warn, "None"),
            None => (Mark::Warn, "No"),
            Some(certificate) => match certificate.status {
                CertificateStatus::Expired => (Mark::Bad, "Expired"),
                CertificateStatus::NotYetValid => (Mark::Bad, "Not valid yet"),
                _ if certificate.self_signed => (Mark::Warn, "Self-signed"),
                CertificateStatus::ExpiresSoon => (Mark::Warn, "Expires soon"),
                CertificateStatus::Valid => (Mark::Ok, "Yes"),
            },
        };
        Self { name: name.to_string(), mark, word, certificate }
    }
}
