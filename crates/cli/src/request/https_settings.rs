//! `portward https-settings`.

use std::path::PathBuf;

use anyhow::anyhow;
use portward_api::{Client, ClientError, HttpsSettingsUpdate};
use portward_core::ForceHttps;

use super::{
    certificate::read_file,
    safety::{Safety, follow},
};
use crate::{
    args::{HttpsSettingsCommand, HttpsSettingsSetArgs, OutputArgs, PasswordArgs, ServerArgs},
    exit::Exit,
    failure::Failure,
    password, show,
    terminal::Terminal,
};

/// Is what is asked for about how the portal is reached.
#[derive(Debug, PartialEq)]
pub(crate) enum HttpsSettingsRequest {
    /// All of it.
    Show,
    /// Other values.
    Set(HttpsSettings),
}

/// Holds what was named.
#[derive(Debug, PartialEq)]
pub(crate) struct HttpsSettings {
    files: Vec<PathBuf>,
    password: PasswordArgs,
    port: Option<u16>,
    force_https: Option<ForceHttps>,
    safety: Safety,
}

impl HttpsSettingsRequest {
    pub(super) fn parse(command: HttpsSettingsCommand) -> Result<(Self, ServerArgs, OutputArgs), Failure> {
        Ok(match command {
            HttpsSettingsCommand::Show(args) => (Self::Show, args.server, args.output),
            HttpsSettingsCommand::Set(args) => {
                let HttpsSettingsSetArgs { files, password, port, force_https, safety, output, server } = args;
                if files.is_empty() && port.is_none() && force_https.is_none() {
                    return Err(Failure::usage(anyhow!(
                        "nothing to change was named; see: portward https-settings set --help"
                    )));
                }
                let safety = Safety::parse(&safety)?;
                let force_https = force_https.map(ForceHttps::from);
                (Self::Set(HttpsSettings { files, password, port, force_https, safety }), server, output)
            }
        })
    }

    pub(super) async fn run(self, client: &Client, terminal: Terminal) -> Result<Exit, Failure> {
        match self {
            Self::Show => {
                let settings = client.show_https_settings().await?;
                terminal.result(&settings, |colour| show::https_settings(&settings, colour))
            }
            Self::Set(set) => set.run(client, terminal).await,
        }
    }
}

impl HttpsSettings {
    async fn run(self, client: &Client, terminal: Terminal) -> Result<Exit, Failure> {
        let mut update = HttpsSettingsUpdate {
            files: self.files.iter().map(|path| read_file(path)).collect::<Result<_, _>>()?,
            password: password::read(&self.password)?,
            port: self.port,
            force_https: self.force_https.map(|mode| mode.to_string()),
        };
        let safely = self.safety.client(client);
        let changed = match safely.change_https_settings(&update).await {
            Err(ClientError::Problem(problem))
                if problem.code == "password-needed" && update.password.is_none() && password::can_ask() =>
            {
                update.password = Some(password::ask("Password of the file: ")?);
                safely.change_https_settings(&update).await?
            }
            other => other?,
        };
        let exit = terminal.result(&changed, |colour| show::https_settings(&changed, colour))?;
        follow(client, terminal, changed.confirmation.as_ref()).await?;
        Ok(exit)
    }
}
