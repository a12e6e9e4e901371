//! `portward-agent register-with`: asks a server's API to know this agent, and trusts what it says of itself.

use anyhow::Context;
use portward_api::{AgentTrust, Client, ClientError, Effect, IdentityView, SecretText};
use portward_core::{AgentName, DialAddress, Thumbprint};
use tokio::runtime;

use super::{
    Here,
    args::{CommsStyle, RegisterWithArgs},
    failure::{Exit, Failure},
    password, terminal,
};
use crate::{DirectoryError, TrustedServer};

/// Registers this agent.
pub(super) fn register(here: &Here<'_>, args: &RegisterWithArgs) -> Result<Exit, Failure> {
    let token = match (&args.token_file, &args.api_key) {
        (Some(path), _) => password::from_file(path, "the token")?.as_str().to_owned(),
        (None, Some(key)) => key.clone(),
        (None, None) => std::env::var("PORTWARD_TOKEN").ok().filter(|token| !token.is_empty()).ok_or_else(|| {
            Failure::misses("give the token of the API with --token-file FILE, or in the variable PORTWARD_TOKEN")
        })?,
    };
    let token = SecretText::new(token);
    let client = match &args.server_thumbprint {
        Some(pin) => Client::remote_pinned(&args.server, token, Thumbprint::parse(pin).map_err(Failure::usage)?),
        None => Client::remote(&args.server, token),
    };
    let client = client.map_err(Failure::usage)?;
    let host_name = here.host_name();
    let name = AgentName::parse(args.name.as_deref().unwrap_or(&host_name)).map_err(Failure::usage)?;
    let style = args.comms_style.unwrap_or(match args.listening {
        Some(_) => CommsStyle::TentaclePassive,
        None => CommsStyle::TentacleActive,
    });
    let directory = here.open()?;
    let now = (here.clock)();
    let (_, draft) = directory.edit(|draft| draft.identity_or_new(&host_name, now))?;
    let Some(held) = &draft.identity else { return Err(Failure::says("there is no certificate")) };
    let listening = match style {
        CommsStyle::TentacleActive => None,
        CommsStyle::TentaclePassive => {
            let text = args.listening.as_deref().unwrap_or(&host_name);
            Some(DialAddress::parse(text, Some(draft.configuration.listen.port)).map_err(Failure::usage)?)
        }
    };
    let trust = AgentTrust {
        name: name.to_string(),
        thumbprint: held.identity.thumbprint().to_string(),
        listening: listening.as_ref().map(ToString::to_string),
    };
    terminal::print(&format!("Registering the agent with the server at {}", args.server))?;
    let threads = runtime::Builder::new_current_thread().enable_all().build().context("no thread can be started")?;
    let server = threads.block_on(async {
        let server = client.show_identity().await?;
        client.trust_agent(&trust, Effect::Apply).await?;
        Ok::<_, ClientError>(server)
    })?;
    let server = understand(&server, style, now).map_err(|error| error.context("the answer of the server"))?;
    let pin = server.pins[0];
    directory.edit(|draft| {
        let configuration = &mut draft.configuration;
        if listening.is_some() {
            configuration.listen.chosen = Some(true);
        }
        match configuration.trusted.iter_mut().find(|known| known.pins.contains(&pin)) {
            Some(known) => known.addresses = server.addresses,
            None => configuration.trusted.push(server),
        }
        Ok::<_, DirectoryError>(())
    })?;
    here.tell(&directory)?;
    terminal::print(&format!("Agent registered successfully as {name}\nThe thumbprint of the server: {pin}"))?;
    Ok(Exit::Done)
}

fn understand(
    said: &IdentityView,
    style: CommsStyle,
    now: portward_core::Timestamp,
) -> Result<TrustedServer, anyhow::Error> {
    let mut server = TrustedServer::new(Thumbprint::parse(&said.thumbprint)?, now);
    if style == CommsStyle::TentacleActive {
        let addresses = said.addresses.iter().map(|text| DialAddress::parse(text, None));
        server.addresses = addresses.collect::<Result<_, _>>()?;
        anyhow::ensure!(
            !server.addresses.is_empty(),
            "it names no address where agents can dial it; set one on the server, or have it dial: --listening HOST:PORT"
        );
    }
    Ok(server)
}
