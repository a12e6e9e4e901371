//! The password of a PFX: from a file, from stdin, or from the command line as Tentacle has it.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use anyhow::{Context, anyhow};
use zeroize::Zeroizing;

use super::{args::PfxPasswordArgs, failure::Failure};

/// Reads the password that the flags give; none if they give none.
pub(super) fn read(args: &PfxPasswordArgs) -> Result<Option<Zeroizing<String>>, Failure> {
    match (&args.pfx_password, &args.pfx_password_file) {
        (Some(password), _) => Ok(Some(Zeroizing::new(password.clone()))),
        (None, Some(path)) => from_file(path, "the password").map(Some),
        (None, None) => Ok(None),
    }
}

/// Reads a file of one line, or stdin for `-`; the end of the line does not count.
pub(super) fn from_file(path: &Path, what: &str) -> Result<Zeroizing<String>, Failure> {
    let text = if path == Path::new("-") {
        one_line(&mut io::stdin().lock()).with_context(|| format!("cannot read {what} from stdin"))
    } else {
        let cannot = || format!("cannot read {what} from {}", path.display());
        File::open(path).map_err(anyhow::Error::from).and_then(|mut file| one_line(&mut file)).with_context(cannot)
    };
    text.map_err(Failure::failed)
}

/// Reads all of a stream, which has one line.
pub(super) fn one_line(stream: &mut impl Read) -> anyhow::Result<Zeroizing<String>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(LIMIT));
    stream.take(LIMIT as u64).read_to_end(&mut bytes)?;
    if bytes.len() >= LIMIT {
        return Err(anyhow!("it is longer than {LIMIT} bytes; is it the right file?"));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| anyhow!("it is not UTF-8; save it as plain text in UTF-8"))?;
    let text = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
    if text.contains('\n') {
        return Err(anyhow!("it has more than one line; a password is one line"));
    }
    Ok(Zeroizing::new(text.to_owned()))
}

/// Longer than any password; a key file given by mistake ends here.
const LIMIT: usize = 4096;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_password_is_one_line_without_its_end() {
        for (content, expected) in [("secret", "secret"), ("secret\r\n", "secret"), (" a \n", " a "), ("", "")] {
            assert_eq!(*one_line(&mut content.as_bytes()).unwrap(), expected);
        }
        for content in [&b"one\ntwo\n"[..], b"\xff", &[b'x'; LIMIT]] {
            let refused = one_line(&mut &*content).unwrap_err().to_string();
            assert!(!refused.contains("two") && !refused.contains("xx"), "{refused}");
        }
    }
}
