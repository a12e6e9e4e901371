//! What the form of a site has in it: what is stored, or what somebody typed.

use http::Method;
use portward_api::{SiteUpdate, SiteView, UpstreamTrustInput};
use portward_core::{Hsts, Site, UpstreamTrust};

use super::super::{
    equivalents::{
        Equivalents,
        certificates::{Command, body, yaml},
        curl, difference, word,
    },
    form::Form,
    going_back::GoingBack,
};
use crate::app::apply::declared_site;

/// Is what the fields of the form have in them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) names: String,
    pub(super) upstreams: String,
    /// `keep`, `system`, `pin`, `authorities` or `danger-insecure`.
    pub(super) trust: String,
    pub(super) pin: String,
    pub(super) authorities: String,
    pub(super) certificate: String,
    pub(super) force_https: String,
    /// Seconds, or `off`.
    pub(super) max_age: String,
    pub(super) include_subdomains: bool,
    pub(super) preload: bool,
    pub(super) going_back: GoingBack,
}

impl Given {
    /// What is stored.
    pub(super) fn of(site: &Site, view: &SiteView) -> Self {
        let (max_age, include_subdomains, preload) = match site.hsts {
            Hsts::Off => ("off".to_owned(), false, false),
            Hsts::On { max_age, include_subdomains, preload } => {
                (max_age.as_secs().to_string(), include_subdomains, preload)
            }
        };
        let (trust, pin) = match &site.upstream_trust {
            UpstreamTrust::System => ("system", String::new()),
            UpstreamTrust::Authorities(_) => ("keep", String::new()),
            UpstreamTrust::Pin(pin) => ("pin", pin.to_string()),
            UpstreamTrust::DangerInsecure => ("danger-insecure", String::new()),
        };
        Self {
            names: view.names.join("\n"),
            upstreams: view.upstreams.join("\n"),
            trust: trust.to_owned(),
            pin,
            authorities: String::new(),
            certificate: view.certificate.clone(),
            force_https: view.force_https.clone(),
            max_age,
            include_subdomains,
            preload,
            going_back: GoingBack::usual(site.is_portal()),
        }
    }

    /// What somebody typed.
    pub(super) fn read(form: &Form) -> Self {
        Self {
            names: form.words("names").join("\n"),
            upstreams: form.words("upstreams").join("\n"),
            trust: form.text("trust").to_owned(),
            pin: form.text("pin").trim().to_owned(),
            authorities: form.text("authorities").to_owned(),
            certificate: form.text("certificate").to_owned(),
            force_https: form.text("force_https").to_owned(),
            max_age: form.text("max_age").to_owned(),
            include_subdomains: form.is_ticked("include_subdomains"),
            preload: form.is_ticked("preload"),
            going_back: GoingBack::read(form),
        }
    }

    /// HSTS as the API takes it.
    pub(super) fn hsts(&self) -> String {
        let mut text = self.max_age.clone();
        if text != "off" {
            if self.include_subdomains {
                text.push_str(",includeSubDomains");
            }
            if self.preload {
                text.push_str(",preload");
            }
        }
        text
    }

    /// What the site is asked to change: what differs from what is stored.
    pub(super) fn update(&self, before: &Self) -> SiteUpdate {
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        let trust = match self.trust.as_str() {
            "system" if before.trust != "system" => Some(UpstreamTrustInput::System),
            "danger-insecure" if before.trust != "danger-insecure" => Some(UpstreamTrustInput::DangerInsecure),
            "pin" if (&self.trust, &self.pin) != (&before.trust, &before.pin) => {
                Some(UpstreamTrustInput::Pin(self.pin.clone()))
            }
            "authorities" => Some(UpstreamTrustInput::Authorities(self.authorities.clone())),
            _ => None,
        };
        SiteUpdate {
            names: (self.names != before.names).then(|| lines(&self.names)),
            upstreams: (self.upstreams != before.upstreams).then(|| lines(&self.upstreams)),
            upstream_trust: trust,
            force_https: (self.force_https != before.force_https).then(|| self.force_https.clone()),
            hsts: (self.hsts() != before.hsts()).then(|| self.hsts()),
            certificate: (self.certificate != before.certificate).then(|| self.certificate.clone()),
            ..SiteUpdate::default()
        }
    }

    /// What does the same; where nothing was changed, what makes the site as it is.
    pub(super) fn equivalents(&self, id: &str, before: &Self, declared: String) -> Equivalents {
        let mut update = self.update(before);
        if update == SiteUpdate::default() {
            update = SiteUpdate {
                force_https: Some(self.force_https.clone()),
                hsts: Some(self.hsts()),
                ..SiteUpdate::default()
            };
        }
        let fields = [
            ("names", before.names.replace('\n', ", "), self.names.replace('\n', ", ")),
            ("upstreams", before.upstreams.replace('\n', ", "), self.upstreams.replace('\n', ", ")),
            ("certificate", before.certificate.clone(), self.certificate.clone()),
            ("force_https", before.force_https.clone(), self.force_https.clone()),
            ("hsts", before.hsts(), self.hsts()),
        ];
        let fields: Vec<(&str, &str, &str)> =
            fields.iter().map(|(name, one, other)| (*name, one.as_str(), other.as_str())).collect();
        Equivalents {
            cli: format!("{}{}", cli(id, &update), self.going_back.option(false)),
            curl: curl(
                &Method::PATCH,
                &format!("/api/v1/sites/{id}{}", self.going_back.query(false)),
                Some(&body(&update)),
            ),
            yaml: declared,
            difference: difference(&format!("site: {id}"), &fields),
        }
    }
}

/// A change of a site as a command, a request and the site's part of a file; `fields` are what it has of each setting that
/// the form shows, before and after.
pub(super) fn equivalents(site: &Site, update: &SiteUpdate, fields: &[(&str, &str, &str)]) -> Equivalents {
    let declared = serde_json::to_value(declared_site(site)).unwrap_or_default();
    Equivalents {
        cli: cli(site.id.as_str(), update),
        curl: curl(&Method::PATCH, &format!("/api/v1/sites/{}", site.id), Some(&body(update))),
        yaml: yaml("sites", declared),
        difference: difference(&format!("site: {}", site.id), fields),
    }
}

/// The command that makes a change.
pub(super) fn cli(id: &str, update: &SiteUpdate) -> String {
    let mut command = Command::new(format!("portward site edit {}", word(id)));
    for name in update.names.iter().flatten() {
        command.option("--name", Some(name));
    }
    for upstream in update.upstreams.iter().flatten() {
        command.option("--upstream", Some(upstream));
    }
    match &update.upstream_trust {
        None => {}
        Some(UpstreamTrustInput::System) => command.option("--upstream-ca", Some(&"system")),
        Some(UpstreamTrustInput::Authorities(_)) => command.option("--upstream-ca", Some(&"ca.pem")),
        Some(UpstreamTrustInput::Pin(pin)) => command.option("--upstream-pin", Some(pin)),
        Some(UpstreamTrustInput::DangerInsecure) => command.flag("--danger-upstream-insecure", true),
    }
    command.option("--balance", update.balance.as_ref());
    command.option("--health-path", update.health_path.as_ref());
    for route in update.routes.iter().flatten() {
        for upstream in &route.upstreams {
            command.option("--route", Some(&format!("{}={upstream}", route.prefix)));
        }
    }
    command.flag("--no-routes", update.routes.as_ref().is_some_and(Vec::is_empty));
    command.option("--proxy-protocol", update.proxy_protocol.as_ref());
    command.option("--upstream-http", update.upstream_http.as_ref());
    command.option("--force-https", update.force_https.as_ref());
    command.option("--hsts", update.hsts.as_ref());
    command.option("--certificate", update.certificate.as_ref());
    command.option("--max-body", update.max_body.as_ref());
    command.option("--response-timeout", update.response_timeout.as_ref());
    command.option("--idle-timeout", update.idle_timeout.as_ref());
    for header in update.set_headers.iter().flatten() {
        command.option("--set-header", Some(&format!("{}: {}", header.name, header.value)));
    }
    for name in update.remove_headers.iter().flatten() {
        command.option("--remove-header", Some(name));
    }
    let is_none = |list: Option<usize>| list == Some(0);
    let has_no_rule =
        is_none(update.set_headers.as_ref().map(Vec::len)) && is_none(update.remove_headers.as_ref().map(Vec::len));
    command.flag("--no-header-rules", has_no_rule);
    command.text()
}
