//! Use cases of sites.

mod health;
pub(super) mod input;
pub(crate) mod presented;

use std::sync::Arc;

use portward_api::{Changed, HeaderSet, Removed, SiteCreate, SiteRoute, SiteUpdate, SiteView};
use portward_core::{
    ForceHttps, Forwarding, HeaderRules, HostPattern, Hsts, NewWay, PathRoute, Preset, Scheme, Settings, Site,
    SiteCertificate, SiteId, SiteLimits, Upstream, UpstreamTrust,
};
use portward_store::{
    change::{Change, Expected},
    desired::{Desired, Stored},
};

use super::{
    Allowed, App, AppError, Apply, Precondition, Revised, bindings,
    impacts::{self, is_last_portal},
    presets, right,
    safely::{Safety, would_lock_out},
    slug,
    trial::{Demand, trials_of_portal},
    ways_in,
};
use crate::tasks::publish::{list, uncovered};

impl App {
    /// Lists the sites.
    pub(crate) fn list_sites(&self, _by: &Allowed<right::View>) -> Vec<SiteView> {
        let desired = &self.served().desired;
        desired.sites.iter().map(|stored| view(&stored.value, &desired.settings)).collect()
    }

    /// Shows one site.
    pub(crate) fn show_site(&self, _by: &Allowed<right::View>, id: &str) -> Result<Revised<SiteView>, AppError> {
        let desired = &self.served().desired;
        let stored = find(desired, id)?;
        Ok(Revised { view: view(&stored.value, &desired.settings), revision: Some(stored.revision) })
    }

    /// Adds a site.
    pub(crate) async fn add_site(
        &self,
        by: &Allowed<right::SiteChange>,
        input: &SiteCreate,
        apply: Apply,
    ) -> Result<Revised<SiteView>, AppError> {
        let (input, preset) = presets::filled(input)?;
        let names = input::names(&input.names)?;
        let mut site = Site {
            // Its id is made when it is known which are taken.
            id: SiteId::parse("new").map_err(|error| AppError::invalid("id", &error))?,
            names,
            upstreams: input::upstreams(&input.upstreams)?,
            upstream_trust: input.upstream_trust.as_ref().map(input::trust).transpose()?.unwrap_or_default(),
            force_https: input.force_https.as_deref().map(input::force_https).transpose()?,
            hsts: input.hsts.as_deref().map(input::hsts).transpose()?.unwrap_or_default(),
            certificate: SiteCertificate::Auto,
            forwarding: Arc::default(),
            limits: SiteLimits::default(),
            headers: HeaderRules::default(),
            preset: preset.and_then(Preset::preset_id),
        };
        let forwarding = [&input.balance, &input.health_path, &input.proxy_protocol, &input.upstream_http];
        input::forwarding(
            Arc::make_mut(&mut site.forwarding),
            forwarding.map(Option::as_deref),
            input.routes.as_deref(),
        )?;
        let limits = [&input.max_body, &input.response_timeout, &input.idle_timeout];
        input::limits(&mut site.limits, limits.map(Option::as_deref))?;
        site.headers = input::headers(input.set_headers.as_deref(), input.remove_headers.as_deref(), &site.headers)?;
        let deciding = self.decide().await;
        let desired = self.desired().await?;
        if let Some(certificate) = &input.certificate {
            site.certificate = input::certificate(certificate, &desired)?;
        }
        // "new" is the page that adds one.
        let is_taken = |id: &str| id == "new" || SiteId::parse(id).is_ok_and(|id| desired.site(&id).is_some());
        let first = site.names.first().map(ToString::to_string).unwrap_or_default();
        let id = slug(&first, "site", is_taken);
        site.id = SiteId::parse(&id).map_err(|error| AppError::invalid("id", &error))?;
        check(&site, &desired)?;
        if apply == Apply::DryRun {
            return Ok(Revised { view: view(&site, &desired.settings), revision: None });
        }
        let mut change = self.change(by, format!("add site {} for {first}", site.id));
        change.put_site(&site, Expected::Absent);
        require(&mut change, &site);
        let revision = self.commit(change).await?;
        drop(deciding);
        self.in_effect(revision).await?;
        Ok(Revised { view: view(&site, &desired.settings), revision: Some(revision) })
    }

    /// Changes a site; what the input leaves out stays.
    pub(crate) async fn edit_site(
        &self,
        by: &Allowed<right::SiteChange>,
        id: &str,
        input: &SiteUpdate,
        precondition: Precondition,
        apply: Apply,
    ) -> Result<Changed<Revised<SiteView>>, AppError> {
        let deciding = self.decide().await;
        let desired = self.desired().await?;
        let Stored { value: before, revision } = find(&desired, id)?;
        precondition.check("site", id, *revision)?;
        let mut site = before.clone();
        if let Some(names) = &input.names {
            site.names = input::names(names)?;
        }
        if let Some(upstreams) = &input.upstreams {
            site.upstreams = input::upstreams(upstreams)?;
        }
        if let Some(trust) = &input.upstream_trust {
            site.upstream_trust = input::trust(trust)?;
        }
        if let Some(mode) = &input.force_https {
            site.force_https = Some(input::force_https(mode)?);
        }
        if let Some(hsts) = &input.hsts {
            site.hsts = input::hsts(hsts)?;
        }
        if let Some(certificate) = &input.certificate {
            site.certificate = input::certificate(certificate, &desired)?;
        }
        let forwarding = [&input.balance, &input.health_path, &input.proxy_protocol, &input.upstream_http];
        input::forwarding(
            Arc::make_mut(&mut site.forwarding),
            forwarding.map(Option::as_deref),
            input.routes.as_deref(),
        )?;
        let limits = [&input.max_body, &input.response_timeout, &input.idle_timeout];
        input::limits(&mut site.limits, limits.map(Option::as_deref))?;
        site.headers = input::headers(input.set_headers.as_deref(), input.remove_headers.as_deref(), &site.headers)?;
        check(&site, &desired)?;
        if site == *before || apply == Apply::DryRun {
            return Ok(Revised { view: view(&site, &desired.settings), revision: Some(*revision) }.into());
        }
        let mut change = self.change(by, format!("edit site {id}"));
        change.put_site(&site, Expected::At(*revision));
        require(&mut change, &site);
        let demand = lock_out(before, &site, &desired, apply)?;
        let way = match ways_in::https_binding(&desired) {
            // Where plain HTTP is sent to has to be reached: another https binding shows nothing of that.
            Some(binding) if redirect_begins(before, &site, &desired) => bindings::new_way(&binding.value),
            _ if demand.is_some() => NewWay::Https,
            _ => NewWay::Any,
        };
        let made = self
            .make_safely(change, deciding, apply, Safety::by(way), |served| {
                Ok(demand.map(|demand| trials_of_portal(served, None, demand)).unwrap_or_default())
            })
            .await?;
        let revised = Revised { view: view(&site, &desired.settings), revision: Some(made.revision) };
        Ok(Changed { result: revised, impacts: Vec::new(), confirmation: made.confirmation })
    }

    /// Removes a site.
    pub(crate) async fn remove_site(
        &self,
        by: &Allowed<right::SiteChange>,
        id: &str,
        precondition: Precondition,
        apply: Apply,
    ) -> Result<Changed<Removed>, AppError> {
        let deciding = self.decide().await;
        let desired = self.desired().await?;
        let Stored { value: site, revision } = find(&desired, id)?;
        precondition.check("site", id, *revision)?;
        let impacts = impacts::of_site(&desired, site);
        let removed = Removed { id: site.id.to_string(), warnings: Vec::new() };
        if apply == Apply::DryRun {
            return Ok(Changed { result: removed, impacts, confirmation: None });
        }
        if !apply.is_forced() {
            impacts::refuse_lock_out("site", id, &impacts)?;
        }
        let mut change = self.change(by, format!("remove site {id}"));
        change.remove_site(&site.id, Expected::At(*revision));
        let made = self.make_safely(change, deciding, apply, Safety::any(), |_| Ok(Vec::new())).await?;
        Ok(Changed { result: removed, impacts, confirmation: made.confirmation })
    }
}

/// The same for other settings, which the sites of the portal follow that have none of their own.
pub(super) fn lock_out_by_settings(settings: &Settings, desired: &Desired) -> Result<Option<Demand>, AppError> {
    let follows = |stored: &&Stored<Site>| stored.value.force_https.is_none();
    let begins = settings.force_https != ForceHttps::Off && settings.force_https != desired.settings.force_https;
    if !begins || !ways_in::portal_sites(desired).any(|stored| follows(&stored)) {
        return Ok(None);
    }
    if !desired.bindings.iter().any(|stored| stored.value.is_https()) {
        return Err(no_https());
    }
    Ok(Some(Demand::InForce))
}

/// What a change of a site has to show of the portal's https bindings; none if it shuts nobody out of the portal.
pub(super) fn lock_out(
    before: &Site,
    after: &Site,
    desired: &Desired,
    apply: Apply,
) -> Result<Option<Demand>, AppError> {
    if !before.is_portal() && !after.is_portal() {
        return Ok(None);
    }
    if is_last_portal(desired, before) && !after.is_portal() && !apply.is_forced() {
        return Err(would_lock_out(format!(
            "the site \"{}\" is the only one that leads to the portal. Add another one first: portward site add NAME --upstream portal; or try it: --force --confirm-within 60s goes back by itself unless you confirm. Nothing was changed",
            before.id
        )));
    }
    let mode = |site: &Site| site.force_https.unwrap_or(desired.settings.force_https);
    let has_https = desired.bindings.iter().any(|stored| stored.value.is_https());
    if mode(after) != ForceHttps::Off && mode(after) != mode(before) && !has_https {
        return Err(no_https());
    }
    let hsts_begins = after.hsts != before.hsts && after.hsts != Hsts::Off;
    Ok(match (hsts_begins, redirect_begins(before, after, desired)) {
        (true, _) => Some(Demand::ForHsts),
        (false, true) => Some(Demand::InForce),
        (false, false) => (before != after && has_https).then_some(Demand::Ours),
    })
}

fn no_https() -> AppError {
    would_lock_out(
        "there is no https binding that the redirect could send people to. Add one first: portward binding add https://[::]:443. Nothing was changed",
    )
}

/// Whether plain HTTP of a site is sent to HTTPS, and was not, or not so.
fn redirect_begins(before: &Site, after: &Site, desired: &Desired) -> bool {
    let mode = |site: &Site| site.force_https.unwrap_or(desired.settings.force_https);
    mode(after) != mode(before) && mode(after) != ForceHttps::Off
}

/// The view of a site.
pub(crate) fn view(site: &Site, settings: &Settings) -> SiteView {
    let forwarding = &site.forwarding;
    let told = |setting: &dyn ToString| (!site.is_portal()).then(|| setting.to_string());
    SiteView {
        id: site.id.to_string(),
        names: site.names.iter().map(ToString::to_string).collect(),
        upstreams: site.upstreams.iter().map(ToString::to_string).collect(),
        force_https: site.force_https.unwrap_or(settings.force_https).to_string(),
        hsts: site.hsts.to_string(),
        certificate: match &site.certificate {
            SiteCertificate::Auto => "auto".to_owned(),
            SiteCertificate::Fixed(id) => id.to_string(),
        },
        upstream_trust: match &site.upstream_trust {
            UpstreamTrust::System => None,
            UpstreamTrust::Authorities(authorities) => Some(format!("{} own authorities", authorities.len())),
            UpstreamTrust::Pin(thumbprint) => Some(format!("pin {thumbprint}")),
            UpstreamTrust::DangerInsecure => Some("danger-insecure".to_owned()),
        },
        max_body: site.limits.body.map(|limit| limit.to_string()),
        response_timeout: site.limits.response.map(|limit| limit.to_string()),
        idle_timeout: site.limits.idle.map(|limit| limit.to_string()),
        set_headers: site.headers.set().iter().map(header).collect(),
        remove_headers: site.headers.remove().to_vec(),
        preset: site.preset.as_ref().map(ToString::to_string),
        balance: told(&forwarding.balance),
        health_path: forwarding.health.as_ref().map(ToString::to_string),
        proxy_protocol: told(&forwarding.proxy_protocol),
        upstream_http: told(&forwarding.http),
        routes: forwarding.routes.iter().map(route).collect(),
    }
}

/// A route on the wire.
pub(super) fn route(route: &PathRoute) -> SiteRoute {
    SiteRoute { prefix: route.prefix.to_string(), upstreams: route.upstreams.iter().map(ToString::to_string).collect() }
}

fn header((name, value): &(String, String)) -> HeaderSet {
    HeaderSet { name: name.clone(), value: value.clone() }
}

fn find<'a>(desired: &'a Desired, id: &str) -> Result<&'a Stored<Site>, AppError> {
    let found = SiteId::parse(id).ok().and_then(|id| desired.site(&id));
    found.ok_or_else(|| AppError::not_found("site", id))
}

/// Refuses a site that contradicts the others, or itself.
pub(super) fn check(site: &Site, desired: &Desired) -> Result<(), AppError> {
    check_names(site, desired)?;
    if site.is_portal() && *site.forwarding != Forwarding::default() {
        return Err(AppError::refused(
            "forwarding-of-portal",
            format!(
                "the portal is part of Portward and reached in one way, so nothing is said of how requests reach it; leave that out, or take it off with the same change: portward site edit {} --balance round-robin --health-path none --proxy-protocol off --upstream-http auto --no-routes",
                site.id
            ),
        ));
    }
    let mut addresses = site.all_upstreams().filter_map(Upstream::address);
    let has_https = addresses.any(|address| address.scheme == Scheme::Https);
    if site.upstream_trust != UpstreamTrust::System && !has_https {
        return Err(AppError::refused(
            "upstream-trust-without-https",
            format!(
                "none of the upstreams is https, so there is no certificate of theirs to trust; give an https:// URL, or leave the trust out. Where the site has it already, take it off with the same change: portward site edit {} --upstream-ca system",
                site.id
            ),
        ));
    }
    if let SiteCertificate::Fixed(id) = &site.certificate {
        let version = desired.certificate(id).and_then(|stored| stored.value.current_version());
        let version = version.ok_or_else(|| AppError::not_found("certificate", id.as_str()))?;
        let bare = uncovered(&site.names, &version.facts);
        if !bare.is_empty() {
            let has: Vec<&HostPattern> = version.facts.names.iter().collect();
            return Err(AppError::refused(
                "certificate-names",
                format!(
                    "the certificate \"{id}\" is not valid for {}, so clients would refuse the site; it is valid for {}. Choose another one, or auto",
                    list(&bare),
                    list(&has)
                ),
            ));
        }
    }
    Ok(())
}

/// Refuses a site with a name that another one has.
pub(super) fn check_names(site: &Site, desired: &Desired) -> Result<(), AppError> {
    for Stored { value: other, .. } in desired.sites.iter().filter(|stored| stored.value.id != site.id) {
        if let Some(name) = site.names.iter().find(|name| other.names.contains(name)) {
            return Err(AppError::conflict(
                "site-name-taken",
                format!(
                    "the site \"{}\" has the name {name} already; edit that one, or take the name from it first: portward site edit {} --name OTHER",
                    other.id, other.id
                ),
            ));
        }
    }
    for binding in desired.bindings.iter().map(|stored| &stored.value) {
        if let Some((passage, name)) = binding.takes_from(&site.names) {
            return Err(AppError::conflict(
                "site-name-passed-through",
                format!(
                    "the binding \"{0}\" passes {name} through to {1}, so the site would not be served there; take it out of the binding first: portward binding edit {0} --to HOST=ADDRESS:PORT, with the others alone, or --to none",
                    binding.id, passage.target
                ),
            ));
        }
    }
    Ok(())
}

/// Makes a change depend on the certificate that the site names.
fn require(change: &mut Change, site: &Site) {
    if let SiteCertificate::Fixed(id) = &site.certificate {
        change.require_certificate(id);
    }
}

#[cfg(test)]
mod tests;
