//! Large clouds, whose access is described by more than a token.

use dns_update::{
    DnsUpdater,
    providers::{
        azuredns::{AzureDnsConfig, AzureEnvironment},
        edgedns::EdgeDnsConfig,
        google_cloud_dns::GoogleCloudDnsConfig,
        lightsail::LightsailConfig,
        oraclecloud::OracleCloudConfig,
        route53::Route53Config,
        yandexcloud::YandexCloudConfig,
    },
};

use super::{
    super::{NotOpened, ProviderSetting},
    ProviderKind, TIMEOUT, kind,
};

const ACCESS_KEY_ID: ProviderSetting = ProviderSetting::plain("access_key_id", "The id of the access key.");
const SECRET_ACCESS_KEY: ProviderSetting =
    ProviderSetting::secret("secret_access_key", "The secret of the access key.");
const SESSION_TOKEN: ProviderSetting =
    ProviderSetting::optional_secret("session_token", "The session token of temporary credentials.");

pub(super) const KINDS: [ProviderKind; 11] = [
    kind(
        "alidns",
        "Alibaba Cloud",
        "Alibaba Cloud DNS.",
        &[ACCESS_KEY_ID, SECRET_ACCESS_KEY, ProviderSetting::optional("region", "The region of the API.").leads()],
        600,
        |given| {
            let (key, secret) = (given.text("access_key_id"), given.text("secret_access_key"));
            Ok(DnsUpdater::new_alidns(key, secret, given.option("region"), None::<&str>, None::<&str>, TIMEOUT)?)
        },
    ),
    kind(
        "azure",
        "Azure DNS",
        "Azure DNS, as an application that has the role DNS Zone Contributor for the zone.",
        &[
            ProviderSetting::plain("tenant_id", "The directory (tenant) of the application."),
            ProviderSetting::plain("client_id", "The application (client)."),
            ProviderSetting::secret("client_secret", "A client secret of the application."),
            ProviderSetting::plain("subscription_id", "The subscription that the zone is in."),
            ProviderSetting::plain("resource_group", "The resource group that the zone is in."),
            ProviderSetting::or("environment", "public", "public, china or usgovernment.").leads(),
        ],
        60,
        |given| {
            let environment = match given.text("environment") {
                "public" => AzureEnvironment::Public,
                "china" => AzureEnvironment::China,
                "usgovernment" => AzureEnvironment::UsGovernment,
                _ => {
                    let expected = "public, china or usgovernment";
                    return Err(NotOpened::Setting { name: "environment", expected });
                }
            };
            Ok(DnsUpdater::new_azuredns(AzureDnsConfig {
                tenant_id: given.text("tenant_id").to_owned(),
                client_id: given.text("client_id").to_owned(),
                client_secret: given.text("client_secret").to_owned(),
                subscription_id: given.text("subscription_id").to_owned(),
                resource_group: given.text("resource_group").to_owned(),
                environment,
                request_timeout: TIMEOUT,
            })?)
        },
    ),
    kind(
        "edgedns",
        "Akamai Edge DNS",
        "Akamai Edge DNS, with credentials of an EdgeGrid API client.",
        &[
            ProviderSetting::plain("host", "The host of the credentials.").leads(),
            ProviderSetting::secret("client_token", "The client token."),
            ProviderSetting::secret("client_secret", "The client secret."),
            ProviderSetting::secret("access_token", "The access token."),
            ProviderSetting::optional("account_switch_key", "The account switch key, for partners."),
        ],
        120,
        |given| {
            Ok(DnsUpdater::new_edgedns(EdgeDnsConfig {
                host: given.text("host").to_owned(),
                client_token: given.text("client_token").to_owned(),
                client_secret: given.text("client_secret").to_owned(),
                access_token: given.text("access_token").to_owned(),
                account_switch_key: given.owned("account_switch_key"),
                request_timeout: TIMEOUT,
            })?)
        },
    ),
    kind(
        "google-cloud",
        "Google Cloud DNS",
        "Google Cloud DNS, as a service account that has the role DNS Administrator.",
        &[
            ProviderSetting::plain("project_id", "The project that the zone is in."),
            ProviderSetting::secret(
                "service_account_json",
                "The key of the service account: the content of the JSON file.",
            ),
            ProviderSetting::optional("managed_zone", "The name of the managed zone; looked for if it is not given."),
        ],
        120,
        |given| {
            Ok(DnsUpdater::new_google_cloud_dns(GoogleCloudDnsConfig {
                service_account_json: given.text("service_account_json").to_owned(),
                project_id: given.text("project_id").to_owned(),
                managed_zone: given.owned("managed_zone"),
                private_zone: false,
                impersonate_service_account: None,
                request_timeout: TIMEOUT,
            })?)
        },
    ),
    kind(
        "huaweicloud",
        "Huawei Cloud",
        "Huawei Cloud DNS.",
        &[
            ACCESS_KEY_ID,
            SECRET_ACCESS_KEY,
            ProviderSetting::plain("region", "The region of the API, as in cn-north-4.").leads(),
        ],
        300,
        |given| {
            let (key, secret) = (given.text("access_key_id"), given.text("secret_access_key"));
            Ok(DnsUpdater::new_huaweicloud(key, secret, given.text("region"), TIMEOUT)?)
        },
    ),
    kind(
        "lightsail",
        "Amazon Lightsail",
        "A DNS zone of Amazon Lightsail.",
        &[ACCESS_KEY_ID, SECRET_ACCESS_KEY, SESSION_TOKEN],
        60,
        |given| {
            Ok(DnsUpdater::new_lightsail(LightsailConfig {
                access_key_id: given.text("access_key_id").to_owned(),
                secret_access_key: given.text("secret_access_key").to_owned(),
                session_token: given.owned("session_token"),
                region: None,
                domain: None,
                request_timeout: TIMEOUT,
            })?)
        },
    ),
    kind(
        "oracle-cloud",
        "Oracle Cloud",
        "Oracle Cloud Infrastructure DNS, with an API signing key.",
        &[
            ProviderSetting::plain("tenancy_ocid", "The OCID of the tenancy."),
            ProviderSetting::plain("user_ocid", "The OCID of the user."),
            ProviderSetting::plain("fingerprint", "The fingerprint of the signing key."),
            ProviderSetting::secret("private_key", "The signing key in PEM, without a password."),
            ProviderSetting::plain("region", "The region, as in eu-frankfurt-1.").leads(),
            ProviderSetting::plain("compartment_ocid", "The OCID of the compartment that the zone is in."),
        ],
        120,
        |given| {
            Ok(DnsUpdater::new_oraclecloud(OracleCloudConfig {
                tenancy_ocid: given.text("tenancy_ocid").to_owned(),
                user_ocid: given.text("user_ocid").to_owned(),
                fingerprint: given.text("fingerprint").to_owned(),
                private_key_pem: given.text("private_key").to_owned(),
                private_key_password: None,
                region: given.text("region").to_owned(),
                compartment_ocid: given.text("compartment_ocid").to_owned(),
                request_timeout: TIMEOUT,
            })?)
        },
    ),
    kind(
        "route53",
        "Amazon Route 53",
        "Amazon Route 53, with an access key that may list zones and record sets, and change record sets.",
        &[
            ACCESS_KEY_ID,
            SECRET_ACCESS_KEY,
            SESSION_TOKEN,
            ProviderSetting::optional("hosted_zone_id", "The id of the hosted zone; looked for if it is not given."),
            ProviderSetting::optional("region", "The region that requests are signed for.").leads(),
            ProviderSetting::optional("endpoint", "The URL of another server with the same API.").leads(),
        ],
        60,
        |given| {
            let endpoint = match given.option("endpoint") {
                Some(_) => Some(given.url("endpoint")?.to_owned()),
                None => None,
            };
            Ok(DnsUpdater::new_route53(Route53Config {
                access_key_id: given.text("access_key_id").to_owned(),
                secret_access_key: given.text("secret_access_key").to_owned(),
                session_token: given.owned("session_token"),
                region: given.owned("region"),
                hosted_zone_id: given.owned("hosted_zone_id"),
                private_zone_only: None,
                endpoint,
            })?)
        },
    ),
    kind(
        "selectel",
        "Selectel",
        "Selectel DNS, as a service user.",
        &[
            ProviderSetting::plain("username", "The service user."),
            ProviderSetting::secret("password", "Its password."),
            ProviderSetting::plain("account_id", "The number of the account."),
            ProviderSetting::plain("project_id", "The project that the zone is in."),
        ],
        60,
        |given| {
            let (username, password) = (given.text("username"), given.text("password"));
            let (account, project) = (given.text("account_id"), given.text("project_id"));
            Ok(DnsUpdater::new_selectel(username, password, account, project, TIMEOUT)?)
        },
    ),
    kind(
        "tencentcloud",
        "Tencent Cloud",
        "DNSPod of Tencent Cloud.",
        &[
            ProviderSetting::plain("secret_id", "The id of the API key."),
            ProviderSetting::secret("secret_key", "The secret of the API key."),
        ],
        600,
        |given| {
            let (id, key) = (given.text("secret_id"), given.text("secret_key"));
            Ok(DnsUpdater::new_tencentcloud(id, key, None::<&str>, None::<&str>, TIMEOUT)?)
        },
    ),
    kind(
        "yandex-cloud",
        "Yandex Cloud",
        "Yandex Cloud DNS, as a service account.",
        &[
            ProviderSetting::plain("folder_id", "The folder that the zone is in."),
            ProviderSetting::secret(
                "service_account_key",
                "The authorized key of the service account: its JSON in base64.",
            ),
        ],
        60,
        |given| {
            Ok(DnsUpdater::new_yandexcloud(YandexCloudConfig {
                iam_token_b64: given.text("service_account_key").to_owned(),
                folder_id: given.text("folder_id").to_owned(),
                request_timeout: TIMEOUT,
            })?)
        },
    ),
];
