//! `portward status`.

use portward_api::Client;

use crate::{exit::Exit, failure::Failure, show, terminal::Terminal};

/// Shows what is served, and ends as it is.
pub(super) async fn run(client: &Client, terminal: Terminal) -> Result<Exit, Failure> {
    let status = client.status().await?;
    terminal.result(&status, |colour| show::status(&status, colour))?;
    Ok(if status.ok { Exit::Done } else { Exit::Failed })
}
