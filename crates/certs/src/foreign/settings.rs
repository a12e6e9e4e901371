//! Lines with settings: the INI of certbot, and the shell variables of acme.sh.

use zeroize::Zeroizing;

/// Is one setting.
pub(super) struct Setting {
    pub(super) key: String,
    /// What stands behind the first `=`, without quotes around it.
    pub(super) value: Zeroizing<String>,
}

/// Holds the settings of a file, in their order.
pub(super) struct Settings {
    all: Vec<Setting>,
    /// Numbers of lines that are none, from 1.
    pub(super) odd_lines: Vec<usize>,
}

impl Settings {
    /// Reads `key = value` in sections, and comments that begin with `#`.
    pub(super) fn parse(text: &str) -> Self {
        let mut settings = Self { all: Vec::new(), odd_lines: Vec::new() };
        let mut section = String::new();
        for (position, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                section = name.trim_matches(['[', ']', ' ']).to_owned();
                continue;
            }
            match line.split_once('=') {
                Some((key, value)) if is_key(key.trim(), &section) => settings.all.push(Setting {
                    key: key.trim().to_owned(),
                    value: Zeroizing::new(unquoted(value.trim()).to_owned()),
                }),
                _ => settings.odd_lines.push(position + 1),
            }
        }
        settings
    }

    /// The value of a key in any section, if it is not empty.
    pub(super) fn value(&self, key: &str) -> Option<&str> {
        self.all
            .iter()
            .find(|setting| setting.key == key)
            .map(|setting| setting.value.as_str())
            .filter(|v| !v.is_empty())
    }

    pub(super) fn all(&self) -> &[Setting] {
        &self.all
    }

    /// What is to be said about lines that are not understood; none if there are none. It quotes nothing.
    pub(super) fn complaint(&self) -> Option<String> {
        let (first, others) = self.odd_lines.split_first()?;
        Some(match others.len() {
            0 => format!("line {first} is no setting (KEY=VALUE) and was passed over"),
            more => format!("line {first} and {more} others are no settings (KEY=VALUE) and were passed over"),
        })
    }
}

/// Names that may stand in messages: something else in their place may be a secret.
fn is_key(key: &str, section: &str) -> bool {
    let is_usual = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    // The keys of certbot's webroot map are the names of hosts.
    let is_host = |byte: u8| is_usual(byte) || b".*:".contains(&byte);
    let all = |test: &dyn Fn(u8) -> bool| key.bytes().all(test);
    !key.is_empty() && key.len() <= MAX_KEY && if section == "webroot_map" { all(&is_host) } else { all(&is_usual) }
}

/// What is between quotes; without them, a comment behind the value is taken off, as people add them.
fn unquoted(value: &str) -> &str {
    for quote in ['\'', '"'] {
        if let Some((inner, _)) = value.strip_prefix(quote).and_then(|rest| rest.rsplit_once(quote)) {
            return inner;
        }
    }
    value.split(" #").next().unwrap_or(value).trim_end()
}

/// A value as it may stand in a message: short, and made of what names and paths are made of.
pub(super) fn shown(value: &str) -> &str {
    let is_usual = |c: char| c.is_ascii_alphanumeric() || " _-.,:/*~".contains(c);
    if value.len() <= MAX_SHOWN && value.chars().all(is_usual) { value } else { "(an odd value)" }
}

/// Longer than any that the programs write; a host name has at most 253 characters.
const MAX_KEY: usize = 253;
/// Enough for paths.
const MAX_SHOWN: usize = 200;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn settings_are_read_and_other_lines_are_counted_without_a_quote() {
        let settings = Settings::parse(
            "# renew_before_expiry = 30 days\nversion = 2.1\n[renewalparams]\nserver = \"https://ca.test/dir\"\n\
             [[webroot_map]]\nshop.test = /srv\nempty =\ngeheim\nSAVED'x=hidden\n",
        );
        assert_eq!(settings.value("version"), Some("2.1"));
        assert_eq!(settings.value("server"), Some("https://ca.test/dir"));
        assert_eq!(settings.value("renew_before_expiry"), None);
        assert_eq!(settings.value("empty"), None);
        assert_eq!(settings.value("shop.test"), Some("/srv"));
        assert_eq!(settings.odd_lines, [8, 9]);
        let complaint = settings.complaint().unwrap();
        assert!(complaint.starts_with("line 8 and 1 others"), "{complaint}");
        assert!(!complaint.contains("geheim") && !complaint.contains("hidden"), "{complaint}");
    }

    #[test]
    fn quotes_and_comments_are_no_part_of_a_value() {
        for (line, expected) in [
            ("a='it is # here'", "it is # here"),
            ("a = \"x, y\" # why", "x, y"),
            ("a = 21 days # why", "21 days"),
            ("a = https://ca.test/#dir", "https://ca.test/#dir"),
            ("a = '", "'"),
        ] {
            assert_eq!(Settings::parse(line).value("a"), Some(expected), "{line}");
        }
    }

    #[test]
    fn odd_values_are_not_shown() {
        assert_eq!(shown("/root/.secrets/cloudflare.ini"), "/root/.secrets/cloudflare.ini");
        assert_eq!(shown("\u{1b}[2J"), "(an odd value)");
    }
}
