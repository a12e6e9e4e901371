//! The command line: what was typed, what is done, and what is printed.
//!
//! Results go to stdout, messages to stderr. Commands are spelled as our nouns, and take the flags of Octopus's Tentacle.

mod args;
mod certificate;
mod failure;
mod join;
mod livez;
mod password;
mod proxy;
mod register;
mod run;
mod service;
mod show;
mod terminal;
mod thumbprints;
mod trust;

use std::{path::Path, process::ExitCode};

use clap::Parser;

use crate::{Clock, DataDirectory, control};
use args::{Args, Command};
use failure::{Exit, Failure};

/// Does what the command line says.
pub fn run(clock: Clock) -> ExitCode {
    match act(Args::parse(), &clock) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            terminal::tell(&failure.to_string());
            failure.exit.into()
        }
    }
}

fn act(args: Args, clock: &Clock) -> Result<Exit, Failure> {
    let here = Here { data_dir: &args.data_dir, clock };
    match args.command {
        Command::Run(args) => run::run(&here, &args),
        Command::Join(args) => join::join(&here, &args),
        Command::Status(args) => show::status(&here, &args),
        Command::ShowConfiguration(args) => show::configuration(&here, &args),
        Command::ShowThumbprint(args) => show::thumbprint(&here, &args),
        Command::NewCertificate(args) => certificate::make(&here, &args),
        Command::ImportCertificate(args) => certificate::import(&here, &args),
        Command::Configure(args) => trust::configure(&here, &args),
        Command::UpdateTrust(args) => trust::update(&here, &args),
        Command::PollServer(args) => trust::poll_server(&here, &args),
        Command::RegisterWith(args) => register::register(&here, &args),
        Command::Service(args) => service::act(&here, &args),
        Command::Livez(args) => livez::livez(&here, &args),
    }
}

/// Is where and when a command is run.
struct Here<'a> {
    data_dir: &'a Path,
    clock: &'a Clock,
}

impl Here<'_> {
    fn open(&self) -> Result<DataDirectory, Failure> {
        Ok(DataDirectory::open(self.data_dir)?)
    }

    /// Has the agent that runs on the directory take what was changed; gives whether there is one.
    fn tell(&self, directory: &DataDirectory) -> Result<bool, Failure> {
        control::tell(directory).map_err(Failure::failed)
    }

    /// What the machine calls itself.
    fn host_name(&self) -> String {
        rustix::system::uname().nodename().to_string_lossy().into_owned()
    }
}
