//! How a program is told of new files: commands of the policy, run without a shell.

use std::{fmt, io, process::Stdio, time::Duration};

use portward_core::ProfileName;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{io::AsyncReadExt, net::unix::pipe, process::Command, time::timeout};
use zeroize::Zeroizing;

/// Is a profile of the policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// What a server calls it.
    pub name: ProfileName,
    /// Asks the program whether it would take the files.
    pub test: Option<Vec<String>>,
    /// Tells the program.
    pub reload: Vec<String>,
    /// As whom both run; the agent's user if nobody is said.
    pub user: Option<RunAs>,
    /// After which time each of them is killed.
    pub timeout: Duration,
}

/// Says as whom commands run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunAs {
    /// The number of the user.
    pub user: u32,
    /// The number of the user's group; other groups of the user are not taken.
    pub group: u32,
}

/// Says why a command did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failed {
    /// As in `ended with exit status: 1`.
    pub(crate) why: String,
    /// The end of what it wrote, without what looks like a private key.
    pub(crate) output: String,
}

impl Profile {
    /// Runs one of its commands to the end.
    pub(crate) async fn run(&self, command: &[String]) -> Result<(), Failed> {
        let failed = |why: String| Failed { why, output: String::new() };
        let Some((program, arguments)) = command.split_first() else { return Ok(()) };
        let pipes = io::pipe().and_then(|(reader, writer)| Ok((reader, writer.try_clone()?, writer)));
        let (reader, output, errors) = pipes.map_err(|error| failed(format!("has no pipe: {error}")))?;
        let mut said = Said {
            pipe: Some(pipe::Receiver::from_owned_fd(reader.into()).map_err(|error| failed(error.to_string()))?),
            kept: Zeroizing::new(Vec::with_capacity(2 * KEPT)),
        };
        let mut prepared = Command::new(program);
        prepared
            .args(arguments)
            .env_clear()
            .env("PATH", PATH)
            .env("LANG", "C.UTF-8")
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .process_group(0)
            .kill_on_drop(true);
        if let Some(RunAs { user, group }) = self.user {
            prepared.uid(user).gid(group);
        }
        let child = prepared.spawn();
        // With it go the ends of the pipe that are open here.
        drop(prepared);
        let mut child = child.map_err(|error| failed(format!("cannot be started: {error}")))?;
        let mut group = Group(child.id());
        let ended = timeout(self.timeout, async {
            let mut ended = std::pin::pin!(child.wait());
            loop {
                tokio::select! {
                    ended = &mut ended => return ended,
                    // Nobody writes any more, and it goes on.
                    () = said.read(), if said.pipe.is_some() => {}
                }
            }
        })
        .await;
        let why = match ended {
            Ok(Ok(status)) => {
                group.0 = None;
                if status.success() {
                    return Ok(());
                }
                format!("ended with {status}")
            }
            Ok(Err(error)) => format!("cannot be waited for: {error}"),
            Err(_) => format!("did not end within {} seconds, and was killed", self.timeout.as_secs()),
        };
        drop(group);
        // What it left behind may keep the pipe open.
        let _ = timeout(GRACE, said.read()).await;
        Err(Failed { why, output: shown(&said.kept) })
    }
}

/// Is the process group of a command that has not ended; dropping it kills all of them.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        let leader = self.0.and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(leader) = leader {
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}

/// Is the end of what a command wrote.
struct Said {
    pipe: Option<pipe::Receiver>,
    kept: Zeroizing<Vec<u8>>,
}

impl Said {
    /// Reads until nobody writes any more; can be left off and gone on with.
    async fn read(&mut self) {
        let mut buffer = Zeroizing::new([0; 4096]);
        while let Some(pipe) = &mut self.pipe {
            match pipe.read(buffer.as_mut()).await {
                Ok(length @ 1..) => {
                    self.kept.extend_from_slice(&buffer[..length]);
                    let surplus = self.kept.len().saturating_sub(KEPT);
                    self.kept.drain(..surplus);
                }
                _ => self.pipe = None,
            }
        }
    }
}

/// The last 4 KiB without control characters and without what looks like a private key.
pub(crate) fn shown(bytes: &[u8]) -> String {
    let text = Zeroizing::new(String::from_utf8_lossy(bytes).into_owned());
    let mut lines: Vec<String> = Vec::new();
    let mut in_key = false;
    for line in text.lines() {
        let is_mark = |word: &str| line.contains(word) && line.contains("PRIVATE KEY");
        if is_mark("-----END") {
            if !in_key {
                // Its beginning is cut off: what stands directly above is of it.
                while lines.last().is_some_and(|above| above == REMOVED || is_base64(above.trim())) {
                    lines.pop();
                }
                lines.push(REMOVED.to_owned());
            }
            in_key = false;
            continue;
        }
        in_key |= is_mark("-----BEGIN");
        if in_key {
            if lines.last().is_none_or(|above| above != REMOVED) {
                lines.push(REMOVED.to_owned());
            }
            continue;
        }
        let words = line.split_inclusive(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ',' | ';' | '\\'));
        let kept: String = words
            .map(|word| {
                let bare = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '+' | '/' | '='));
                if looks_secret(bare) { format!("{REMOVED}{}", &word[bare.len()..]) } else { word.to_owned() }
            })
            .collect();
        lines.push(kept.chars().map(|c| if c == '\t' { ' ' } else { c }).filter(|c| !c.is_control()).collect());
    }
    let all = lines.join("\n");
    let mut begin = all.len().saturating_sub(SHOWN);
    while !all.is_char_boundary(begin) {
        begin += 1;
    }
    all[begin..].trim().to_owned()
}

/// Whether it is long and has nothing but base64, or bytes in hexadecimal digits.
fn looks_secret(word: &str) -> bool {
    let has = |kind: fn(&char) -> bool| word.chars().any(|c| kind(&c));
    let mixed = has(char::is_ascii_uppercase) && has(char::is_ascii_lowercase) && has(char::is_ascii_digit);
    // Lines of PEM have 64 characters, or 76; what begins with a slash and is of another length is a path.
    let is_text = is_base64(word) && mixed && (!word.starts_with('/') || matches!(word.len(), 64 | 76));
    let bytes: Vec<&str> = word.trim_end_matches(':').split(':').collect();
    let is_dump = bytes.len() >= 12 && bytes.iter().all(|byte| byte.len() == 2 && is_hex(byte));
    word.len() >= 32 && (is_text || is_dump || is_hex(word) && word.len() >= 64)
}

fn is_base64(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'='))
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_hexdigit())
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.fmt(f)
    }
}

/// What Debian's login gives.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const REMOVED: &str = "[removed]";
/// How long the rest of the output may take after the program ended.
const GRACE: Duration = Duration::from_secs(1);
/// More than is shown, so that a key is recognised whose beginning is not shown.
const KEPT: usize = 32 * 1024;
const SHOWN: usize = 4 * 1024;

#[cfg(test)]
mod tests;
