//! `portward certificate`.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use portward_api::{
    CertificateRollback, CertificateTaken, Client, Effect, SelfSignedCreate,
    acme::{CertificateRenew, CertificateRevoke},
};
use portward_core::{CertificateId, HostPattern};

use super::{
    bad, certificate_names, effect,
    safety::{Safety, follow},
    wait,
};
use crate::{
    args::{CertificateCommand, ExportFormat, OutputArgs, PasswordArgs, ServerArgs},
    exit::Exit,
    failure::Failure,
    show,
    terminal::Terminal,
};

mod export;
mod import;
mod managed;

pub(super) use import::{PASSWORD_NEEDED, read as read_file};
pub(super) use managed::{ManagedRequest, Waiting};

/// Is what is asked for about certificates.
#[derive(Debug, PartialEq)]
pub(crate) enum CertificateRequest {
    /// All of them.
    List,
    /// One of them.
    Show(CertificateId),
    /// One from files, new or a new version.
    Import(Import),
    /// What is in files.
    Inspect(Import),
    /// One that is signed by its own key.
    NewSelfSigned {
        /// What it is for.
        names: Vec<HostPattern>,
        /// How long it is valid.
        days: Option<u32>,
    },
    /// Something about managed ones.
    Managed(ManagedRequest),
    /// One with its key in a file.
    Export(Export),
    /// The version before.
    Rollback {
        /// Which.
        id: CertificateId,
        /// Also to a version whose time is over or has not come.
        allow_expired: bool,
        /// In which manner.
        safety: Safety,
    },
    /// One less.
    Remove(CertificateId, Safety),
}

/// Is what is imported, and how.
#[derive(Debug, PartialEq)]
pub(crate) struct Import {
    files: Vec<PathBuf>,
    name: Option<String>,
    replace: Option<CertificateId>,
    password: PasswordFrom,
    allow_expired: bool,
    pub(super) effect: Effect,
    safety: Safety,
}

/// Is what is exported, and where to.
#[derive(Debug, PartialEq)]
pub(crate) struct Export {
    id: CertificateId,
    format: ExportFormat,
    out: Destination,
    password: PasswordFrom,
}

/// Says where an export goes.
#[derive(Debug, PartialEq)]
enum Destination {
    Stdout,
    File(PathBuf),
}

/// Says where a password comes from; it is not read yet.
type PasswordFrom = PasswordArgs;

impl CertificateRequest {
    pub(super) fn parse(command: CertificateCommand) -> Result<(Self, ServerArgs, OutputArgs), Failure> {
        let id = |text: &str| CertificateId::parse(text).map_err(Failure::usage);
        Ok(match command {
            CertificateCommand::List(args) => (Self::List, args.server, args.output),
            CertificateCommand::Show(args) => (Self::Show(id(&args.id)?), args.server, args.output),
            CertificateCommand::Import(args) => {
                let replace =
                    args.replace.as_deref().map(CertificateId::parse).transpose().map_err(bad("--replace"))?;
                let import = Import {
                    files: args.files,
                    name: args.name,
                    replace,
                    password: args.password,
                    allow_expired: args.allow_expired,
                    effect: effect(args.dry_run),
                    safety: Safety::parse(&args.safety)?,
                };
                (Self::Import(import), args.server, args.output)
            }
            CertificateCommand::Inspect(args) => {
                let replace =
                    args.replace.as_deref().map(CertificateId::parse).transpose().map_err(bad("--replace"))?;
                let import = Import {
                    files: args.files,
                    name: None,
                    replace,
                    password: args.password,
                    allow_expired: false,
                    effect: effect(true),
                    safety: Safety::default(),
                };
                (Self::Inspect(import), args.server, args.output)
            }
            CertificateCommand::NewSelfSigned(args) => {
                let names = certificate_names(&args.names)?;
                (Self::NewSelfSigned { names, days: args.days.map(u32::from) }, args.server, args.output)
            }
            CertificateCommand::Request(args) => {
                let (server, output) = (args.server.clone(), args.output);
                (Self::Managed(ManagedRequest::parse(args)?), server, output)
            }
            CertificateCommand::Renew(args) => {
                let renew = CertificateRenew { force: args.force, placed: args.placed };
                let request = ManagedRequest::Renew(id(&args.id)?, renew, Waiting::of(args.wait));
                (Self::Managed(request), args.server, args.output)
            }
            CertificateCommand::Revoke(args) => {
                let revoke = CertificateRevoke { reason: args.reason };
                (Self::Managed(ManagedRequest::Revoke(id(&args.id)?, revoke)), args.server, args.output)
            }
            CertificateCommand::Unmanage(args) => {
                (Self::Managed(ManagedRequest::Unmanage(id(&args.id)?)), args.server, args.output)
            }
            CertificateCommand::Export(args) => {
                let out = if args.out == Path::new("-") { Destination::Stdout } else { Destination::File(args.out) };
                if args.format == ExportFormat::Pfx && out == Destination::Stdout {
                    return Err(Failure::usage(anyhow!("a PFX is no text for stdout; name a file: --out FILE")));
                }
                if args.format == ExportFormat::Pem && args.password != PasswordFrom::default() {
                    return Err(Failure::usage(anyhow!(
                        "PEM is written without a password; leave it out, or choose --format pfx"
                    )));
                }
                let export = Export { id: id(&args.id)?, format: args.format, out, password: args.password };
                (Self::Export(export), args.server, OutputArgs::default())
            }
            CertificateCommand::Rollback(args) => {
                let (allow_expired, safety) = (args.allow_expired, Safety::parse(&args.safety)?);
                (Self::Rollback { id: id(&args.id)?, allow_expired, safety }, args.server, args.output)
            }
            CertificateCommand::Remove(args) => {
                let safety = Safety::parse(&args.safety)?.or_dry(args.dry_run);
                (Self::Remove(id(&args.id)?, safety), args.server, args.output)
            }
        })
    }

    pub(super) async fn run(self, client: &Client, terminal: Terminal) -> Result<Exit, Failure> {
        match self {
            Self::List => {
                let certificates = client.list_certificates().await?;
                terminal.result(&certificates, |colour| show::certificates(&certificates, colour))
            }
            Self::Show(id) => {
                let certificate = client.show_certificate(&id).await?;
                terminal.result(&certificate, |colour| show::certificate(&certificate, colour))
            }
            Self::Import(import) => {
                let effect = import.effect;
                let taken = import.run(client).await?;
                let exit = tell_taken(&taken, effect, terminal)?;
                follow(client, terminal, taken.confirmation.as_ref()).await?;
                Ok(exit)
            }
            Self::Inspect(import) => {
                let inspection = import.inspect(client).await?;
                terminal.result(&inspection, |colour| show::inspection(&inspection, colour))
            }
            Self::NewSelfSigned { names, days } => {
                let create = SelfSignedCreate { names: names.iter().map(ToString::to_string).collect(), days };
                let taken = client.new_self_signed_certificate(&create).await?;
                tell_taken(&taken, Effect::Apply, terminal)
            }
            Self::Managed(request) => request.run(client, terminal).await,
            Self::Export(export) => export.run(client, terminal).await,
            Self::Rollback { id, allow_expired, safety } => {
                let rollback = CertificateRollback { allow_expired };
                let taken = safety.client(client).rollback_certificate(&id, &rollback).await?;
                let exit = tell_taken(&taken, Effect::Apply, terminal)?;
                follow(client, terminal, taken.confirmation.as_ref()).await?;
                Ok(exit)
            }
            Self::Remove(id, safety) => {
                let removed = safety.client(client).remove_certificate(&id).await?;
                let exit = terminal.told(&removed, &show::removal("certificate", &removed, safety.is_dry()))?;
                follow(client, terminal, removed.confirmation.as_ref()).await?;
                Ok(exit)
            }
        }
    }
}

/// Shows the certificate as the result, and what else is to be known as messages.
fn tell_taken(taken: &CertificateTaken, effect: Effect, terminal: Terminal) -> Result<Exit, Failure> {
    terminal.result(&taken.certificate, |colour| show::certificate(&taken.certificate, colour))?;
    terminal.tell(&show::taken(taken, effect));
    Ok(Exit::Done)
}
