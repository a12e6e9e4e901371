//! Secrets of others in files: tokens, keys, credentials of DNS providers.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use anyhow::{Context, anyhow};
use portward_api::SecretText;
use zeroize::Zeroizing;

use crate::failure::Failure;

/// Reads a file, or stdin for `-`; the end of its last line does not count.
pub(crate) fn read(path: &Path, what: &str) -> Result<SecretText, Failure> {
    if is_stdin(path) {
        let secret = whole(&mut io::stdin().lock());
        return secret.with_context(|| format!("cannot read {what} from stdin")).map_err(Failure::from);
    }
    let mut file = match File::open(path) {
        // A secret that was given in place of a file is not written to a log.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(Failure::failed(anyhow!(
                "{what} is not in a file of that name; give the name of a file that has it, or - for stdin"
            )));
        }
        opened => opened.with_context(|| format!("cannot read {what} from {}", path.display()))?,
    };
    Ok(whole(&mut file).with_context(|| format!("cannot read {what} from {}", path.display()))?)
}

/// Whether that stands for stdin.
pub(crate) fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

fn whole(stream: &mut impl Read) -> anyhow::Result<SecretText> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(LIMIT + 1));
    stream.take(LIMIT as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > LIMIT {
        return Err(anyhow!("it is longer than {} KiB; is it the right file?", LIMIT / 1024));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| anyhow!("it is not UTF-8; save it as plain text in UTF-8"))?;
    let text = text.trim_end_matches(['\n', '\r']);
    if text.is_empty() {
        return Err(anyhow!("it is empty"));
    }
    Ok(SecretText::new(text.to_owned()))
}

/// Longer than any credential, those with several keys in JSON among them.
const LIMIT: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_secret_is_the_whole_file_without_the_end_of_its_last_line() {
        for (content, expected) in
            [("token", "token"), ("token\r\n", "token"), ("{\n \"a\": 1\n}\n", "{\n \"a\": 1\n}")]
        {
            assert_eq!(whole(&mut content.as_bytes()).unwrap().expose(), expected);
        }
    }

    #[test]
    fn what_is_no_secret_is_refused_without_being_quoted() {
        let long = [b'x'; LIMIT + 1];
        for (content, reason) in
            [(&b"\n"[..], "it is empty"), (b"m\xff", "it is not UTF-8"), (&long, "longer than 64 KiB")]
        {
            let refused = whole(&mut &*content).unwrap_err().to_string();
            assert!(refused.contains(reason) && !refused.contains("xx"), "{refused}");
        }
    }

    #[test]
    fn a_secret_in_place_of_a_file_is_not_told() {
        let refused = read(Path::new("hunter2"), "the secret api-token").unwrap_err().to_string();
        assert!(refused.starts_with("portward: the secret api-token is not in a file of that name"), "{refused}");
        assert!(!refused.contains("hunter2"), "{refused}");
    }
}
