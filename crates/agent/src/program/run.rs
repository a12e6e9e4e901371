//! `portward-agent run`: keeps the links until a signal ends it.

use std::{io, net::IpAddr, sync::Arc};

use anyhow::{Context, anyhow};
use sd_notify::NotifyState;
use tokio::{
    runtime,
    signal::unix::{Signal, SignalKind, signal},
};
use tracing_subscriber::EnvFilter;

use super::{
    Here,
    args::RunArgs,
    failure::{Exit, Failure},
    terminal, trust,
};
use crate::{Agent, AgentOptions, ListenOptions};

/// Runs the agent.
pub(super) fn run(here: &Here<'_>, args: &RunArgs) -> Result<Exit, Failure> {
    start_log()?;
    let address: Option<Option<IpAddr>> = args.listen_address.as_deref().map(trust::listen_address).transpose()?;
    let on = match args.no_listen {
        Some(no_listen) => Some(!no_listen),
        // Whoever names an address or a port wants it used.
        None if address.is_some() => Some(true),
        None => None,
    };
    let options = AgentOptions {
        data_dir: here.data_dir.to_owned(),
        clock: Arc::clone(here.clock),
        host_name: here.host_name(),
        listen: ListenOptions { on, address: address.flatten(), port: args.port },
        policy: args.policy.clone(),
    };
    let threads = runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .thread_name("portward-agent")
        .enable_all()
        .build()
        .context("the threads of the agent cannot be started")?;
    let ended = threads.block_on(serve(options));
    threads.shutdown_background();
    ended
}

async fn serve(options: AgentOptions) -> Result<Exit, Failure> {
    let catch = |kind| signal(kind).context("signals cannot be caught");
    let mut signals = (catch(SignalKind::terminate())?, catch(SignalKind::interrupt())?, catch(SignalKind::hangup())?);
    let agent = Agent::begin(options).await?;
    terminal::print("ready")?;
    tell_systemd(NotifyState::Ready);
    let name = next(&mut signals).await;
    tracing::info!(signal = name, "ending");
    tell_systemd(NotifyState::Stopping);
    agent.stop().await;
    Ok(Exit::Done)
}

/// Tells it to systemd (sd_notify(3)), if that waits to hear it.
fn tell_systemd(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "systemd could not be told how far this is");
    }
}

/// The name of the next signal that ends it; SIGHUP, by which others are told to reload, ends nothing.
async fn next((terminate, interrupt, hangup): &mut (Signal, Signal, Signal)) -> &'static str {
    loop {
        tokio::select! {
            _ = terminate.recv() => return "SIGTERM",
            _ = interrupt.recv() => return "SIGINT",
            _ = hangup.recv() => tracing::info!("nothing to reload: changes count at once"),
        }
    }
}

/// Starts logging, as `PORTWARD_LOG` (else `RUST_LOG`) and `PORTWARD_LOG_FORMAT` say.
fn start_log() -> Result<(), Failure> {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let words = variable("PORTWARD_LOG").or_else(|| variable("RUST_LOG"));
    let filter = EnvFilter::try_new(words.as_deref().unwrap_or("info"))
        .context("PORTWARD_LOG cannot be read; it is a level like info, or info,portward_agent=debug")
        .map_err(Failure::configuration)?;
    let is_json = match variable("PORTWARD_LOG_FORMAT").as_deref() {
        None | Some("text") => false,
        Some("json") => true,
        Some(other) => {
            return Err(Failure::configuration(anyhow!(
                "PORTWARD_LOG_FORMAT is \"{other}\", which is neither text nor json"
            )));
        }
    };
    let colours = !is_json && io::IsTerminal::is_terminal(&io::stderr()) && variable("NO_COLOR").is_none();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(colours);
    let started = if is_json { log.json().flatten_event(true).try_init() } else { log.try_init() };
    started.map_err(|error| Failure::failed(anyhow!("logging cannot start: {error}")))
}

/// Links wait most of the time; one thread goes on while another one signs.
const THREADS: usize = 2;
