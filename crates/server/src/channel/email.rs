//! E-mail by SMTP (RFC 5321).

use std::time::{Duration, UNIX_EPOCH};

use async_trait::async_trait;
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message as Mail, Tokio1Executor,
    address::Address as MailAddress,
    message::{
        Mailbox, SinglePart,
        header::{ContentType, HeaderName, HeaderValue},
    },
    transport::smtp::{
        authentication::Credentials,
        client::{Certificate, CertificateStore, Tls, TlsParameters},
        extension::ClientId,
    },
};
use portward_core::{Authority, Host};
use zeroize::Zeroizing;

use super::{
    Message, OpenChannelError, SendError, Sender,
    settings::{Given, bad},
};
use crate::reach::refusal_of_message;

/// Mails by one server.
pub(super) struct Email {
    host: Host,
    port: u16,
    security: Security,
    from: Mailbox,
    to: Vec<Mailbox>,
    login: Option<(String, Zeroizing<String>)>,
    authority: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Security {
    StartTls,
    Tls,
    None,
}

impl Email {
    pub(super) fn open(given: &Given) -> Result<Self, OpenChannelError> {
        let authority = Authority::parse(given.text("server"))
            .map_err(|_| bad("server", "HOST or HOST:PORT, as in mail.shop.example:587"))?;
        let (security, usual) = match given.text("security") {
            "tls" => (Security::Tls, 465),
            "none" => (Security::None, 25),
            _ => (Security::StartTls, 587),
        };
        let host = authority.host;
        let is_here = match &host {
            Host::Ip(address) => address.is_loopback(),
            Host::Name(name) => name.as_str() == "localhost",
        };
        if security == Security::None && !is_here {
            return Err(bad(
                "security",
                "possible: none is for a mail server on this machine (localhost, 127.0.0.1, [::1]) alone, as everybody on the way would read along; choose starttls or tls",
            ));
        }
        let from = given.text("from").parse().map_err(|_| bad("from", "an address, as in portward@shop.example"))?;
        let addresses = given.text("to").split([',', ';', ' ', '\t']).filter(|text| !text.is_empty());
        let to: Vec<Mailbox> = addresses
            .map(|text| text.parse::<MailAddress>().map(|address| Mailbox::new(None, address)))
            .collect::<Result<_, _>>()
            .map_err(|_| bad("to", "addresses with commas between them, as in ops@shop.example"))?;
        let login = match (given.option("user"), given.option("password")) {
            (Some(user), Some(password)) => Some((user.to_owned(), Zeroizing::new(password.to_owned()))),
            (None, None) => None,
            (Some(_), None) => return Err(bad("password", "there, but user is; give both or none of them")),
            (None, Some(_)) => return Err(bad("user", "there, but password is; give both or none of them")),
        };
        let email = Self {
            host,
            port: authority.port.unwrap_or(usual),
            security,
            from,
            to,
            login,
            authority: given.option("authority").map(str::to_owned),
        };
        email.tls()?;
        Ok(email)
    }

    fn tls(&self) -> Result<Tls, OpenChannelError> {
        if self.security == Security::None {
            return Ok(Tls::None);
        }
        let mut parameters = TlsParameters::builder(self.host_text());
        if let Some(pem) = &self.authority {
            let unreadable = || bad("authority", "a certificate in PEM");
            parameters = parameters
                .certificate_store(CertificateStore::None)
                .add_root_certificate(Certificate::from_pem(pem.as_bytes()).map_err(|_| unreadable())?);
        }
        let parameters = parameters.build().map_err(|_| match self.authority {
            Some(_) => bad("authority", "the certificate of an authority"),
            None => bad("authority", "there, and this machine trusts no authority: install ca-certificates"),
        })?;
        Ok(match self.security {
            Security::Tls => Tls::Wrapper(parameters),
            _ => Tls::Required(parameters),
        })
    }

    fn host_text(&self) -> String {
        match &self.host {
            Host::Name(name) => name.as_str().to_owned(),
            Host::Ip(address) => address.to_string(),
        }
    }

    fn mail(&self, message: &Message) -> Result<Mail, lettre::error::Error> {
        let at = UNIX_EPOCH + Duration::from_secs(u64::try_from(message.at.unix()).unwrap_or_default());
        let domain = self.from.email.domain();
        let mut mail = Mail::builder()
            .from(self.from.clone())
            .subject(format!("[Portward] {}", message.headline()))
            .date(at)
            .message_id(Some(format!("<{}.portward@{domain}>", message.id)));
        for to in &self.to {
            mail = mail.to(to.clone());
        }
        let mut mail = mail.singlepart(SinglePart::builder().header(ContentType::TEXT_PLAIN).body(format!(
            "{}\n\n-- \nPortward on {}\n",
            message.text(LONGEST_TEXT),
            message.server
        )))?;
        // No vacation message answers this (RFC 3834 section 5).
        let name = HeaderName::new_from_ascii_str("Auto-Submitted");
        mail.headers_mut().insert_raw(HeaderValue::new(name, "auto-generated".to_owned()));
        Ok(mail)
    }
}

#[async_trait]
impl Sender for Email {
    fn target(&self) -> String {
        let to: Vec<String> = self.to.iter().map(|mailbox| mailbox.email.to_string()).collect();
        format!("{} by {}:{}", to.join(", "), self.host, self.port)
    }

    async fn send(&self, message: &Message) -> Result<String, SendError> {
        let mail = self.mail(message).map_err(|error| SendError::new(format!("no mail can be made of it: {error}")))?;
        let tls = self.tls().map_err(|error| SendError::new(error.to_string()))?;
        let host = self.host_text();
        let found = tokio::net::lookup_host((host.as_str(), self.port)).await;
        let found = found.map_err(|error| SendError::new(format!("the name {host} does not resolve: {error}")))?;
        let mut failed = SendError::new(format!("the name {host} has no address"));
        for address in found.map(|address| address.ip()) {
            if let Some(why) = refusal_of_message(address, false) {
                failed = SendError::new(format!("{host} is at {address}, {why}"));
                continue;
            }
            // The certificate is still that of the host.
            let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(address.to_string())
                .port(self.port)
                .tls(tls.clone())
                .timeout(Some(PATIENCE));
            if Host::parse(&message.server).is_ok() {
                transport = transport.hello_name(ClientId::Domain(message.server.clone()));
            }
            if let Some((user, password)) = &self.login {
                transport = transport.credentials(Credentials::new(user.clone(), password.as_str().to_owned()));
            }
            let error = match transport.build().send(mail.clone()).await {
                Ok(response) => {
                    let said: Vec<&str> = response.message().collect();
                    return Ok(format!("{} {}", response.code(), said.join(" ")));
                }
                Err(error) => error,
            };
            failed = told(&error);
            // Somebody answered, and the mail may have been taken: it is not sent again to another address.
            if !is_unreachable(&error) {
                break;
            }
        }
        Err(failed)
    }
}

/// Whether nobody took the connection, so that nothing was said on it.
fn is_unreachable(error: &lettre::transport::smtp::Error) -> bool {
    use std::io::ErrorKind as K;
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<std::io::Error>());
    source.is_some_and(|source| match source.kind() {
        K::ConnectionRefused | K::HostUnreachable | K::NetworkUnreachable | K::AddrNotAvailable => true,
        // A server that took the connection may be too slow as well.
        K::TimedOut => error.to_string().starts_with("Connection error"),
        _ => false,
    })
}

fn told(error: &lettre::transport::smtp::Error) -> SendError {
    let mut said = error.to_string();
    if said.contains("UnknownIssuer") {
        said.push_str("; if that is the right server, give the certificate of its authority as the setting authority");
    }
    SendError::new(said)
}

/// For the connection, and for each answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// A digest of all that may wait.
const LONGEST_TEXT: usize = 100_000;
