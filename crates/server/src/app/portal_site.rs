//! Where the portal is, as those see it who come to it over the network.

use portward_core::{Binding, Host, HostPattern, Scheme, addresses_overlap, redirect_url};

use super::App;

impl App {
    /// The names of the sites that serve the portal; `*` is among them if it is for every name that no other site has.
    pub(crate) fn portal_names(&self) -> Vec<HostPattern> {
        let served = self.served();
        let sites = served.desired.sites.iter().map(|stored| &stored.value).filter(|site| site.is_portal());
        sites.flat_map(|site| site.names.iter().cloned()).collect()
    }

    /// Whether a certificate of the library is valid for a host.
    pub(crate) fn has_certificate_for(&self, host: &Host) -> bool {
        self.parts.proxy.snapshot().certificates.find(host).is_some()
    }

    /// The URL that leads to the same by https, for a request that came by http at a port; none if no binding leads there.
    pub(crate) fn https_url(&self, host: &Host, http_port: Option<u16>, path_and_query: &str) -> Option<String> {
        let served = self.served();
        let bound = |scheme: Scheme| {
            let bindings = served.desired.bindings.iter().map(|stored| &stored.value);
            bindings
                .filter_map(|binding: &Binding| {
                    let address = *served.binding(&binding.id)?.result.as_ref().ok()?;
                    (binding.protocol.scheme() == Some(scheme)).then_some(address)
                })
                .collect::<Vec<_>>()
        };
        let from: Vec<_> = bound(Scheme::Http).into_iter().filter(|http| Some(http.port()) == http_port).collect();
        let leads_there = |https: &std::net::SocketAddr| {
            from.is_empty() || from.iter().any(|http| addresses_overlap(http.ip(), https.ip()))
        };
        let ports = bound(Scheme::Https).into_iter().filter(leads_there).map(|https| https.port());
        let port = ports.min_by_key(|port| (*port != Scheme::Https.default_port(), *port))?;
        Some(redirect_url(host, port, path_and_query))
    }

    /// What keeps the server from being ready; empty when it is.
    pub(crate) fn unready(&self) -> Vec<String> {
        let mut reasons = self.served().unready();
        if self.parts.proxy.is_draining() {
            reasons.push("the server is ending".to_owned());
        }
        reasons
    }
}
