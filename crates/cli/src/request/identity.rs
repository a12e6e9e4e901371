//! `portward identity`.

use std::{io::Write, net::SocketAddr, path::PathBuf};

use anyhow::{Context, anyhow};
use portward_api::{
    Client, ClientError, Effect, IdentityChanged, IdentityExport, IdentityExported, IdentityImport, IdentityRotate,
    IdentityUpdate, SecretText,
};
use portward_core::DialAddress;

use super::{agent::HTTPS_PORT, bad, certificate, effect};
use crate::{
    args::{IdentityCommand, IdentityEditArgs, OutputArgs, PasswordArgs, PfxPasswordArgs, ServerArgs},
    exit::Exit,
    failure::Failure,
    new_file::NewFile,
    password, show,
    terminal::Terminal,
};

/// Is what is asked for about the identity by which agents know the server.
#[derive(Debug, PartialEq)]
pub(crate) enum IdentityRequest {
    /// The one in use, and how far a rotation is.
    Show,
    /// Where agents dial, and are let in.
    Edit(IdentityUpdate, Effect),
    /// One in a file.
    Write(IdentityToFile),
    /// One of the operator's.
    Import(IdentityFromFile),
    /// A new one in place of the one in use.
    Rotate(IdentityRotate),
}

/// Is an identity that goes to a file.
#[derive(Debug, PartialEq)]
pub(crate) struct IdentityToFile {
    pub(super) path: PathBuf,
    pub(super) password: PfxPassword,
    pub(super) which: Which,
}

/// Says which identity goes to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// The one in use.
    InUse,
    /// A new one, which is not taken into use.
    New,
}

/// Is an identity that comes from a file.
#[derive(Debug, PartialEq)]
pub(crate) struct IdentityFromFile {
    pub(super) path: PathBuf,
    pub(super) password: PfxPassword,
}

/// Says where the password of a PFX is; it is not read yet, unless it was typed.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct PfxPassword {
    from: PasswordArgs,
    typed: Option<SecretText>,
}

impl IdentityRequest {
    pub(super) fn parse(command: IdentityCommand) -> Result<(Self, ServerArgs, OutputArgs), Failure> {
        use IdentityCommand as C;
        Ok(match command {
            C::Show(args) => (Self::Show, args.server, args.output),
            C::Edit(args) => {
                let (server, output) = (args.server.clone(), args.output);
                (Self::edit(args)?, server, output)
            }
            C::New(args) => match args.export_pfx {
                Some(path) => {
                    let file = IdentityToFile { path, password: args.password.into(), which: Which::New };
                    (Self::Write(file), args.server, args.output)
                }
                None if args.password != PfxPasswordArgs::default() => {
                    return Err(Failure::usage(anyhow!(
                        "a password is for a file; name one with --export-pfx FILE, or leave the password out"
                    )));
                }
                None => (Self::Rotate(IdentityRotate::default()), args.server, args.output),
            },
            C::Import(args) => {
                let path = args.file.or(args.from_file).ok_or_else(|| {
                    Failure::usage(anyhow!("no file was named; see: portward identity import --help"))
                })?;
                (Self::Import(IdentityFromFile { path, password: args.password.into() }), args.server, args.output)
            }
            C::Export(args) => {
                let (path, password) = (args.export_pfx, args.password.into());
                (Self::Write(IdentityToFile { path, password, which: Which::InUse }), args.server, args.output)
            }
            C::Rotate(args) => {
                (Self::Rotate(IdentityRotate { compromised: args.compromised }), args.server, args.output)
            }
        })
    }

    fn edit(args: IdentityEditArgs) -> Result<Self, Failure> {
        let address = |text: &String| DialAddress::parse(text, Some(HTTPS_PORT)).map(|address| address.to_string());
        let addresses: Vec<String> =
            args.address.iter().map(address).collect::<Result<_, _>>().map_err(bad("--address"))?;
        let binding = |text: &String| match text.parse::<SocketAddr>() {
            Ok(address) => Ok(address.to_string()),
            Err(_) => Err(Failure::usage(anyhow!(
                "--binding: \"{text}\" is not an address of this machine with a port, as in 0.0.0.0:10943 or [::]:10943"
            ))),
        };
        let bindings: Vec<String> = args.binding.iter().map(binding).collect::<Result<_, _>>()?;
        let update = IdentityUpdate {
            addresses: (args.no_address || !addresses.is_empty()).then_some(addresses),
            bindings: (args.no_binding || !bindings.is_empty()).then_some(bindings),
        };
        if update == IdentityUpdate::default() {
            return Err(Failure::usage(anyhow!(
                "nothing to change; give --address, --no-address, --binding or --no-binding"
            )));
        }
        Ok(Self::Edit(update, effect(args.dry_run)))
    }

    pub(super) async fn run(self, client: &Client, terminal: Terminal) -> Result<Exit, Failure> {
        match self {
            Self::Edit(update, effect) => {
                let identity = client.edit_identity(&update, effect).await?;
                terminal.told(&identity, &show::identity_edited(&identity, effect))
            }
            Self::Show => {
                let identity = client.show_identity().await?;
                terminal.result(&identity, |colour| show::identity(&identity, colour))
            }
            Self::Write(file) => {
                let (path, which) = (file.path.display().to_string(), file.which);
                let (exported, _) = file.write(client, terminal).await?;
                let view = serde_json::json!({ "thumbprint": exported.thumbprint, "file": path });
                terminal.told(&view, &show::identity_written(&exported.thumbprint, &path, which == Which::New))
            }
            Self::Import(file) => {
                let changed = file.import(client, terminal, |_| Ok(())).await?;
                terminal.told(&changed, &show::identity_changed(&changed))
            }
            Self::Rotate(rotate) => {
                let changed = client.rotate_identity(&rotate).await?;
                let message = match rotate.compromised {
                    true => show::identity_compromised(&changed),
                    false => show::identity_changed(&changed),
                };
                terminal.told(&changed, &message)
            }
        }
    }
}

impl IdentityToFile {
    /// Writes it; the file is begun first, so that no key leaves the server for a file that cannot be written.
    pub(super) async fn write(
        self,
        client: &Client,
        terminal: Terminal,
    ) -> Result<(IdentityExported, SecretText), Failure> {
        let mut file = NewFile::create(&self.path)?;
        let password = match self.password.read(terminal)? {
            Some(password) => password,
            None if password::can_ask() => password::ask_new("Password for the new file: ")?,
            None => {
                return Err(Failure::usage(anyhow!(
                    "a PFX needs a password; give it with --pfx-password-file F or --pfx-password-stdin"
                )));
            }
        };
        let export = IdentityExport { password, new: self.which == Which::New };
        let exported = client.export_identity(&export).await?;
        file.write_all(exported.pfx.expose()).with_context(|| format!("cannot write {}", self.path.display()))?;
        file.keep()?;
        Ok((exported, export.password))
    }
}

impl IdentityFromFile {
    /// Imports it; a file that turns out to be protected asks for its password if somebody is there.
    ///
    /// `begin` is told whether there is a password, when the file has been read and nothing was changed.
    pub(super) async fn import(
        self,
        client: &Client,
        terminal: Terminal,
        begin: impl FnOnce(bool) -> Result<(), Failure>,
    ) -> Result<IdentityChanged, Failure> {
        let read = certificate::read_file(&self.path)?;
        let password = self.password.read(terminal)?;
        begin(password.is_some())?;
        let mut import = IdentityImport { file: read.data, file_name: read.name, password };
        match client.import_identity(&import).await {
            Err(ClientError::Problem(problem))
                if problem.code == certificate::PASSWORD_NEEDED && import.password.is_none() && password::can_ask() =>
            {
                import.password = Some(password::ask("Password of the file: ")?);
                Ok(client.import_identity(&import).await?)
            }
            other => Ok(other?),
        }
    }
}

impl PfxPassword {
    /// Reads it; one that others could see is remarked upon.
    fn read(self, terminal: Terminal) -> Result<Option<SecretText>, Failure> {
        if let Some(typed) = self.typed {
            terminal.tell(SEEN);
            return Ok(Some(typed));
        }
        password::read(&self.from)
    }
}

impl From<PfxPasswordArgs> for PfxPassword {
    fn from(args: PfxPasswordArgs) -> Self {
        let (from, typed) = args.split();
        Self { from, typed }
    }
}

const SEEN: &str = "Note: every user of this machine can see a password on the command line; --pfx-password-file F and --pfx-password-stdin keep it from them.";
