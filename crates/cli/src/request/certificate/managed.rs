//! Asks for managed certificates, renewals and revocations.

use portward_api::{
    Client, ClientError, Effect,
    acme::{CertificateRenew, CertificateRequestCreate, CertificateRevoke, Requested},
};
use portward_core::{AgentName, CertificateId, DnsProviderId, IssuerId};

use super::{
    bad, certificate_names, effect,
    wait::{self, Asked, Wait},
};
use crate::{args::CertificateRequestArgs, exit::Exit, failure::Failure, show, terminal::Terminal};

/// Is what is asked for about managed certificates.
#[derive(Debug, PartialEq)]
pub(crate) enum ManagedRequest {
    /// One more.
    Request {
        /// What is asked for.
        create: Box<CertificateRequestCreate>,
        /// Which certificate becomes managed; else there is a new one.
        replace: Option<CertificateId>,
        /// Whether it is only tried.
        effect: Effect,
        /// Whether the end is waited for.
        waiting: Waiting,
    },
    /// A new version of one.
    Renew(CertificateId, CertificateRenew, Waiting),
    /// The version of one that is served no longer trusted.
    Revoke(CertificateId, CertificateRevoke),
    /// One that is renewed no more.
    Unmanage(CertificateId),
}

/// Says whether the end is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// It is.
    Yes,
    /// It is not.
    No,
}

impl Waiting {
    pub(crate) fn of(flag: bool) -> Self {
        if flag { Self::Yes } else { Self::No }
    }
}

impl ManagedRequest {
    pub(super) fn parse(args: CertificateRequestArgs) -> Result<Self, Failure> {
        let issuers: Vec<IssuerId> =
            args.issuer.iter().map(|id| IssuerId::parse(id)).collect::<Result<_, _>>().map_err(bad("--issuer"))?;
        let dns = args.dns.as_deref().map(DnsProviderId::parse).transpose().map_err(bad("--dns"))?;
        let replace = args.replace.as_deref().map(CertificateId::parse).transpose().map_err(bad("--replace"))?;
        let key_on = args.key_on.as_deref().map(AgentName::parse).transpose().map_err(bad("--key-on"))?;
        let create = CertificateRequestCreate {
            names: certificate_names(&args.names)?.iter().map(ToString::to_string).collect(),
            issuers: issuers.iter().map(ToString::to_string).collect(),
            name: args.name,
            challenge: args.challenge,
            profile: args.profile,
            dns: dns.map(|id| id.to_string()),
            key: args.key,
            reuse_key: args.reuse_key,
            key_on: key_on.as_ref().map(ToString::to_string),
            renew_days_before: args.renew_days_before.map(u32::from),
            replace: replace.as_ref().map(ToString::to_string),
        };
        let (effect, waiting) = (effect(args.dry_run), Waiting::of(args.wait));
        Ok(Self::Request { create: Box::new(create), replace, effect, waiting })
    }

    pub(super) async fn run(self, client: &Client, terminal: Terminal) -> Result<Exit, Failure> {
        match self {
            Self::Request { create, replace, effect, waiting } => {
                let ended_before = match (&replace, waiting) {
                    (Some(id), Waiting::Yes) => ended_before(client, id).await?,
                    _ => None,
                };
                let requested = client.request_certificate(&create, effect).await?;
                if waiting == Waiting::No {
                    terminal.result(&requested, |colour| show::renewal(&requested.renewal, colour))?;
                    terminal.tell(&show::requested(&requested, effect));
                    return Ok(Exit::Done);
                }
                let id = id_of(&requested.certificate.id)?;
                let asked = Asked::ToBeThere;
                let waited = Wait { certificate: id.clone(), ended_before }.run(client, terminal).await?;
                let certificate = client.show_certificate(&id).await?;
                let view = Requested { certificate: certificate.clone(), renewal: waited.renewal().clone() };
                waited.tell(asked, &certificate, &view, terminal)
            }
            Self::Renew(id, renew, waiting) => {
                let ended_before = match waiting {
                    Waiting::Yes => wait::ended(&client.show_renewal(&id).await?),
                    Waiting::No => None,
                };
                let asked = Asked::by(&renew);
                let renewal = client.renew_certificate(&id, &renew).await?;
                if waiting == Waiting::No {
                    return terminal.result(&renewal, |colour| show::renewal(&renewal, colour));
                }
                let waited = Wait { certificate: id.clone(), ended_before }.run(client, terminal).await?;
                let certificate = client.show_certificate(&id).await?;
                waited.tell(asked, &certificate, waited.renewal(), terminal)
            }
            Self::Revoke(id, revoke) => {
                let revoked = client.revoke_certificate(&id, &revoke).await?;
                terminal.told(&revoked, &show::revoked(&revoked))
            }
            Self::Unmanage(id) => {
                let certificate = client.unmanage_certificate(&id).await?;
                terminal.told(&certificate, &show::unmanaged(&certificate))
            }
        }
    }
}

/// The newest attempt of a certificate that may be none that is managed.
async fn ended_before(client: &Client, id: &CertificateId) -> Result<Option<String>, Failure> {
    match client.show_renewal(id).await {
        Ok(renewal) => Ok(wait::ended(&renewal)),
        // What is wrong with it is told when it is asked for.
        Err(ClientError::Problem(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The id that the server gave to a certificate.
fn id_of(text: &str) -> Result<CertificateId, Failure> {
    CertificateId::parse(text).map_err(Failure::failed)
}
