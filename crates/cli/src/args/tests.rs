//! The command line as scripts and people see it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use clap::{CommandFactory, error::ErrorKind};

use super::*;

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
    text.push_str(&format!("$ {} --help\n{help}\n", command.get_bin_name().unwrap_or("portward")));
    for inner in command.get_subcommands_mut() {
        write_help(inner, text);
    }
}

#[test]
fn every_command_that_does_something_has_examples() {
    fn check(command: &clap::Command) {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let long: Vec<&str> = help.lines().filter(|line| line.len() >= 80).collect();
        assert!(long.is_empty(), "{} has long lines: {long:#?}", path(command));
        if !command.has_subcommands() {
            assert!(help.contains(&format!("portward {}", path(command))), "{} has no example", path(command));
        }
        command.get_subcommands().for_each(check);
    }
    fn path(command: &clap::Command) -> &str {
        command.get_bin_name().unwrap_or_default().strip_prefix("portward ").unwrap_or_default()
    }
    let mut command = Args::command();
    command.build();
    check(&command);
}

#[test]
fn no_flag_takes_a_secret_from_the_command_line() {
    fn check(command: &clap::Command) {
        for argument in command.get_arguments() {
            let Some(flag) = argument.get_long() else { continue };
            // Octopus has it, whose scripts are to run; whoever uses it is told of who sees it.
            let is_octopus = flag == "pfx-password";
            let ends = |word: &str| flag == word || flag.ends_with(&format!("-{word}"));
            let is_secret = argument.get_action().takes_values()
                && ["password", "token", "secret", "mac-key"].iter().any(|word| ends(word))
                && !is_octopus;
            // A file with a secret in it may be named.
            let is_file =
                argument.get_value_names().is_some_and(|names| names.iter().any(|name| name.ends_with("FILE")));
            assert!(!is_secret || is_file, "--{flag} of {} would show a secret to every user", command.get_name());
        }
        command.get_subcommands().for_each(check);
    }
    check(&Args::command());
}

#[test]
fn words_that_make_no_sense_are_refused() {
    for (words, expected) in [
        ("bogus", ErrorKind::InvalidSubcommand),
        ("status --bogus", ErrorKind::UnknownArgument),
        ("status --url https://a.test --data-dir /d", ErrorKind::ArgumentConflict),
        ("status -o yaml", ErrorKind::InvalidValue),
        ("binding", ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand),
        ("binding add", ErrorKind::MissingRequiredArgument),
        ("binding remove", ErrorKind::MissingRequiredArgument),
        ("site add --upstream http://a.test", ErrorKind::MissingRequiredArgument),
        ("site edit id --force-https sometimes", ErrorKind::InvalidValue),
        ("site edit id --upstream-pin 00 --danger-upstream-insecure", ErrorKind::ArgumentConflict),
        ("site edit id --upstream-pin 00 --upstream-ca ca.pem", ErrorKind::ArgumentConflict),
        ("certificate import", ErrorKind::MissingRequiredArgument),
        ("certificate import a.pfx --password hunter2", ErrorKind::UnknownArgument),
        ("certificate import a.pfx --password-stdin --password-file f", ErrorKind::ArgumentConflict),
        ("certificate new-self-signed", ErrorKind::MissingRequiredArgument),
        ("certificate new-self-signed a.test --days 0", ErrorKind::ValueValidation),
        ("certificate export id --format pem", ErrorKind::MissingRequiredArgument),
        ("certificate export id --format der --out f", ErrorKind::InvalidValue),
        ("certificate request", ErrorKind::MissingRequiredArgument),
        ("certificate request a.test --challenge http", ErrorKind::InvalidValue),
        ("certificate request a.test --key rsa", ErrorKind::InvalidValue),
        ("certificate request a.test --renew-days-before 0", ErrorKind::ValueValidation),
        ("certificate request a.test --wait --dry-run", ErrorKind::ArgumentConflict),
        ("certificate revoke id --reason bored", ErrorKind::InvalidValue),
        ("letsencrypt configure --email a@b.test", ErrorKind::MissingRequiredArgument),
        ("letsencrypt configure --dns-name a.test --staging --directory https://b.test", ErrorKind::ArgumentConflict),
        ("letsencrypt configure --dns-name a.test --directory-ca f", ErrorKind::MissingRequiredArgument),
        ("letsencrypt configure --dns-name a.test --https-port 0", ErrorKind::ValueValidation),
        ("letsencrypt configure --dns-name a.test --wait --dry-run", ErrorKind::ArgumentConflict),
        ("acme", ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand),
        ("acme issuer add", ErrorKind::MissingRequiredArgument),
        ("acme issuer add letsencrypt --eab-key-id k", ErrorKind::MissingRequiredArgument),
        ("acme issuer add letsencrypt --eab-mac-key-file f", ErrorKind::MissingRequiredArgument),
        ("acme issuer add letsencrypt --eab-mac-key hunter2", ErrorKind::UnknownArgument),
        ("acme issuer add letsencrypt --http-port 65536", ErrorKind::ValueValidation),
        ("acme account rollover", ErrorKind::MissingRequiredArgument),
        ("acme dns add", ErrorKind::MissingRequiredArgument),
        ("acme simulate", ErrorKind::MissingRequiredArgument),
        ("import apache /etc", ErrorKind::InvalidValue),
        ("import certbot", ErrorKind::MissingRequiredArgument),
        ("agent", ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand),
        ("agent add", ErrorKind::MissingRequiredArgument),
        ("agent check", ErrorKind::MissingRequiredArgument),
        ("agent check a --all", ErrorKind::ArgumentConflict),
        ("agent trust a", ErrorKind::MissingRequiredArgument),
        ("delivery add --agent a --certificate c --format pem", ErrorKind::MissingRequiredArgument),
        ("delivery add --agent a --certificate c --format pfx --to /a --password x", ErrorKind::UnknownArgument),
        ("identity import", ErrorKind::MissingRequiredArgument),
        ("identity import a --from-file b", ErrorKind::ArgumentConflict),
        ("identity export", ErrorKind::MissingRequiredArgument),
        ("identity import a --pfx-password-file f --pfx-password p", ErrorKind::ArgumentConflict),
        ("import-certificate", ErrorKind::MissingRequiredArgument),
        ("show-thumbprint --format xml", ErrorKind::InvalidValue),
        ("store backup", ErrorKind::MissingRequiredArgument),
        ("store restore", ErrorKind::MissingRequiredArgument),
        ("serve --workers 0", ErrorKind::ValueValidation),
        ("serve --url https://a.test", ErrorKind::UnknownArgument),
    ] {
        let error = Args::try_parse_from(std::iter::once("portward").chain(words.split(' '))).unwrap_err();
        assert_eq!(error.kind(), expected, "{words}");
        assert_eq!(error.exit_code(), 2, "{words}");
    }
}

#[test]
fn the_spelling_of_octopus_is_an_alias() {
    for noun in ["letsencrypt", "lets-encrypt"] {
        let words = ["portward", noun, "configure", "--dns-name", "shop.test", "--accept-terms"];
        let Command::LetsEncrypt(LetsEncryptCommand::Configure(args)) = Args::try_parse_from(words).unwrap().command
        else {
            panic!("{noun} is something else")
        };
        assert_eq!((args.dns_name.as_str(), args.accept_terms), ("shop.test", true));
    }
}

#[test]
fn every_command_that_a_remedy_names_can_be_typed() {
    let snapshots = concat!(env!("CARGO_MANIFEST_DIR"), "/../core/src/acme/diagnosis/tests/snapshots");
    let mut commands = std::collections::BTreeSet::new();
    for file in std::fs::read_dir(snapshots).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        let quoted = text.split('`').skip(1).step_by(2).filter(|quoted| quoted.starts_with("portward "));
        commands.extend(quoted.map(str::to_owned));
    }
    assert!(commands.len() > 20, "{commands:?}");
    let wrong = commands.into_iter().filter_map(|command| {
        let words = command.split_whitespace().map(|word| word.trim_matches('\''));
        let error = Args::try_parse_from(words).err()?;
        Some(format!("{command}: {error}"))
    });
    let wrong: Vec<String> = wrong.collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The words of each command of the program that a page shows after a prompt, as a shell would give them.
fn commands(page: &str) -> Vec<Vec<String>> {
    let lines = page.replace("\\\n", " ");
    let shown = lines.lines().filter_map(|line| line.trim_start().strip_prefix("$ "));
    let words = |line: &str| -> Vec<String> {
        let (mut words, mut quote) = (vec![String::new()], None);
        for letter in line.chars() {
            match (letter, quote) {
                ('#' | '|' | '>' | '<' | '&' | ';' | '(', None) => break,
                ('\'' | '"', None) => quote = Some(letter),
                (letter, Some(open)) if letter == open => quote = None,
                (letter, None) if letter.is_whitespace() => words.push(String::new()),
                (letter, _) => words.last_mut().unwrap().push(letter),
            }
        }
        words.into_iter().filter(|word| !word.is_empty()).collect()
    };
    let commands = shown.map(words);
    commands.filter(|words| words.first().is_some_and(|word| word == "portward")).collect()
}

/// Whoever copies a command from a page is not told that it makes no sense.
#[test]
fn what_the_pages_show_is_understood() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let docs = std::fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages = docs.filter(|path| path.extension().is_some_and(|kind| kind == "md")).chain([root.join("README.md")]);
    let (mut seen, mut wrong) = (0, Vec::new());
    for path in pages {
        for words in commands(&std::fs::read_to_string(&path).unwrap()) {
            seen += 1;
            if let Err(error) = Args::try_parse_from(&words)
                && !matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion)
            {
                wrong.push(format!("{}: {}\n{error}", path.display(), words.join(" ")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 20, "{seen} commands are shown");
}
