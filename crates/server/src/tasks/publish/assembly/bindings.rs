//! Bindings as they are served, and what is wrong with them.

use std::sync::Arc;

use portward_core::{Binding, BindingProtocol, DialAddress, HostMap};
use portward_proxy::{ServedBinding, ServedCertificate};
use portward_store::desired::{Desired, Stored};

use super::Assembly;
use crate::problem::{Problem, Subject};

impl Assembly {
    /// Where connections are accepted.
    pub(super) fn bindings(&mut self, desired: &Desired) -> Vec<Arc<ServedBinding>> {
        let mut served = Vec::with_capacity(desired.bindings.len());
        self.of_bindings.clear();
        for Stored { value: binding, .. } in &desired.bindings {
            let default_certificate = match binding.protocol {
                BindingProtocol::Http | BindingProtocol::TlsPassthrough => None,
                BindingProtocol::Https => self.default_certificate(desired, binding),
            };
            let Binding { id, protocol, address, default_certificate: _, accept_proxy_from, to: _ } = binding;
            served.push(Arc::new(ServedBinding {
                default_certificate,
                accept_proxy_from: accept_proxy_from.clone(),
                passages: self.passages(desired, binding),
                ..ServedBinding::new(id.clone(), *protocol, *address)
            }));
        }
        served
    }

    /// Where names lead whose connections are passed through, without those that a site has.
    fn passages(&mut self, desired: &Desired, binding: &Binding) -> HostMap<DialAddress> {
        let mut passages = HostMap::new();
        for passage in &binding.to {
            let alone = Binding { to: vec![passage.clone()], ..binding.clone() };
            let sites = desired.sites.iter().map(|stored| &stored.value);
            let taken = sites.into_iter().find(|site| alone.takes_from(&site.names).is_some());
            let Some(site) = taken else {
                passages.insert(&passage.name, passage.target.clone());
                continue;
            };
            self.of_bindings.push(Problem::error(
                "passage-name-taken",
                Subject::Binding(binding.id.clone()),
                format!("the site {} has \"{}\" and serves it: it is not passed through to {}", site.id, passage.name, passage.target),
                format!("take the name from one of them: portward site edit {}, or portward binding edit {} --to HOST=ADDRESS:PORT", site.id, binding.id),
            ));
        }
        passages
    }

    fn default_certificate(&mut self, desired: &Desired, binding: &Binding) -> Option<Arc<ServedCertificate>> {
        let subject = Subject::Binding(binding.id.clone());
        let remedy =
            "import one: portward certificate import FILE, or make one: portward certificate new-self-signed NAME";
        let wanted = binding.default_certificate.as_ref();
        if let Some(usable) = wanted.and_then(|id| self.certificates.usable(id)) {
            return Some(Arc::clone(&usable.served));
        }
        let (code, message) = match wanted {
            Some(id) if desired.certificate(id).is_some() => {
                ("default-certificate-unusable", format!("its default certificate \"{id}\" cannot be served"))
            }
            Some(id) => ("default-certificate-missing", format!("its default certificate \"{id}\" does not exist")),
            None if self.certificates.is_empty() => {
                ("no-certificate", "it is https, and there is no certificate to serve".to_owned())
            }
            None => {
                let message = "it has no default certificate: clients that name no host, or one that no certificate has, are refused";
                self.of_bindings.push(Problem::warning(
                    "no-default-certificate",
                    subject,
                    message,
                    format!(
                        "portward binding remove {}, then portward binding add {} --default-certificate ID",
                        binding.id,
                        binding.url()
                    ),
                ));
                return None;
            }
        };
        self.of_bindings.push(Problem::error(code, subject, message, remedy));
        None
    }
}
