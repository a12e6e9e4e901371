//! Real programs take up what is delivered: first where something was there or nothing was, then a new version.

use std::process::Command;

use portward_agent::install::Installer;
use portward_link::message::{DeliverReply, Install, ServedReport};

use crate::{
    machine::{Issued, Machine, PASSWORD, deliver, verify_at},
    running::{Nginx, Running, free_port, run, served, settles},
};

#[tokio::test(flavor = "multi_thread")]
async fn nginx_takes_up_the_first_version_and_the_next_one() {
    let machine = Machine::new();
    let nginx = Nginx::on(&machine);
    machine.write_policy(&nginx.profile());
    let (old, first, second) = (machine.issue(), machine.issue(), machine.issue());
    machine.write_pem(&old, "tls/site.pem", "tls/site.key");
    let _running = nginx.start().await;
    assert_eq!(served(nginx.port), Some(old.thumbprint()));

    let install = Install { reload: Some("nginx".to_owned()), verify: verify_at(nginx.port), ..machine.pem() };
    let installer = machine.installer().await;
    for (generation, issued) in [(1, &first), (2, &second)] {
        let reply = deliver(&installer, machine.deliver(generation, issued, install.clone())).await.unwrap();
        let thumbprint = issued.thumbprint().to_string();
        assert_eq!(reply, DeliverReply { generation, thumbprint, verified: Some(true), unchanged: false });
        is_served(&machine, nginx.port, issued, &["tls/site.pem", "tls/site.key"]).await;
    }
    let again = deliver(&installer, machine.deliver(2, &second, install)).await.unwrap();
    assert!(again.unchanged && again.verified == Some(true), "{again:?}");
    reports(&installer, &second).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn haproxy_takes_up_one_file_where_nothing_was() {
    let machine = Machine::new();
    let (port, configuration) = (free_port(), machine.text("haproxy.cfg"));
    let text = format!(
        "global\n  ssl-default-bind-options ssl-min-ver TLSv1.2\ndefaults\n  mode http\n  timeout client 5s\n  timeout server 5s\n  timeout connect 5s\n\
         frontend web\n  bind 127.0.0.1:{port} ssl crt {}\n  http-request return status 204\n",
        machine.text("tls/site.pem")
    );
    std::fs::write(&configuration, text).unwrap();
    let test = format!("test = [\"/usr/sbin/haproxy\", \"-c\", \"-f\", {configuration:?}]");
    let install = |reload: Option<&str>, verify| Install {
        reload: reload.map(str::to_owned),
        verify,
        ..machine.install("pem-combined", &["tls/site.pem"])
    };
    let (first, second) = (machine.issue(), machine.issue());
    let installer = machine.installer().await;
    // It cannot run yet: the first version is but tested.
    machine.write_policy(&format!("[profile.haproxy]\n{test}\nreload = [\"/bin/true\"]\n"));
    let reply = deliver(&installer, machine.deliver(1, &first, install(Some("haproxy"), None))).await.unwrap();
    assert_eq!(reply.verified, None);
    let running = Running::start(Command::new("/usr/sbin/haproxy").args(["-W", "-f", &configuration]));
    let running = running.serves(port).await;
    is_served(&machine, port, &first, &["tls/site.pem"]).await;

    let master = running.id().to_string();
    machine.write_policy(&format!("[profile.haproxy]\n{test}\nreload = [\"/bin/kill\", \"-USR2\", {master:?}]\n"));
    let call = machine.deliver(2, &second, install(Some("haproxy"), verify_at(port)));
    assert_eq!(deliver(&installer, call).await.unwrap().verified, Some(true));
    is_served(&machine, port, &second, &["tls/site.pem"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn apache_takes_up_the_first_version_and_the_next_one() {
    let machine = Machine::new();
    let (port, root, configuration) = (free_port(), machine.root().display(), machine.text("apache.conf"));
    let modules: String = ["mpm_event", "ssl", "socache_shmcb", "authz_core"]
        .map(|name| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"))
        .concat();
    let user = if crate::machine::is_root() { "User nobody\nGroup nogroup\n" } else { "" };
    let text = format!(
        "ServerRoot {root}\nServerName shop.test\nPidFile {root}/apache.pid\nErrorLog {root}/apache.log\nDefaultRuntimeDir {root}\n\
         Mutex file:{root}\n{modules}{user}Listen 127.0.0.1:{port}\nSSLSessionCache none\n<VirtualHost *:{port}>\nSSLEngine on\n\
         SSLCertificateFile {root}/tls/site.pem\nSSLCertificateKeyFile {root}/tls/site.key\n</VirtualHost>\n"
    );
    std::fs::write(&configuration, text).unwrap();
    let apache = |arguments: &[&str]| -> Vec<String> {
        ["/usr/sbin/apache2", "-f", &configuration].iter().chain(arguments).map(|part| (*part).to_owned()).collect()
    };
    machine.write_policy(&format!(
        "[profile.apache]\ntest = {:?}\nreload = {:?}\n",
        apache(&["-t"]),
        apache(&["-k", "graceful"])
    ));
    let (old, first, second) = (machine.issue(), machine.issue(), machine.issue());
    machine.write_pem(&old, "tls/site.pem", "tls/site.key");
    let running = Running::start(Command::new("/usr/sbin/apache2").args(&apache(&["-DFOREGROUND"])[1..]));
    let _running = running.serves(port).await;

    let install = Install { reload: Some("apache".to_owned()), verify: verify_at(port), ..machine.pem() };
    let installer = machine.installer().await;
    for (generation, issued) in [(1, &first), (2, &second)] {
        let reply = deliver(&installer, machine.deliver(generation, issued, install.clone())).await.unwrap();
        assert_eq!(reply.verified, Some(true));
        is_served(&machine, port, issued, &["tls/site.pem", "tls/site.key"]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_java_server_takes_up_a_key_store_that_keytool_lists() {
    let machine = Machine::new();
    let (port, store) = (free_port(), machine.text("tls/site.p12"));
    let install = |verify| Install { verify, ..machine.install("pkcs12-java", &["tls/site.p12"]) };
    let (first, second) = (machine.issue(), machine.issue());
    let installer = machine.installer().await;
    deliver(&installer, machine.deliver(1, &first, install(None))).await.unwrap();

    let listed = run(Command::new("keytool").args(["-list", "-v", "-keystore", &store, "-storepass", PASSWORD]));
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    for expected in
        ["Alias name: portward", "Entry type: PrivateKeyEntry", "Certificate chain length: 2", "CN=shop.test"]
    {
        assert!(listed.contains(expected), "{expected} is not in: {listed}");
    }
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/installing/KeyStoreServer.java");
    let mut java = Command::new("java");
    java.args(["-Xmx64m", source, &store, PASSWORD, &port.to_string()]);
    let _running = Running::start(&mut java).serves(port).await;
    assert_eq!(served(port), Some(first.thumbprint()));

    // It looks by itself: nobody tells it.
    let reply = deliver(&installer, machine.deliver(2, &second, install(verify_at(port)))).await.unwrap();
    assert_eq!(reply.verified, Some(true));
    is_served(&machine, port, &second, &["tls/site.p12"]).await;
}

/// OpenSSL is shown the certificate, and it is in the files.
async fn is_served(machine: &Machine, port: u16, issued: &Issued, files: &[&str]) {
    settles(port, issued.thumbprint()).await;
    assert_eq!(machine.set(files), Some(issued.thumbprint()));
}

/// The agent says so, too.
async fn reports(installer: &Installer, issued: &Issued) {
    let (policy, installed, warnings) = installer.report(true).await;
    let thumbprint = issued.thumbprint().to_string();
    assert_eq!(policy.problem, None);
    assert!(warnings.is_empty(), "{warnings:?}");
    assert_eq!(installed.len(), 1);
    assert_eq!(installed[0].problem, None);
    assert_eq!(installed[0].stored.as_ref(), Some(&thumbprint));
    assert_eq!(installed[0].served, Some(ServedReport::Thumbprint(thumbprint)));
}
