//! `portward explain`.

use portward_api::{Client, ExplainRequest};

use crate::{exit::Exit, failure::Failure, show, terminal::Terminal};

/// Shows the way of a request, and ends as it is.
pub(super) async fn run(request: &ExplainRequest, client: &Client, terminal: Terminal) -> Result<Exit, Failure> {
    let explained = client.explain(request).await?;
    terminal.result(&explained, |colour| show::explained(&explained, colour))?;
    Ok(if explained.mark == "bad" { Exit::Failed } else { Exit::Done })
}
