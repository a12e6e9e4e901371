//! `portward-agent service`: systemd runs the agent.

use std::{
    env, fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, anyhow};

use super::{
    Here,
    args::{ServiceArgs, ServiceCommand, ServiceInstallArgs},
    failure::{Exit, Failure},
    terminal,
};

/// Does what was asked with systemd.
pub(super) fn act(here: &Here<'_>, args: &ServiceArgs) -> Result<Exit, Failure> {
    if let Some(command) = &args.command {
        return one(here, command);
    }
    // In an order that makes sense, whatever the order of the words.
    let flags = [
        (args.stop || args.restart, ServiceCommand::Stop),
        (args.uninstall, ServiceCommand::Uninstall),
        (args.install, ServiceCommand::Install(ServiceInstallArgs { print: false })),
        (args.start || args.restart, ServiceCommand::Start),
    ];
    if flags.iter().all(|(is_given, _)| !is_given) {
        return Err(Failure::misses("say what to do: install, uninstall, start or stop"));
    }
    for (_, command) in flags.iter().filter(|(is_given, _)| *is_given) {
        one(here, command)?;
    }
    Ok(Exit::Done)
}

fn one(here: &Here<'_>, command: &ServiceCommand) -> Result<Exit, Failure> {
    match command {
        ServiceCommand::Install(args) => {
            let unit = unit(here)?;
            if args.print {
                terminal::print(unit.trim_end())?;
                return Ok(Exit::Done);
            }
            check()?;
            fs::write(UNIT_FILE, &unit).with_context(|| format!("cannot write {UNIT_FILE}"))?;
            systemctl(&["daemon-reload"])?;
            systemctl(&["enable", UNIT])?;
            terminal::print(&format!("Service installed: {UNIT_FILE}\nStart it: portward-agent service start"))?;
        }
        ServiceCommand::Uninstall => {
            check()?;
            if !Path::new(UNIT_FILE).exists() {
                terminal::print("Service is not installed")?;
                return Ok(Exit::Done);
            }
            systemctl(&["disable", "--now", UNIT])?;
            fs::remove_file(UNIT_FILE).with_context(|| format!("cannot remove {UNIT_FILE}"))?;
            systemctl(&["daemon-reload"])?;
            terminal::print("Service uninstalled")?;
        }
        ServiceCommand::Start => {
            installed()?;
            systemctl(&["start", UNIT])?;
            terminal::print("Service started")?;
        }
        ServiceCommand::Stop => {
            installed()?;
            systemctl(&["stop", UNIT])?;
            terminal::print("Service stopped")?;
        }
    }
    Ok(Exit::Done)
}

fn installed() -> Result<(), Failure> {
    check()?;
    if Path::new(UNIT_FILE).exists() {
        return Ok(());
    }
    Err(Failure::says("the service is not installed; install it: portward-agent service install"))
}

/// Whether systemd is there, and may be told something.
fn check() -> Result<(), Failure> {
    // What sd_booted(3) looks for.
    if !Path::new("/run/systemd/system").is_dir() {
        return Err(Failure::says(
            "this machine is not run by systemd; have its own supervisor run: portward-agent run (service install --print \
             shows how systemd would)",
        ));
    }
    if !rustix::process::geteuid().is_root() {
        return Err(Failure::says("only root may do that; run it with sudo"));
    }
    Ok(())
}

fn systemctl(words: &[&str]) -> Result<(), Failure> {
    let command = format!("systemctl {}", words.join(" "));
    let ran = match Command::new("systemctl").args(words).output() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(Failure::says("the program systemctl is not there; have the agent run by: portward-agent run"));
        }
        ran => ran.with_context(|| format!("cannot run {command}"))?,
    };
    if ran.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&ran.stderr);
    Err(Failure::failed(anyhow!("{command} failed: {}; see journalctl -u {UNIT}", said.trim())))
}

/// The unit: as closed as a program can be that writes certificates where others read them, and reloads services.
fn unit(here: &Here<'_>) -> Result<String, Failure> {
    let program = env::current_exe().context("the path of this program cannot be found")?;
    let data_dir: PathBuf = std::path::absolute(here.data_dir).context("the data directory cannot be found")?;
    let (program, data_dir) = (quoted(&program)?, quoted(&data_dir)?);
    Ok(format!(
        "[Unit]
Description=Portward agent
Wants=network-online.target
After=network-online.target

[Service]
Type=notify
NotifyAccess=main
ExecStart={program} run --data-dir {data_dir}
Restart=always
RestartSec=5
UMask=0077
LimitNOFILE=65536
# It writes certificates where its policy lets it, below /home too, and runs what its policy names as the users that are
# named there: so it is root, sees the file system, and may change users. The rest is closed, and closed to what it runs.
NoNewPrivileges=no
CapabilityBoundingSet=CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID CAP_KILL CAP_SETGID CAP_SETUID CAP_NET_BIND_SERVICE
ProtectSystem=no
PrivateTmp=yes
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
LockPersonality=yes
MemoryDenyWriteExecute=no
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
"
    ))
}

/// As systemd reads words (systemd.syntax(7), systemd.service(5)).
fn quoted(path: &Path) -> Result<String, Failure> {
    let text = path.to_str().filter(|text| !text.chars().any(char::is_control));
    let text = text.ok_or_else(|| Failure::says(format!("{} cannot be written in a unit", path.display())))?;
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%").replace('$', "$$");
    Ok(format!("\"{escaped}\""))
}

const UNIT: &str = "portward-agent.service";
const UNIT_FILE: &str = "/etc/systemd/system/portward-agent.service";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_path_is_one_word_of_a_unit() {
        assert_eq!(quoted(Path::new("/var/lib/a b/100%/\"$x")).unwrap(), "\"/var/lib/a b/100%%/\\\"$$x\"");
        assert!(quoted(Path::new("/a\nExecStart=/bin/sh")).is_err());
    }
}
