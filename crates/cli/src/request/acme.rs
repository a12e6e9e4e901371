//! `portward acme`.

use anyhow::anyhow;
use portward_api::{
    Client,
    acme::{AcmeCheck, SimulateRequest},
};
use portward_core::{AttemptId, CertificateId, HostPattern, IssuerId, Timestamp};

use super::{TypedSettings, authorities, bad, effect};
use crate::{
    args::{AccountCommand, AcmeCommand, OutputArgs, ServerArgs},
    exit::Exit,
    failure::Failure,
    show,
    terminal::Terminal,
};

mod dns;
mod issuer;

pub(super) use dns::DnsRequest;
pub(super) use issuer::IssuerRequest;

/// Is what is asked for about CAs.
#[derive(Debug, PartialEq)]
pub(crate) enum AcmeRequest {
    /// Something about issuers.
    Issuer(IssuerRequest),
    /// A new key for the account with that issuer.
    Rollover(IssuerId),
    /// Something about DNS providers.
    Dns(DnsRequest),
    /// When everything is renewed.
    Renewals,
    /// When one certificate is renewed.
    Renewal(CertificateId),
    /// The newest attempts.
    Attempts,
    /// Those of one certificate.
    AttemptsOf(CertificateId),
    /// One attempt.
    Attempt(AttemptId),
    /// Advice about a name.
    Check(AcmeCheck),
    /// What is renewed until then.
    Simulate(SimulateRequest),
}

impl AcmeRequest {
    pub(super) fn parse(command: AcmeCommand) -> Result<(Self, ServerArgs, OutputArgs), Failure> {
        let id = |text: &str| CertificateId::parse(text).map_err(Failure::usage);
        Ok(match command {
            AcmeCommand::Issuer(command) => {
                let (request, server, output) = IssuerRequest::parse(command)?;
                (Self::Issuer(request), server, output)
            }
            AcmeCommand::Account(AccountCommand::Rollover(args)) => {
                (Self::Rollover(IssuerId::parse(&args.issuer).map_err(Failure::usage)?), args.server, args.output)
            }
            AcmeCommand::Dns(command) => {
                let (request, server, output) = DnsRequest::parse(command)?;
                (Self::Dns(request), server, output)
            }
            AcmeCommand::Renewals(args) => {
                let request = match &args.certificate {
                    Some(certificate) => Self::Renewal(id(certificate)?),
                    None => Self::Renewals,
                };
                (request, args.server, args.output)
            }
            AcmeCommand::Attempts(args) => {
                let request = match &args.certificate {
                    Some(certificate) => Self::AttemptsOf(id(certificate)?),
                    None => Self::Attempts,
                };
                (request, args.server, args.output)
            }
            AcmeCommand::Attempt(args) => {
                (Self::Attempt(AttemptId::parse(&args.id).map_err(Failure::usage)?), args.server, args.output)
            }
            AcmeCommand::Check(args) => {
                let name = HostPattern::parse(&args.name).map_err(Failure::usage)?;
                let issuer = args.issuer.as_deref().map(IssuerId::parse).transpose().map_err(bad("--issuer"))?;
                let issuer = issuer.map(|id| id.to_string());
                let check = AcmeCheck { name: name.to_string(), issuer, challenge: args.challenge };
                (Self::Check(check), args.server, args.output)
            }
            AcmeCommand::Simulate(args) => {
                // A date alone is that day's first second.
                let is_time = [args.until.clone(), format!("{}T00:00:00Z", args.until)]
                    .iter()
                    .any(|text| Timestamp::parse(text).is_ok());
                if !is_time {
                    return Err(Failure::usage(anyhow!(
                        "--until: \"{}\" is neither a date, as in 2027-03-31, nor a time, as in 2027-03-31T12:00:00Z",
                        args.until
                    )));
                }
                (Self::Simulate(SimulateRequest { until: args.until }), args.server, args.output)
            }
        })
    }

    pub(super) async fn run(self, client: &Client, terminal: Terminal) -> Result<Exit, Failure> {
        match self {
            Self::Issuer(request) => request.run(client, terminal).await,
            Self::Rollover(issuer) => {
                let rolled_over = client.roll_over_account(&issuer).await?;
                terminal.told(&rolled_over, &show::rolled_over(&rolled_over))
            }
            Self::Dns(request) => request.run(client, terminal).await,
            Self::Renewals => {
                let renewals = client.list_renewals().await?;
                terminal.result(&renewals, |colour| show::renewals(&renewals, colour))
            }
            Self::Renewal(id) => {
                let renewal = client.show_renewal(&id).await?;
                terminal.result(&renewal, |colour| show::renewal(&renewal, colour))
            }
            Self::Attempts => {
                let attempts = client.list_attempts().await?;
                terminal.result(&attempts, |colour| show::attempts(&attempts, colour))
            }
            Self::AttemptsOf(id) => {
                let attempts = client.list_certificate_attempts(&id).await?;
                terminal.result(&attempts, |colour| show::attempts_with_newest(&attempts, colour))
            }
            Self::Attempt(id) => {
                let attempt = client.show_attempt(&id).await?;
                terminal.result(&attempt, |colour| show::attempt(&attempt, colour))
            }
            Self::Check(check) => {
                let found = client.check_name(&check).await?;
                terminal.result(&found, |colour| show::check(&found, colour))?;
                let is_warned = found.advice.iter().any(|advice| advice.verdict == "warning");
                Ok(if is_warned { Exit::Failed } else { Exit::Done })
            }
            Self::Simulate(until) => {
                let simulated = client.simulate_renewals(&until).await?;
                terminal.result(&simulated, |colour| show::simulated(&simulated, colour))
            }
        }
    }
}
