//! What is said of a binding, as values.

use portward_core::{Binding, BindingError, Network, Passage};
use portward_store::desired::Desired;

use crate::app::AppError;

/// Networks of proxies.
pub(in crate::app) fn networks(texts: &[String]) -> Result<Vec<Network>, AppError> {
    networks_of("accept_proxy_from", texts)
}

/// The networks of a field, each once.
pub(in crate::app) fn networks_of(field: &'static str, texts: &[String]) -> Result<Vec<Network>, AppError> {
    let mut networks = Vec::with_capacity(texts.len());
    for text in texts {
        let network = Network::parse(text).map_err(|error| AppError::invalid(field, &error))?;
        if !networks.contains(&network) {
            networks.push(network);
        }
    }
    at_most(field, networks.len())?;
    Ok(networks)
}

/// Names that are passed through, and where to.
pub(in crate::app) fn passages(texts: &[String]) -> Result<Vec<Passage>, AppError> {
    let passages = texts.iter().map(|text| Passage::parse(text)).collect::<Result<Vec<_>, _>>();
    let passages = passages.map_err(|error| AppError::invalid("to", &error))?;
    at_most("to", passages.len())?;
    Ok(passages)
}

/// Refuses what does not fit together, or takes a name from a site.
pub(in crate::app) fn check(binding: &Binding, desired: &Desired) -> Result<(), AppError> {
    binding.check().map_err(|error| {
        let code = match error {
            BindingError::PassageWithoutTls => "passage-without-tls",
            BindingError::NoPassage => "no-passage",
            BindingError::PassageForAll => "passage-for-all",
            BindingError::PassageTwice(_) => "passage-twice",
            BindingError::CertificateWithoutHttps(_) => "certificate-without-https",
        };
        AppError::refused(code, error.to_string())
    })?;
    for site in desired.sites.iter().map(|stored| &stored.value) {
        if let Some((passage, name)) = binding.takes_from(&site.names) {
            return Err(AppError::conflict(
                "passage-name-taken",
                format!(
                    "{passage} would take {name} from the site \"{0}\", which is served at {1} as well; take the name from the site first (portward site edit {0} --name OTHER), or pass it through at a tls-passthrough:// binding",
                    site.id,
                    binding.url()
                ),
            ));
        }
    }
    Ok(())
}

fn at_most(field: &str, count: usize) -> Result<(), AppError> {
    if count > MOST {
        return Err(AppError::refused(
            "invalid-value",
            format!("{field} has {count} entries; a binding has {MOST} at most"),
        ));
    }
    Ok(())
}

/// Each connection looks through all networks; more is a mistake, or a list that belongs into a packet filter.
const MOST: usize = 1000;
