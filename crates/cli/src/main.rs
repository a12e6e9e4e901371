//! The program `portward`: the server, and the commands that ask one.
//!
//! `args` is what was typed, `request` what is meant by it; `serve` runs the server.
//! Results go to stdout, messages to stderr, and [`exit::Exit`] says how it ended.

mod args;
mod clock;
mod declared_files;
mod exit;
mod failure;
mod foreign_files;
mod new_file;
mod password;
mod rail;
mod request;
mod secret_file;
mod serve;
mod show;
mod table;
mod target;
mod terminal;

use std::process::ExitCode;

use clap::Parser;

use crate::{args::Args, exit::Exit, failure::Failure, request::Task};

fn main() -> ExitCode {
    match run(Args::parse()) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            terminal::tell_failure(&failure);
            failure.exit.into()
        }
    }
}

fn run(args: Args) -> Result<Exit, Failure> {
    match Task::parse(args.command)? {
        Task::Serve(args) => serve::run(args),
        Task::Ask(request, server, format) => request.run(server, format),
    }
}
