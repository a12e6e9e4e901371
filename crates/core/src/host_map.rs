//! Finding what belongs to a host: exact first, then wildcard, then what is for any.

use std::net::IpAddr;

use crate::{Host, HostName, HostPattern, shards::Shards};

/// Maps host patterns to values; looking up a host takes at most three steps, however many patterns there are.
///
/// A clone shares all that is not changed afterwards: that costs microseconds with a hundred thousand hosts.
#[derive(Clone, Debug)]
pub struct HostMap<T> {
    names: Shards<HostName, T>,
    addresses: Shards<IpAddr, T>,
    wildcard: Shards<Box<str>, T>,
    any: Option<T>,
}

impl<T: Clone> HostMap<T> {
    /// An empty map.
    pub fn new() -> Self {
        Self { names: Shards::new(), addresses: Shards::new(), wildcard: Shards::new(), any: None }
    }

    /// An empty map that need not grow for so many names.
    pub fn with_room_for(names: usize) -> Self {
        Self { names: Shards::with_room_for(names), ..Self::new() }
    }

    /// Tells whether no host finds anything.
    pub fn is_empty(&self) -> bool {
        self.is_without_patterns() && self.any.is_none()
    }

    /// The value of `*`, if every host finds that one.
    pub fn only_any(&self) -> Option<&T> {
        self.any.as_ref().filter(|_| self.is_without_patterns())
    }

    /// Puts a value in and gives back the one it displaces.
    pub fn insert(&mut self, pattern: &HostPattern, value: T) -> Option<T> {
        match pattern {
            HostPattern::Exact(Host::Name(name)) => self.names.insert(name.clone(), value),
            HostPattern::Exact(Host::Ip(address)) => self.addresses.insert(*address, value),
            HostPattern::Wildcard(base) => self.wildcard.insert(base.as_str().into(), value),
            HostPattern::Any => self.any.replace(value),
        }
    }

    /// Takes the value under exactly that pattern out.
    pub fn remove(&mut self, pattern: &HostPattern) -> Option<T> {
        match pattern {
            HostPattern::Exact(Host::Name(name)) => self.names.remove(name),
            HostPattern::Exact(Host::Ip(address)) => self.addresses.remove(address),
            HostPattern::Wildcard(base) => self.wildcard.remove(base.as_str()),
            HostPattern::Any => self.any.take(),
        }
    }

    /// Each value with its pattern, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (HostPattern, &T)> {
        let names = self.names.iter().map(|(name, value)| (Host::Name(name.clone()), value));
        let addresses = self.addresses.iter().map(|(address, value)| (Host::Ip(*address), value));
        let exact = names.chain(addresses).map(|(host, value)| (HostPattern::Exact(host), value));
        let wildcard = self
            .wildcard
            .iter()
            .filter_map(|(base, value)| Some((HostPattern::parse(&format!("*.{base}")).ok()?, value)));
        exact.chain(wildcard).chain(self.any.iter().map(|value| (HostPattern::Any, value)))
    }

    /// The value under exactly that pattern.
    pub fn at(&self, pattern: &HostPattern) -> Option<&T> {
        match pattern {
            HostPattern::Exact(host) => self.exactly(host),
            HostPattern::Wildcard(base) => self.wildcard.get(base.as_str()),
            HostPattern::Any => self.any.as_ref(),
        }
    }

    /// The value for a host: of its exact pattern, else of the wildcard above it, else of `*`.
    pub fn find(&self, host: &Host) -> Option<&T> {
        if let Some(value) = self.exactly(host) {
            return Some(value);
        }
        if let Host::Name(name) = host
            && let Some(value) = name.parent().and_then(|parent| self.wildcard.get(parent))
        {
            return Some(value);
        }
        self.any.as_ref()
    }

    fn exactly(&self, host: &Host) -> Option<&T> {
        match host {
            Host::Name(name) => self.names.get(name),
            Host::Ip(address) => self.addresses.get(address),
        }
    }

    fn is_without_patterns(&self) -> bool {
        self.names.is_empty() && self.addresses.is_empty() && self.wildcard.is_empty()
    }
}

impl<T: Clone> Default for HostMap<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn the_closest_pattern_wins() {
        let mut map = HostMap::new();
        for pattern in ["a.shop.test", "*.shop.test", "*", "10.0.0.1"] {
            assert_eq!(map.insert(&HostPattern::parse(pattern).unwrap(), pattern), None);
        }
        for (host, expected) in [
            ("A.shop.test", "a.shop.test"),
            ("b.shop.test", "*.shop.test"),
            ("c.b.shop.test", "*"),
            ("shop.test", "*"),
            ("10.0.0.1", "10.0.0.1"),
            ("10.0.0.2", "*"),
        ] {
            assert_eq!(map.find(&Host::parse(host).unwrap()), Some(&expected), "{host}");
        }
        let mut all: Vec<_> = map.iter().map(|(pattern, value)| (pattern.to_string(), *value)).collect();
        all.sort();
        assert_eq!(all.len(), 4);
        assert!(all.iter().all(|(pattern, value)| pattern == value), "{all:?}");
        assert_eq!(map.insert(&HostPattern::Any, "new"), Some("*"));
        for pattern in ["a.test", "*.a.test", "*"] {
            let mut map = HostMap::new();
            assert!(map.is_empty());
            map.insert(&HostPattern::parse(pattern).unwrap(), ());
            assert!(!map.is_empty(), "{pattern}");
            assert_eq!(map.only_any().is_some(), pattern == "*");
            map.insert(&HostPattern::Any, ());
            assert_eq!(map.only_any().is_some(), pattern == "*");
        }
        assert_eq!(HostMap::<()>::new().find(&Host::parse("a").unwrap()), None);
    }

    #[test]
    fn a_clone_is_not_touched_by_what_is_changed_afterwards() {
        let pattern = |n: usize| HostPattern::parse(&format!("s{n}.shop.test")).unwrap();
        let host = |n: usize| Host::parse(&format!("s{n}.shop.test")).unwrap();
        let mut map = HostMap::new();
        for n in 0..2000 {
            assert_eq!(map.insert(&pattern(n), n), None);
        }
        let before = map.clone();
        assert_eq!(map.insert(&pattern(7), 7000), Some(7));
        assert_eq!(map.remove(&pattern(8)), Some(8));
        assert_eq!(map.remove(&pattern(8)), None);
        assert_eq!((before.find(&host(7)), before.find(&host(8))), (Some(&7), Some(&8)));
        assert_eq!((map.find(&host(7)), map.find(&host(8))), (Some(&7000), None));
        for n in 9..2000 {
            assert_eq!((before.find(&host(n)), map.find(&host(n))), (Some(&n), Some(&n)));
        }
        let wildcard = HostPattern::parse("*.shop.test").unwrap();
        map.insert(&wildcard, 1);
        assert_eq!((before.find(&host(5000)), map.find(&host(5000))), (None, Some(&1)));
        assert_eq!((map.remove(&wildcard), map.remove(&HostPattern::Any)), (Some(1), None));
        for n in 0..2000 {
            map.remove(&pattern(n));
        }
        assert!(map.is_empty() && !before.is_empty());
    }
}
