//! What this agent may do, as its operator wrote it: a file that no server can change.
//!
//! It counts only if nobody but root and the agent's own user can change it or lead the agent to another one, and it is
//! read anew for each delivery. A server names a directory and a profile of it, and nothing else.

pub(crate) mod ground;

use std::{
    collections::BTreeMap,
    io::Read,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    time::Duration,
};

use portward_core::{Delivery, DeliveryPath, ProfileName, Thumbprint};
use portward_link::message::PolicyReport;
use rustix::{
    fs::{self, FileType, Mode, OFlags},
    process::geteuid,
};
use serde::Deserialize;
use toml::Spanned;

use crate::profile::{Profile, RunAs};

/// Where the policy is, unless another place is given.
pub const DEFAULT_PATH: &str = "/etc/portward-agent/policy.toml";

/// Is a policy that counts.
#[derive(Debug)]
pub struct Policy {
    /// Where it is.
    pub path: PathBuf,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Below these it writes.
    pub directories: Vec<Allowed>,
    /// How programs are told.
    pub profiles: BTreeMap<ProfileName, Profile>,
}

/// Is a directory below which the agent may write.
#[derive(Debug)]
pub struct Allowed {
    /// As the policy has it.
    pub path: DeliveryPath,
    /// The directory itself; or why it cannot be used.
    pub(crate) directory: Result<OwnedFd, String>,
}

/// Says why a policy does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{sentence}")]
pub struct PolicyError {
    /// One sentence: which file, in which line, and what is wrong.
    pub sentence: String,
    /// SHA-256 of the file; empty if it could not be read.
    pub sha256: String,
}

impl Policy {
    /// Reads a policy.
    pub fn read(path: &Path) -> Result<Self, PolicyError> {
        let unread = |sentence: String| PolicyError { sentence, sha256: String::new() };
        let text = text(path).map_err(unread)?;
        let sha256 = Thumbprint::of(text.as_bytes()).to_string();
        parse(&text)
            .map_err(|Mistake { at, what }| {
                let line = at.map(|at| format!(", line {}", text[..at.min(text.len())].matches('\n').count() + 1));
                let sentence = format!("{}{}: {what}", path.display(), line.unwrap_or_default());
                PolicyError { sentence, sha256: sha256.clone() }
            })
            .map(|(directories, profiles)| Self { path: path.to_owned(), sha256, directories, profiles })
    }

    /// What is told of a policy.
    pub fn report(path: &Path, read: &Result<Self, PolicyError>) -> PolicyReport {
        let path = path.display().to_string();
        match read {
            Ok(policy) => PolicyReport {
                path,
                sha256: policy.sha256.clone(),
                problem: None,
                directories: policy.directories.iter().map(|allowed| allowed.path.to_string()).collect(),
                profiles: policy.profiles.keys().map(ToString::to_string).collect(),
            },
            Err(error) => PolicyReport {
                path,
                sha256: error.sha256.clone(),
                problem: Some(error.sentence.clone()),
                ..PolicyReport::default()
            },
        }
    }

    /// The allowed directory that a path is in, the longest if there are several, and the steps from there on.
    pub(crate) fn allows<'a>(&self, path: &'a DeliveryPath) -> Option<(&Allowed, Vec<&'a str>)> {
        let below = |allowed: &Allowed| path.as_str().strip_prefix(allowed.path.as_str())?.strip_prefix('/');
        let (allowed, rest) = self
            .directories
            .iter()
            .filter_map(|allowed| Some((allowed, below(allowed)?)))
            .max_by_key(|(allowed, _)| allowed.path.as_str().len())?;
        Some((allowed, rest.split('/').collect()))
    }
}

/// The file, if nobody else can have written it.
fn text(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let expected = "only a policy counts that nobody but root and the agent's user can change";
    let name = path.file_name().ok_or_else(|| format!("{shown} is no path of a file"))?;
    let above = path.parent().and_then(Path::to_str).filter(|above| above.starts_with('/'));
    let above = above.ok_or_else(|| format!("{shown} is no absolute path"))?;
    let missing = |reason: String| {
        format!(
            "{reason}; there is no policy, and nothing can be installed without one: write {shown} (docs/agent-policy.md)"
        )
    };
    let ground = ground::open(above).map_err(missing)?;
    for (position, (directory, stat)) in ground.passed.iter().enumerate() {
        // In a directory such as /tmp others can add, but neither rename nor remove what leads here.
        let may_be_shared = position + 1 < ground.passed.len() && ground::is_sticky(stat);
        if let Some(who) = ground::who_else(stat).filter(|_| !may_be_shared) {
            let remedy = format!("chown root:root {directory} && chmod go-w {directory}");
            return Err(format!("{shown} does not count: {directory} above it {who}, and {expected}: {remedy}"));
        }
    }
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match fs::openat(&ground.directory, name, flags, Mode::empty()) {
        Ok(file) => file,
        Err(rustix::io::Errno::NOENT) => return Err(missing(format!("{shown} does not exist"))),
        Err(rustix::io::Errno::LOOP) => {
            return Err(format!("{shown} does not count: it is a symbolic link; put the file itself there"));
        }
        Err(error) => return Err(format!("{shown} cannot be opened: {error}")),
    };
    let stat = fs::fstat(&file).map_err(|error| format!("{shown} cannot be looked at: {error}"))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(format!("{shown} does not count: it is no regular file"));
    }
    if let Some(who) = ground::who_else(&stat) {
        let remedy = format!("chown root:root {shown} && chmod 644 {shown}");
        return Err(format!("{shown} does not count: it {who}, and {expected}: {remedy}"));
    }
    let mut bytes = Vec::new();
    let read = std::fs::File::from(file).take(MAX_BYTES + 1).read_to_end(&mut bytes);
    read.map_err(|error| format!("{shown} cannot be read: {error}"))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(format!("{shown} has more than {} KiB", MAX_BYTES / 1024));
    }
    String::from_utf8(bytes).map_err(|_| format!("{shown} is no text in UTF-8"))
}

/// Is what is wrong, and how many bytes into the text.
struct Mistake {
    at: Option<usize>,
    what: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    directories: Vec<Spanned<String>>,
    #[serde(default)]
    profile: BTreeMap<Spanned<String>, Spanned<WrittenProfile>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenProfile {
    #[serde(default)]
    test: Option<Spanned<Vec<String>>>,
    #[serde(default)]
    reload: Option<Spanned<Vec<String>>>,
    #[serde(default)]
    user: Option<Spanned<String>>,
    #[serde(default)]
    timeout: Option<Spanned<String>>,
}

type Parsed = (Vec<Allowed>, BTreeMap<ProfileName, Profile>);

fn parse(text: &str) -> Result<Parsed, Mistake> {
    let written: Written = toml::from_str(text).map_err(|error| Mistake {
        at: error.span().map(|span| span.start),
        what: error.message().lines().collect::<Vec<_>>().join("; "),
    })?;
    let mut directories = Vec::new();
    for directory in written.directories {
        let at = Some(directory.span().start);
        let said = directory.into_inner();
        let path = DeliveryPath::parse(&said).map_err(|_| Mistake {
            at,
            what: format!(
                "\"{}\" is no directory below which certificates can be written: it begins with /, is not / itself, and has no \".\", \"..\" and empty part, as in /etc/nginx/tls",
                said.escape_debug()
            ),
        })?;
        let directory = ground::open(path.as_str()).map(|ground| ground.directory);
        directories.push(Allowed { path, directory });
    }
    let mut profiles = BTreeMap::new();
    for (name, profile) in written.profile {
        let at = Some(name.span().start);
        let name = ProfileName::parse(name.get_ref()).map_err(|error| Mistake { at, what: error.to_string() })?;
        let profile = read_profile(&name, at, profile.into_inner())?;
        profiles.insert(name, profile);
    }
    Ok((directories, profiles))
}

fn read_profile(name: &ProfileName, at: Option<usize>, written: WrittenProfile) -> Result<Profile, Mistake> {
    let reload = written.reload.ok_or_else(|| Mistake {
        at,
        what: format!("the profile {name} has no reload; it is a program with its arguments, as in [\"/usr/sbin/nginx\", \"-s\", \"reload\"]"),
    })?;
    let timeout = match &written.timeout {
        None => DEFAULT_TIMEOUT,
        Some(text) => duration(text.get_ref()).ok_or_else(|| Mistake {
            at: Some(text.span().start),
            what: format!(
                "the profile {name} has the timeout \"{}\"; it is from 1s to {}m, as in 30s",
                text.get_ref().escape_debug(),
                Delivery::LONGEST_COMMAND.as_secs() / 60
            ),
        })?,
    };
    let user = written.user.map(|user| {
        let mistake = |what: String| Mistake { at: Some(user.span().start), what };
        let text = user.get_ref();
        let found = uzers::get_user_by_name(text);
        let found = found.ok_or_else(|| {
            mistake(format!("the profile {name} has the user \"{}\", who does not exist", text.escape_debug()))
        })?;
        let own = geteuid();
        if !own.is_root() && own.as_raw() != found.uid() {
            return Err(mistake(format!(
                "the profile {name} runs as {text}, which only root can have done; the agent runs as user {}",
                own.as_raw()
            )));
        }
        Ok(RunAs { user: found.uid(), group: found.primary_group_id() })
    });
    Ok(Profile {
        name: name.clone(),
        test: written.test.map(|test| command(name, "test", test)).transpose()?,
        reload: command(name, "reload", reload)?,
        user: user.transpose()?,
        timeout,
    })
}

fn command(name: &ProfileName, which: &str, written: Spanned<Vec<String>>) -> Result<Vec<String>, Mistake> {
    let at = Some(written.span().start);
    let command = written.into_inner();
    let what = match command.first() {
        None => "is empty".to_owned(),
        Some(program) if !program.starts_with('/') => {
            format!("begins with \"{}\"", program.escape_debug())
        }
        Some(_) if command.iter().any(|part| part.contains('\0')) => "has a part with a zero in it".to_owned(),
        Some(_) => return Ok(command),
    };
    let what = format!("{which} of the profile {name} {what}; it begins with the absolute path of a program");
    Err(Mistake { at, what })
}

fn duration(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let number: u64 = digits.parse().ok()?;
    let seconds = match unit {
        "s" => number,
        "m" => number.checked_mul(60)?,
        _ => return None,
    };
    (1..=Delivery::LONGEST_COMMAND.as_secs()).contains(&seconds).then(|| Duration::from_secs(seconds))
}

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
const MAX_BYTES: u64 = 64 * 1024;

#[cfg(test)]
mod tests;
