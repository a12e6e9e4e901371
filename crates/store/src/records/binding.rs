//! The record of a binding.

use portward_core::{Binding, BindingId, BindingProtocol, CertificateId, Network, Passage};
use serde::{Deserialize, Serialize};

use super::{Record, RecordError};

/// Is `bindings/<id>`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BindingRecord {
    v: u32,
    url: String,
    default_certificate: Option<String>,
    /// From version 2 on, as what follows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    accept_proxy_from: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    to: Vec<String>,
}

impl Record for BindingRecord {
    // 2 has tls-passthrough, peers that speak the PROXY protocol, and passages.
    const VERSION: u32 = 2;
}

impl From<&Binding> for BindingRecord {
    fn from(binding: &Binding) -> Self {
        let Binding { id: _, protocol, address: _, default_certificate, accept_proxy_from, to } = binding;
        let is_as_of_version_1 =
            *protocol != BindingProtocol::TlsPassthrough && accept_proxy_from.is_empty() && to.is_empty();
        Self {
            // An older Portward goes on reading what it understands.
            v: if is_as_of_version_1 { 1 } else { Self::VERSION },
            url: binding.url(),
            default_certificate: default_certificate.as_ref().map(ToString::to_string),
            accept_proxy_from: accept_proxy_from.iter().map(ToString::to_string).collect(),
            to: to.iter().map(ToString::to_string).collect(),
        }
    }
}

impl BindingRecord {
    /// Makes the binding of that id.
    pub(crate) fn into_binding(self, id: BindingId) -> Result<Binding, RecordError> {
        let (protocol, address) = Binding::parse_url(&self.url).map_err(|error| RecordError::invalid("url", error))?;
        let default_certificate = self
            .default_certificate
            .map(|id| CertificateId::parse(&id))
            .transpose()
            .map_err(|error| RecordError::invalid("default_certificate", error))?;
        let networks = self.accept_proxy_from.iter().map(|text| Network::parse(text)).collect::<Result<_, _>>();
        let accept_proxy_from = networks.map_err(|error| RecordError::invalid("accept_proxy_from", error))?;
        let passages = self.to.iter().map(|text| Passage::parse(text)).collect::<Result<_, _>>();
        let to = passages.map_err(|error| RecordError::invalid("to", error))?;
        let binding = Binding { default_certificate, accept_proxy_from, to, ..Binding::new(id, protocol, address) };
        binding.check().map_err(|error| RecordError::invalid("to", error))?;
        Ok(binding)
    }
}
