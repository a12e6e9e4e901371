//! The log of the server, on stderr.

use std::io;

use anyhow::{Context, anyhow};
use tracing_subscriber::{EnvFilter, fmt::format::FmtSpan};

use crate::failure::Failure;

/// Lists the forms of a line.
#[derive(Debug, PartialEq, Eq)]
enum Form {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Starts logging, as `PORTWARD_LOG` (else `RUST_LOG`) and `PORTWARD_LOG_FORMAT` say.
pub(super) fn start() -> Result<(), Failure> {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let filter = filter(variable("PORTWARD_LOG").or_else(|| variable("RUST_LOG")).as_deref())?;
    let form = form(variable("PORTWARD_LOG_FORMAT").as_deref())?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_span_events(FmtSpan::NONE)
        .with_ansi(form == Form::Text && io::IsTerminal::is_terminal(&io::stderr()) && variable("NO_COLOR").is_none());
    let started = match form {
        Form::Text => log.try_init(),
        Form::Json => log.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| Failure::failed(anyhow!("logging cannot start: {error}")))
}

fn filter(words: Option<&str>) -> Result<EnvFilter, Failure> {
    EnvFilter::try_new(words.unwrap_or("info"))
        .context("PORTWARD_LOG cannot be read; it is a level like info, or info,portward_proxy=debug")
        .map_err(Failure::configuration)
}

fn form(word: Option<&str>) -> Result<Form, Failure> {
    match word {
        None | Some("text") => Ok(Form::Text),
        Some("json") => Ok(Form::Json),
        Some(other) => {
            Err(Failure::configuration(anyhow!("PORTWARD_LOG_FORMAT is \"{other}\", which is neither text nor json")))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::exit::Exit;

    #[test]
    fn the_log_is_text_at_info_unless_told_otherwise() {
        assert_eq!(filter(None).unwrap().to_string(), "info");
        assert_eq!(filter(Some("warn,portward_proxy=debug")).unwrap().to_string(), "portward_proxy=debug,warn");
        assert_eq!(form(None).unwrap(), Form::Text);
        assert_eq!(form(Some("json")).unwrap(), Form::Json);
    }

    #[test]
    fn settings_of_the_log_that_make_no_sense_are_refused() {
        assert_eq!(filter(Some("portward=loud")).unwrap_err().exit, Exit::Configuration);
        assert_eq!(form(Some("xml")).unwrap_err().exit, Exit::Configuration);
    }
}
