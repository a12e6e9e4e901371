//! Certificates that agents install on their machines.

use std::{fmt, sync::Arc, time::Duration};

use crate::{AgentName, CertificateId, DeliveryId, DialAddress, Host};

/// Is what is wanted on a machine: a certificate, in a form, at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Names the delivery.
    pub id: DeliveryId,
    /// Whose machine it is.
    pub agent: AgentName,
    /// Which certificate; its version in use is wanted.
    pub certificate: CertificateId,
    /// In which form.
    pub format: DeliveryFormat,
    /// Where: as many files as the format has.
    pub to: Vec<DeliveryPath>,
    /// Who owns the files.
    pub owner: FileOwner,
    /// Who may read them.
    pub mode: FileMode,
    /// How the program that uses them is told; none if it looks by itself.
    pub reload: Option<ProfileName>,
    /// Where it is seen that the program uses them; none if nobody can see it.
    pub verify: Option<Verify>,
}

/// Is the form of what is delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeliveryFormat {
    /// PEM in two files: leaf with its issuers, and private key (nginx, Apache).
    Pem,
    /// PEM in one file: private key, leaf and its issuers (HAProxy, nginx, Apache).
    PemCombined,
    /// One PFX file, as Windows and .NET read it.
    Pfx,
    /// One PKCS #12 file as Java reads it as a key store.
    Pkcs12Java,
    /// DER in two files: leaf, and private key as PKCS #8.
    Der,
}

/// Is an absolute path of a file on an agent's machine, without `.` and `..`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryPath(Arc<str>);

/// Names how a program is told of new files, in the policy of the agent.
///
/// The commands themselves are in the policy, which the server cannot change.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProfileName(Arc<str>);

/// Says who owns delivered files: user and group by name or number; root and its group where nothing is said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct FileOwner {
    /// The user.
    pub user: Option<Arc<str>>,
    /// The group.
    pub group: Option<Arc<str>>,
}

/// Says who may read delivered files: permission bits, of which others have none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileMode(u32);

/// Says where an agent connects to see which certificate is served.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Verify {
    /// Where.
    pub address: DialAddress,
    /// Which name is asked for in SNI; without, the first name of the certificate.
    pub name: Option<Host>,
}

/// Says why a text is nothing that a delivery can have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryError {
    /// Not a format.
    #[error("\"{0}\" is not a format; it is one of pem, pem-combined, pfx, pkcs12-java, der")]
    Format(String),
    /// Not a path.
    #[error(
        "\"{0}\" is not a path for a file: it begins with /, has no empty part, no \".\" and \"..\", no control character, at most 1024 bytes, and names a file, as in /etc/nginx/tls/site.pem"
    )]
    Path(String),
    /// Not a profile.
    #[error("\"{0}\" is not the name of a profile: 1 to 64 of the characters a-z, 0-9 and -, as in nginx")]
    Profile(String),
    /// Not an owner.
    #[error("\"{0}\" is not an owner: it is USER, USER:GROUP or :GROUP, as in root:ssl-cert")]
    Owner(String),
    /// Not a mode.
    #[error("\"{0}\" is not a mode for a private key: three octal digits that give others nothing, as in 600 or 640")]
    Mode(String),
    /// Not an address.
    #[error(
        "\"{0}\" is not an address to verify: it is HOST:PORT, or NAME@HOST:PORT to ask for another name, as in 127.0.0.1:443"
    )]
    Verify(String),
    /// As many paths as the format has no files.
    #[error("{format} has {expected}: {what}; {came} paths were given")]
    Paths {
        /// The format.
        format: DeliveryFormat,
        /// How many it has, as a text.
        expected: &'static str,
        /// What they are.
        what: &'static str,
        /// How many were given.
        came: usize,
    },
    /// The same path twice.
    #[error("\"{0}\" is given twice; each file has a place of its own")]
    Twice(DeliveryPath),
}

/// Says how many machines may be given a new version now: one, then a tenth, then all that are left.
///
/// `total` machines want it, `installed` have it and were seen to be well, `running` are at it. A machine on which it did
/// not work (`is_stopped`) keeps it from all others that do not have it.
pub fn wave(total: usize, installed: usize, running: usize, is_stopped: bool) -> usize {
    if is_stopped {
        return 0;
    }
    let tenth = total.div_ceil(10).max(1);
    let reach = match installed {
        0 => 1,
        some if some < 1 + tenth => 1 + tenth,
        _ => total,
    };
    reach.min(total).saturating_sub(installed + running)
}

impl DeliveryFormat {
    /// All there are.
    pub const ALL: [Self; 5] = [Self::Pem, Self::PemCombined, Self::Pfx, Self::Pkcs12Java, Self::Der];

    /// The stable word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pem => "pem",
            Self::PemCombined => "pem-combined",
            Self::Pfx => "pfx",
            Self::Pkcs12Java => "pkcs12-java",
            Self::Der => "der",
        }
    }

    /// Reads the stable word.
    pub fn parse(text: &str) -> Result<Self, DeliveryError> {
        Self::ALL
            .into_iter()
            .find(|format| format.as_str() == text)
            .ok_or_else(|| DeliveryError::Format(text.chars().take(64).collect()))
    }

    /// What its files are, in the order of their paths.
    pub fn files(self) -> &'static [&'static str] {
        match self {
            Self::Pem => &["certificates", "private key"],
            Self::PemCombined => &["private key and certificates"],
            Self::Pfx => &["PFX"],
            Self::Pkcs12Java => &["key store"],
            Self::Der => &["certificate", "private key"],
        }
    }

    /// Whether its file has a password.
    pub fn has_password(self) -> bool {
        matches!(self, Self::Pfx | Self::Pkcs12Java)
    }

    /// Checks that there is one path for each file, and none twice.
    pub fn check_paths(self, paths: &[DeliveryPath]) -> Result<(), DeliveryError> {
        if paths.len() != self.files().len() {
            let (expected, what) = match self {
                Self::Pem => ("two files", "first the leaf with its issuers, then the private key"),
                Self::Der => ("two files", "first the leaf, then the private key"),
                Self::PemCombined | Self::Pfx | Self::Pkcs12Java => ("one file", "everything is in it"),
            };
            return Err(DeliveryError::Paths { format: self, expected, what, came: paths.len() });
        }
        match paths {
            [first, second] if first == second => Err(DeliveryError::Twice(first.clone())),
            _ => Ok(()),
        }
    }
}

impl DeliveryPath {
    /// Reads a path.
    pub fn parse(text: &str) -> Result<Self, DeliveryError> {
        let is_path = text.len() <= 1024
            && text.strip_prefix('/').is_some_and(|rest| {
                rest.split('/').all(|part| !matches!(part, "" | "." | "..")) && !rest.chars().any(char::is_control)
            });
        if is_path { Ok(Self(text.into())) } else { Err(DeliveryError::Path(text.chars().take(300).collect())) }
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The directory that it is in, and the name that it has there.
    pub fn split(&self) -> (&str, &str) {
        match self.0.rsplit_once('/') {
            Some(("", name)) => ("/", name),
            Some((directory, name)) => (directory, name),
            None => ("/", &self.0),
        }
    }
}

impl ProfileName {
    /// Reads a name.
    pub fn parse(text: &str) -> Result<Self, DeliveryError> {
        let is_name = (1..=64).contains(&text.len())
            && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
            && !text.starts_with('-');
        if is_name { Ok(Self(text.into())) } else { Err(DeliveryError::Profile(text.chars().take(128).collect())) }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FileOwner {
    /// Reads `USER`, `USER:GROUP` or `:GROUP`.
    pub fn parse(text: &str) -> Result<Self, DeliveryError> {
        let error = || DeliveryError::Owner(text.chars().take(128).collect());
        let (user, group) = text.split_once(':').map_or((text, None), |(user, group)| (user, Some(group)));
        let part = |name: &str| -> Result<Arc<str>, DeliveryError> {
            let is_name = (1..=32).contains(&name.len())
                && !name.starts_with('-')
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
            if is_name { Ok(name.into()) } else { Err(error()) }
        };
        let user = if user.is_empty() && group.is_some() { None } else { Some(part(user)?) };
        Ok(Self { user, group: group.map(part).transpose()? })
    }

    /// Whether nothing is said.
    pub fn is_unsaid(&self) -> bool {
        self.user.is_none() && self.group.is_none()
    }
}

impl FileMode {
    /// Only the owner reads and writes.
    pub const PRIVATE: Self = Self(0o600);

    /// Reads three octal digits, of which the last one is 0: a private key is in these files.
    pub fn parse(text: &str) -> Result<Self, DeliveryError> {
        let error = || DeliveryError::Mode(text.chars().take(16).collect());
        let digits = text.strip_prefix("0o").or_else(|| text.strip_prefix('0').filter(|rest| rest.len() == 3));
        let digits = digits.unwrap_or(text);
        if digits.len() != 3 {
            return Err(error());
        }
        let bits = u32::from_str_radix(digits, 8).map_err(|_| error())?;
        // Nobody executes them, others see nothing, and their owner can read them.
        if bits & 0o117 != 0 || bits & 0o400 == 0 { Err(error()) } else { Ok(Self(bits)) }
    }

    /// The permission bits.
    pub fn bits(self) -> u32 {
        self.0
    }
}

impl Delivery {
    /// How long a command of a profile may take at most: no policy gives it more.
    pub const LONGEST_COMMAND: Duration = Duration::from_secs(600);

    /// How long an installation may take at most: a test, a reload and a look at what is served; and if it goes back, a
    /// reload and a look once more. What waits for disks and for connections has minutes besides.
    pub const LONGEST: Duration =
        Duration::from_secs(3 * Self::LONGEST_COMMAND.as_secs() + 2 * Verify::PATIENCE.as_secs() + 180);
}

impl Verify {
    /// How long a program may take until it serves what it was told to.
    pub const PATIENCE: Duration = Duration::from_secs(30);

    /// Reads `HOST:PORT` or `NAME@HOST:PORT`.
    pub fn parse(text: &str) -> Result<Self, DeliveryError> {
        let error = || DeliveryError::Verify(text.chars().take(300).collect());
        let (name, address) = match text.split_once('@') {
            Some((name, address)) => (Some(Host::parse(name).map_err(|_| error())?), address),
            None => (None, text),
        };
        Ok(Self { address: DialAddress::parse(address, None).map_err(|_| error())?, name })
    }
}

impl fmt::Display for DeliveryFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for DeliveryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for ProfileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// As it is read; empty if nothing is said.
impl fmt::Display for FileOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.user.as_deref().unwrap_or_default())?;
        self.group.as_ref().map_or(Ok(()), |group| write!(f, ":{group}"))
    }
}

/// Three octal digits.
impl fmt::Display for FileMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03o}", self.0)
    }
}

/// As it is read.
impl fmt::Display for Verify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name}@{}", self.address),
            None => self.address.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_path_says_one_thing_only() {
        for good in ["/a", "/etc/nginx/tls/site.pem", "/srv/with space/ü.pem", "/a/..b/c"] {
            assert_eq!(DeliveryPath::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "a", "a/b", "/", "/a/", "/a//b", "/a/../b", "/./a", "/a\nb", "/a\0b", "~/a", "/..", "//a"] {
            assert!(DeliveryPath::parse(bad).is_err(), "{bad:?}");
        }
        assert!(DeliveryPath::parse(&format!("/{}", "a".repeat(1024))).is_err());
        assert_eq!(DeliveryPath::parse("/a").unwrap().split(), ("/", "a"));
        assert_eq!(DeliveryPath::parse("/a/b/c").unwrap().split(), ("/a/b", "c"));
    }

    #[test]
    fn a_mode_gives_others_nothing() {
        for (text, bits) in [("600", 0o600), ("0640", 0o640), ("440", 0o440), ("0o660", 0o660)] {
            let mode = FileMode::parse(text).unwrap();
            assert_eq!(mode.bits(), bits, "{text}");
            assert_eq!(FileMode::parse(&mode.to_string()).unwrap(), mode);
        }
        for bad in ["", "644", "604", "700", "6", "0600000", "abc", "200", "-60", "4600", "+60"] {
            assert!(FileMode::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_paths_and_owners_have_nothing_that_a_shell_would_read() {
        for nasty in ["", ";reboot", "$(id)", "`id`", "a b", "../nginx", "-x", "a\nb", "NGINX"] {
            assert!(ProfileName::parse(nasty).is_err(), "{nasty:?}");
        }
        for nasty in ["", ":", "a:", ";id", "$(id)", "a:b:c", "-u", "a b", "../x", "a\n"] {
            assert!(FileOwner::parse(nasty).is_err(), "{nasty:?}");
        }
        for good in ["root", "root:ssl-cert", ":ssl-cert", "33:33"] {
            assert_eq!(FileOwner::parse(good).unwrap().to_string(), good);
        }
    }

    #[test]
    fn a_format_has_as_many_paths_as_files() {
        let path = |text: &str| DeliveryPath::parse(text).unwrap();
        for format in DeliveryFormat::ALL {
            assert_eq!(DeliveryFormat::parse(format.as_str()).unwrap(), format);
            let two = [path("/a"), path("/b")];
            assert_eq!(format.check_paths(&two).is_ok(), format.files().len() == 2, "{format}");
            assert_eq!(format.check_paths(&two[..1]).is_ok(), format.files().len() == 1, "{format}");
            assert!(format.check_paths(&[]).is_err());
        }
        let twice = DeliveryFormat::Pem.check_paths(&[path("/a"), path("/a")]);
        assert_eq!(twice, Err(DeliveryError::Twice(path("/a"))));
    }

    #[test]
    fn a_new_version_goes_to_one_then_to_a_tenth_then_to_all() {
        for (total, installed, running, is_stopped, expected) in [
            (1, 0, 0, false, 1),
            (1, 1, 0, false, 0),
            (100, 0, 0, false, 1),
            (100, 0, 1, false, 0),
            (100, 1, 0, false, 10),
            (100, 5, 4, false, 2),
            (100, 11, 0, false, 89),
            (100, 11, 80, false, 9),
            (2, 1, 0, false, 1),
            (0, 0, 0, false, 0),
            (100, 1, 0, true, 0),
        ] {
            let room = wave(total, installed, running, is_stopped);
            assert_eq!(room, expected, "{total} {installed} {running} {is_stopped}");
        }
    }

    #[test]
    fn what_is_verified_may_have_another_name() {
        for good in ["127.0.0.1:443", "shop.test@127.0.0.1:8443", "[::1]:443"] {
            assert_eq!(Verify::parse(good).unwrap().to_string(), good);
        }
        for bad in ["", "127.0.0.1", "@127.0.0.1:443", "a b@c:1", "https://a:1"] {
            assert!(Verify::parse(bad).is_err(), "{bad}");
        }
    }
}
