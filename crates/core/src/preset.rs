//! Presets: what well-known applications want of the site in front of them.
//!
//! A preset fills in what is not said when a site is added; from then on the site has values of its own.

use crate::{BodyLimit, ForceHttps, HeaderRules, PresetId, Scheme, SiteLimits, WaitLimit};

/// Is what an application wants of its site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preset {
    /// As in `teamcity`.
    pub id: &'static str,
    /// As people write it.
    pub name: &'static str,
    /// What it is, in a few words.
    pub what: &'static str,
    /// The scheme in which it is usually reached.
    pub scheme: Scheme,
    /// The port at which it usually listens.
    pub port: u16,
    /// What happens to plain HTTP.
    pub force_https: ForceHttps,
    /// The largest body, as [`BodyLimit::parse`] reads it.
    pub max_body: &'static str,
    /// The time for its answer, as [`WaitLimit::parse`] reads it.
    pub response_timeout: &'static str,
    /// The time between two pieces, as [`WaitLimit::parse`] reads it.
    pub idle_timeout: &'static str,
    /// Headers that its responses get.
    pub set_headers: &'static [(&'static str, &'static str)],
    /// Headers that its responses lose.
    pub remove_headers: &'static [&'static str],
    /// A path that answers 200 to everybody while it runs.
    pub health_path: &'static str,
    /// What is to be set in the application itself, where `NAME` is its host name and `PORTWARD` the address from which
    /// Portward asks it.
    pub notes: &'static [&'static str],
}

impl Preset {
    /// All there are, in the order of their names.
    pub const ALL: &[Self] = ALL;

    /// The one of that id.
    pub fn find(id: &str) -> Option<&'static Self> {
        Self::ALL.iter().find(|preset| preset.id == id)
    }

    /// Its id as a site remembers it.
    pub fn preset_id(&self) -> Option<PresetId> {
        PresetId::parse(self.id).ok()
    }

    /// The URL at which it is usually reached on the same machine.
    pub fn upstream(&self) -> String {
        format!("{}://127.0.0.1:{}", self.scheme.as_str(), self.port)
    }

    /// What one request may take.
    pub fn limits(&self) -> SiteLimits {
        // A test reads every one of them.
        let wait = |text: &str| WaitLimit::parse(text).ok().flatten();
        SiteLimits {
            body: BodyLimit::parse(self.max_body).ok().flatten(),
            response: wait(self.response_timeout),
            idle: wait(self.idle_timeout),
        }
    }

    /// What becomes of the headers of its responses.
    pub fn headers(&self) -> HeaderRules {
        let set = self.set_headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let remove = self.remove_headers.iter().map(|name| (*name).to_owned()).collect();
        HeaderRules::new(set, remove).unwrap_or_default()
    }
}

const ALL: &[Preset] = &[
    Preset {
        id: "gitea",
        name: "Gitea, Forgejo",
        what: "Git hosting",
        scheme: Scheme::Http,
        port: 3000,
        force_https: ForceHttps::All,
        // Pushes and LFS objects have no natural limit.
        max_body: "none",
        response_timeout: "20m",
        idle_timeout: "20m",
        set_headers: &[],
        remove_headers: &[],
        health_path: "/api/healthz",
        notes: &[
            "app.ini, [server]: ROOT_URL = https://NAME/",
            "app.ini, [security]: REVERSE_PROXY_TRUSTED_PROXIES = PORTWARD and REVERSE_PROXY_LIMIT = 1, so that it sees the addresses of its users",
        ],
    },
    Preset {
        id: "grafana",
        name: "Grafana",
        what: "dashboards",
        scheme: Scheme::Http,
        port: 3000,
        force_https: ForceHttps::All,
        max_body: "50MiB",
        // A slow data source is waited for.
        response_timeout: "5m",
        // Grafana Live is a WebSocket.
        idle_timeout: "20m",
        set_headers: &[],
        remove_headers: &[],
        health_path: "/api/health",
        notes: &[
            "grafana.ini, [server]: root_url = https://NAME/ (else its check of Origin refuses Grafana Live)",
            "grafana.ini, [security]: cookie_secure = true",
        ],
    },
    Preset {
        id: "harbor",
        name: "Harbor",
        what: "container registry",
        scheme: Scheme::Http,
        port: 8080,
        force_https: ForceHttps::All,
        // Layers are pushed whole.
        max_body: "none",
        response_timeout: "20m",
        idle_timeout: "20m",
        set_headers: &[],
        remove_headers: &[],
        health_path: "/api/v2.0/ping",
        notes: &[
            "harbor.yml: external_url: https://NAME, and no https section",
            "its own nginx must pass X-Forwarded-Proto on: take the lines proxy_set_header X-Forwarded-Proto out of common/config/nginx/nginx.conf",
        ],
    },
    Preset {
        id: "home-assistant",
        name: "Home Assistant",
        what: "home automation",
        scheme: Scheme::Http,
        port: 8123,
        force_https: ForceHttps::All,
        // Backups are uploaded whole.
        max_body: "none",
        response_timeout: "5m",
        // The front end is a WebSocket, which it keeps alive itself.
        idle_timeout: "1h",
        set_headers: &[],
        remove_headers: &[],
        health_path: "/manifest.json",
        notes: &[
            "configuration.yaml, http: use_x_forwarded_for: true and trusted_proxies: [PORTWARD]; without both it answers 400",
            "Settings, System, Network: the internet address is https://NAME",
        ],
    },
    Preset {
        id: "jenkins",
        name: "Jenkins",
        what: "builds",
        scheme: Scheme::Http,
        port: 8080,
        // Agents and scripts that were set up over http go on.
        force_https: ForceHttps::Browsers,
        max_body: "none",
        response_timeout: "20m",
        // Agents by WebSocket ping every 30 seconds.
        idle_timeout: "20m",
        set_headers: &[],
        remove_headers: &[],
        health_path: "/login",
        notes: &[
            "Manage Jenkins, System: the Jenkins URL is https://NAME/",
            "agents reach it through Portward by WebSocket: start them with -webSocket; a TCP agent port passes beside Portward",
        ],
    },
    Preset {
        id: "nexus",
        name: "Nexus Repository",
        what: "packages and images",
        scheme: Scheme::Http,
        port: 8081,
        force_https: ForceHttps::Browsers,
        max_body: "none",
        response_timeout: "20m",
        idle_timeout: "20m",
        set_headers: &[],
        // It tells everybody its exact version.
        remove_headers: &["Server"],
        health_path: "/service/rest/v1/status",
        notes: &[
            "Administration, Capabilities: a Base URL capability with https://NAME",
            "images: give the docker repository a connector port and a site of its own, or path based routing",
        ],
    },
    Preset {
        id: "octopus",
        name: "Octopus Deploy",
        what: "deployments",
        scheme: Scheme::Http,
        port: 8080,
        // Scripts and build servers that push packages over http go on.
        force_https: ForceHttps::Browsers,
        // It has no limit of its own for packages.
        max_body: "none",
        response_timeout: "20m",
        idle_timeout: "20m",
        set_headers: &[],
        remove_headers: &[],
        health_path: "/api/octopusservernodes/ping",
        notes: &[
            "Configuration, Settings, Server URI: https://NAME",
            "Configuration, Settings, Web Portal: force SSL stays off, because Portward does that; HSTS too",
            "polling Tentacles keep their own port, 10943, which passes beside Portward",
        ],
    },
    Preset {
        id: "proxmox",
        name: "Proxmox VE",
        what: "virtual machines",
        scheme: Scheme::Https,
        port: 8006,
        force_https: ForceHttps::All,
        // Disk images are uploaded whole.
        max_body: "none",
        response_timeout: "20m",
        // Consoles are WebSockets, and may be quiet.
        idle_timeout: "1h",
        set_headers: &[],
        remove_headers: &["Server"],
        health_path: "/",
        notes: &[
            "its certificate is signed by its own authority: give its thumbprint with --upstream-pin, or /etc/pve/pve-root-ca.pem with --upstream-ca",
            "/etc/default/pveproxy: ALLOW_FROM=\"PORTWARD\", DENY_FROM=\"all\", POLICY=\"allow\" keeps everybody else from going around Portward",
        ],
    },
    Preset {
        id: "teamcity",
        name: "TeamCity",
        what: "builds",
        scheme: Scheme::Http,
        port: 8111,
        // Agents that were set up over http go on.
        force_https: ForceHttps::Browsers,
        // As JetBrains' own example for nginx has it, with the next one.
        max_body: "none",
        response_timeout: "20m",
        idle_timeout: "20m",
        set_headers: &[],
        remove_headers: &[],
        health_path: "/healthCheck/ready",
        notes: &[
            "Administration, Global Settings: the server URL is https://NAME",
            "conf/server.xml, within Host: <Valve className=\"org.apache.catalina.valves.RemoteIpValve\" remoteIpHeader=\"x-forwarded-for\" protocolHeader=\"x-forwarded-proto\" portHeader=\"x-forwarded-port\" internalProxies=\"PORTWARD\"/>; internalProxies is a regular expression",
            "buildAgent.properties of each agent: serverUrl=https://NAME, whenever you like",
        ],
    },
    Preset {
        id: "uptime-kuma",
        name: "Uptime Kuma",
        what: "monitoring",
        scheme: Scheme::Http,
        port: 3001,
        force_https: ForceHttps::All,
        max_body: "50MiB",
        response_timeout: "2m",
        // The whole page is a WebSocket.
        idle_timeout: "20m",
        set_headers: &[],
        remove_headers: &[],
        health_path: "/api/entry-page",
        notes: &["Settings, Reverse Proxy, HTTP Headers: trust proxy is Yes"],
    },
    Preset {
        id: "vaultwarden",
        name: "Vaultwarden",
        what: "passwords",
        scheme: Scheme::Http,
        port: 8000,
        force_https: ForceHttps::All,
        // Its own limit for attachments, as its documentation gives it to proxies.
        max_body: "525MiB",
        response_timeout: "2m",
        // Notifications are a WebSocket.
        idle_timeout: "20m",
        set_headers: &[],
        remove_headers: &[],
        health_path: "/alive",
        notes: &[
            "DOMAIN=https://NAME: passkeys and attachments need it",
            "IP_HEADER=X-Forwarded-For: its default is X-Real-IP, which Portward takes away from everybody",
        ],
    },
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::Upstream;

    #[test]
    fn every_preset_can_be_used() {
        for preset in Preset::ALL {
            let id = preset.preset_id().unwrap();
            assert_eq!(Preset::find(id.as_str()), Some(preset));
            Upstream::parse(&preset.upstream()).unwrap();
            BodyLimit::parse(preset.max_body).unwrap();
            WaitLimit::parse(preset.response_timeout).unwrap();
            WaitLimit::parse(preset.idle_timeout).unwrap();
            let headers = preset.headers();
            assert_eq!(headers.set().len(), preset.set_headers.len(), "{id}");
            assert_eq!(headers.remove().len(), preset.remove_headers.len(), "{id}");
            assert!(preset.health_path.starts_with('/') && !preset.notes.is_empty(), "{id}");
        }
        assert!(Preset::ALL.is_sorted_by_key(|preset| preset.id), "in the order of their ids");
    }
}
