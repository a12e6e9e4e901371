//! PEM (RFC 7468), as people paste it: in any order, with text around, with any line ends.

mod legacy;
pub(crate) mod text;

use base64::{
    Engine,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use zeroize::Zeroizing;

pub(crate) use legacy::decrypt_legacy;

/// Is what stands between one BEGIN line and its END line.
pub(crate) struct Block<'a> {
    /// As in `RSA PRIVATE KEY`.
    pub(crate) label: &'a str,
    /// The value of `DEK-Info`, if the block has one: it is encrypted in the manner of RFC 1421.
    pub(crate) encryption: Option<&'a str>,
    pub(crate) der: Zeroizing<Vec<u8>>,
}

/// Says what is wrong with a block. It never quotes content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PemError(pub(crate) String);

/// Reads all blocks; text around them is passed over.
pub(crate) fn blocks(text: &str) -> Result<Vec<Block<'_>>, PemError> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(begin) = rest.find(BEGIN) {
        rest = &rest[begin + BEGIN.len()..];
        let line_end = rest.find(['\r', '\n']).unwrap_or(rest.len());
        let label_end = rest[..line_end].find(DASHES).ok_or_else(|| PemError("a BEGIN line is cut off".to_owned()))?;
        let label = &rest[..label_end];
        rest = &rest[label_end + DASHES.len()..];
        let end = rest.find(END).ok_or_else(|| PemError(format!("the block {} has no END line", shown(label))))?;
        let body = &rest[..end];
        if body.contains(BEGIN) {
            return Err(PemError(format!("the block {} has no END line", shown(label))));
        }
        rest = &rest[end + END.len()..];
        rest = rest.strip_prefix(label).and_then(|rest| rest.strip_prefix(DASHES)).ok_or_else(|| {
            PemError(format!("the END line of the block {} is cut off or names another block", shown(label)))
        })?;
        found.push(block(label, body)?);
    }
    Ok(found)
}

fn block<'a>(label: &'a str, body: &'a str) -> Result<Block<'a>, PemError> {
    let mut encryption = None;
    let mut base64 = Zeroizing::new(String::with_capacity(body.len()));
    for line in body.lines().map(str::trim) {
        match line.split_once(':') {
            Some(("DEK-Info", value)) => encryption = Some(value.trim()),
            // Other headers, such as `Proc-Type` and those of old Netscape tools, say nothing that is needed.
            Some(_) => {}
            None => base64.extend(line.chars().filter(|character| !character.is_whitespace())),
        }
    }
    let der = decode_base64(&base64).ok_or_else(|| PemError(format!("the block {} is not base64", shown(label))))?;
    Ok(Block { label, encryption, der })
}

/// A label, or the name of a cipher, as it may stand in a message; something else in its place may be a secret.
pub(crate) fn shown(label: &str) -> &str {
    let is_usual = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || " #-".contains(c);
    if label.len() <= MAX_LABEL && label.chars().all(is_usual) { label } else { "with an odd name" }
}

/// Decodes base64 without white space, with or without the padding at its end.
pub(crate) fn decode_base64(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    const ENGINE: GeneralPurpose = GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    ENGINE.decode(text).ok().filter(|bytes| !bytes.is_empty()).map(Zeroizing::new)
}

/// Writes one block in lines of 64 characters.
pub(crate) fn write(label: &str, der: &[u8], out: &mut String) {
    let base64 = Zeroizing::new(base64::engine::general_purpose::STANDARD.encode(der));
    out.push_str(&format!("{BEGIN}{label}{DASHES}\n"));
    for line in base64.as_bytes().chunks(64) {
        out.extend(line.iter().map(|byte| char::from(*byte)));
        out.push('\n');
    }
    out.push_str(&format!("{END}{label}{DASHES}\n"));
}

/// Whether there is any block in the text.
pub(crate) fn is_pem(text: &str) -> bool {
    text.contains(BEGIN)
}

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";
/// Longer than any that is in use.
const MAX_LABEL: usize = 40;

#[cfg(test)]
mod tests;
