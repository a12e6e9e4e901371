//! An SMTP server that keeps what it is sent: aiosmtpd, of Debian's package of that name.

use std::{path::PathBuf, process::Command};

use serde::Deserialize;

use crate::{Child, Issued, free_port};

/// Is a running mail server; dropping it ends it.
pub struct MailSink {
    /// Where it takes mail, on 127.0.0.1.
    pub port: u16,
    directory: tempfile::TempDir,
    _child: Child,
}

/// Says how connections to a [`MailSink`] are encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailSecurity {
    /// After STARTTLS, which must come before anything else.
    StartTls,
    /// From the start.
    Tls,
    /// Not at all; nobody signs in.
    None,
}

/// Is a mail that came.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Mail {
    /// The sender of the envelope.
    pub from: String,
    /// The recipients of the envelope.
    pub to: Vec<String>,
    /// How the client called itself.
    pub hello: String,
    /// Whether it came over TLS.
    pub tls: bool,
    /// Who signed in.
    pub user: Option<String>,
    /// The mail itself, headers first.
    pub data: String,
}

impl MailSink {
    /// The name of the user who may send mail.
    pub const USER: &str = "portward";

    /// Starts it with a certificate; the user signs in with that password.
    pub async fn start(security: MailSecurity, issued: &Issued, password: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = directory.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let chain = file("chain.pem", &issued.chain_pem);
        let key = file("key.pem", &issued.key_pem);
        // Not in the argument list, where every user of the machine could read it.
        let login = file("login", &format!("{}:{password}", Self::USER));
        std::fs::create_dir(directory.path().join("mails")).unwrap();
        let port = free_port();
        let mode = match security {
            MailSecurity::StartTls => "starttls",
            MailSecurity::Tls => "tls",
            MailSecurity::None => "none",
        };
        // The interpreter that Debian's packages are for.
        let child =
            Child::start(Command::new("/usr/bin/python3").args(["-c", SCRIPT, mode, &port.to_string()]).args([
                &directory.path().join("mails"),
                &chain,
                &key,
                &login,
            ]));
        crate::eventually("the mail server accepts", async || {
            std::net::TcpStream::connect(("127.0.0.1", port)).ok().map(drop)
        })
        .await;
        Self { port, directory, _child: child }
    }

    /// All mails, in the order in which they came, once there are that many.
    pub async fn mails(&self, count: usize) -> Vec<Mail> {
        crate::eventually(&format!("{count} mails came"), async || {
            let mut paths: Vec<PathBuf> = std::fs::read_dir(self.directory.path().join("mails"))
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
                .collect();
            paths.sort();
            (paths.len() >= count).then(|| {
                paths.iter().map(|path| serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()).collect()
            })
        })
        .await
    }
}

const SCRIPT: &str = r"
import hmac, json, os, ssl, sys, threading
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

mode, port, mails, chain, key, login = sys.argv[1:]
user, password = open(login).read().split(':', 1)
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(chain, key)

def authenticate(server, session, envelope, mechanism, data):
    given = (data.login.decode(), data.password.decode())
    fits = hmac.compare_digest(':'.join(given).encode(), f'{user}:{password}'.encode())
    return AuthResult(success=fits, handled=False, auth_data=given[0] if fits else None)

class Keep:
    count = 0

    async def handle_DATA(self, server, session, envelope):
        Keep.count += 1
        name = os.path.join(mails, f'{Keep.count:04}')
        with open(name, 'w') as file:
            json.dump({
                'from': envelope.mail_from, 'to': envelope.rcpt_tos, 'hello': session.host_name,
                'tls': server.transport.get_extra_info('ssl_object') is not None,
                'user': session.auth_data if session.authenticated else None,
                'data': envelope.content.decode(),
            }, file)
        os.rename(name, name + '.json')
        return f'250 2.0.0 kept as {Keep.count}'

options = {}
if mode == 'starttls':
    options = dict(tls_context=context, require_starttls=True)
if mode == 'tls':
    options = dict(ssl_context=context, auth_require_tls=False)
if mode != 'none':
    options.update(authenticator=authenticate, auth_required=True)
Controller(Keep(), hostname='127.0.0.1', port=int(port), **options).start()
threading.Event().wait()
";
