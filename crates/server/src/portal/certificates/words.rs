//! Names in distinguished names, as people say them.

/// Who issued, out of a distinguished name: the organization, else the common name.
///
/// `CN=R13, O=Let's Encrypt, C=US` is "Let’s Encrypt".
pub(in crate::portal) fn issuer_name(dn: &str) -> String {
    let name = part(dn, "O").or_else(|| part(dn, "CN")).unwrap_or_else(|| dn.to_owned());
    name.replace('\'', "’")
}

/// The common name out of a distinguished name, else its organization, else all of it.
pub(in crate::portal) fn common_name(dn: &str) -> String {
    part(dn, "CN").or_else(|| part(dn, "O")).unwrap_or_else(|| dn.to_owned())
}

/// The value of the first attribute of that type (RFC 4514: a comma in a value has a backslash before it).
fn part(dn: &str, kind: &str) -> Option<String> {
    let mut rest = dn;
    loop {
        let (attribute, after) = split(rest);
        if let Some((name, value)) = attribute.trim().split_once('=')
            && name.trim() == kind
        {
            return Some(plain(value)).filter(|value| !value.is_empty());
        }
        rest = after?;
    }
}

fn split(dn: &str) -> (&str, Option<&str>) {
    let mut is_escaped = false;
    for (at, letter) in dn.char_indices() {
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            ',' | '+' => return (&dn[..at], Some(&dn[at + 1..])),
            _ => {}
        }
    }
    (dn, None)
}

fn plain(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let mut letters = value.trim().chars();
    while let Some(letter) = letters.next() {
        text.extend(if letter == '\\' { letters.next() } else { Some(letter) });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_issued_is_named_as_people_do() {
        for (dn, issuer, common) in [
            ("CN=R13, O=Let's Encrypt, C=US", "Let’s Encrypt", "R13"),
            ("CN=Pebble Intermediate CA 3f", "Pebble Intermediate CA 3f", "Pebble Intermediate CA 3f"),
            ("O=Acme\\, Inc., CN=Root", "Acme, Inc.", "Root"),
            ("", "", ""),
            ("OU=only", "OU=only", "OU=only"),
        ] {
            assert_eq!((issuer_name(dn), common_name(dn)), (issuer.to_owned(), common.to_owned()), "{dn}");
        }
    }
}
