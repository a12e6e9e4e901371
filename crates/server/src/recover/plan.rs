//! What has to be written for a way in.

use std::sync::Arc;

use portward_certs::{SELF_SIGNED_DAYS, self_signed, self_signed_validity};
use portward_core::{
    Binding, BindingId, BindingProtocol, CertificateId, ForceHttps, HeaderRules, HostPattern, HostPatterns, Hsts,
    Management, Scheme, Site, SiteCertificate, SiteId, SiteLimits, Source, Upstream, UpstreamTrust,
};
use portward_store::{
    change::{Change, Expected, NewKey, NewVersion},
    desired::Desired,
    sealing::Secret,
};

use super::{Recovery, everywhere};
use crate::{
    app::{AppError, new_key_id, slug, ways_in},
    first_start::own_names,
};

impl Recovery<'_> {
    /// Puts into a change what is missing, with a step for each.
    pub(super) fn plan(
        &self,
        desired: &Desired,
        change: &mut Change,
        steps: &mut Vec<String>,
        notes: &mut Vec<String>,
    ) -> Result<(), AppError> {
        self.calm_sites(desired, change, steps);
        self.lead_to_portal(desired, change, steps)?;
        self.open_door(desired, change, steps, notes)
    }

    /// Switches force HTTPS and HSTS of the portal's sites off.
    fn calm_sites(&self, desired: &Desired, change: &mut Change, steps: &mut Vec<String>) {
        for stored in ways_in::portal_sites(desired) {
            let site = &stored.value;
            let mode = site.force_https.unwrap_or(desired.settings.force_https);
            if mode != ForceHttps::Off {
                steps.push(format!("Switched the redirect of the portal's site \"{}\" off (it was {mode})", site.id));
            }
            if site.hsts != Hsts::Off {
                steps.push(format!(
                    "Switched HSTS of the portal's site \"{}\" off; browsers that remember it go on refusing plain HTTP",
                    site.id
                ));
            }
            if mode != ForceHttps::Off || site.hsts != Hsts::Off {
                let site = Site { force_https: Some(ForceHttps::Off), hsts: Hsts::Off, ..site.clone() };
                change.put_site(&site, Expected::At(stored.revision));
            }
        }
    }

    /// Has a site lead to the portal: for all hosts, or for this machine's own names if an application has all hosts.
    fn lead_to_portal(&self, desired: &Desired, change: &mut Change, steps: &mut Vec<String>) -> Result<(), AppError> {
        if ways_in::portal_sites(desired).next().is_some() {
            return Ok(());
        }
        let is_free = |name: &HostPattern| !desired.sites.iter().any(|stored| stored.value.names.contains(name));
        let names = if is_free(&HostPattern::Any) {
            HostPatterns::from([HostPattern::Any])
        } else {
            own_names(self.host_name).into_iter().filter(is_free).collect()
        };
        if names.is_empty() {
            return Ok(());
        }
        let is_taken = |id: &str| {
            let is_bad = desired.bad.iter().any(|bad| bad.key.as_str() == format!("sites/{id}"));
            is_bad || desired.sites.iter().any(|stored| stored.value.id.as_str() == id)
        };
        let id = SiteId::parse(&slug("portal", "portal", is_taken)).map_err(|error| AppError::invalid("id", &error))?;
        let shown: Vec<String> = names.iter().map(ToString::to_string).collect();
        steps.push(format!("Added the site \"{id}\", which leads to the portal, for {}", shown.join(", ")));
        let site = Site {
            id,
            names,
            upstreams: [Upstream::Portal].into(),
            upstream_trust: UpstreamTrust::System,
            force_https: Some(ForceHttps::Off),
            hsts: Hsts::Off,
            certificate: SiteCertificate::Auto,
            forwarding: Arc::default(),
            limits: SiteLimits::default(),
            headers: HeaderRules::default(),
            preset: None,
        };
        change.put_site(&site, Expected::Absent);
        Ok(())
    }

    /// Has an https binding that works, with a certificate.
    fn open_door(
        &self,
        desired: &Desired,
        change: &mut Change,
        steps: &mut Vec<String>,
        notes: &mut Vec<String>,
    ) -> Result<(), AppError> {
        let host = ways_in::portal_host(desired);
        // Where peers have to speak the PROXY protocol, some or all browsers are cut.
        let is_open = |binding: &Binding| binding.is_https() && binding.accept_proxy_from.is_empty();
        let https = desired.bindings.iter().filter(|stored| is_open(&stored.value));
        let mut working = https.filter(|stored| (self.works)(&stored.value));
        if let Some(stored) = working.next() {
            if ways_in::presented_at(desired, &stored.value, &host, self.now).is_none() {
                let certificate = self.make_certificate(desired, change, steps)?;
                let binding = Binding { default_certificate: Some(certificate), ..stored.value.clone() };
                change.put_binding(&binding, Expected::At(stored.revision));
            }
            return Ok(());
        }
        let is_free = |port: &u16| (self.try_bind)(Scheme::Https, everywhere(*port)).is_ok();
        let Some(port) = [8443, 443, 0].into_iter().find(is_free) else {
            notes.push(
                "No address could be bound for https; stop what listens at 8443 or 443, and recover again".to_owned(),
            );
            return Ok(());
        };
        let is_taken = |id: &str| {
            let is_bad = desired.bad.iter().any(|bad| bad.key.as_str() == format!("bindings/{id}"));
            is_bad || desired.bindings.iter().any(|stored| stored.value.id.as_str() == id)
        };
        let id = slug(&format!("https-{port}"), "binding", is_taken);
        let id = BindingId::parse(&id).map_err(|error| AppError::invalid("id", &error))?;
        let probe = Binding::new(id, BindingProtocol::Https, everywhere(port));
        let default = desired.bindings.iter().find_map(|stored| stored.value.default_certificate.clone());
        let default =
            default.filter(|id| desired.certificate(id).is_some_and(|stored| ways_in::facts(stored).is_some()));
        let best = || ways_in::presented_at(desired, &probe, &host, self.now).map(|stored| stored.value.id.clone());
        let certificate = match default.or_else(best) {
            Some(id) => id,
            None => self.make_certificate(desired, change, steps)?,
        };
        let binding = Binding { default_certificate: Some(certificate), ..probe };
        steps.push(format!("Added the binding \"{}\" at {}, as no https binding worked", binding.id, binding.url()));
        change.put_binding(&binding, Expected::Absent);
        Ok(())
    }

    /// Makes a certificate for this machine's own names, signed by its own key.
    fn make_certificate(
        &self,
        desired: &Desired,
        change: &mut Change,
        steps: &mut Vec<String>,
    ) -> Result<CertificateId, AppError> {
        let names = own_names(self.host_name);
        let bundle = self_signed(&names, self_signed_validity(self.now, SELF_SIGNED_DAYS))
            .map_err(|error| AppError::internal("no certificate could be made", error))?;
        let is_taken = |id: &str| {
            let of_it = format!("certs/{id}/");
            let is_bad = desired.bad.iter().any(|bad| bad.key.as_str().starts_with(&of_it));
            is_bad || desired.certificates.iter().any(|stored| stored.value.id.as_str() == id)
        };
        let id = slug("recovered", "recovered", is_taken);
        let id = CertificateId::parse(&id).map_err(|error| AppError::invalid("id", &error))?;
        steps.push(format!(
            "Made the certificate \"{id}\", signed by its own key, with the thumbprint (SHA-256) {}",
            bundle.facts.thumbprint
        ));
        let secret = Secret::copy_of(bundle.key.as_pkcs8_der());
        let version = NewVersion {
            source: Source::SelfSigned,
            added: self.now,
            chain: bundle.chain,
            facts: bundle.facts.into(),
            key: new_key_id()?,
            private_key: NewKey::Here(&secret),
        };
        change.add_certificate(&id, "recovered", Management::Unmanaged, version, self.sealer);
        Ok(id)
    }
}
