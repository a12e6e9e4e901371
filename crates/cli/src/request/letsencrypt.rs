//! `portward letsencrypt`.

use std::{net::IpAddr, path::PathBuf};

use anyhow::{Context, anyhow};
use portward_api::{
    Client, Effect,
    acme::{CertificateRenew, LetsEncryptConfigure, LetsEncryptStatus, RenewalView},
};
use portward_core::{CertificateId, Host};

use super::{
    authorities, bad,
    certificate::Waiting,
    effect,
    wait::{self, Asked, Wait},
};
use crate::{
    args::{LetsEncryptCommand, LetsEncryptConfigureArgs, OutputArgs, ServerArgs},
    exit::Exit,
    failure::Failure,
    show,
    terminal::Terminal,
};

/// Is what is asked for about the certificate for the server's own name.
#[derive(Debug, PartialEq)]
pub(crate) enum LetsEncryptRequest {
    /// One.
    Configure {
        /// What is asked for, without what is read from a file.
        configure: LetsEncryptConfigure,
        /// File with the authorities that vouch for the directory; it is not read yet.
        directory_ca: Option<PathBuf>,
        /// Whether it is only tried.
        effect: Effect,
        /// Whether the end is waited for.
        waiting: Waiting,
    },
    /// What is configured.
    Status,
    /// A new version.
    Renew(CertificateRenew, Waiting),
    /// None any more.
    Disable,
}

impl LetsEncryptRequest {
    pub(super) fn parse(command: LetsEncryptCommand) -> Result<(Self, ServerArgs, OutputArgs), Failure> {
        Ok(match command {
            LetsEncryptCommand::Configure(args) => {
                let (server, output) = (args.server.clone(), args.output);
                (configure(args)?, server, output)
            }
            LetsEncryptCommand::Status(args) => (Self::Status, args.server, args.output),
            LetsEncryptCommand::Renew(args) => {
                let renew = CertificateRenew { force: args.force, placed: false };
                (Self::Renew(renew, Waiting::of(args.wait)), args.server, args.output)
            }
            LetsEncryptCommand::Disable(args) => (Self::Disable, args.server, args.output),
        })
    }

    pub(super) async fn run(self, client: &Client, terminal: Terminal) -> Result<Exit, Failure> {
        match self {
            Self::Configure { mut configure, directory_ca, effect, waiting } => {
                configure.directory_ca =
                    directory_ca.map(|file| authorities::read(&file, "--directory-ca")).transpose()?;
                let before = renewal_before(client, waiting).await?;
                let status = client.configure_lets_encrypt(&configure, effect).await?;
                if waiting == Waiting::Yes {
                    return wait_for(status, before, Asked::ToBeThere, client, terminal).await;
                }
                terminal.result(&status, |colour| show::lets_encrypt(&status, colour))?;
                match (effect, &status.renewal) {
                    (Effect::DryRun, _) => terminal.tell("Nothing was changed."),
                    (Effect::Apply, Some(renewal)) => terminal.tell(&show::being_ordered(&renewal.certificate)),
                    (Effect::Apply, None) => {}
                }
                Ok(Exit::Done)
            }
            Self::Status => {
                let status = client.show_lets_encrypt().await?;
                terminal.result(&status, |colour| show::lets_encrypt(&status, colour))
            }
            Self::Renew(renew, waiting) => {
                let before = renewal_before(client, waiting).await?;
                let asked = Asked::by(&renew);
                let status = client.renew_lets_encrypt(&renew).await?;
                if waiting == Waiting::Yes {
                    return wait_for(status, before, asked, client, terminal).await;
                }
                terminal.result(&status, |colour| show::lets_encrypt(&status, colour))
            }
            Self::Disable => {
                let status = client.disable_lets_encrypt().await?;
                let name = status.dns_name.as_deref().unwrap_or("this server's name");
                let text = format!("The certificate for {name} is renewed no more. What is served stays.");
                terminal.told(&status, &text)
            }
        }
    }
}

fn configure(args: LetsEncryptConfigureArgs) -> Result<LetsEncryptRequest, Failure> {
    if args.dns_name.starts_with("*.") {
        return Err(Failure::usage(anyhow!(
            "--dns-name: {} is a wildcard, and a server has one name. For a wildcard: portward certificate request '{}' --dns PROVIDER",
            args.dns_name,
            args.dns_name
        )));
    }
    let dns_name = Host::parse(&args.dns_name).map_err(bad("--dns-name"))?;
    let ip_address: Option<IpAddr> =
        args.ip_address.as_deref().map(str::parse).transpose().map_err(bad("--ip-address"))?;
    let configure = LetsEncryptConfigure {
        dns_name: dns_name.to_string(),
        email: args.email,
        accept_terms: args.accept_terms,
        https_port: args.https_port,
        ip_address: ip_address.map(|address| address.to_string()),
        staging: args.staging,
        directory: args.directory,
        directory_ca: None,
        renew_days_before: args.renew_days_before.map(u32::from),
    };
    Ok(LetsEncryptRequest::Configure {
        configure,
        directory_ca: args.directory_ca,
        effect: effect(args.dry_run),
        waiting: Waiting::of(args.wait),
    })
}

/// What was going on before, where that matters.
async fn renewal_before(client: &Client, waiting: Waiting) -> Result<Option<RenewalView>, Failure> {
    match waiting {
        Waiting::Yes => Ok(client.show_lets_encrypt().await?.renewal),
        Waiting::No => Ok(None),
    }
}

async fn wait_for(
    status: LetsEncryptStatus,
    before: Option<RenewalView>,
    asked: Asked,
    client: &Client,
    terminal: Terminal,
) -> Result<Exit, Failure> {
    let renewal = status.renewal.ok_or_else(|| anyhow!("the server does not tell what it orders"))?;
    let id = CertificateId::parse(&renewal.certificate).context("the server does not tell what it orders")?;
    let before = before.filter(|before| before.certificate == renewal.certificate);
    let ended_before = before.as_ref().and_then(wait::ended);
    let waited = Wait { certificate: id.clone(), ended_before }.run(client, terminal).await?;
    let certificate = client.show_certificate(&id).await?;
    let status = client.show_lets_encrypt().await?;
    waited.tell(asked, &certificate, &status, terminal)
}
