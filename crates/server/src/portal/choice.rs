//! A choice among certificates: a list where they are few, a field that completes itself where they are many.

use portward_core::HostPattern;
use portward_store::desired::StoredCertificate;

/// Is what can be chosen.
pub(super) struct CertificateChoice {
    /// The id that is chosen, or what stands for none.
    pub(super) chosen: String,
    /// Ids that are offered; all of them, unless they are many.
    pub(super) offered: Vec<String>,
    /// Whether there are others.
    pub(super) is_long: bool,
}

impl CertificateChoice {
    /// Offers certificates; those for some of the names first, where not all are offered.
    pub(super) fn of(certificates: &[&StoredCertificate], chosen: &str, names: &[HostPattern]) -> Self {
        let is_long = certificates.len() > MOST_OFFERED;
        let mut offered: Vec<String> = Vec::new();
        if is_long {
            let fits = certificates.iter().map(|stored| &stored.value).filter(|certificate| {
                let has = |name: &HostPattern| {
                    certificate
                        .current_version()
                        .is_some_and(|version| version.facts.names.iter().any(|it| it.covers(name)))
                };
                names.iter().any(has)
            });
            offered.extend(fits.map(|certificate| certificate.id.to_string()).take(MOST_OFFERED));
        }
        let others = certificates.iter().map(|stored| stored.value.id.to_string());
        let room = MOST_OFFERED - offered.len();
        let others: Vec<String> = others.filter(|id| !offered.contains(id)).take(room).collect();
        offered.extend(others);
        Self { chosen: chosen.to_owned(), offered, is_long }
    }
}

/// A longer list is scrolled through by nobody.
const MOST_OFFERED: usize = 100;
