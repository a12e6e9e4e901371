//! The commands about the server's identity as Octopus Server spells them, with the lines that its users' scripts read.

use std::{io::Write, path::PathBuf};

use anyhow::{Context, anyhow};
use portward_api::{Client, IdentityImport, IdentityRotate};
use serde::Serialize;

use super::identity::{IdentityFromFile, IdentityToFile, Which};
use crate::{
    args::{
        ExportCertificateArgs, ImportCertificateArgs, NewCertificateArgs, PfxPasswordArgs, ServerArgs,
        ShowThumbprintArgs, ThumbprintFormat,
    },
    exit::Exit,
    failure::Failure,
    new_file::NewFile,
    show,
    terminal::Terminal,
};

/// Is what is asked for in Octopus's words.
#[derive(Debug, PartialEq)]
pub(crate) enum OctopusRequest {
    /// A new identity: in a file, in place of the one in use, or both.
    New {
        /// The file.
        file: Option<IdentityToFile>,
        /// Whether it follows the one in use.
        replace: bool,
    },
    /// One of the operator's.
    Import(IdentityFromFile),
    /// The one in use, in a file.
    Export(IdentityToFile),
    /// The thumbprint alone.
    ShowThumbprint(ThumbprintFormat, Option<PathBuf>),
}

/// Shows a thumbprint in Octopus's words.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Thumbprints {
    thumbprint: String,
    #[serde(rename = "Sha1Thumbprint")]
    sha1: String,
}

impl OctopusRequest {
    pub(super) fn new(args: NewCertificateArgs) -> Result<(Self, ServerArgs), Failure> {
        if args.export_pfx.is_none() && !args.replace {
            return Err(Failure::usage(anyhow!(
                "say what the new certificate is for: --export-pfx FILE writes it to a file, --replace has it take the place of the one in use"
            )));
        }
        if args.export_pfx.is_none() && args.password != PfxPasswordArgs::default() {
            return Err(Failure::usage(anyhow!(
                "a password is for a file; name one with --export-pfx FILE, or leave the password out"
            )));
        }
        let password = args.password.into();
        let file = args.export_pfx.map(|path| IdentityToFile { path, password, which: Which::New });
        Ok((Self::New { file, replace: args.replace }, args.server))
    }

    pub(super) fn import(args: ImportCertificateArgs) -> (Self, ServerArgs) {
        let file = IdentityFromFile { path: args.from_file, password: args.password.into() };
        (Self::Import(file), args.server)
    }

    pub(super) fn export(args: ExportCertificateArgs) -> (Self, ServerArgs) {
        let file = IdentityToFile { path: args.export_pfx, password: args.password.into(), which: Which::InUse };
        (Self::Export(file), args.server)
    }

    pub(super) fn show_thumbprint(args: ShowThumbprintArgs) -> (Self, ServerArgs) {
        (Self::ShowThumbprint(args.format, args.export_file), args.server)
    }

    pub(super) async fn run(self, client: &Client, terminal: Terminal) -> Result<Exit, Failure> {
        let say = |line: &str| terminal.write(format!("{line}\n").as_bytes());
        match self {
            Self::New { file, replace } => {
                say("Generating certificate...")?;
                let in_use = client.show_identity().await?.thumbprint;
                say(&format!("The Portward server currently uses a certificate with thumbprint:\n{in_use}"))?;
                let generated =
                    |new: &str| say(&format!("A new certificate has been generated with thumbprint:\n{new}"));
                let changed = match file {
                    Some(file) => {
                        let path = file.path.display().to_string();
                        let (exported, password) = file.write(client, terminal).await?;
                        generated(&exported.thumbprint)?;
                        say(&format!("The new certificate has been written to {path}."))?;
                        if !replace {
                            return Ok(Exit::Done);
                        }
                        let import = IdentityImport { file: exported.pfx, file_name: path, password: Some(password) };
                        client.import_identity(&import).await?
                    }
                    None => {
                        let changed = client.rotate_identity(&IdentityRotate::default()).await?;
                        generated(&changed.new_thumbprint)?;
                        changed
                    }
                };
                terminal.tell(&show::identity_changed(&changed));
            }
            Self::Import(file) => {
                let path = file.path.display().to_string();
                let begin = |has_password| {
                    let how = if has_password { " using the provided password" } else { "" };
                    say(&format!("Importing the certificate stored in PFX file in {path}{how}..."))
                };
                let changed = file.import(client, terminal, begin).await?;
                let (subject, old, new) = (&changed.subject, &changed.old_thumbprint, &changed.new_thumbprint);
                say(&crate::terminal::printable(&format!(
                    "The certificate {subject} was updated; old thumbprint = {old}, new thumbprint = {new}"
                )))?;
                say("Certificate imported successfully.")?;
                terminal.tell(&show::followed_by_themselves(&changed));
            }
            Self::Export(file) => {
                say("Exporting certificate...")?;
                let path = file.path.display().to_string();
                file.write(client, terminal).await?;
                say(&format!("The certificate has been written to {path}."))?;
            }
            Self::ShowThumbprint(format, file) => {
                let identity = client.show_identity().await?;
                let text = match format {
                    ThumbprintFormat::Text => identity.thumbprint,
                    ThumbprintFormat::Json => {
                        let thumbprints = Thumbprints { thumbprint: identity.thumbprint, sha1: identity.sha1 };
                        serde_json::to_string(&thumbprints).map_err(Failure::failed)?
                    }
                };
                let Some(path) = file else {
                    say(&text)?;
                    return Ok(Exit::Done);
                };
                let mut file = NewFile::create(&path)?;
                writeln!(file, "{text}").with_context(|| format!("cannot write {}", path.display()))?;
                file.keep()?;
                terminal.tell(&format!("The thumbprint is in {}.", path.display()));
            }
        }
        Ok(Exit::Done)
    }
}
