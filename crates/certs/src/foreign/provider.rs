//! DNS providers by the names that certbot's plug-ins and acme.sh's have for them.

/// Is a provider of ours, and what others call it.
struct Provider {
    /// As in `portward acme dns add NAME`.
    name: &'static str,
    /// The plug-in of certbot, without `dns-`.
    certbot: &'static [&'static str],
    /// The plug-in of acme.sh, without `dns_`.
    acme_sh: &'static [&'static str],
    /// Beginnings of the settings in which acme.sh keeps its credentials.
    settings: &'static [&'static str],
}

/// The provider that a plug-in of certbot writes to, by the name of the plug-in without `dns-`.
pub(super) fn of_certbot(plugin: &str) -> Option<&'static str> {
    PROVIDERS.iter().find(|provider| provider.certbot.contains(&plugin)).map(|provider| provider.name)
}

/// The provider that a plug-in of acme.sh writes to, by the name of the plug-in without `dns_`.
pub(super) fn of_acme_sh(plugin: &str) -> Option<&'static str> {
    PROVIDERS.iter().find(|provider| provider.acme_sh.contains(&plugin)).map(|provider| provider.name)
}

/// The provider whose credentials acme.sh keeps under a setting.
pub(super) fn of_setting(key: &str) -> Option<&'static str> {
    let is_of = |provider: &&Provider| provider.settings.iter().any(|beginning| key.starts_with(beginning));
    PROVIDERS.iter().find(is_of).map(|provider| provider.name)
}

/// What is to be done for dns-01 here, as the end of a sentence.
pub(super) fn advice(provider: Option<&str>) -> String {
    match provider {
        Some(name) => format!("add the provider with portward acme dns add {name}"),
        None => "no provider here is known to be the same; portward acme dns kinds lists them, and exec runs a program of yours".to_owned(),
}
}

macro_rules! providers {
    ($($name:literal: $certbot:expr, $acme_sh:expr, $settings:expr;)*) => {
        const PROVIDERS: &[Provider] =
            &[$(Provider { name: $name, certbot: &$certbot, acme_sh: &$acme_sh, settings: &$settings }),*];
    };
}

providers! {
    "acme-dns": ["acmedns"], ["acmedns"], ["ACMEDNS_"];
    "alidns": ["aliyun", "alidns"], ["ali"], ["Ali_"];
    "arvancloud": ["arvan", "arvancloud"], ["arvan"], ["Arvan_"];
    "autodns": ["autodns"], ["autodns"], ["AUTODNS_"];
    "azure": ["azure"], ["azure"], ["AZUREDNS_"];
    "bunny": ["bunny"], ["bunny"], ["BUNNY_"];
    "cloudflare": ["cloudflare"], ["cf"], ["CF_"];
    "cloudns": ["cloudns"], ["cloudns"], ["CLOUDNS_"];
    "constellix": ["constellix"], ["constellix"], ["CONSTELLIX_"];
    "cpanel": ["cpanel"], ["cpanel"], ["cPanel_"];
    "desec": ["desec"], ["desec"], ["DEDYN_"];
    "digitalocean": ["digitalocean"], ["dgon"], ["DO_API_KEY"];
    "dnsimple": ["dnsimple"], ["dnsimple"], ["DNSimple_"];
    "dnsmadeeasy": ["dnsmadeeasy"], ["me"], ["ME_"];
    "domeneshop": ["domeneshop"], ["domeneshop"], ["DOMENESHOP_"];
    "dreamhost": ["dreamhost"], ["dreamhost"], ["DH_API_KEY"];
    "dynu": ["dynu"], ["dynu"], ["Dynu_"];
    "easydns": ["easydns"], ["easydns"], ["EASYDNS_"];
    "edgedns": ["edgedns"], ["edgedns"], ["AKAMAI_"];
    "exoscale": ["exoscale"], ["exoscale"], ["EXOSCALE_"];
    "gandi": ["gandi", "gandi-livedns"], ["gandi_livedns"], ["GANDI_LIVEDNS_"];
    "gcore": ["gcore"], ["gcore"], ["GCORE_"];
    "glesys": ["glesys"], [], [];
    "godaddy": ["godaddy"], ["gd"], ["GD_"];
    "google-cloud": ["google"], ["gcloud"], [];
    "hetzner": ["hetzner", "hetzner-cloud"], ["hetznercloud", "hetzner"], ["HETZNER_"];
    "hostingde": ["hostingde"], ["hostingde"], ["HOSTINGDE_"];
    "huaweicloud": ["huaweicloud"], ["huaweicloud"], ["HUAWEICLOUD_"];
    "infoblox": ["infoblox"], ["infoblox"], ["Infoblox_"];
    "infomaniak": ["infomaniak"], ["infomaniak"], ["INFOMANIAK_"];
    "inwx": ["inwx"], ["inwx"], ["INWX_"];
    "ionos": ["ionos"], ["ionos"], ["IONOS_PREFIX", "IONOS_SECRET"];
    "ipv64": ["ipv64"], ["ipv64"], ["IPv64_"];
    "joker": ["joker"], ["joker"], ["JOKER_"];
    "lightsail": ["lightsail"], [], [];
    "linode": ["linode"], ["linode_v4"], ["LINODE_V4_"];
    "luadns": ["luadns"], ["lua"], ["LUA_"];
    "mythic-beasts": ["mythicbeasts"], ["mythic_beasts"], ["MB_"];
    "namecheap": ["namecheap"], ["namecheap"], ["NAMECHEAP_"];
    "namedotcom": ["namecom"], ["namecom"], ["Namecom_"];
    "namesilo": ["namesilo"], ["namesilo"], ["Namesilo_"];
    "netcup": ["netcup"], ["netcup"], ["NC_"];
    "netlify": ["netlify"], ["netlify"], ["NETLIFY_"];
    "ns1": ["nsone"], ["nsone"], ["NS1_"];
    "oracle-cloud": ["oci"], ["oci"], ["OCI_CLI_"];
    "ovh": ["ovh"], ["ovh"], ["OVH_"];
    "powerdns": ["pdns", "powerdns"], ["pdns"], ["PDNS_"];
    "plesk": ["plesk"], ["pleskxml"], ["pleskxml_"];
    "porkbun": ["porkbun"], ["porkbun"], ["PORKBUN_"];
    "rfc2136": ["rfc2136"], ["nsupdate"], ["NSUPDATE_"];
    "route53": ["route53"], ["aws"], ["AWS_"];
    "scaleway": ["scaleway"], ["scaleway"], ["SCALEWAY_"];
    "selectel": ["selectel"], ["selectel"], ["SL_"];
    "simply": ["simply"], ["simply"], ["SIMPLY_"];
    "spaceship": ["spaceship"], ["spaceship"], ["SPACESHIP_"];
    "tencentcloud": ["tencentcloud", "dnspod"], ["tencent"], ["Tencent_"];
    "transip": ["transip"], ["transip"], ["TRANSIP_"];
    "ultradns": [], ["ultra"], ["ULTRA_"];
    "vercel": ["vercel"], ["vercel"], ["VERCEL_"];
    "vultr": ["vultr"], ["vultr"], ["VULTR_"];
    "websupport": ["websupport"], ["websupport"], ["WS_Api"];
    "yandex-cloud": ["yandexcloud"], ["yc"], ["YC_"];
    "zoneee": ["zoneee"], ["zone"], ["ZONE_"];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_stands_for_two_providers() {
        for (position, provider) in PROVIDERS.iter().enumerate() {
            for other in &PROVIDERS[position + 1..] {
                assert_ne!(provider.name, other.name);
                assert!(!provider.certbot.iter().any(|name| other.certbot.contains(name)), "{}", other.name);
                assert!(!provider.acme_sh.iter().any(|name| other.acme_sh.contains(name)), "{}", other.name);
                let overlap = |a: &str| other.settings.iter().any(|b| a.starts_with(b) || b.starts_with(a));
                assert!(!provider.settings.iter().any(|a| overlap(a)), "{} and {}", provider.name, other.name);
            }
        }
        assert_eq!(of_acme_sh("cf"), Some("cloudflare"));
        assert_eq!(of_certbot("nsone"), Some("ns1"));
        assert_eq!(of_setting("AWS_SECRET_ACCESS_KEY"), Some("route53"));
        assert_eq!(of_setting("LOG_FILE"), None);
    }
}
