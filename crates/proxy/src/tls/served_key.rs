//! Chain and key of a certificate, opened when somebody first asks for them, and kept while they are asked for.

use std::{
    collections::VecDeque,
    fmt,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
};

use arc_swap::ArcSwapOption;
use rustls::sign::CertifiedKey;

/// Is chain and key of a certificate, for handshakes.
///
/// A key that lies sealed is opened by the first handshake that needs it, on the worker of that handshake.
pub struct ServedKey {
    now: ArcSwapOption<CertifiedKey>,
    /// None if it is open for good.
    sealed: Option<Sealed>,
    /// Whether anybody asked since it was last looked at whether it may be closed.
    asked: AtomicBool,
}

struct Sealed {
    opener: Arc<dyn OpenKey>,
    open: Arc<OpenKeys>,
}

/// Opens a key that lies sealed.
pub trait OpenKey: Send + Sync + fmt::Debug {
    /// Chain and key; none if they do not open, which whoever opens them has told of.
    fn open(&self) -> Option<Arc<CertifiedKey>>;
}

/// Keeps so many keys open at most; those nobody asks for are closed first.
#[derive(Debug)]
pub struct OpenKeys {
    ring: Mutex<VecDeque<Weak<ServedKey>>>,
    limit: usize,
}

impl ServedKey {
    /// Takes what is open already, and stays so.
    pub fn ready(key: Arc<CertifiedKey>) -> Arc<Self> {
        Arc::new(Self { now: ArcSwapOption::new(Some(key)), sealed: None, asked: AtomicBool::new(false) })
    }

    /// Takes what is opened when it is needed; `open` keeps it from being one of too many.
    pub fn sealed(opener: Arc<dyn OpenKey>, open: &Arc<OpenKeys>) -> Arc<Self> {
        let sealed = Some(Sealed { opener, open: Arc::clone(open) });
        Arc::new(Self { now: ArcSwapOption::empty(), sealed, asked: AtomicBool::new(false) })
    }

    /// Chain and key; none if they do not open.
    pub fn get(self: &Arc<Self>) -> Option<Arc<CertifiedKey>> {
        // Written only when it is another value, so that workers do not take the cache line from each other.
        if !self.asked.load(Ordering::Relaxed) {
            self.asked.store(true, Ordering::Relaxed);
        }
        self.now.load_full().or_else(|| self.open())
    }

    /// Whether chain and key open; they are not kept open for that.
    pub fn opens(&self) -> bool {
        self.now.load().is_some() || self.sealed.as_ref().is_some_and(|sealed| sealed.opener.open().is_some())
    }

    fn open(self: &Arc<Self>) -> Option<Arc<CertifiedKey>> {
        let sealed = self.sealed.as_ref()?;
        let key = sealed.opener.open()?;
        // Two workers may open it at the same time; then one of them has it kept.
        if self.now.swap(Some(Arc::clone(&key))).is_none() {
            sealed.open.keep(self);
        }
        Some(key)
    }

    fn close(&self) {
        self.now.store(None);
    }
}

impl OpenKeys {
    /// Keeps `limit` keys open at most.
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { ring: Mutex::default(), limit })
    }

    fn keep(&self, key: &Arc<ServedKey>) {
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.push_back(Arc::downgrade(key));
        // Each is spared once, so this comes to an end.
        while ring.len() > self.limit {
            let Some(oldest) = ring.pop_front() else { break };
            match oldest.upgrade() {
                Some(oldest) if oldest.asked.swap(false, Ordering::Relaxed) => ring.push_back(Arc::downgrade(&oldest)),
                Some(oldest) => oldest.close(),
                None => {}
            }
        }
    }
}

impl fmt::Debug for ServedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServedKey").field("is_open", &self.now.load().is_some()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::sync::atomic::AtomicUsize;

    use rustls::crypto::aws_lc_rs::sign::any_supported_type;

    use super::*;
    use crate::tls::fixture::Issued;

    #[derive(Debug)]
    struct Opener {
        opened: AtomicUsize,
        key: Option<Arc<CertifiedKey>>,
    }

    impl OpenKey for Opener {
        fn open(&self) -> Option<Arc<CertifiedKey>> {
            self.opened.fetch_add(1, Ordering::Relaxed);
            self.key.clone()
        }
    }

    fn opener() -> Arc<Opener> {
        let issued = Issued::new(&["shop.test"], &rcgen::PKCS_ECDSA_P256_SHA256);
        let key = any_supported_type(&rustls::pki_types::PrivatePkcs8KeyDer::from(issued.key).into()).unwrap();
        let key = CertifiedKey::new(vec![issued.chain.leaf.to_vec().into()], key);
        Arc::new(Opener { opened: AtomicUsize::new(0), key: Some(Arc::new(key)) })
    }

    #[test]
    fn a_key_is_opened_once_while_it_is_asked_for() {
        let (open, opener) = (OpenKeys::new(2), opener());
        let key = ServedKey::sealed(Arc::clone(&opener) as _, &open);
        assert_eq!(opener.opened.load(Ordering::Relaxed), 0, "nobody asked yet");
        let first = key.get().unwrap();
        // Others come and go.
        for _ in 0..20 {
            assert!(Arc::ptr_eq(&key.get().unwrap(), &first));
            assert!(ServedKey::sealed(Arc::clone(&opener) as _, &open).get().is_some());
        }
        assert_eq!(opener.opened.load(Ordering::Relaxed), 21);
    }

    #[test]
    fn no_more_keys_are_open_than_the_limit_says() {
        let (open, opener) = (OpenKeys::new(3), opener());
        let keys: Vec<_> = (0..10).map(|_| ServedKey::sealed(Arc::clone(&opener) as _, &open)).collect();
        for key in &keys {
            key.get().unwrap();
        }
        let is_open = |key: &&Arc<ServedKey>| key.now.load().is_some();
        assert_eq!(keys.iter().filter(is_open).count(), 3);
        for key in &keys {
            key.get().unwrap();
        }
        assert_eq!(keys.iter().filter(is_open).count(), 3);
        drop(keys);
        ServedKey::sealed(Arc::clone(&opener) as _, &open).get().unwrap();
        assert!(open.ring.lock().unwrap().len() <= 3);
    }

    #[test]
    fn to_see_whether_it_opens_leaves_it_closed() {
        let key = ServedKey::sealed(opener(), &OpenKeys::new(3));
        assert!(key.opens() && key.now.load().is_none());
        assert!(key.get().is_some() && key.opens() && key.now.load().is_some());
    }

    #[test]
    fn what_does_not_open_is_tried_again() {
        let open = OpenKeys::new(3);
        let opener = Arc::new(Opener { opened: AtomicUsize::new(0), key: None });
        let key = ServedKey::sealed(Arc::clone(&opener) as _, &open);
        assert!(key.get().is_none() && !key.opens());
        assert_eq!(opener.opened.load(Ordering::Relaxed), 2);
    }
}
