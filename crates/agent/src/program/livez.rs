//! `portward-agent livez`.

use std::{io::ErrorKind, time::Duration};

use anyhow::anyhow;
use portward_core::{Timestamp, parse_duration};

use super::{
    Here,
    args::LivezArgs,
    failure::{Exit, Failure},
};
use crate::DataDirectory;

/// Says whether the agent has shown a sign of life.
pub(super) fn livez(here: &Here<'_>, args: &LivezArgs) -> Result<Exit, Failure> {
    let most = parse_duration(&args.max_age)
        .ok_or_else(|| Failure::usage(anyhow!("--max-age: \"{}\" is no span of time, as in 60s", args.max_age)))?;
    let path = DataDirectory::heartbeat(here.data_dir);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(Failure::says(format!(
                "the heartbeat file {} is not there: no agent has run with this data directory; start it: portward-agent run",
                path.display()
            )));
        }
        Err(error) => {
            return Err(Failure::failed(anyhow::Error::new(error).context(format!("cannot read {}", path.display()))));
        }
    };
    let written = text.trim().parse().ok().and_then(|seconds| Timestamp::from_unix(seconds).ok());
    let written = written.ok_or_else(|| Failure::says(format!("the heartbeat file {} is damaged", path.display())))?;
    match stale(written, (here.clock)(), most) {
        None => Ok(Exit::Done),
        Some(age) => Err(Failure::says(format!("the heartbeat file {} is stale: {age}", path.display()))),
    }
}

fn stale(written: Timestamp, now: Timestamp, most: Duration) -> Option<String> {
    let (age, ahead) = (now.since(written), written.since(now));
    if age > most {
        Some(format!("last written {}s ago (threshold {}s).", age.as_secs(), most.as_secs()))
    } else if ahead > most {
        Some(format!("last written {}s in the future (threshold {}s).", ahead.as_secs(), most.as_secs()))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_sign_of_life_is_fresh_for_as_long_as_was_said() {
        let now = Timestamp::from_unix(1_000_000).unwrap();
        let most = Duration::from_secs(60);
        assert_eq!(stale(now.minus(most), now, most), None);
        let old = stale(now.minus(Duration::from_secs(61)), now, most).unwrap();
        assert_eq!(old, "last written 61s ago (threshold 60s).");
        assert!(stale(now.plus(Duration::from_secs(61)), now, most).unwrap().contains("in the future"));
    }
}
