//! `portward-agent status`, `show-configuration` and `show-thumbprint`.

use std::fmt::Write;

use serde_json::json;

use super::{
    Here,
    args::{OutputArgs, ShowThumbprintArgs, ThumbprintFormat},
    failure::{Exit, Failure},
    terminal,
};
use crate::{Configuration, DirectoryError, Draft, StatusView, control};

/// Shows how the agent is.
pub(super) fn status(here: &Here<'_>, args: &OutputArgs) -> Result<Exit, Failure> {
    let directory = here.open()?;
    let status = match control::status(&directory).map_err(Failure::failed)? {
        Some(status) => status,
        None => StatusView::of_files(&directory, &directory.read()?),
    };
    terminal::result(args.format, &status, || in_words(&status))?;
    Ok(if status.problems().is_empty() { Exit::Done } else { Exit::Failed })
}

fn in_words(status: &StatusView) -> String {
    let mut text = String::new();
    let mut line = |what: &str, is: &str| {
        // A text takes all that is written into it.
        let _ = writeln!(text, "{what:<15} {is}");
    };
    line("Agent", &format!("{}, version {}", if status.running { "runs" } else { "does not run" }, status.version));
    line("Data directory", &status.data_dir);
    line("Thumbprint", status.thumbprint.as_deref().unwrap_or("none yet"));
    if let Some(sha1) = &status.sha1 {
        line("SHA-1", sha1);
    }
    if let Some(next) = &status.next {
        line("Offered", &format!("{next}, until all servers know it"));
    }
    let listen = match (&status.listen.address, &status.listen.problem) {
        (Some(address), _) => format!("on {address}"),
        (None, Some(problem)) => problem.clone(),
        (None, None) if status.listen.on => "when it runs".to_owned(),
        (None, None) => "nowhere".to_owned(),
    };
    line("Listens", &listen);
    if status.servers.is_empty() {
        line("Trusts", "nobody yet: portward-agent join STRING, or portward-agent configure --trust=THUMBPRINT");
    }
    for server in &status.servers {
        line("Trusts", &server.pins.join(", "));
        if !server.addresses.is_empty() {
            line("  dials", &server.addresses.join(", "));
        }
        for link in &server.links {
            line("  linked", &format!("with {} since {}", link.dialled.as_deref().unwrap_or(&link.peer), link.since));
        }
        if let Some(problem) = &server.problem {
            line("  problem", problem);
        }
    }
    text.truncate(text.trim_end().len());
    text
}

/// Shows what is configured, without the password of a proxy.
pub(super) fn configuration(here: &Here<'_>, args: &OutputArgs) -> Result<Exit, Failure> {
    let directory = here.open()?;
    let Draft { configuration, .. } = directory.read()?;
    let view = view(&configuration);
    terminal::result(args.format, &view, || {
        let mut lines = Vec::new();
        flatten("", &view, &mut lines);
        lines.join("\n")
    })
}

fn view(configuration: &Configuration) -> serde_json::Value {
    let address = configuration.listen.address.map_or_else(|| "any".to_owned(), |address| address.to_string());
    let trusted = configuration.trusted.iter().map(|server| {
        json!({
            "pins": server.pins.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "trust": { "generation": server.mark.generation, "seq": server.mark.seq },
            "since": server.since.to_string(),
            "addresses": server.addresses.iter().map(ToString::to_string).collect::<Vec<_>>(),
        })
    });
    json!({
        "listen": { "on": configuration.listens(), "address": address, "port": configuration.listen.port },
        "proxy": configuration.proxy.as_ref().map(|proxy| json!({
            "address": proxy.address.to_string(),
            "user": proxy.credentials.as_ref().map(|(user, _)| user),
        })),
        "trusted": trusted.collect::<Vec<_>>(),
    })
}

fn flatten(path: &str, value: &serde_json::Value, lines: &mut Vec<String>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        serde_json::Value::Object(fields) => {
            fields.iter().for_each(|(name, value)| flatten(&below(name), value, lines))
        }
        serde_json::Value::Array(items) => {
            items.iter().enumerate().for_each(|(at, item)| flatten(&below(&at.to_string()), item, lines));
        }
        serde_json::Value::Null => {}
        serde_json::Value::String(text) => lines.push(format!("{path} = {text}")),
        other => lines.push(format!("{path} = {other}")),
    }
}

/// Prints by what the agent is known.
pub(super) fn thumbprint(here: &Here<'_>, args: &ShowThumbprintArgs) -> Result<Exit, Failure> {
    let directory = here.open()?;
    let mut draft = directory.read()?;
    if draft.identity.is_none() {
        let (name, now) = (here.host_name(), (here.clock)());
        draft = directory.edit(|draft| draft.identity_or_new(&name, now).map_err(|error: DirectoryError| error))?.1;
        terminal::tell("A new certificate has been generated and installed as none were yet available.");
    }
    let Some(held) = draft.identity else { return Err(Failure::says("there is no certificate")) };
    let (sha256, sha1) = (held.identity.thumbprint().to_string(), held.identity.sha1().to_string());
    let text = match args.format {
        ThumbprintFormat::Text => sha256,
        ThumbprintFormat::Json => {
            // In the order in which scripts of Octopus's users expect the first of them.
            format!("{{\"Thumbprint\":\"{sha256}\",\"Sha1Thumbprint\":\"{sha1}\"}}")
        }
    };
    match &args.export_file {
        None => terminal::print(&text)?,
        Some(path) => {
            std::fs::write(path, &text).map_err(|error| {
                Failure::failed(anyhow::Error::new(error).context(format!("cannot write {}", path.display())))
            })?;
            terminal::print(&format!("The thumbprint has been written to {}.", path.display()))?;
        }
    }
    Ok(Exit::Done)
}
