//! Which certificate a client sees, and which of its session tickets are good.

use std::{
    fmt,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use portward_core::{Host, HostName, HostPattern};
use rustls::{
    server::{ClientHello, ProducesTickets, ResolvesServerCert},
    sign::CertifiedKey,
};

use super::{challenge::is_for_challenge, server::TlsFacts};
use crate::snapshot::{ServedBinding, ServedCertificate, Snapshot};

/// Chooses what is presented to a client that asked for `sni` at `local`.
///
/// By name: the one that the name's site names, else the best one of the library (exact name, then wildcard).
/// Without a name: the one that has the address. Else the binding's own.
pub(super) fn choose<'a>(
    snapshot: &'a Snapshot,
    binding: &'a ServedBinding,
    sni: Option<&Host>,
    local: IpAddr,
) -> Option<&'a Arc<ServedCertificate>> {
    let by_name = |host: &Host| {
        let fixed = snapshot.sites.find(host).and_then(|site| site.certificate.as_ref());
        fixed.or_else(|| snapshot.certificates.find(host))
    };
    let chosen = match sni {
        Some(host) => by_name(host),
        // A site for any host says nothing about clients that name none: those are the binding's.
        None => snapshot.certificates.at(&HostPattern::Exact(Host::from(local))),
    };
    chosen.or(binding.default_certificate.as_ref())
}

/// Whether another connection like one that is there would be presented another certificate by now.
pub(crate) fn is_outdated(snapshot: &Snapshot, binding: &ServedBinding, tls: &TlsFacts, local: IpAddr) -> bool {
    let now = choose(snapshot, binding, tls.sni.as_ref(), local).map(|certificate| certificate.thumbprint);
    now != tls.certificate.as_ref().map(|certificate| certificate.thumbprint)
}

/// Makes the choice of one connection, and remembers it.
///
/// A ticket carries the thumbprint of the certificate that was presented with it and the binding, and is good only there
/// and where the same one would be presented again: nobody resumes past a replaced certificate, nor brings to one binding
/// what another one has let in. rustls holds it to the name that was asked for.
pub(super) struct Choice {
    snapshot: Arc<Snapshot>,
    binding: Arc<ServedBinding>,
    local: IpAddr,
    tickets: Arc<dyn ProducesTickets>,
    made: Mutex<Made>,
}

/// Is what was asked for and chosen.
#[derive(Clone, Default)]
pub(super) struct Made {
    /// Whether a ClientHello came so far.
    pub(super) asked: bool,
    /// Whether it asked for the answer to a challenge; looked at only if there is no certificate.
    pub(super) for_challenge: bool,
    pub(super) sni: Option<Host>,
    pub(super) certificate: Option<Arc<ServedCertificate>>,
}

impl Choice {
    pub(super) fn new(
        snapshot: Arc<Snapshot>,
        binding: Arc<ServedBinding>,
        local: IpAddr,
        tickets: Arc<dyn ProducesTickets>,
    ) -> Self {
        Self { snapshot, binding, local, tickets, made: Mutex::default() }
    }

    pub(super) fn made(&self) -> Made {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What a ticket of this connection begins with: thumbprint of what would be presented now, length and text of the
    /// binding's id.
    fn mark(&self) -> Option<Vec<u8>> {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let (certificate, id) = (made.certificate.as_ref()?, self.binding.id.as_str().as_bytes());
        Some([&certificate.thumbprint.as_bytes()[..], &[u8::try_from(id.len()).ok()?], id].concat())
    }
}

impl ResolvesServerCert for Choice {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // rustls gives no addresses here (RFC 6066 section 3 forbids them); a name that no host has finds nothing.
        let sni = hello.server_name().and_then(|name| HostName::parse(name).ok()).map(Host::Name);
        let chosen = choose(&self.snapshot, &self.binding, sni.as_ref(), self.local);
        let open = |certificate: &Arc<ServedCertificate>| Some((Arc::clone(certificate), certificate.key.get()?));
        // One whose key does not open is as good as none; it is told of where it is opened.
        let opened = chosen.and_then(open).or_else(|| self.binding.default_certificate.as_ref().and_then(open));
        let (certificate, key) = opened.unzip();
        // No site is missing its certificate then.
        let for_challenge = certificate.is_none() && is_for_challenge(&hello);
        *self.made.lock().unwrap_or_else(PoisonError::into_inner) =
            Made { asked: true, for_challenge, sni, certificate };
        key
    }
}

impl ProducesTickets for Choice {
    fn enabled(&self) -> bool {
        self.tickets.enabled()
    }

    fn lifetime(&self) -> u32 {
        self.tickets.lifetime()
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.tickets.encrypt(&[&self.mark()?[..], plain].concat())
    }

    // rustls resolves the certificate before it looks at tickets, for full and resumed handshakes alike.
    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        let mut plain = self.tickets.decrypt(cipher)?;
        let mark = self.mark()?;
        plain.starts_with(&mark).then(|| plain.split_off(mark.len()))
    }
}

impl fmt::Debug for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Choice").field("binding", &self.binding.id).field("local", &self.local).finish_non_exhaustive()
    }
}
