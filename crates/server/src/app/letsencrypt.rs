//! Let's Encrypt as Octopus has it: one name, one command.

mod facts;

use std::{net::SocketAddr, sync::Arc};

use portward_api::acme::{CertificateRenew, LetsEncryptConfigure, LetsEncryptStatus};
use portward_core::{
    Binding, BindingId, BindingProtocol, CertificateId, Host, HostPattern, IssuerId, Management,
    acme::{DirectoryTrust, Issuer, IssuerPorts, KeyAlgorithm, KeyReuse, Managed},
    addresses_overlap,
};
use portward_store::{
    change::{Change, Expected},
    desired::{Desired, Stored, StoredIssuer},
};

use super::{
    Actor, Allowed, App, AppError, Apply, Revised,
    certificates::new_id,
    issuers::{self, HTTPS},
    renewals::{renew_before, usual_profile},
    right, slug,
};
use crate::tasks::publish::bind_code;

pub(crate) use facts::LetsEncryptFacts;

/// Is the issuer that is asked for.
struct WantedIssuer {
    directory: String,
    /// None for whatever the one that is there has.
    trust: Option<DirectoryTrust>,
    contacts: Vec<String>,
    accept_terms: bool,
}

/// Says whether the terms of a CA are agreed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Agreed {
    /// They are, or it has none.
    Yes,
    /// Nobody asked, as the issuer that is there has an agreement.
    Unknown,
}

impl App {
    /// Has the server's own name kept by a CA: issuer, certificate and binding in one change.
    ///
    /// A new issuer needs the right to change issuers too, a new binding that to change bindings.
    pub(crate) async fn configure_letsencrypt(
        &self,
        by: &Allowed<right::CertificateChange>,
        input: &LetsEncryptConfigure,
        apply: Apply,
    ) -> Result<Revised<LetsEncryptStatus>, AppError> {
        let host = Host::parse(&input.dns_name).map_err(|error| AppError::invalid("dns_name", &error))?;
        let wanted = WantedIssuer::read(input)?;
        // The CA may take its time, in which others decide.
        let agreed = self.look_at_wanted(by.actor(), &wanted).await?;
        let deciding = self.decide().await;
        let desired = self.desired().await?;
        let mut change = self.change(by, format!("configure Let's Encrypt for {host}"));
        let issuer = self.letsencrypt_issuer(by.actor(), wanted, agreed, &desired, &mut change)?;
        let names = vec![HostPattern::Exact(host)];
        let renew_before = input.renew_days_before.map(renew_before).transpose()?;
        let before = desired.settings.letsencrypt.as_ref().and_then(|id| desired.certificate(id));
        let before = before.and_then(|stored| stored.value.management.managed());
        let managed = Arc::new(match before.filter(|before| before.names == names) {
            // The rest was asked for elsewhere, and stays as it is.
            Some(before) if before.issuers.first() == Some(&issuer.id) => {
                Managed { renew_before, ..Managed::clone(before) }
            }
            before => Managed {
                profile: usual_profile(&names, &issuer),
                names,
                issuers: vec![issuer.id.clone()],
                challenge: before.and_then(|before| before.challenge),
                dns: before.and_then(|before| before.dns.clone()),
                key: before.map_or_else(KeyAlgorithm::default, |before| before.key),
                reuse: before.map_or(KeyReuse::New, |before| before.reuse),
                // It is the server's own name.
                key_on: None,
                renew_before,
            },
        });
        let id = self.letsencrypt_certificate(&managed, &desired, &mut change)?;
        self.letsencrypt_bindings(by.actor(), input, &id, &desired, &mut change)?;
        change.put_letsencrypt(Some(&id));
        if apply == Apply::DryRun {
            let status = LetsEncryptStatus {
                enabled: false,
                dns_name: managed.names.first().map(ToString::to_string),
                issuer: Some(issuer.id.to_string()),
                thumbprint: None,
                renewal: None,
            };
            return Ok(Revised { view: status, revision: None });
        }
        let revision = self.commit(change).await?;
        drop(deciding);
        let served = self.in_effect(revision).await?;
        Ok(Revised { view: self.letsencrypt(&served.desired).await?, revision: Some(revision) })
    }

    /// Shows what is configured.
    pub(crate) async fn show_letsencrypt(&self, _by: &Allowed<right::View>) -> Result<LetsEncryptStatus, AppError> {
        let desired = Arc::clone(&self.served().desired);
        self.letsencrypt(&desired).await
    }

    /// Has the certificate renewed now.
    pub(crate) async fn renew_letsencrypt(
        &self,
        by: &Allowed<right::CertificateChange>,
        input: &CertificateRenew,
    ) -> Result<LetsEncryptStatus, AppError> {
        let desired = self.desired().await?;
        let id = configured(&desired)?;
        self.renew_certificate(by, id.as_str(), input).await?;
        self.letsencrypt(&desired).await
    }

    /// Stops renewing; what is served stays until it expires.
    pub(crate) async fn disable_letsencrypt(
        &self,
        by: &Allowed<right::CertificateChange>,
    ) -> Result<LetsEncryptStatus, AppError> {
        let deciding = self.decide().await;
        let desired = self.desired().await?;
        let id = configured(&desired)?;
        let mut change = self.change(by, "disable Let's Encrypt");
        change.put_letsencrypt(None);
        if let Some(stored) = desired.certificate(id).filter(|stored| stored.value.management.managed().is_some()) {
            change.edit_certificate(stored, &stored.value.name, &Management::Unmanaged);
        }
        let revision = self.commit(change).await?;
        drop(deciding);
        let served = self.in_effect(revision).await?;
        self.letsencrypt(&served.desired).await
    }

    async fn letsencrypt(&self, desired: &Desired) -> Result<LetsEncryptStatus, AppError> {
        let stored = desired.settings.letsencrypt.as_ref().and_then(|id| desired.certificate(id));
        let managed = stored.and_then(|stored| Some((stored, stored.value.management.managed()?)));
        let Some((stored, managed)) = managed else {
            return Ok(LetsEncryptStatus {
                enabled: false,
                dns_name: None,
                issuer: None,
                thumbprint: None,
                renewal: None,
            });
        };
        Ok(LetsEncryptStatus {
            enabled: true,
            dns_name: managed.names.first().map(ToString::to_string),
            issuer: managed.issuers.first().map(ToString::to_string),
            thumbprint: stored.value.current_version().map(|version| version.facts.thumbprint.to_string()),
            renewal: Some(self.renewal_view(stored, managed).await?),
        })
    }

    /// Refuses an issuer that the actor may not add, that could never be asked, or whose terms nobody agreed to; says whether
    /// they are agreed to, as far as that was in question.
    async fn look_at_wanted(&self, actor: &Actor, wanted: &WantedIssuer) -> Result<Agreed, AppError> {
        let desired = self.desired().await?;
        let issuer = match wanted.find(&desired) {
            Some(stored) if stored.value.issuer.terms_agreed => return Ok(wanted.agreed()),
            Some(stored) => stored.value.issuer.clone(),
            None => wanted.new_issuer(&desired)?,
        };
        // Whoever may not add it has nobody asked.
        actor.may::<right::IssuerChange>()?;
        self.check_trust(&issuer)?;
        self.demand_terms(&issuer, wanted.accept_terms).await?;
        Ok(Agreed::Yes)
    }

    /// The issuer that is asked: one that is there already, else a new one.
    fn letsencrypt_issuer(
        &self,
        actor: &Actor,
        wanted: WantedIssuer,
        agreed: Agreed,
        desired: &Desired,
        change: &mut Change,
    ) -> Result<Issuer, AppError> {
        let found = wanted.find(desired);
        if let Some(stored) = found.filter(|stored| stored.value.issuer.terms_agreed) {
            return Ok(stored.value.issuer.clone());
        }
        actor.may::<right::IssuerChange>()?;
        if agreed == Agreed::Unknown {
            let message = "the issuers were changed meanwhile, so nothing was changed; look at them again, then repeat";
            return Err(AppError::conflict("changed-meanwhile", message));
        }
        let Some(Stored { value, revision }) = found else {
            let issuer = wanted.new_issuer(desired)?;
            change.put_issuer(&issuer, None, &self.sealer(desired)?, Expected::Absent);
            return Ok(issuer);
        };
        let issuer = Issuer { terms_agreed: true, ..value.issuer.clone() };
        // Its external account binding, if it has one, is sealed in it and cannot be written again without it.
        let eab = self.open_eab(value, desired)?;
        change.put_issuer(&issuer, eab.as_ref(), &self.sealer(desired)?, Expected::At(*revision));
        Ok(issuer)
    }

    /// Refuses without agreement to the terms; says where they are, if the CA can be asked.
    pub(super) async fn demand_terms(&self, issuer: &Issuer, accepted: bool) -> Result<(), AppError> {
        if accepted {
            return Ok(());
        }
        let facts = match self.parts.engine.authority(issuer) {
            Ok(ca) => ca.directory().await.ok(),
            Err(_) => None,
        };
        let terms = match facts {
            Some(facts) if facts.terms_of_service.is_none() => return Ok(()),
            Some(facts) => facts.terms_of_service.unwrap_or_default(),
            None => format!("see {}", issuer.directory),
        };
        let message = format!(
            "an account needs your agreement to the CA's terms of service ({terms}); read them, and add --accept-terms"
        );
        Err(AppError::refused("terms-not-agreed", message))
    }

    fn letsencrypt_certificate(
        &self,
        managed: &Arc<Managed>,
        desired: &Desired,
        change: &mut Change,
    ) -> Result<CertificateId, AppError> {
        let before = desired.settings.letsencrypt.as_ref().and_then(|id| desired.certificate(id));
        let same = before
            .filter(|stored| stored.value.management.managed().is_some_and(|before| before.names == managed.names));
        if let Some(stored) = same {
            let management = Management::Managed(Arc::clone(managed));
            change.edit_certificate(stored, &stored.value.name, &management);
            return Ok(stored.value.id.clone());
        }
        // The name that was configured before is the server's no more; what is served for it stays until it expires.
        if let Some(stored) = before.filter(|stored| stored.value.management.managed().is_some()) {
            change.edit_certificate(stored, &stored.value.name, &Management::Unmanaged);
        }
        let name = managed.names.first().map(ToString::to_string).unwrap_or_default();
        let id = new_id(desired, &name)?;
        self.add_bridge(change, &id, &name, managed, desired)?;
        Ok(id)
    }

    /// The https bindings that serve it: the one that was named, else those there are, else one on 443.
    fn letsencrypt_bindings(
        &self,
        actor: &Actor,
        input: &LetsEncryptConfigure,
        id: &CertificateId,
        desired: &Desired,
        change: &mut Change,
    ) -> Result<(), AppError> {
        let address = match &input.ip_address {
            None => None,
            Some(text) => Some(text.trim_matches(['[', ']']).parse().map_err(|_| {
                let message = format!(
                    "ip_address: \"{text}\" is not an IP address of this machine; 0.0.0.0 or [::] is all of them"
                );
                AppError::refused("invalid-value", message)
            })?),
        };
        let is_wanted = |binding: &Binding| {
            binding.is_https()
                && input.https_port.is_none_or(|port| port == binding.address.port())
                && address.is_none_or(|ip| addresses_overlap(ip, binding.address.ip()))
        };
        let wanted: Vec<&Stored<Binding>> = desired.bindings.iter().filter(|stored| is_wanted(&stored.value)).collect();
        if wanted.is_empty() {
            actor.may::<right::BindingChange>()?;
            let everywhere = if portward_proxy::has_ipv6() { "::" } else { "0.0.0.0" };
            let ip = match address {
                Some(ip) => ip,
                None => everywhere.parse().map_err(|error| AppError::invalid("ip_address", &error))?,
            };
            let address = SocketAddr::new(ip, input.https_port.unwrap_or_else(|| HTTPS.default_port()));
            let is_taken = |id: &str| desired.bindings.iter().any(|stored| stored.value.id.as_str() == id);
            let binding_id = slug(&format!("https-{}", address.port()), "https", is_taken);
            let binding_id = BindingId::parse(&binding_id).map_err(|error| AppError::invalid("id", &error))?;
            let binding = Binding {
                default_certificate: Some(id.clone()),
                ..Binding::new(binding_id, BindingProtocol::Https, address)
            };
            self.parts.proxy.try_bind(HTTPS, address).map_err(|error| {
                let message = format!(
                    "the binding {} could not be added: {error} Nothing was saved. Another port: --https-port N",
                    binding.url()
                );
                AppError::refused(bind_code(&error), message)
            })?;
            change.put_binding(&binding, Expected::Absent);
            return Ok(());
        }
        for Stored { value: binding, revision } in wanted {
            let own = binding.default_certificate.as_ref().and_then(|id| desired.certificate(id));
            let own = own.and_then(|stored| stored.value.current_version());
            // A certificate that somebody chose stays; one that we made ourselves gives way, and that of another name.
            let was_configured =
                binding.default_certificate.is_some() && binding.default_certificate == desired.settings.letsencrypt;
            let gives_way = was_configured || own.is_none_or(|version| version.facts.self_signed);
            if gives_way && binding.default_certificate.as_ref() != Some(id) {
                // What a binding presents already, whoever may change certificates could replace too.
                if own.is_none() {
                    actor.may::<right::BindingChange>()?;
                }
                let binding = Binding { default_certificate: Some(id.clone()), ..binding.clone() };
                change.put_binding(&binding, Expected::At(*revision));
            }
        }
        Ok(())
    }

    fn open_eab(
        &self,
        stored: &StoredIssuer,
        desired: &Desired,
    ) -> Result<Option<portward_store::sealing::Secret>, AppError> {
        let id: &IssuerId = &stored.issuer.id;
        let Some(sealed) = &stored.eab_mac_key else { return Ok(None) };
        let opened = portward_store::desired::open_eab_key(&self.sealer(desired)?, id, sealed);
        opened.map(Some).map_err(|error| AppError::internal("the external account binding does not open", error))
    }
}

impl WantedIssuer {
    fn read(input: &LetsEncryptConfigure) -> Result<Self, AppError> {
        let directory = match (&input.directory, input.staging) {
            (Some(_), true) => {
                let message = "directory: give either a directory or staging, not both";
                return Err(AppError::refused("invalid-value", message));
            }
            (Some(url), false) => issuers::directory(url)?,
            (None, true) => Issuer::LETS_ENCRYPT_STAGING.to_owned(),
            (None, false) => Issuer::LETS_ENCRYPT.to_owned(),
        };
        Ok(Self {
            directory,
            trust: input.directory_ca.as_deref().map(|pem| issuers::trust(Some(pem))).transpose()?,
            contacts: issuers::contacts(input.email.as_slice())?,
            accept_terms: input.accept_terms,
        })
    }

    /// The one that is there already.
    fn find<'a>(&self, desired: &'a Desired) -> Option<&'a Stored<StoredIssuer>> {
        desired.issuers.iter().find(|stored| {
            let issuer = &stored.value.issuer;
            issuer.directory == self.directory && self.trust.as_ref().is_none_or(|trust| *trust == issuer.trust)
        })
    }

    fn new_issuer(&self, desired: &Desired) -> Result<Issuer, AppError> {
        Ok(Issuer {
            id: issuers::new_id(desired, &self.directory)?,
            directory: self.directory.clone(),
            trust: self.trust.clone().unwrap_or(DirectoryTrust::System),
            contacts: self.contacts.clone(),
            terms_agreed: self.accept_terms,
            eab_key_id: None,
            profile: None,
            challenge: None,
            preferred_chain: None,
            ports: IssuerPorts::default(),
            resolvers: Vec::new(),
        })
    }

    fn agreed(&self) -> Agreed {
        match self.accept_terms {
            true => Agreed::Yes,
            false => Agreed::Unknown,
        }
    }
}

fn configured(desired: &Desired) -> Result<&CertificateId, AppError> {
    let id = desired.settings.letsencrypt.as_ref().filter(|id| desired.certificate(id).is_some());
    id.ok_or_else(|| {
        let message =
            "Let's Encrypt is not configured; portward letsencrypt configure --dns-name HOST --email ADDR --accept-terms";
        AppError::conflict("not-configured", message)
    })
}

#[cfg(test)]
mod tests;
