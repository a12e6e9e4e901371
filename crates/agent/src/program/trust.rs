//! `portward-agent configure`, `update-trust` and `poll-server`.

use std::net::IpAddr;

use anyhow::anyhow;
use portward_core::{DialAddress, Thumbprint};

use super::{
    Here,
    args::{ConfigureArgs, PollServerArgs, UpdateTrustArgs},
    failure::{Exit, Failure},
    proxy, terminal, thumbprints,
};
use crate::{DataDirectory, TrustedServer};

/// Changes what is configured; it counts when this returns.
pub(super) fn configure(here: &Here<'_>, args: &ConfigureArgs) -> Result<Exit, Failure> {
    let directory = here.open()?;
    let trust = parse_all(&args.trust, "--trust", &directory)?;
    let remove = parse_all(&args.remove_trust, "--remove-trust", &directory)?;
    let address = args.listen_address.as_deref().map(listen_address).transpose()?;
    let proxy =
        args.proxy.as_deref().map(|text| proxy::parse(text, args.proxy_password_file.as_deref())).transpose()?;
    let says_where = args.port.is_some() || address.is_some();
    let now = (here.clock)();
    let (said, _) = directory.edit(|draft| {
        let configuration = &mut draft.configuration;
        let mut said = Vec::new();
        if args.reset_trust {
            said.push("Removing all trusted Portward servers...".to_owned());
            configuration.trusted.clear();
        }
        if !remove.is_empty() {
            said.push(format!("Removing {} trusted Portward servers", remove.len()));
            for pin in remove.iter().filter(|pin| !configuration.distrust(**pin)).collect::<Vec<_>>() {
                said.push(format!("The thumbprint {pin} was not trusted"));
            }
        }
        if !trust.is_empty() {
            said.push(format!("Adding {} trusted Portward servers", trust.len()));
            for pin in &trust {
                configuration.trust(*pin, now);
            }
        }
        let listen = &mut configuration.listen;
        if let Some(port) = args.port {
            listen.port = port;
            said.push(format!("Services listen port: {port}"));
        }
        if let Some(address) = address {
            listen.address = address;
            let shown = address.map_or_else(|| "any".to_owned(), |address| address.to_string());
            said.push(format!("Listen on IP address: {shown}"));
        }
        match args.no_listen {
            Some(true) => {
                listen.chosen = Some(false);
                said.push("The agent will not listen on a port".to_owned());
            }
            Some(false) => {
                listen.chosen = Some(true);
                said.push(format!("The agent will listen on port {}", listen.port));
            }
            None if says_where => listen.chosen = Some(true),
            None => {}
        }
        if let Some(proxy) = &proxy {
            said.push(match proxy {
                Some(proxy) => format!("Servers are dialled through the HTTP proxy {proxy}"),
                None => "Servers are dialled without a proxy".to_owned(),
            });
            configuration.proxy.clone_from(proxy);
        }
        if said.is_empty() {
            return Err(Failure::misses(
                "nothing to configure; give --trust, --remove-trust, --reset-trust, --port, --no-listen, --listen-address or --proxy",
            ));
        }
        Ok(said)
    })?;
    here.tell(&directory)?;
    terminal::print(&said.join("\n"))?;
    Ok(Exit::Done)
}

/// Puts one pin in the place of another.
pub(super) fn update(here: &Here<'_>, args: &UpdateTrustArgs) -> Result<Exit, Failure> {
    let directory = here.open()?;
    let old = thumbprints::parse(&args.old_thumbprint, "--old-thumbprint", &directory)?;
    let new = thumbprints::parse(&args.new_thumbprint, "--new-thumbprint", &directory)?;
    let (servers, _) = directory.edit(|draft| {
        let configuration = &mut draft.configuration;
        let known = configuration.by_pin(new).map(|server| server.id.clone());
        let is_of_another = known.is_some_and(|id| configuration.by_pin(old).is_none_or(|server| server.id != id));
        if is_of_another && configuration.by_pin(old).is_some() {
            return Err(Failure::says(format!(
                "{new} is trusted already, as another server; remove the old one: portward-agent configure --remove-trust={old}"
            )));
        }
        let servers: Vec<TrustedServer> =
            configuration.trusted.iter().filter(|server| server.pins.contains(&old)).cloned().collect();
        configuration.replace_pin(old, new);
        Ok(servers)
    })?;
    if servers.is_empty() {
        return Err(Failure::says(format!(
            "no server with the thumbprint {old} is trusted, and nothing was changed; see portward-agent status, and trust \
             the new one with: portward-agent configure --trust={new}"
        )));
    }
    here.tell(&directory)?;
    terminal::print(&format!("Updating Portward servers thumbprint from {old} to {new}"))?;
    for address in servers.iter().flat_map(|server| &server.addresses) {
        terminal::print(&format!("Updating polling agent URL {address} - changing to trust {new}"))?;
    }
    Ok(Exit::Done)
}

/// Dials a server that is trusted.
pub(super) fn poll_server(here: &Here<'_>, args: &PollServerArgs) -> Result<Exit, Failure> {
    let directory = here.open()?;
    let addresses = addresses(args)?;
    let thumbprint = args.thumbprint.as_deref();
    let thumbprint = thumbprint.map(|text| thumbprints::parse(text, "--thumbprint", &directory)).transpose()?;
    directory.edit(|draft| {
        let configuration = &mut draft.configuration;
        let pin = match (thumbprint, configuration.trusted.as_slice()) {
            (Some(pin), _) => pin,
            (None, [server]) => server.expected().ok_or_else(not_yet)?,
            (None, []) => return Err(not_yet()),
            (None, _) => {
                return Err(Failure::says(
                    "more than one Portward server is trusted; say which one this is with --thumbprint=SHA256",
                ));
            }
        };
        let Some(server) = configuration.trusted.iter_mut().find(|server| server.pins.contains(&pin)) else {
            return Err(Failure::says(format!(
                "The Portward server with the thumbprint '{pin}' is not yet trusted. If that is the server's (portward \
                 identity show tells it there), run: portward-agent configure --trust={pin}"
            )));
        };
        for address in &addresses {
            if !server.addresses.contains(address) {
                server.addresses.push(address.clone());
            }
        }
        Ok(())
    })?;
    here.tell(&directory)?;
    terminal::print("Polling endpoint configured")?;
    Ok(Exit::Done)
}

fn not_yet() -> Failure {
    Failure::says("no Portward server is trusted yet; trust it first: portward-agent configure --trust=SHA256")
}

fn addresses(args: &PollServerArgs) -> Result<Vec<DialAddress>, Failure> {
    let port = Some(args.server_comms_port.unwrap_or(OCTOPUS_PORT));
    let mut addresses = Vec::new();
    for text in &args.addresses {
        addresses.push(DialAddress::parse(text, args.server_comms_port).map_err(Failure::usage)?);
    }
    for text in &args.server_comms_address {
        // Octopus's users write a URL there.
        let host = text.split_once("://").map_or(text.as_str(), |(_, rest)| rest);
        let host = host.strip_suffix('/').unwrap_or(host);
        addresses.push(DialAddress::parse(host, port).map_err(Failure::usage)?);
    }
    if addresses.is_empty() {
        return Err(Failure::misses(
            "give the address of the server, as in portward-agent poll-server portward.example:443",
        ));
    }
    Ok(addresses)
}

/// Reads where to listen; `any` is everywhere.
pub(super) fn listen_address(text: &str) -> Result<Option<IpAddr>, Failure> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("any") {
        return Ok(None);
    }
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse();
    address.map(Some).map_err(|_| {
        Failure::usage(anyhow!("--listen-address: \"{text}\" is no IP address; give one of this machine, or any"))
    })
}

fn parse_all(texts: &[String], flag: &str, directory: &DataDirectory) -> Result<Vec<Thumbprint>, Failure> {
    texts.iter().map(|text| thumbprints::parse(text, flag, directory)).collect()
}

/// Where servers of Octopus are polled.
const OCTOPUS_PORT: u16 = 10943;
