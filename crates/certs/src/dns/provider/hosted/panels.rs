//! Registrars and control panels that know users, and servers of one's own with an API.

use dns_update::{
    DnsUpdater,
    providers::{bluecatv2::BluecatV2Config, infoblox::InfobloxConfig, joker::JokerAuth, ovh::OvhEndpoint},
};

use super::{
    super::{NotOpened, ProviderSetting},
    ProviderKind, TIMEOUT, kind,
};

const USERNAME: ProviderSetting = ProviderSetting::plain("username", "The user.");
const PASSWORD: ProviderSetting = ProviderSetting::secret("password", "The user's password.");
const API_KEY: ProviderSetting = ProviderSetting::secret("api_key", "The API key.");

pub(super) const KINDS: [ProviderKind; 21] = [
    kind(
        "autodns",
        "AutoDNS",
        "AutoDNS of InterNetX.",
        &[USERNAME, PASSWORD, ProviderSetting::or("context", "4", "The number of the context; 4 is the live system.")],
        600,
        |given| {
            let Ok(context) = given.text("context").parse() else {
                return Err(NotOpened::Setting { name: "context", expected: "a number" });
            };
            Ok(DnsUpdater::new_autodns(given.text("username"), given.text("password"), Some(context), TIMEOUT)?)
        },
    ),
    kind(
        "bluecat",
        "BlueCat",
        "BlueCat Address Manager with its RESTful v2 API.",
        &[
            ProviderSetting::plain("endpoint", "The URL of the server, as in https://bam.example.").leads(),
            USERNAME,
            PASSWORD,
            ProviderSetting::plain("configuration", "The name of the configuration."),
            ProviderSetting::plain("view", "The name of the DNS view."),
        ],
        120,
        |given| {
            Ok(DnsUpdater::new_bluecatv2(BluecatV2Config {
                server_url: given.url("endpoint")?.to_owned(),
                username: given.text("username").to_owned(),
                password: given.text("password").to_owned(),
                config_name: given.text("configuration").to_owned(),
                view_name: given.text("view").to_owned(),
                skip_deploy: false,
                request_timeout: TIMEOUT,
            })?)
        },
    ),
    kind(
        "cloudns",
        "ClouDNS",
        "ClouDNS, as an API user or a sub-user.",
        &[
            ProviderSetting::optional("auth_id", "The API user; either this one or sub_auth_id."),
            ProviderSetting::optional("sub_auth_id", "The API sub-user."),
            ProviderSetting::secret("auth_password", "The password of the API user."),
        ],
        60,
        |given| {
            let (user, sub_user) = (given.option("auth_id"), given.option("sub_auth_id"));
            Ok(DnsUpdater::new_cloudns(user, sub_user, given.text("auth_password"), TIMEOUT)?)
        },
    ),
    kind(
        "cpanel",
        "cPanel",
        "A server with cPanel.",
        &[
            ProviderSetting::plain("endpoint", "The URL of the server, as in https://cpanel.example:2083.").leads(),
            USERNAME,
            ProviderSetting::secret("api_token", "An API token of the user."),
        ],
        300,
        |given| {
            let (username, token) = (given.text("username"), given.text("api_token"));
            Ok(DnsUpdater::new_cpanel(given.url("endpoint")?, username, token, TIMEOUT)?)
        },
    ),
    kind(
        "dnsimple",
        "DNSimple",
        "DNSimple, with an account token.",
        &[
            ProviderSetting::plain("account_id", "The number of the account."),
            ProviderSetting::secret("api_token", "An API token that may change the zone's records."),
        ],
        60,
        |given| Ok(DnsUpdater::new_dnsimple(given.text("api_token"), given.text("account_id"), TIMEOUT)?),
    ),
    kind(
        "glesys",
        "GleSYS",
        "GleSYS.",
        &[ProviderSetting::plain("username", "The project, as in cl12345."), API_KEY],
        60,
        |given| Ok(DnsUpdater::new_glesys(given.text("username"), given.text("api_key"), TIMEOUT)?),
    ),
    kind(
        "infoblox",
        "Infoblox",
        "Infoblox NIOS with its WAPI, over HTTPS.",
        &[
            ProviderSetting::plain("host", "The host of the grid manager.").leads(),
            ProviderSetting::or("port", "443", "Its port.").leads(),
            USERNAME,
            PASSWORD,
            ProviderSetting::optional("wapi_version", "The version of the WAPI, as in 2.11."),
            ProviderSetting::optional("dns_view", "The DNS view."),
        ],
        120,
        |given| {
            Ok(DnsUpdater::new_infoblox(InfobloxConfig {
                host: given.text("host").to_owned(),
                port: given.owned("port"),
                username: given.text("username").to_owned(),
                password: given.text("password").to_owned(),
                wapi_version: given.owned("wapi_version"),
                dns_view: given.owned("dns_view"),
                request_timeout: TIMEOUT,
            })?)
        },
    ),
    kind(
        "inwx",
        "INWX",
        "INWX, as a user without mobile TAN.",
        &[USERNAME, PASSWORD, ProviderSetting::or("environment", "live", "live, or sandbox for ote.inwx.com.").leads()],
        300,
        |given| {
            let sandbox = match given.text("environment") {
                "live" => false,
                "sandbox" => true,
                _ => return Err(NotOpened::Setting { name: "environment", expected: "live or sandbox" }),
            };
            Ok(DnsUpdater::new_inwx(given.text("username"), given.text("password"), sandbox, TIMEOUT)?)
        },
    ),
    kind("joker", "Joker", "Joker.com, with an API key for DMAPI.", &[API_KEY], 300, |given| {
        Ok(DnsUpdater::new_joker(JokerAuth::ApiKey(given.text("api_key").to_owned()), TIMEOUT)?)
    }),
    kind(
        "mythic-beasts",
        "Mythic Beasts",
        "Mythic Beasts, with an API key for DNS.",
        &[
            ProviderSetting::plain("username", "The id of the API key."),
            ProviderSetting::secret("password", "The secret of the API key."),
        ],
        60,
        |given| Ok(DnsUpdater::new_mythicbeasts(given.text("username"), given.text("password"), TIMEOUT)?),
    ),
    kind(
        "namecheap",
        "Namecheap",
        "Namecheap; the account lets in only addresses that it lists.",
        &[
            USERNAME,
            API_KEY,
            ProviderSetting::plain("client_ip", "The address of this machine that the account lists."),
        ],
        120,
        |given| {
            let (user, key, address) = (given.text("username"), given.text("api_key"), given.text("client_ip"));
            Ok(DnsUpdater::new_namecheap(user, key, address, None::<&str>, TIMEOUT)?)
        },
    ),
    kind(
        "namedotcom",
        "Name.com",
        "Name.com.",
        &[USERNAME, ProviderSetting::secret("api_token", "An API token of the user.")],
        300,
        |given| Ok(DnsUpdater::new_namedotcom(given.text("username"), given.text("api_token"), TIMEOUT)?),
    ),
    kind(
        "netcup",
        "netcup",
        "netcup, with an API key and API password of the customer control panel.",
        &[
            ProviderSetting::plain("customer_number", "The number of the customer."),
            API_KEY,
            ProviderSetting::secret("api_password", "The API password."),
        ],
        120,
        |given| {
            let (customer, key, password) =
                (given.text("customer_number"), given.text("api_key"), given.text("api_password"));
            Ok(DnsUpdater::new_netcup(customer, key, password, TIMEOUT)?)
        },
    ),
    kind(
        "ovh",
        "OVH",
        "OVH, with an application that may GET, POST, PUT and DELETE below /domain/zone/.",
        &[
            ProviderSetting::plain("application_key", "The application key."),
            ProviderSetting::secret("application_secret", "The application secret."),
            ProviderSetting::secret("consumer_key", "The consumer key."),
            ProviderSetting::or(
                "region",
                "ovh-eu",
                "ovh-eu, ovh-us, ovh-ca, kimsufi-eu, kimsufi-ca, soyoustart-eu or soyoustart-ca.",
            )
            .leads(),
        ],
        120,
        |given| {
            let Ok(endpoint) = given.text("region").parse::<OvhEndpoint>() else {
                let expected = "ovh-eu, ovh-us, ovh-ca, kimsufi-eu, kimsufi-ca, soyoustart-eu or soyoustart-ca";
                return Err(NotOpened::Setting { name: "region", expected });
            };
            let (key, secret) = (given.text("application_key"), given.text("application_secret"));
            Ok(DnsUpdater::new_ovh(key, secret, given.text("consumer_key"), endpoint, TIMEOUT)?)
        },
    ),
    kind(
        "plesk",
        "Plesk",
        "A server with Plesk.",
        &[
            ProviderSetting::plain("endpoint", "The URL of the server, as in https://plesk.example:8443.").leads(),
            ProviderSetting::secret("api_key", "A secret key of the server's API."),
        ],
        300,
        |given| Ok(DnsUpdater::new_plesk(given.url("endpoint")?, given.text("api_key"), TIMEOUT)?),
    ),
    kind(
        "powerdns",
        "PowerDNS",
        "A PowerDNS Authoritative Server with its API switched on.",
        &[
            ProviderSetting::or("endpoint", "http://127.0.0.1:8081", "The URL of the server's API.").leads(),
            ProviderSetting::secret("api_key", "The api-key of the server."),
            ProviderSetting::or("server_id", "localhost", "The id of the server in its API."),
        ],
        60,
        |given| {
            let (endpoint, server) = (given.url("endpoint")?, given.text("server_id"));
            Ok(DnsUpdater::new_pdns(given.text("api_key"), Some(endpoint), Some(server), TIMEOUT)?)
        },
    ),
    kind(
        "simply",
        "Simply.com",
        "Simply.com.",
        &[ProviderSetting::plain("account_name", "The name of the account, as in S123456."), API_KEY],
        300,
        |given| Ok(DnsUpdater::new_simplycom(given.text("account_name"), given.text("api_key"), TIMEOUT)?),
    ),
    kind(
        "transip",
        "TransIP",
        "TransIP, with a key pair of the control panel that is not bound to addresses.",
        &[
            ProviderSetting::plain("login", "The name of the account."),
            ProviderSetting::secret("private_key", "The private key in PEM."),
        ],
        60,
        |given| Ok(DnsUpdater::new_transip(given.text("login"), given.text("private_key"), true, TIMEOUT)?),
    ),
    kind(
        "ultradns",
        "UltraDNS",
        "UltraDNS of Vercara.",
        &[
            USERNAME,
            PASSWORD,
            ProviderSetting::optional("endpoint", "The URL of another server with the same API.").leads(),
        ],
        120,
        |given| {
            let endpoint = match given.option("endpoint") {
                Some(_) => Some(given.url("endpoint")?.to_owned()),
                None => None,
            };
            Ok(DnsUpdater::new_ultradns(given.text("username"), given.text("password"), endpoint, TIMEOUT)?)
        },
    ),
    kind("ibmcloud", "IBM Cloud", "Classic DNS of IBM Cloud (SoftLayer).", &[USERNAME, API_KEY], 900, |given| {
        Ok(DnsUpdater::new_ibmcloud(given.text("username"), given.text("api_key"), TIMEOUT)?)
    }),
    kind("zoneee", "Zone.ee", "Zone.ee and Zone.eu.", &[USERNAME, API_KEY], 300, |given| {
        Ok(DnsUpdater::new_zoneeu(given.text("username"), given.text("api_key"), TIMEOUT)?)
    }),
];
