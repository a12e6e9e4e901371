//! Trying a way in by a real connection, before the change that made it counts.

use std::net::SocketAddr;

use portward_api::{TrialOutcome, TrialStep};
use portward_core::{Binding, BindingProtocol, CertificateId, Host, HostPattern, Hsts, Thumbprint, Timestamp};
use portward_store::desired::Desired;
use rustls::pki_types::UnixTime;

use super::{AppError, ways_in};
use crate::{
    handshake::{Greeting, HandshakeError, connect, is_trusted, plain_answer, shake_hands},
    served::ServedState,
};

/// Is a way in that is tried.
#[derive(Clone, Debug)]
pub(super) struct Trial {
    /// What is spoken there.
    protocol: BindingProtocol,
    /// Where, and what for people.
    addresses: Vec<(SocketAddr, Greeting)>,
    url: String,
    /// Which host a client asks for.
    host: Host,
    /// The certificate that has to be presented; none if any of ours will do.
    expected: Option<CertificateId>,
    /// What is demanded of it.
    demand: Demand,
}

/// Says what a trial demands of the certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Demand {
    /// That it is ours.
    Ours,
    /// That it is ours and in force: browsers are sent there.
    InForce,
    /// That it is in force, and one that browsers need not be asked about: they will remember not to ask.
    ForHsts,
}

impl Demand {
    /// What is demanded of a certificate that the portal presents from now on: browsers that remember HSTS of it let
    /// nobody go on past a bad one.
    pub(super) fn of_certificate(desired: &Desired) -> Self {
        let remembers = ways_in::portal_sites(desired).any(|stored| stored.value.hsts != Hsts::Off);
        if remembers { Self::ForHsts } else { Self::Ours }
    }
}

impl Trial {
    /// Tries a binding, as a client that asks for the portal.
    pub(super) fn of_binding(served: &ServedState, binding: &Binding, demand: Demand) -> Self {
        Self {
            protocol: binding.protocol,
            addresses: ways_in::reached_at(served, binding)
                .into_iter()
                .map(|address| (address, Greeting::of(binding, address)))
                .collect(),
            url: binding.url(),
            host: ways_in::portal_host(&served.desired),
            expected: None,
            demand,
        }
    }

    /// Demands that certificate.
    pub(super) fn expecting(mut self, certificate: CertificateId) -> Self {
        self.expected = Some(certificate);
        self
    }
}

/// Tries the https bindings as clients of the portal; where a certificate is named, it has to be the one presented.
pub(super) fn trials_of_portal(
    served: &ServedState,
    certificate: Option<&CertificateId>,
    demand: Demand,
) -> Vec<Trial> {
    let desired = &served.desired;
    let https = desired.bindings.iter().map(|stored| &stored.value).filter(|binding| binding.is_https());
    // One that could not be bound before is no trial of this change.
    let bound = https.filter(|binding| !ways_in::reached_at(served, binding).is_empty());
    let trials = bound.map(|binding| {
        let trial = Trial::of_binding(served, binding, demand);
        match certificate {
            Some(id) => trial.expecting(id.clone()),
            None => trial,
        }
    });
    trials.collect()
}

/// Tries ways in one after the other; the first step that fails ends it.
///
/// # Errors
///
/// Tells which step failed, with all steps that were taken.
pub(super) async fn run(
    trials: &[Trial],
    desired: &Desired,
    now: Timestamp,
) -> Result<Vec<TrialStep>, (Vec<TrialStep>, TrialStep)> {
    let mut steps = Vec::new();
    for trial in trials {
        if trial.addresses.is_empty() {
            let message = format!("{} is not bound; portward status says why", trial.url);
            return Err((steps, failed("address", message)));
        }
        for (address, greeting) in &trial.addresses {
            match trial.protocol {
                BindingProtocol::Http => trial.try_plain(*address, *greeting, &mut steps).await,
                BindingProtocol::Https => trial.try_tls(*address, *greeting, desired, now, &mut steps).await,
                BindingProtocol::TlsPassthrough => try_connect(*address, *greeting, &mut steps).await,
            }
            .map_err(|step| (steps.clone(), step))?;
        }
    }
    steps.dedup();
    Ok(steps)
}

/// The error of a trial that failed, after the change went back.
pub(super) fn refusal(step: &TrialStep) -> AppError {
    let code = match step.step.as_str() {
        "address" => "trial-address",
        "tcp" => "trial-tcp",
        "tls" => "trial-tls",
        "certificate" => "trial-certificate",
        _ => "trial-answer",
    };
    AppError::refused(
        code,
        format!(
            "the new way in was tried by a real connection, and the step \"{}\" failed: {}. Everything is as it was",
            step.step, step.message
        ),
    )
}

impl Trial {
    async fn try_plain(
        &self,
        address: SocketAddr,
        greeting: Greeting,
        steps: &mut Vec<TrialStep>,
    ) -> Result<(), TrialStep> {
        match plain_answer(address, greeting, &self.host).await {
            Ok(status) => {
                steps.push(answered(status, address));
                Ok(())
            }
            Err(HandshakeError::Tcp(error)) => {
                Err(failed("tcp", format!("{address} does not take connections: {error}")))
            }
            Err(HandshakeError::Tls(error)) => Err(failed("answer", format!("{address} does not answer: {error}"))),
        }
    }

    async fn try_tls(
        &self,
        address: SocketAddr,
        greeting: Greeting,
        desired: &Desired,
        now: Timestamp,
        steps: &mut Vec<TrialStep>,
    ) -> Result<(), TrialStep> {
        let host = &self.host;
        let handshake = shake_hands(address, greeting, host).await.map_err(|error| match error {
            HandshakeError::Tcp(error) => failed("tcp", format!("{address} does not take connections: {error}")),
            HandshakeError::Tls(error) => {
                failed("tls", format!("the handshake with {address} for {host} failed: {error}"))
            }
        })?;
        steps.push(passed("tcp", format!("{address} takes connections")));
        steps.push(passed("tls", format!("the handshake for {host} is done, by {}", handshake.version)));
        let leaf = handshake.leaf();
        let (id, facts) = of_leaf(desired, &leaf).ok_or_else(|| {
            let message = format!("{address} presents a certificate that is none of Portward's (thumbprint {leaf})");
            failed("certificate", message)
        })?;
        if let Some(expected) = self.expected.as_ref().filter(|expected| **expected != id) {
            // Another one may fit the name better; who asks by address or by no name gets the expected one.
            steps.push(warned("certificate", format!("to clients that ask for {host}, {address} presents \"{id}\" and not \"{expected}\", as it fits better")));
        } else {
            steps.push(passed("certificate", format!("\"{id}\" is presented")));
        }
        let status = facts.validity.status(now, desired.settings.warning);
        if self.demand != Demand::Ours && !status.is_in_force() {
            return Err(failed(
                "certificate",
                format!("\"{id}\" is {status} (until {}), so clients would refuse it", facts.validity.not_after),
            ));
        }
        if self.demand == Demand::ForHsts && facts.self_signed {
            return Err(failed(
                "certificate",
                format!(
                    "\"{id}\" is signed by its own key: browsers that remember HSTS let nobody go on past it. Get a certificate that browsers trust first, or leave HSTS off"
                ),
            ));
        }
        let pattern = HostPattern::Exact(host.clone());
        let names = || facts.names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let is_valid_for_host = facts.names.iter().any(|name| name.covers(&pattern));
        if self.demand == Demand::ForHsts && !is_valid_for_host {
            return Err(failed(
                "certificate",
                format!(
                    "\"{id}\" is not valid for {host}, but for {}: browsers that remember HSTS let nobody go on past it. Get a certificate for {host} first, or leave HSTS off",
                    names()
                ),
            ));
        }
        steps.push(if is_valid_for_host {
            passed("name", format!("\"{id}\" is valid for {host}"))
        } else {
            let message =
                format!("\"{id}\" is not valid for {host}, but for {}: browsers ask before they go on", names());
            warned("name", message)
        });
        let moment = UnixTime::since_unix_epoch(now.since(Timestamp::EPOCH));
        steps.push(match is_trusted(&handshake.chain, host, moment) {
            Ok(()) => passed("trust", "this machine's own authorities vouch for it".to_owned()),
            Err(_) if facts.self_signed => {
                warned("trust", format!("\"{id}\" is signed by its own key: browsers ask before they go on"))
            }
            Err(error) => warned("trust", format!("this machine's own authorities do not vouch for it: {error}")),
        });
        match handshake.answer(host).await {
            Ok(status) => {
                steps.push(answered(status, address));
                Ok(())
            }
            Err(error) => Err(failed("answer", format!("{address} does the handshake and does not answer: {error}"))),
        }
    }
}

/// What is behind the binding answers as it likes: that connections are taken is all there is to see.
async fn try_connect(address: SocketAddr, greeting: Greeting, steps: &mut Vec<TrialStep>) -> Result<(), TrialStep> {
    match connect(address, greeting).await {
        Ok(_) => {
            steps.push(passed("tcp", format!("{address} takes connections")));
            Ok(())
        }
        Err(error) => Err(failed("tcp", format!("{address} does not take connections: {error}"))),
    }
}

fn of_leaf<'a>(desired: &'a Desired, leaf: &Thumbprint) -> Option<(CertificateId, &'a portward_core::LeafFacts)> {
    desired.certificates.iter().find_map(|stored| {
        let facts = ways_in::facts(stored)?;
        (facts.thumbprint == *leaf).then(|| (stored.value.id.clone(), facts))
    })
}

fn answered(status: u16, address: SocketAddr) -> TrialStep {
    if status < 500 {
        passed("answer", format!("{address} answers with {status}"))
    } else {
        warned("answer", format!("{address} answers with {status}: the application behind it does not"))
    }
}

fn passed(step: &str, message: String) -> TrialStep {
    TrialStep { step: step.to_owned(), outcome: TrialOutcome::Passed, message }
}

fn warned(step: &str, message: String) -> TrialStep {
    TrialStep { step: step.to_owned(), outcome: TrialOutcome::Warned, message }
}

fn failed(step: &str, message: String) -> TrialStep {
    TrialStep { step: step.to_owned(), outcome: TrialOutcome::Failed, message }
}
