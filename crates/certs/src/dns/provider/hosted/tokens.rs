//! Providers that take a token or a pair of keys, and nothing else.

use dns_update::DnsUpdater;

use super::{super::ProviderSetting, ProviderKind, TIMEOUT, kind, kind_of_one_value};

const API_TOKEN: ProviderSetting =
    ProviderSetting::secret("api_token", "An API token that may change the zone's records.");
const API_KEY: ProviderSetting = ProviderSetting::secret("api_key", "The API key.");
const API_SECRET: ProviderSetting = ProviderSetting::secret("api_secret", "The secret of the API key.");

pub(super) const KINDS: [ProviderKind; 34] = [
    kind("arvancloud", "ArvanCloud", "ArvanCloud.", &[API_KEY], 600, |given| {
        Ok(DnsUpdater::new_arvancloud(given.text("api_key"), TIMEOUT)?)
    }),
    kind("bunny", "bunny.net", "bunny.net, with the API key of the account.", &[API_KEY], 60, |given| {
        Ok(DnsUpdater::new_bunny(given.text("api_key"), TIMEOUT)?)
    }),
    kind(
        "cloudflare",
        "Cloudflare",
        "Cloudflare, with an API token that has Zone: Read and DNS: Edit for the zone; the global API key is not taken.",
        &[API_TOKEN],
        120,
        |given| Ok(DnsUpdater::new_cloudflare(given.text("api_token"), TIMEOUT)?),
    ),
    kind("constellix", "Constellix", "Constellix.", &[API_KEY, API_SECRET], 60, |given| {
        Ok(DnsUpdater::new_constellix(given.text("api_key"), given.text("api_secret"), TIMEOUT)?)
    }),
    kind("desec", "deSEC", "deSEC; a record lives for an hour at least.", &[API_TOKEN], 3600, |given| {
        Ok(DnsUpdater::new_desec(given.text("api_token"), TIMEOUT)?)
    }),
    kind("digitalocean", "DigitalOcean", "DigitalOcean, with a personal access token.", &[API_TOKEN], 60, |given| {
        Ok(DnsUpdater::new_digitalocean(given.text("api_token"), TIMEOUT)?)
    }),
    kind("dnsmadeeasy", "DNS Made Easy", "DNS Made Easy.", &[API_KEY, API_SECRET], 120, |given| {
        Ok(DnsUpdater::new_dnsmadeeasy(given.text("api_key"), given.text("api_secret"), TIMEOUT)?)
    }),
    kind(
        "domeneshop",
        "Domeneshop",
        "Domeneshop.",
        &[ProviderSetting::plain("api_token", "The token of the API credentials, which names them."), API_SECRET],
        60,
        |given| Ok(DnsUpdater::new_domeneshop(given.text("api_token"), given.text("api_secret"), TIMEOUT)?),
    ),
    kind("dreamhost", "DreamHost", "DreamHost, with an API key for dns-*.", &[API_KEY], 300, |given| {
        Ok(DnsUpdater::new_dreamhost(given.text("api_key"), TIMEOUT)?)
    }),
    kind_of_one_value(
        "duckdns",
        "Duck DNS",
        "Duck DNS; a name has one TXT value, so order a wildcard and its apex one after the other.",
        &[ProviderSetting::secret("token", "The token that the page of the account shows.")],
        |given| Ok(DnsUpdater::new_duckdns(given.text("token"), TIMEOUT)?),
    ),
    kind("dynu", "Dynu", "Dynu.", &[API_KEY], 300, |given| Ok(DnsUpdater::new_dynu(given.text("api_key"), TIMEOUT)?)),
    kind(
        "easydns",
        "easyDNS",
        "easyDNS.",
        &[
            ProviderSetting::plain("token", "The API token, which names the key."),
            ProviderSetting::secret("key", "The API key."),
        ],
        120,
        |given| Ok(DnsUpdater::new_easydns(given.text("token"), given.text("key"), TIMEOUT)?),
    ),
    kind("exoscale", "Exoscale", "Exoscale.", &[API_KEY, API_SECRET], 120, |given| {
        Ok(DnsUpdater::new_exoscale(given.text("api_key"), given.text("api_secret"), TIMEOUT)?)
    }),
    kind("gandi", "Gandi", "Gandi LiveDNS, with a personal access token.", &[API_TOKEN], 300, |given| {
        Ok(DnsUpdater::new_gandiv5(given.text("api_token"), TIMEOUT)?)
    }),
    kind("gcore", "Gcore", "Gcore, with a permanent API token.", &[API_TOKEN], 120, |given| {
        Ok(DnsUpdater::new_gcore(given.text("api_token"), TIMEOUT)?)
    }),
    kind("godaddy", "GoDaddy", "GoDaddy, with a production key.", &[API_KEY, API_SECRET], 600, |given| {
        Ok(DnsUpdater::new_godaddy(given.text("api_key"), given.text("api_secret"), TIMEOUT)?)
    }),
    kind(
        "hetzner",
        "Hetzner",
        "Hetzner, with a token of the Cloud console that may read and write.",
        &[API_TOKEN],
        120,
        |given| Ok(DnsUpdater::new_hetzner(given.text("api_token"), TIMEOUT)?),
    ),
    kind("hostingde", "hosting.de", "hosting.de.", &[API_KEY], 60, |given| {
        Ok(DnsUpdater::new_hostingde(given.text("api_key"), TIMEOUT)?)
    }),
    kind("hostinger", "Hostinger", "Hostinger.", &[API_TOKEN], 300, |given| {
        Ok(DnsUpdater::new_hostinger(given.text("api_token"), TIMEOUT)?)
    }),
    kind("infomaniak", "Infomaniak", "Infomaniak, with an access token for domains.", &[API_TOKEN], 300, |given| {
        Ok(DnsUpdater::new_infomaniak(given.text("api_token"), TIMEOUT)?)
    }),
    kind(
        "ionos",
        "IONOS",
        "IONOS.",
        &[ProviderSetting::secret("api_key", "The API key: its public prefix, a dot and its secret.")],
        300,
        |given| Ok(DnsUpdater::new_ionos(given.text("api_key"), TIMEOUT)?),
    ),
    kind("ipv64", "IPv64.net", "IPv64.net, with the API key of the account.", &[API_KEY], 60, |given| {
        Ok(DnsUpdater::new_ipv64(given.text("api_key"), TIMEOUT)?)
    }),
    kind(
        "linode",
        "Linode",
        "Linode (Akamai), with a personal access token for domains.",
        &[API_TOKEN],
        300,
        |given| Ok(DnsUpdater::new_linode(given.text("api_token"), TIMEOUT)?),
    ),
    kind("netlify", "Netlify", "Netlify, with a personal access token.", &[API_TOKEN], 300, |given| {
        Ok(DnsUpdater::new_netlify(given.text("api_token"), TIMEOUT)?)
    }),
    kind("namesilo", "NameSilo", "NameSilo; a record lives for an hour at least.", &[API_KEY], 3600, |given| {
        Ok(DnsUpdater::new_namesilo(given.text("api_key"), TIMEOUT)?)
    }),
    kind("ns1", "NS1", "NS1 (IBM).", &[API_KEY], 60, |given| Ok(DnsUpdater::new_ns1(given.text("api_key"), TIMEOUT)?)),
    kind(
        "porkbun",
        "Porkbun",
        "Porkbun, with API access switched on for the domain.",
        &[API_KEY, ProviderSetting::secret("secret_api_key", "The secret API key.")],
        600,
        |given| Ok(DnsUpdater::new_porkbun(given.text("api_key"), given.text("secret_api_key"), TIMEOUT)?),
    ),
    kind("safedns", "UKFast SafeDNS", "SafeDNS of UKFast (ANS).", &[API_TOKEN], 120, |given| {
        Ok(DnsUpdater::new_safedns(given.text("api_token"), TIMEOUT)?)
    }),
    kind("scaleway", "Scaleway", "Scaleway, with the secret key of an API key.", &[API_TOKEN], 60, |given| {
        Ok(DnsUpdater::new_scaleway(given.text("api_token"), TIMEOUT)?)
    }),
    kind("spaceship", "Spaceship", "Spaceship.", &[API_KEY, API_SECRET], 60, |given| {
        Ok(DnsUpdater::new_spaceship(given.text("api_key"), given.text("api_secret"), TIMEOUT)?)
    }),
    kind(
        "vercel",
        "Vercel",
        "Vercel.",
        &[API_TOKEN, ProviderSetting::optional("team_id", "The team that has the domain.")],
        60,
        |given| Ok(DnsUpdater::new_vercel(given.text("api_token"), given.option("team_id"), TIMEOUT)?),
    ),
    kind("vultr", "Vultr", "Vultr; the account lets in only addresses that it lists.", &[API_KEY], 120, |given| {
        Ok(DnsUpdater::new_vultr(given.text("api_key"), TIMEOUT)?)
    }),
    kind("websupport", "Websupport", "Websupport.", &[API_KEY, API_SECRET], 600, |given| {
        Ok(DnsUpdater::new_websupport(given.text("api_key"), given.text("api_secret"), TIMEOUT)?)
    }),
    kind(
        "luadns",
        "LuaDNS",
        "LuaDNS.",
        &[ProviderSetting::plain("username", "The e-mail address of the account."), API_TOKEN],
        300,
        |given| Ok(DnsUpdater::new_luadns(given.text("username"), given.text("api_token"), TIMEOUT)?),
    ),
];
