//! The command line as scripts and people see it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use clap::{CommandFactory, error::ErrorKind};

use super::*;

fn parse(words: &str) -> Result<Args, clap::Error> {
    Args::try_parse_from(std::iter::once("portward-agent").chain(words.split(' ')))
}

#[test]
fn the_definition_of_the_command_line_holds() {
    Args::command().debug_assert();
}

#[test]
fn help_of_every_command_is_as_it_was() {
    let mut command = Args::command().term_width(80);
    command.build();
    let mut text = String::new();
    write_help(&mut command, &mut text);
    insta::assert_snapshot!("help", text);
}

fn write_help(command: &mut clap::Command, text: &mut String) {
    let help = command.render_help();
    text.push_str(&format!("$ {} --help\n{help}\n", command.get_bin_name().unwrap_or("portward-agent")));
    for inner in command.get_subcommands_mut() {
        write_help(inner, text);
    }
}

#[test]
fn every_command_that_does_something_has_examples() {
    fn check(command: &clap::Command) {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let long: Vec<&str> = help.lines().filter(|line| line.len() >= 81).collect();
        assert!(long.is_empty(), "{} has long lines: {long:#?}", command.get_name());
        if !command.has_subcommands() {
            let name = command.get_bin_name().unwrap_or_default().to_owned();
            assert!(help.contains(&name), "{name} has no example");
        }
        command.get_subcommands().for_each(check);
    }
    let mut command = Args::command();
    command.build();
    check(&command);
}

#[test]
fn words_that_make_no_sense_are_refused() {
    for (words, expected) in [
        ("bogus", ErrorKind::InvalidSubcommand),
        ("status --bogus", ErrorKind::UnknownArgument),
        ("join", ErrorKind::MissingRequiredArgument),
        ("run --port 65536", ErrorKind::ValueValidation),
        ("configure --proxy-password-file f", ErrorKind::MissingRequiredArgument),
        ("update-trust --old-thumbprint=a", ErrorKind::MissingRequiredArgument),
        ("import-certificate -f a --pfx-password a --pfx-password-file b", ErrorKind::ArgumentConflict),
        ("show-thumbprint --format xml", ErrorKind::InvalidValue),
        ("service", ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand),
    ] {
        let error = parse(words).unwrap_err();
        assert_eq!(error.kind(), expected, "{words}");
        assert_eq!(error.exit_code(), 2, "{words}");
    }
}

#[test]
fn the_spellings_of_octopus_are_aliases() {
    let Command::Configure(args) =
        parse("configure --noListen True --listenIpAddress any --removeTrust a --trust b --trust c --resetTrust")
            .unwrap()
            .command
    else {
        panic!("it is something else")
    };
    assert_eq!((args.no_listen, args.listen_address.as_deref()), (Some(true), Some("any")));
    assert_eq!((args.trust.len(), args.remove_trust.len(), args.reset_trust), (2, 1, true));
    for words in [
        "configure --noListen=false",
        "configure --no-listen",
        "update-trust --oldThumbprint=a --newThumbprint=b",
        "import-certificate -f a.pfx --pw secret",
        "import-certificate --from-file=a.pfx --pfx-password=secret",
        "new-certificate -b",
        "show-thumbprint -e f --thumbprint-only --format=JSON",
        "poll-server --server-comms-address=https://a.test --server-comms-port=10943 --thumbprint=a",
        "run --instance Tentacle --noninteractive",
        "agent",
        "service --install --start --instance Tentacle",
        "service install --print",
        "register-with --server https://a.test --apiKey API-1 --name a --comms-style TentaclePassive",
        "livez --max-age=60",
        "show-thumbprint --data-dir /d",
    ] {
        assert!(parse(words).is_ok(), "{words}: {}", parse(words).unwrap_err());
    }
}
