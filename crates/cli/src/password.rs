//! Passwords: read from stdin, from a file, or asked for on a terminal without echo.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead, IsTerminal, Read, Write},
    path::Path,
};

use anyhow::{Context, anyhow};
use portward_api::SecretText;
use rustix::termios::{self, LocalModes, OptionalActions, Termios};
use zeroize::Zeroizing;

use crate::{args::PasswordArgs, failure::Failure};

/// Reads the password that the flags point to; none if they point to none.
pub(crate) fn read(args: &PasswordArgs) -> Result<Option<SecretText>, Failure> {
    if args.password_stdin {
        if io::stdin().is_terminal() {
            return ask("Password: ").map(Some);
        }
        let line = first_line(io::stdin().lock()).context("cannot read the password from stdin")?;
        return Ok(Some(line));
    }
    args.password_file.as_deref().map(from_file).transpose()
}

/// Whether somebody can be asked.
pub(crate) fn can_ask() -> bool {
    io::stdin().is_terminal()
}

/// Asks on the terminal; what is typed is not shown.
pub(crate) fn ask(prompt: &str) -> Result<SecretText, Failure> {
    ask_silently(prompt).context("cannot ask for the password on the terminal").map_err(Failure::from)
}

/// Asks for a new password twice, as nobody sees a slip.
pub(crate) fn ask_new(prompt: &str) -> Result<SecretText, Failure> {
    let first = ask(prompt)?;
    if ask("The same again: ")? == first {
        Ok(first)
    } else {
        Err(Failure::failed(anyhow!("the two passwords differ; nothing was written")))
    }
}

fn from_file(path: &Path) -> Result<SecretText, Failure> {
    let cannot = || format!("cannot read the password from {}", path.display());
    let mut file = File::open(path).with_context(cannot)?;
    Ok(whole_line(&mut file).with_context(cannot)?)
}

/// Takes the first line of a stream that may stay open.
fn first_line(stream: impl BufRead) -> anyhow::Result<SecretText> {
    let mut line = Zeroizing::new(Vec::with_capacity(LIMIT));
    stream.take(LIMIT as u64).read_until(b'\n', &mut line)?;
    password(line)
}

/// Takes a file that has one line.
fn whole_line(file: &mut impl Read) -> anyhow::Result<SecretText> {
    let mut line = Zeroizing::new(Vec::with_capacity(LIMIT));
    file.take(LIMIT as u64).read_to_end(&mut line)?;
    password(line)
}

fn password(line: Zeroizing<Vec<u8>>) -> anyhow::Result<SecretText> {
    if line.len() >= LIMIT {
        return Err(anyhow!("it is longer than {LIMIT} bytes; is it the right file?"));
    }
    let text = std::str::from_utf8(&line).map_err(|_| anyhow!("it is not UTF-8; save it as plain text in UTF-8"))?;
    let text = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
    if text.contains('\n') {
        return Err(anyhow!("it has more than one line; a password is one line"));
    }
    Ok(SecretText::new(text.to_owned()))
}

fn ask_silently(prompt: &str) -> anyhow::Result<SecretText> {
    let mut terminal = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
    let line = {
        let quiet = Quiet::enter(&terminal)?;
        terminal.write_all(prompt.as_bytes())?;
        let mut line = Zeroizing::new(Vec::with_capacity(LIMIT));
        let mut byte = Zeroizing::new([0]);
        while line.len() < LIMIT && terminal.read(&mut *byte)? == 1 {
            line.push(byte[0]);
            if byte[0] == b'\n' {
                break;
            }
        }
        drop(quiet);
        line
    };
    terminal.write_all(b"\n")?;
    if line.is_empty() {
        return Err(anyhow!("nothing was entered"));
    }
    password(line)
}

/// Keeps a terminal from showing what is typed, until it is dropped.
struct Quiet {
    terminal: File,
    before: Termios,
}

impl Quiet {
    fn enter(terminal: &File) -> io::Result<Self> {
        let terminal = terminal.try_clone()?;
        let before = termios::tcgetattr(&terminal)?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        quiet.local_modes.insert(LocalModes::ICANON);
        termios::tcsetattr(&terminal, OptionalActions::Flush, &quiet)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // If it cannot be set back there is nothing left to try; `stty sane` does it.
        let _ = termios::tcsetattr(&self.terminal, OptionalActions::Now, &self.before);
    }
}

/// Longer than any password; a key file given by mistake ends here.
const LIMIT: usize = 4096;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_password_is_one_line_without_its_end() {
        for (content, expected) in [
            ("secret", "secret"),
            ("secret\n", "secret"),
            ("secret\r\n", "secret"),
            (" spaces count \n", " spaces count "),
            ("Käse\n", "Käse"),
            ("", ""),
            ("\n", ""),
            ("ends in return\r", "ends in return\r"),
        ] {
            assert_eq!(whole_line(&mut content.as_bytes()).unwrap().expose(), expected, "{content:?}");
            assert_eq!(first_line(content.as_bytes()).unwrap().expose(), expected, "{content:?}");
        }
    }

    #[test]
    fn a_stream_gives_its_first_line_and_a_file_must_have_no_other() {
        assert_eq!(first_line(&b"one\ntwo\n"[..]).unwrap().expose(), "one");
        assert!(whole_line(&mut &b"one\ntwo\n"[..]).unwrap_err().to_string().contains("more than one line"));
    }

    #[test]
    fn what_is_no_password_is_refused_without_being_quoted() {
        let utf16 = [0xff, 0xfe, b's', 0, b'e', 0];
        assert!(whole_line(&mut &utf16[..]).unwrap_err().to_string().contains("UTF-8"));
        let long = [b'x'; LIMIT + 1];
        let refused = whole_line(&mut &long[..]).unwrap_err().to_string();
        assert!(refused.contains("longer than 4096 bytes") && !refused.contains("xx"), "{refused}");
    }

    #[test]
    fn a_missing_password_file_is_named() {
        let refused = from_file(Path::new("/no-such-file")).unwrap_err().to_string();
        assert!(refused.starts_with("portward: cannot read the password from /no-such-file: "), "{refused}");
    }
}
