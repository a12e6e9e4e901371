//! What would come of asking a CA for a name, as far as it can be seen from here. Nothing is changed by looking.

use std::{collections::BTreeSet, net::IpAddr};

use portward_api::acme::{AcmeCheck, AdviceView, CheckView};
use portward_core::{
    HostPattern, IssuerId, Permission, Scheme,
    acme::{
        Advice, ChallengeKind, ChallengeOptions, Check, Issuer, IssuerPorts, Managed, NoChallengeError, Verdict,
        advise, choose_challenge,
    },
};
use portward_store::desired::Desired;

use super::{Allowed, App, AppError, issuers::find, right};
use crate::{
    reach::{Reach, is_pattern_named},
    renewals::{Probe, Question},
};

impl App {
    /// Looks at what may keep a CA from signing for a name. What cannot be seen is told as unknown.
    ///
    /// Whoever may have certificates asked for has the engine look anywhere; others are held to what is ours.
    pub(crate) async fn check_name(&self, by: &Allowed<right::View>, input: &AcmeCheck) -> Result<CheckView, AppError> {
        let name = HostPattern::parse(&input.name).map_err(|error| AppError::invalid("name", &error))?;
        if name == HostPattern::Any {
            let message = "name: * is no name that a certificate can have; give a host name, *.NAME or an IP address";
            return Err(AppError::refused("invalid-value", message));
        }
        let wanted = input.challenge.as_deref().map(challenge).transpose()?;
        let desired = self.desired().await?;
        let managed = managed(&desired, &name);
        let issuer = issuer(&desired, input.issuer.as_deref(), managed)?;
        let options = self.challenge_options(&desired, &name, issuer, managed, wanted);
        let chosen = choose_challenge(&name, &ChallengeKind::ALL, &options);
        // Whatever DNS and the CA say is worth knowing even if no challenge can be answered yet.
        let looked_at = *chosen.as_ref().unwrap_or(&ChallengeKind::Dns01);
        let probe = Probe {
            store: self.parts.store.clone(),
            served: self.parts.served.clone(),
            proxy: self.parts.proxy.clone(),
            clock: self.parts.clock.clone(),
        };
        let ca = issuer.map(|issuer| self.parts.engine.authority(issuer));
        let is_ours = is_pattern_named(&desired, &name) || by.actor().holds(Permission::CertificateChange);
        let reach = Reach { is_ours, own: portward_proxy::addresses(), ports: self.ports_asked_at(&desired, issuer) };
        let question = Question { name: &name, challenge: looked_at, issuer, ca, answer: None, reach: Some(&reach) };
        let facts = probe.gather(question).await;
        let found = advise(&facts);
        let mut advice: Vec<AdviceView> = chosen.as_ref().err().map(no_challenge).into_iter().collect();
        if looked_at != ChallengeKind::Dns01 {
            advice.extend(facts.addresses.iter().flatten().flatten().find_map(|at| not_asked(&reach, *at, facts.port)));
        }
        advice.extend(found.into_iter().map(advice_view));
        Ok(CheckView { name: name.to_string(), challenge: chosen.ok().map(|kind| kind.to_string()), advice })
    }

    /// The ports that a CA asks at, and those where we listen.
    fn ports_asked_at(&self, desired: &Desired, issuer: Option<&Issuer>) -> BTreeSet<u16> {
        let served = self.served();
        let bindings = desired.bindings.iter().filter_map(|stored| served.binding(&stored.value.id));
        let bound = bindings.filter_map(|report| Some(report.result.as_ref().ok()?.port()));
        let of_issuer = issuer.into_iter().flat_map(|issuer| [issuer.ports.http, issuer.ports.tls]);
        bound.chain(of_issuer).collect()
    }

    /// What can be answered for a name: as its certificate is managed, else as one would be that is asked for now.
    fn challenge_options(
        &self,
        desired: &Desired,
        name: &HostPattern,
        issuer: Option<&Issuer>,
        managed: Option<&Managed>,
        wanted: Option<ChallengeKind>,
    ) -> ChallengeOptions {
        let served = self.served();
        let listens = |scheme, port| {
            let mut bindings = desired.bindings.iter().map(|stored| &stored.value);
            bindings.any(|binding| {
                let report = served.binding(&binding.id).and_then(|report| report.result.as_ref().ok());
                binding.protocol.scheme() == Some(scheme) && report.is_some_and(|address| address.port() == port)
            })
        };
        let wanted = wanted.or_else(|| managed.and_then(|managed| managed.challenge));
        let wanted = wanted.or_else(|| issuer.and_then(|issuer| issuer.challenge));
        let dns = match managed {
            Some(managed) => managed.dns.is_some(),
            // Who asks for a wildcard names the provider; for other names it need not be one.
            None => matches!(name, HostPattern::Wildcard(_)) && !desired.dns_providers.is_empty(),
        };
        let ports = issuer.map_or_else(IssuerPorts::default, |issuer| issuer.ports);
        ChallengeOptions {
            wanted,
            dns,
            http: listens(Scheme::Http, ports.http),
            tls: listens(Scheme::Https, ports.tls),
        }
    }
}

fn challenge(text: &str) -> Result<ChallengeKind, AppError> {
    ChallengeKind::parse(text).ok_or_else(|| {
        let message = format!("challenge: \"{text}\" is none of http-01, tls-alpn-01 and dns-01");
        AppError::refused("invalid-value", message)
    })
}

/// How a certificate with the name is managed; none if none is.
fn managed<'a>(desired: &'a Desired, name: &HostPattern) -> Option<&'a Managed> {
    let mut managed = desired.certificates.iter().filter_map(|stored| stored.value.management.managed());
    managed.find(|managed| managed.names.contains(name)).map(|managed| &**managed)
}

/// The issuer that is named, else the certificate's first one, else the only one; none if there is none or a choice.
fn issuer<'a>(
    desired: &'a Desired,
    named: Option<&str>,
    managed: Option<&Managed>,
) -> Result<Option<&'a Issuer>, AppError> {
    let of_id = |id: &IssuerId| desired.issuer(id).map(|stored| &stored.value.issuer);
    if let Some(text) = named {
        return Ok(Some(&find(desired, text)?.value.issuer));
    }
    if let Some(issuer) = managed.and_then(|managed| managed.issuers.first()).and_then(of_id) {
        return Ok(Some(issuer));
    }
    Ok(match desired.issuers.as_slice() {
        [only] => Some(&only.value.issuer),
        _ => None,
    })
}

fn no_challenge(error: &NoChallengeError) -> AdviceView {
    let remedy = match error {
        NoChallengeError::WildcardWithoutDns(_) => {
            "Add a DNS provider with `portward acme dns add KIND`; `portward acme dns kinds` lists them."
        }
        NoChallengeError::WildcardNeedsDns { .. } => "Ask for dns-01, with a DNS provider that writes TXT records.",
        NoChallengeError::AddressOverDns(_) => "Ask for http-01 or tls-alpn-01.",
        NoChallengeError::NoneOffered { .. } => "Ask for another challenge.",
    };
    AdviceView {
        check: "challenge".to_owned(),
        verdict: Verdict::Warning.to_string(),
        message: error.to_string(),
        remedy: Some(remedy.to_owned()),
    }
}

/// What is said of an address that nobody connected to.
fn not_asked(reach: &Reach, address: IpAddr, port: u16) -> Option<AdviceView> {
    let why = reach.refusal(address, port)?;
    Some(AdviceView {
        check: Check::Port.to_string(),
        verdict: Verdict::Unknown.to_string(),
        message: format!("it was not looked at who answers on port {port} of {address}: {why}"),
        remedy: None,
    })
}

fn advice_view(advice: Advice) -> AdviceView {
    AdviceView {
        check: advice.check.to_string(),
        verdict: advice.verdict.to_string(),
        message: advice.message,
        remedy: advice.remedy,
    }
}

#[cfg(test)]
mod tests;
