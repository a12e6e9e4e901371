//! BIND's server, as a DNS server that is really authoritative.

use std::{
    net::{SocketAddr, UdpSocket},
    path::Path,
    process::Command,
    time::Duration,
};

use crate::{Child, free_port};

/// Is a running `named` with a zone that takes dynamic updates; dropping it ends it.
///
/// It runs as the user of the test, with all its files in a directory of its own.
pub struct Named {
    /// Where it takes questions and updates, over UDP and TCP.
    pub address: SocketAddr,
    _child: Child,
    _directory: tempfile::TempDir,
}

impl Named {
    /// The name of the key that may update the zones.
    pub const KEY_NAME: &str = "portward-key";
    /// The secret of the key, base64; hmac-sha256.
    pub const SECRET: &str = "cG9ydHdhcmQgdGVzdCBrZXksIG5vdCBhIHNlY3JldCE=";

    /// Serves zones, each with its name and the lines that follow the SOA record in its file.
    pub async fn start(zones: &[(&str, &str)]) -> Self {
        Self::run(free_port(), "no", zones).await
    }

    /// The same at the port at which servers of zones are asked, and as a resolver, which follows aliases out of a zone.
    pub async fn start_as_resolver(zones: &[(&str, &str)]) -> Self {
        Self::run(53, "yes", zones).await
    }

    async fn run(port: u16, recursion: &str, zones: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path(), port, recursion, zones);
        let path = ["/usr/sbin/named", "/usr/bin/named"].into_iter().find(|path| Path::new(path).exists());
        let child = Child::start(
            Command::new(path.unwrap_or("named"))
                .args(["-g", "-4", "-n", "1", "-c"])
                .arg(directory.path().join("named.conf"))
                .current_dir(directory.path()),
        );
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        crate::eventually("named answers", async || answers(address).then_some(())).await;
        Self { address, _child: child, _directory: directory }
    }
}

fn write(directory: &Path, port: u16, recursion: &str, zones: &[(&str, &str)]) {
    let shown = directory.display();
    let mut config = format!(
        "options {{ directory \"{shown}\"; pid-file none; session-keyfile none; managed-keys-directory \"{shown}\";\n\
         listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; recursion {recursion}; notify no; }};\n\
         controls {{ }};\n\
         key {} {{ algorithm hmac-sha256; secret \"{}\"; }};\n",
        Named::KEY_NAME,
        Named::SECRET
    );
    for (name, records) in zones {
        std::fs::write(
            directory.join(name),
            format!("$ORIGIN {name}.\n$TTL 60\n@ SOA ns1.{name}. root.{name}. 1 3600 600 86400 60\n{records}\n"),
        )
        .unwrap();
        config += &format!(
            "zone \"{name}\" {{ type primary; file \"{name}\"; allow-update {{ key {}; }}; }};\n",
            Named::KEY_NAME
        );
    }
    std::fs::write(directory.join("named.conf"), config).unwrap();
}

/// Whether anything answers to a question for the SOA record of the root, even if it refuses.
fn answers(address: SocketAddr) -> bool {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    socket.connect(address).unwrap();
    let question = [0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 6, 0, 1];
    let mut buffer = [0; 512];
    socket.send(&question).is_ok() && socket.recv(&mut buffer).is_ok_and(|length| length >= 12)
}
