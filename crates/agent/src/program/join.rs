//! `portward-agent join`.

use std::io;

use anyhow::Context;
use portward_core::AgentName;
use portward_link::JoinString;
use tokio::runtime;
use zeroize::Zeroizing;

use super::{
    Here,
    args::JoinArgs,
    failure::{Exit, Failure},
    terminal,
};

/// Joins a server.
pub(super) fn join(here: &Here<'_>, args: &JoinArgs) -> Result<Exit, Failure> {
    let line: Zeroizing<String> = if args.string == "-" {
        // Line ends in it are passed over, so it is read whole.
        let mut text = Zeroizing::new(Vec::with_capacity(8 * 1024));
        io::Read::read_to_end(&mut io::Read::take(io::stdin().lock(), 8 * 1024), &mut text)
            .context("cannot read the join string from stdin")?;
        Zeroizing::new(String::from_utf8_lossy(&text).into_owned())
    } else {
        Zeroizing::new(args.string.clone())
    };
    let join_string = JoinString::parse(&line).map_err(Failure::usage)?;
    let name = args.name.as_deref().map(AgentName::parse).transpose().map_err(Failure::usage)?;
    let runtime = runtime::Builder::new_current_thread().enable_all().build().context("no thread can be started")?;
    let host_name = here.host_name();
    let joining = crate::join(here.data_dir, &join_string, name.as_ref(), &host_name, here.clock);
    let joined = runtime.block_on(joining)?;
    let running = here.tell(&here.open()?)?;
    let addresses: Vec<String> = joined.addresses.iter().map(ToString::to_string).collect();
    let pins: Vec<String> = joined.pins.iter().map(ToString::to_string).collect();
    terminal::print(&format!(
        "Joined as {}\nThe thumbprint of this agent: {}\nThe thumbprint of the server: {}\nThe server is dialled at: {}",
        joined.name,
        joined.thumbprint,
        pins.join(", "),
        addresses.join(", ")
    ))?;
    if running {
        terminal::print("The agent that runs dials it now.")?;
    } else {
        terminal::print("No agent runs here yet. Start it: portward-agent service install, or portward-agent run")?;
    }
    Ok(Exit::Done)
}
