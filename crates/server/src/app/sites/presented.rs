//! What is presented for the names of a site, as it is served now.

use std::sync::Arc;

use portward_core::{HostPattern, Site, Timestamp};
use portward_proxy::ServedCertificate;

use super::super::{Allowed, App, AppError, explain, right};

/// Is a name of a site, and the certificate that is presented for it; none if only the default of a binding is.
pub(crate) struct Presented {
    /// The name.
    pub(crate) name: HostPattern,
    /// The certificate.
    pub(crate) certificate: Option<Arc<ServedCertificate>>,
}

/// Is what one upstream answered when it was asked last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LastAnswer {
    /// When it was asked.
    pub(crate) asked: Timestamp,
    /// Which upstream.
    pub(crate) url: String,
    /// What was asked for.
    pub(crate) path: String,
    /// Its status, how many milliseconds it took, and the version of TLS; or why there is none.
    pub(crate) answer: Result<(u16, u64, Option<String>), String>,
}

impl App {
    /// What is presented for each name of a site; none if the site is not served.
    pub(crate) fn presented(&self, site: &Site) -> Option<Vec<Presented>> {
        let snapshot = self.parts.proxy.snapshot();
        let is_served = |name: &HostPattern| snapshot.sites.at(name).is_some_and(|served| served.id == site.id);
        if !site.names.iter().any(is_served) {
            return None;
        }
        let fixed = site.names.iter().find_map(|name| snapshot.sites.at(name)?.certificate.clone());
        let of = |name: &HostPattern| match (&fixed, name) {
            (Some(fixed), _) => Some(Arc::clone(fixed)),
            (None, HostPattern::Exact(host)) => snapshot.certificates.find(host).cloned(),
            (None, HostPattern::Wildcard(_)) => snapshot.certificates.at(name).cloned(),
            (None, HostPattern::Any) => {
                let mut https = snapshot.bindings.iter().filter(|binding| binding.is_https());
                https.find_map(|binding| binding.default_certificate.clone())
            }
        };
        Some(site.names.iter().map(|name| Presented { name: name.clone(), certificate: of(name) }).collect())
    }

    /// Asks each upstream of a site for a path, and remembers what it answered.
    pub(crate) async fn ask_upstreams(
        &self,
        _by: &Allowed<right::View>,
        id: &str,
        path: &str,
    ) -> Result<Vec<LastAnswer>, AppError> {
        let served = self.served();
        let stored = super::find(&served.desired, id)?;
        let now = self.now();
        let answers = explain::ask_site(&stored.value, path, now).await;
        self.last_answers().insert(stored.value.id.clone(), answers.clone());
        Ok(answers)
    }

    /// What the upstreams of a site answered when somebody asked them last.
    pub(crate) fn last_answer(&self, site: &Site) -> Vec<LastAnswer> {
        let answers = self.last_answers().get(&site.id).cloned().unwrap_or_default();
        // What was asked before the upstreams were changed says nothing of those that there are now.
        let is_upstream = |url: &str| site.all_upstreams().any(|upstream| upstream.to_string() == url);
        answers.into_iter().filter(|answer| is_upstream(&answer.url)).collect()
    }
}
