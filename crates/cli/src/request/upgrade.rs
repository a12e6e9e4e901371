//! `portward upgrade`.

use anyhow::Context;
use portward_api::{Client, UpgradeInput};

use crate::{args::UpgradeArgs, exit::Exit, failure::Failure, show, terminal::Terminal};

/// Makes the request; the server is on this machine, and in a directory of its own.
pub(super) fn parse(args: &UpgradeArgs) -> Result<UpgradeInput, Failure> {
    let binary = std::path::absolute(&args.binary).context("--binary").map_err(Failure::usage)?;
    let binary = binary.into_os_string().into_string().ok().context("--binary: its path is no UTF-8");
    Ok(UpgradeInput { binary: binary.map_err(Failure::usage)? })
}

/// Waits until the other program serves, and tells what becomes of connections.
pub(super) async fn run(input: &UpgradeInput, client: &Client, terminal: Terminal) -> Result<Exit, Failure> {
    let upgraded = client.upgrade(input).await?;
    terminal.result(&upgraded, |_| show::upgraded(&upgraded))?;
    Ok(Exit::Done)
}
