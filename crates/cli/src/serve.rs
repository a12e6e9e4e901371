//! `portward serve`: starts the server, says that it is ready, and ends it at a signal.

use std::{convert::Infallible, num::NonZeroUsize, path::Path, sync::Arc, time::Duration};

use anyhow::Context;
use portward_api::SetupLinkView;
use portward_server::{AccessLog, AccessLogOptions, HttpTimeouts, Inherited, Server, ServerOptions, StartError};
use tokio::{
    runtime,
    signal::unix::{Signal, SignalKind, signal},
};

use crate::{
    args::{Format, ServeArgs},
    clock,
    exit::Exit,
    failure::Failure,
    target::Environment,
    terminal::Terminal,
};

mod config_file;
mod inherited;
mod log;
mod options;
mod ready;
mod supervisor;

use config_file::ConfigFile;
use options::Options;

/// Serves until a signal ends it.
pub(crate) fn run(args: ServeArgs) -> Result<Exit, Failure> {
    let file = args.config.as_deref().map(ConfigFile::read).transpose().map_err(Failure::configuration)?;
    let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let Options { data_dir, http, https, admin, upstream, workers, access_log, limits } =
        Options::resolve(args, file, Environment::read().data_dir, cores)?;
    log::start()?;
    let inherited = inherited::take()?;
    let access_log = access_log
        .map(|(to, format)| AccessLog::open(AccessLogOptions { to, format, clock: Arc::new(clock::since_1970) }));
    let access_log = access_log.transpose().map_err(Failure::configuration)?;
    let options = ServerOptions {
        data_dir,
        http,
        https,
        admin,
        upstream,
        workers,
        limits,
        clock: Arc::new(clock::now),
        host_name: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        acme_timeouts: HttpTimeouts::default(),
        access_log: access_log.clone(),
        arguments: Some(std::env::args_os().skip(1).collect()),
    };
    let control = runtime::Builder::new_multi_thread()
        .worker_threads(CONTROL_THREADS)
        .thread_name("portward-control")
        .enable_all()
        .build()
        .context("the threads of the control plane cannot be started")?;
    let ended = control.block_on(serve(options, inherited, access_log.clone()));
    if let Some(access_log) = access_log {
        access_log.finish(LAST_LINES);
    }
    // Whoever ends the program a second time does not wait for what blocks.
    control.shutdown_background();
    ended
}

async fn serve(options: ServerOptions, inherited: Inherited, access_log: Option<AccessLog>) -> Result<Exit, Failure> {
    // Before anything is opened: a signal during the start ends it in order.
    let mut signals = Signals::catch(access_log).context("signals cannot be caught")?;
    let mut upgrades = signal(SignalKind::user_defined2()).context("signals cannot be caught")?;
    // Whoever waited for the line, and the link of the first owner, has had them from the process before.
    let is_first = !matches!(inherited, Inherited::Handover(_));
    // As it is now: a program that is replaced in its place is the one that is wanted later.
    let own = std::env::current_exe().context("the path of this program cannot be found")?;
    let server = tokio::select! {
        started = Server::start_with(options, inherited) => started?,
        signal = signals.end() => {
            tracing::info!(signal, "ended before the start was complete");
            return Ok(Exit::Done);
        }
    };
    let bound = server.bound();
    for binding in &bound {
        if let Err(problem) = &binding.result {
            tracing::error!(binding.id = %binding.id, problem, "a binding is not bound");
        }
    }
    let terminal = Terminal::new(Format::Table);
    supervisor::ready();
    tokio::spawn(supervisor::watchdog());
    if is_first {
        terminal.write(ready::line(&bound, server.admin_address()).as_bytes())?;
        match server.setup_link().await {
            Ok(Some(link)) => tell_setup(terminal, &link)?,
            Ok(None) => {}
            // What is served is served without an owner too.
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "portward setup-link makes one later");
            }
        }
    }

    let followed_by = tokio::select! {
        process = server.handed_over() => Some(process),
        signal = signals.end() => {
            tracing::info!(signal, "draining; a second signal ends at once");
            None
        }
        never = upgrade_at_signal(&server, &own, &mut upgrades) => match never {},
    };
    let drained = async {
        match followed_by {
            Some(process) => {
                supervisor::followed_by(process);
                server.leave().await
            }
            None => {
                supervisor::stopping();
                server.drain().await
            }
        }
    };
    tokio::select! {
        drained = drained => {
            tracing::info!(connections.finished = drained.finished, connections.cut = drained.cut, "ended");
        }
        signal = signals.end() => tracing::warn!(signal, "ended at once; connections were cut"),
    }
    Ok(Exit::Done)
}

/// Has the program in the place of this one take over at each SIGUSR2, if it can.
async fn upgrade_at_signal(server: &Server, own: &Path, signals: &mut Signal) -> Infallible {
    loop {
        let _ = signals.recv().await;
        if let Err(error) = server.upgrade(own).await {
            tracing::error!(error = &error as &dyn std::error::Error, "no other program has taken over");
        }
    }
}

/// Tells how the first owner comes: the one secret that is ever written to a log, which counts once and for an hour.
fn tell_setup(terminal: Terminal, link: &SetupLinkView) -> Result<(), Failure> {
    let best = link.link.as_ref().unwrap_or(&link.loopback_link);
    tracing::info!(
        setup.link = best.expose(),
        setup.loopback_link = link.loopback_link.expose(),
        certificate.thumbprint = link.thumbprint.as_deref(),
        setup.expires = link.expires,
        setup.file = link.file,
        "this server has no owner yet: open the setup link"
    );
    terminal.write(ready::setup_line(link).as_bytes())
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        if error.is_configuration() { Self::configuration(error) } else { Self::failed(error) }
    }
}

/// Waits for the signals that end the program.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    access_log: Option<AccessLog>,
}

impl Signals {
    fn catch(access_log: Option<AccessLog>) -> std::io::Result<Self> {
        Ok(Self {
            access_log,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// The name of the next one; SIGHUP, by which others are told to reload, opens the access log anew and ends nothing.
    async fn end(&mut self) -> &'static str {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return "SIGTERM",
                _ = self.interrupt.recv() => return "SIGINT",
                _ = self.hangup.recv() => match &self.access_log {
                    Some(access_log) => {
                        supervisor::reloading();
                        access_log.reopen();
                        supervisor::ready();
                    }
                    None => tracing::info!("nothing to reload: changes are in effect at once"),
                },
            }
        }
    }
}

/// A disk that takes longer for the last lines of the access log is not waited for.
const LAST_LINES: Duration = Duration::from_secs(2);

/// One publishes while the other answers operators.
const CONTROL_THREADS: usize = 2;
