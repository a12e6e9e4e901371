//! What is noted of one request until its line can be written.

use std::{
    cell::{Cell, OnceCell, RefCell},
    fmt,
    io::Write,
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use portward_core::Upstream;
use rustls::CipherSuite;
use tokio::time::Instant;

use super::Batches;
use crate::{
    answer::Answer,
    h1::Version,
    request_id::RequestId,
    served::Client,
    snapshot::{ServedBinding, ServedSite},
    tls::TlsFacts,
};

/// Goes along with a request; where there is no access log it is nothing, and does nothing.
///
/// Clones are of the same request. Its line is written when the last of them goes, be it that the client was cut off.
#[derive(Clone, Default)]
pub(crate) struct Logged(Option<Rc<Entry>>);

/// Is what a client said in a request's head; what could not be read is none.
#[derive(Clone, Copy, Default)]
pub(crate) struct Said<'r> {
    pub(crate) version: Option<Version>,
    pub(crate) method: Option<&'r str>,
    pub(crate) target: Option<&'r str>,
    pub(crate) host: Option<&'r str>,
    pub(crate) referer: Option<&'r [u8]>,
    pub(crate) user_agent: Option<&'r [u8]>,
}

/// Is one request.
pub(super) struct Entry {
    batches: Rc<Batches>,
    pub(super) id: RequestId,
    /// When its head had been read, since 1970.
    pub(super) at: Duration,
    begun: Instant,
    /// Who the client is.
    pub(super) client: SocketAddr,
    /// The other end of its connection, which may be a proxy.
    pub(super) peer: SocketAddr,
    pub(super) binding: Arc<ServedBinding>,
    pub(super) version: Option<Version>,
    /// What was agreed on in the handshake; none in the clear.
    pub(super) cipher: Option<CipherSuite>,
    pub(super) words: RefCell<Words>,
    pub(super) site: OnceCell<Arc<ServedSite>>,
    pub(super) outcome: Cell<Outcome>,
}

/// Is how a request ended, as far as it has.
#[derive(Clone, Copy, Default)]
pub(super) struct Outcome {
    /// The status of the answer; none if the client was gone before it.
    pub(super) status: Option<u16>,
    pub(super) by: Option<By>,
    /// Why Portward answered by itself.
    pub(super) code: Option<&'static str>,
    /// How long the upstream took until its answer began.
    pub(super) upstream: Option<Duration>,
    /// Bytes of bodies.
    pub(super) received: u64,
    pub(super) sent: u64,
    /// Whether the client took the whole answer.
    pub(super) complete: bool,
    /// How long it took until then; what comes after it, as a body that nobody wants, is not waited for.
    pub(super) took: Option<Duration>,
}

/// Says who answered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Portward,
    Upstream,
}

/// Holds texts one behind the other, so that they need one piece of memory.
#[derive(Default)]
pub(super) struct Words {
    bytes: Vec<u8>,
    places: [Option<(u32, u32)>; 7],
}

/// Says which text.
#[derive(Clone, Copy)]
pub(super) enum Word {
    Method,
    Target,
    Host,
    Referer,
    UserAgent,
    Sni,
    Upstream,
}

impl Logged {
    /// Begins with a request whose head was read, or could not be.
    pub(crate) fn begin<'r>(
        client: &Client,
        id: RequestId,
        tls: Option<&TlsFacts>,
        said: impl FnOnce() -> Said<'r>,
    ) -> Self {
        let Some(batches) = &client.worker.access else { return Self::default() };
        let said = said();
        let mut words = Words::for_texts(&said);
        words.put(Word::Method, said.method.map(str::as_bytes), usize::MAX);
        words.put(Word::Target, said.target.map(str::as_bytes), usize::MAX);
        words.put(Word::Host, said.host.map(str::as_bytes), usize::MAX);
        words.put(Word::Referer, said.referer, MOST);
        words.put(Word::UserAgent, said.user_agent, MOST);
        if let Some(sni) = tls.and_then(|tls| tls.sni.as_ref()) {
            words.write(Word::Sni, sni);
        }
        Self(Some(Rc::new(Entry {
            batches: Rc::clone(batches),
            id,
            at: batches.now(),
            begun: Instant::now(),
            client: client.peer,
            peer: client.proxy().unwrap_or(client.peer),
            binding: Arc::clone(&client.binding),
            version: said.version,
            cipher: tls.and_then(|tls| tls.cipher),
            words: RefCell::new(words),
            site: OnceCell::new(),
            outcome: Cell::default(),
        })))
    }

    /// Notes for which site it is.
    pub(crate) fn is_for(&self, site: &Arc<ServedSite>) {
        if let Some(entry) = &self.0 {
            let _ = entry.site.set(Arc::clone(site));
        }
    }

    /// Notes which upstream is asked; the last one counts.
    pub(crate) fn asked(&self, upstream: &Upstream) {
        if let Some(entry) = &self.0 {
            entry.words.borrow_mut().write(Word::Upstream, upstream);
        }
    }

    /// Notes that the upstream's answer has begun.
    pub(crate) fn answered_by_upstream(&self, status: u16, at: Instant) {
        self.note(|entry, outcome| {
            (outcome.status, outcome.by) = (Some(status), Some(By::Upstream));
            outcome.upstream = Some(at.duration_since(entry.begun));
        });
    }

    /// Notes an answer of ours with so many bytes of body; `complete` if the client has taken it.
    pub(crate) fn answered(&self, answer: &Answer, bytes: u64, complete: bool) {
        self.note(|entry, outcome| {
            (outcome.status, outcome.by) = (Some(answer.status()), Some(By::Portward));
            (outcome.code, outcome.sent, outcome.complete) = (Some(answer.code()), bytes, complete);
            outcome.took = Some(entry.begun.elapsed());
        });
    }

    /// Notes bytes of bodies that went, beside those noted before.
    pub(crate) fn moved(&self, received: u64, sent: u64) {
        self.note(|_, outcome| {
            outcome.received += received;
            outcome.sent += sent;
        });
    }

    /// Notes that the client has the whole answer.
    pub(crate) fn complete(&self) {
        self.note(|entry, outcome| (outcome.complete, outcome.took) = (true, Some(entry.begun.elapsed())));
    }

    fn note(&self, note: impl FnOnce(&Entry, &mut Outcome)) {
        if let Some(entry) = &self.0 {
            let mut outcome = entry.outcome.get();
            note(entry, &mut outcome);
            entry.outcome.set(outcome);
        }
    }
}

impl Entry {
    /// How long it took, or has taken so far.
    pub(super) fn took(&self) -> Duration {
        self.outcome.get().took.unwrap_or_else(|| self.begun.elapsed())
    }

    /// Whether it may be a request to the portal: its queries may have what lets somebody in, as after a sign-in at an OpenID
    /// provider. What is answered before it is known whose it is may be one too.
    pub(super) fn may_be_for_portal(&self) -> bool {
        self.site.get().is_none_or(|site| site.upstreams.is_portal())
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.batches.add(self);
    }
}

impl Words {
    /// Has room for what a client said and for what is usual beside it, so that it grows seldom.
    fn for_texts(said: &Said<'_>) -> Self {
        let texts = [said.method, said.target, said.host].map(|text| text.map_or(0, str::len));
        let long = [said.referer, said.user_agent].map(|text| text.map_or(0, |text| text.len().min(MOST)));
        let room = texts.iter().chain(&long).sum::<usize>() + BESIDE;
        Self { bytes: Vec::with_capacity(room), places: Default::default() }
    }

    /// The text, if there is one.
    pub(super) fn get(&self, word: Word) -> Option<&[u8]> {
        let (start, end) = self.places[word as usize]?;
        self.bytes.get(start as usize..end as usize)
    }

    fn put(&mut self, word: Word, text: Option<&[u8]>, most: usize) {
        let Some(text) = text else { return };
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&text[..text.len().min(most)]);
        self.mark(word, start);
    }

    fn write(&mut self, word: Word, text: impl fmt::Display) {
        let start = self.bytes.len();
        // Memory takes everything.
        let _ = write!(self.bytes, "{text}");
        self.mark(word, start);
    }

    fn mark(&mut self, word: Word, start: usize) {
        // A head has 64 KiB at most.
        let place = |at| u32::try_from(at).unwrap_or(u32::MAX);
        self.places[word as usize] = Some((place(start), place(self.bytes.len())));
    }
}

impl fmt::Debug for Logged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Logged").field(&self.0.as_ref().map(|entry| entry.id)).finish()
    }
}

/// Of the name in the handshake and the URL of the upstream, which are mostly shorter.
const BESIDE: usize = 96;

/// Of `Referer` and `User-Agent`; what browsers and crawlers send is shorter, and nobody fills a disk by more.
const MOST: usize = 1024;
