//! `portward settings`.

use anyhow::anyhow;
use portward_api::{Client, SettingsUpdate};
use portward_core::{ForceHttps, Network};

use super::{
    bad,
    safety::{Safety, follow},
};
use crate::{
    args::{OutputArgs, ServerArgs, SettingsCommand},
    exit::Exit,
    failure::Failure,
    show,
    terminal::Terminal,
};

/// Is what is asked about the settings.
#[derive(Debug, PartialEq)]
pub(crate) enum SettingsRequest {
    /// All of them.
    Show,
    /// Other values.
    Edit(SettingsUpdate, Safety),
}

impl SettingsRequest {
    pub(super) fn parse(command: SettingsCommand) -> Result<(Self, ServerArgs, OutputArgs), Failure> {
        Ok(match command {
            SettingsCommand::Show(args) => (Self::Show, args.server, args.output),
            SettingsCommand::Edit(args) => {
                let force_https = args.force_https.map(|word| ForceHttps::from(word).to_string());
                let update = SettingsUpdate {
                    force_https,
                    warning_days: args.warning_days,
                    agent_identity_days: args.agent_identity_days,
                    server_identity_days: args.server_identity_days,
                    agent_check_minutes: args.agent_check_minutes,
                    trusted_proxies: match args.trusted_proxy.as_slice() {
                        [] => None,
                        [none] if none == "none" => Some(Vec::new()),
                        networks => {
                            let networks =
                                networks.iter().map(|text| Network::parse(text)).collect::<Result<Vec<_>, _>>();
                            let networks = networks.map_err(bad("--trusted-proxy"))?;
                            Some(networks.iter().map(ToString::to_string).collect())
                        }
                    },
                };
                if update == SettingsUpdate::default() {
                    let error = anyhow!("nothing to change was named; see: portward settings edit --help");
                    return Err(Failure::usage(error));
                }
                (Self::Edit(update, Safety::parse(&args.safety)?), args.server, args.output)
            }
        })
    }

    pub(super) async fn run(self, client: &Client, terminal: Terminal) -> Result<Exit, Failure> {
        let settings = match self {
            Self::Show => client.show_settings().await?,
            Self::Edit(update, safety) => {
                let settings = safety.client(client).edit_settings(&update).await?;
                let exit = terminal.result(&settings, |colour| show::settings(&settings, colour))?;
                follow(client, terminal, settings.confirmation.as_ref()).await?;
                return Ok(exit);
            }
        };
        terminal.result(&settings, |colour| show::settings(&settings, colour))
    }
}
