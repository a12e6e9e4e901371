//! Changing the HTTPS settings: one change, tried before it counts.

use portward_api::{Changed, HttpsSettingsView};
use portward_certs::{Allow, Bundle, check};
use portward_core::{Binding, BindingId, CertificateId, ForceHttps, HostPattern, Management, NewWay, Site, Source};
use portward_store::{
    change::Expected,
    desired::{Desired, Stored, StoredCertificate},
};

use super::{HttpsSettingsInput, door::Door};
use crate::app::{
    Allowed, App, AppError, Apply, Draft, bindings,
    certificates::{self, import::read_files},
    error::finding_view,
    right,
    safely::{Safety, would_lock_out},
    trial::{Demand, Trial},
    ways_in,
};

impl App {
    /// Changes certificate, port and redirect of the portal, all at once: stored, served, tried by a real connection,
    /// and waiting to be confirmed if `apply` says so. If the trial fails, everything is as it was.
    ///
    /// When the port changes, the old one goes on answering until the change is confirmed, or until the trial has
    /// succeeded where no confirmation is asked for.
    pub(crate) async fn change_https_settings(
        &self,
        by: &Allowed<right::HttpsSettingsChange>,
        input: HttpsSettingsInput,
        apply: Apply,
    ) -> Result<Changed<HttpsSettingsView>, AppError> {
        let HttpsSettingsInput { certificate, port, force_https } = input;
        let bundle = match certificate {
            Some(files) => Some(read_files(files.into_import()).await?.0),
            None => None,
        };
        if let Some(bundle) = &bundle {
            self.refuse_bad_certificate(bundle)?;
        }
        if port == Some(0) {
            return Err(AppError::refused("invalid-value", "port: give 1 to 65535; 443 is the one that browsers take"));
        }
        let deciding = self.decide().await;
        let desired = self.desired().await?;
        let sites: Vec<&Stored<Site>> = ways_in::portal_sites(&desired).collect();
        if force_https.is_some() && sites.is_empty() {
            return Err(AppError::conflict(
                "no-portal-site",
                "no site leads to the portal, so there is nothing to redirect; give it one first: portward site add NAME --upstream portal. Nothing was changed",
            ));
        }
        let mut change = self.change(by, audit(bundle.as_ref(), port, force_https));
        let presented = match bundle {
            Some(bundle) => Some(self.put_certificate(&mut change, bundle, &desired)?),
            None => None,
        };
        let door = self.door(&desired, port)?;
        let presented_before = door.as_ref().and_then(|door| door.binding.default_certificate.clone());
        let demands_https = force_https.is_some_and(|mode| mode != ForceHttps::Off);
        let Some(mut door) = door else {
            if demands_https || presented.is_some() {
                return Err(would_lock_out(
                    "there is no https binding; say at which port one should be: --port 443. Nothing was changed",
                ));
            }
            return self.make_settings(by, change, deciding, apply, None, None, force_https, &sites).await;
        };
        if let Some(id) = &presented {
            door.binding.default_certificate = Some(id.clone());
            // What presented the same goes on doing so, so that the portal shows one certificate everywhere.
            for stored in &desired.bindings {
                let other = &stored.value;
                let same = other.default_certificate == presented_before || other.default_certificate.is_none();
                let is_door = other.id == door.binding.id;
                if other.is_https() && !is_door && same && other.default_certificate.as_ref() != Some(id) {
                    let binding = Binding { default_certificate: Some(id.clone()), ..other.clone() };
                    change.put_binding(&binding, Expected::At(stored.revision));
                }
            }
        }
        self.make_settings(by, change, deciding, apply, Some(door), presented, force_https, &sites).await
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one change, put together in one place")]
    async fn make_settings(
        &self,
        by: &Allowed<right::HttpsSettingsChange>,
        mut change: Draft,
        deciding: tokio::sync::MutexGuard<'_, ()>,
        apply: Apply,
        door: Option<Door>,
        presented: Option<CertificateId>,
        force_https: Option<ForceHttps>,
        sites: &[&Stored<Site>],
    ) -> Result<Changed<HttpsSettingsView>, AppError> {
        if let Some(door) = &door {
            if door.is_written() {
                change.put_binding(&door.binding, door.expected());
            }
            let default = door.binding.default_certificate.as_ref();
            if let Some(id) = default.filter(|id| presented.as_ref() != Some(*id)) {
                change.require_certificate(id);
            }
        }
        let retires = door.as_ref().and_then(|door| door.retires.clone());
        if let Some(mode) = force_https {
            for stored in sites.iter().filter(|stored| stored.value.force_https != Some(mode)) {
                let site = Site { force_https: Some(mode), ..stored.value.clone() };
                change.put_site(&site, Expected::At(stored.revision));
            }
        }
        if change.is_empty() || apply == Apply::DryRun {
            return Ok(self.https_settings(&self.served(), None).into());
        }
        let way = door.as_ref().map_or(NewWay::Any, |door| bindings::new_way(&door.binding));
        let safety = Safety { way, retires: retires.iter().cloned().collect() };
        let demands_https = force_https.is_some_and(|mode| mode != ForceHttps::Off);
        let is_another = presented.is_some();
        let made = self
            .make_safely(change, deciding, apply, safety, |served| {
                let Some(Door { binding, .. }) = &door else { return Ok(Vec::new()) };
                if let Some(Err(error)) = served.binding(&binding.id).map(|report| &report.result) {
                    return Err(bindings::unsaved(binding, error));
                }
                let demand = match Demand::of_certificate(&served.desired) {
                    Demand::Ours if demands_https => Demand::InForce,
                    demand if is_another => demand,
                    _ => Demand::Ours,
                };
                let trial = Trial::of_binding(served, binding, demand);
                Ok(vec![match &presented {
                    Some(id) => trial.expecting(id.clone()),
                    None => trial,
                }])
            })
            .await?;
        if made.confirmation.is_none()
            && let Some(id) = retires
        {
            self.retire(by, &id).await?;
        }
        Ok(Changed {
            result: self.https_settings(&self.served(), door.as_ref().map(|door| &door.binding.id)),
            impacts: Vec::new(),
            confirmation: made.confirmation,
        })
    }

    /// Takes the binding away whose place another one has taken.
    async fn retire(&self, by: &Allowed<right::HttpsSettingsChange>, id: &BindingId) -> Result<(), AppError> {
        let deciding = self.decide().await;
        let mut change = self.change(by, format!("remove binding {id}, whose place another port has taken"));
        change.remove_binding(id, Expected::Any);
        let revision = self.commit(change).await?;
        drop(deciding);
        self.in_effect(revision).await?;
        Ok(())
    }

    fn refuse_bad_certificate(&self, bundle: &Bundle) -> Result<(), AppError> {
        let found = check(bundle, self.now(), &[], Allow::default());
        let Some(first) = found.iter().find(|finding| finding.refuses()) else { return Ok(()) };
        let refusals: Vec<String> = found.iter().filter(|finding| finding.refuses()).map(ToString::to_string).collect();
        let message = format!("{}. Nothing was changed.", refusals.join("; "));
        Err(AppError::refused(first.code(), message).with_findings(found.iter().map(finding_view).collect()))
    }

    /// Writes an uploaded certificate: over the portal's own if that was imported, else as one of its own.
    fn put_certificate(
        &self,
        change: &mut Draft,
        bundle: Bundle,
        desired: &Desired,
    ) -> Result<CertificateId, AppError> {
        let thumbprint = bundle.facts.thumbprint;
        let holds = |stored: &&StoredCertificate| {
            stored.value.versions.iter().any(|version| version.facts.thumbprint == thumbprint)
        };
        if let Some(stored) = desired.certificates.iter().find(holds) {
            // It is there already: as what is served, or as a version that is served again.
            let is_current = ways_in::facts(stored).is_some_and(|facts| facts.thumbprint == thumbprint);
            let mut versions = stored.value.versions.iter();
            if let Some(version) =
                versions.find(|version| version.facts.thumbprint == thumbprint).filter(|_| !is_current)
            {
                change.set_current(stored, version.number);
            }
            return Ok(stored.value.id.clone());
        }
        let host = ways_in::told_host(desired, &self.parts.host_name);
        let presented = ways_in::https_binding(desired)
            .and_then(|stored| ways_in::presented_at(desired, &stored.value, &host, self.now()));
        let own = presented.filter(|stored| {
            let is_imported = stored.value.current_version().is_some_and(|version| version.source == Source::Imported);
            is_imported && stored.value.management == Management::Unmanaged && keeps_names(stored, &bundle, desired)
        });
        match own {
            Some(stored) => {
                let (id, name) = (stored.value.id.clone(), stored.value.name.clone());
                self.put_imported(change, Some(stored), &id, &name, bundle, desired)?;
                Ok(id)
            }
            None => {
                let name =
                    bundle.facts.names.first().map_or_else(|| bundle.facts.subject.to_string(), ToString::to_string);
                let id = certificates::new_id(desired, &name)?;
                self.put_imported(change, None, &id, &name, bundle, desired)?;
                Ok(id)
            }
        }
    }
}

/// Whether no site loses a name of its certificate when another leaf takes its place.
fn keeps_names(stored: &StoredCertificate, bundle: &Bundle, desired: &Desired) -> bool {
    let lost = certificates::lost_names(desired, &stored.value.id, Some(&bundle.facts));
    let mut fixed = certificates::fixed_sites(desired, &stored.value.id).flat_map(|site| &site.names);
    let covers = |name: &HostPattern| bundle.facts.names.iter().any(|has| has.covers(name));
    lost.is_empty() && fixed.all(|name| *name == HostPattern::Any || covers(name))
}

fn audit(bundle: Option<&Bundle>, port: Option<u16>, force_https: Option<ForceHttps>) -> String {
    let mut parts = Vec::new();
    if let Some(bundle) = bundle {
        parts.push(format!("certificate {}", bundle.facts.thumbprint));
    }
    if let Some(port) = port {
        parts.push(format!("port {port}"));
    }
    if let Some(mode) = force_https {
        parts.push(format!("force HTTPS {mode}"));
    }
    format!("change HTTPS settings: {}", if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") })
}
