//! The record of a binding.

use portward_core::{Binding, BindingId, CertificateId};
use serde::{Deserialize, Serialize};

use super::{Record, RecordError};

/// Is `bindings/<id>`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BindingRecord {
    v: u32,
    url: String,
    default_certificate: Option<String>,
}

impl Record for BindingRecord {
    const VERSION: u32 = 1;
}

impl From<&Binding> for BindingRecord {
    fn from(binding: &Binding) -> Self {
        Self {
            v: Self::VERSION,
            url: binding.url(),
            default_certificate: binding.default_certificate.as_ref().map(ToString::to_string),
        }
    }
}

impl BindingRecord {
    /// Makes the binding of that id.
    pub(crate) fn into_binding(self, id: BindingId) -> Result<Binding, RecordError> {
        let (scheme, address) = Binding::parse_url(&self.url).map_err(|error| RecordError::invalid("url", error))?;
        let default_certificate = self
            .default_certificate
            .map(|id| CertificateId::parse(&id))
            .transpose()
            .map_err(|error| RecordError::invalid("default_certificate", error))?;
        Ok(Binding { id, scheme, address, default_certificate })
    }
}
