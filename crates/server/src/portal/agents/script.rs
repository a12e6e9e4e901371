//! The script that installs an agent and has it join: for Debian, Ubuntu, RHEL and their kin.
//!
//! Its join string goes to the agent on stdin, so that nobody sees it among the processes of the machine.

use portward_core::Timestamp;

use super::super::{equivalents::word, view::absolute};
use crate::app::AppError;

/// Is where the program `portward-agent` is taken from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Binary {
    /// A file on the machine.
    Path(String),
    /// An address that is asked over TLS.
    Url(String),
}

impl Binary {
    /// Reads it; nothing is the program in the directory in which the script is run.
    pub(super) fn parse(text: &str) -> Result<Self, AppError> {
        let text = text.trim();
        if text.chars().any(char::is_control) || text.len() > LONGEST {
            return Err(AppError::refused("invalid-value", "binary: it is one line: a path, or an https address"));
        }
        match text {
            "" => Ok(Self::Path("./portward-agent".to_owned())),
            url if url.starts_with("https://") => Ok(Self::Url(url.to_owned())),
            url if url.contains("://") => Err(AppError::refused(
                "invalid-value",
                "binary: take it over https, so that nobody on the way can put another program in its place",
            )),
            path => Ok(Self::Path(path.to_owned())),
        }
    }
}

/// Writes the script.
pub(super) fn write(name: &str, join_string: &str, expires: Option<Timestamp>, binary: &Binary) -> String {
    let until = expires.map_or_else(String::new, |at| format!(" until {}", absolute(at)));
    let take = match binary {
        Binary::Path(path) => format!("install -m 0755 -- {} \"$new\"", word(path)),
        Binary::Url(url) => format!(
            "if command -v curl >/dev/null; then\n  curl --fail --silent --show-error --location --proto '=https' --output \"$new\" {0}\nelse\n  wget --quiet --https-only --output-document=\"$new\" {0}\nfi\nchmod 0755 \"$new\"",
            word(url)
        ),
    };
    format!(
        "#!/bin/sh
# Installs the agent of Portward on this machine, and has it join as {name}.
# For Debian, Ubuntu, RHEL and their kin, run by systemd. Run it as root.
# It has a secret in it that counts once,{until}: keep it from others until then.
set -eu
umask 077
[ \"$(id -u)\" = 0 ] || {{ echo 'Run this as root.' >&2; exit 1; }}
agent=/usr/local/bin/portward-agent
new=$agent.new
trap 'rm -f \"$new\"' EXIT
{take}
\"$new\" --version
mv -f \"$new\" \"$agent\"
if command -v restorecon >/dev/null; then restorecon \"$agent\"; fi
\"$agent\" service install
\"$agent\" join - <<'END'
{join_string}
END
\"$agent\" service start
"
    )
}

const LONGEST: usize = 2000;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_program_comes_from_a_file_or_over_tls() {
        for (text, expected) in [
            ("", Some(Binary::Path("./portward-agent".to_owned()))),
            (" /srv/portward-agent ", Some(Binary::Path("/srv/portward-agent".to_owned()))),
            ("https://a.test/x", Some(Binary::Url("https://a.test/x".to_owned()))),
            ("http://a.test/x", None),
            ("ftp://a.test/x", None),
            ("a\nreboot", None),
        ] {
            assert_eq!(Binary::parse(text).ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn what_was_typed_is_one_word_and_the_secret_is_in_no_command() {
        let script = write("web-03", "pwa1_secret", None, &Binary::Path("/srv/it's; reboot".to_owned()));
        assert!(script.contains(r"install -m 0755 -- '/srv/it'\''s; reboot'"), "{script}");
        let url = write("web-03", "pwa1_secret", None, &Binary::Url("https://a.test/$(id)".to_owned()));
        assert!(url.contains("'https://a.test/$(id)'"), "{url}");
        // It stands alone on its line, which the agent reads.
        let lines: Vec<&str> = script.lines().filter(|line| line.contains("pwa1_secret")).collect();
        assert_eq!(lines, ["pwa1_secret"]);
    }

    /// The shell of Debian reads it.
    #[test]
    fn the_script_is_one_that_a_shell_can_read() {
        for binary in [Binary::Path("./portward-agent".to_owned()), Binary::Url("https://a.test/x".to_owned())] {
            let script = write("web-03", "pwa1_secret", None, &binary);
            let checked = std::process::Command::new("sh").args(["-n", "-c", &script]).output().unwrap();
            assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
        }
    }
}
