//! Hosted providers against stubs of their APIs: what is sent, and that other values stay.
//!
//! Only some kinds can be sent to another place than the provider's own; the others share all code but dns-update's.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::{add_fails, opened, record, stub::Stub};

#[tokio::test]
async fn powerdns_keeps_other_values() {
    let values: Arc<Mutex<Vec<String>>> = Arc::default();
    let kept = Arc::clone(&values);
    let server = Stub::start(move |asked| {
        let mut values = kept.lock().unwrap();
        if asked.header("x-api-key") != "canary-key" {
            return (401, "Unauthorized".to_owned());
        }
        if !asked.line.contains(" /api/v1/servers/localhost/zones/shop.test.") {
            return (404, "Not Found".to_owned());
        }
        if asked.line.starts_with("PATCH") {
            let body: Value = serde_json::from_str(&asked.body).unwrap();
            let change = &body["rrsets"][0];
            assert_eq!((&change["name"], &change["type"]), (&json!("_acme-challenge.www.shop.test."), &json!("TXT")));
            let records = change["records"].as_array().cloned().unwrap_or_default();
            *values = records.iter().map(|record| record["content"].as_str().unwrap().to_owned()).collect();
            return (204, String::new());
        }
        let records: Vec<Value> = values.iter().map(|value| json!({ "content": value, "disabled": false })).collect();
        let rrset = json!({ "name": "_acme-challenge.www.shop.test.", "type": "TXT", "ttl": 60, "records": records });
        (200, json!({ "rrsets": [rrset] }).to_string())
    })
    .await;
    let url = server.url();
    let writer = opened("powerdns", &[("endpoint", &url), ("api_key", "canary-key")]);
    let has = |expected: &[&str]| assert_eq!(*values.lock().unwrap(), expected);
    writer.add(&record("one")).await.unwrap();
    writer.add(&record("two")).await.unwrap();
    has(&["\"one\"", "\"two\""]);
    writer.add(&record("two")).await.unwrap();
    writer.remove(&record("one")).await.unwrap();
    has(&["\"two\""]);
    writer.remove(&record("one")).await.unwrap();
    writer.remove(&record("two")).await.unwrap();
    has(&[]);

    let wrong = opened("powerdns", &[("endpoint", &url), ("api_key", "canary-other")]);
    let error = add_fails(&*wrong).await.to_string();
    assert_eq!(error, "PowerDNS refuses the credentials: it answers with status 401");
    let mut other = record("one");
    other.zone = "www.shop.test".to_owned();
    let error = writer.add(&other).await.unwrap_err().to_string();
    assert_eq!(error, "PowerDNS has no zone www.shop.test: it answers with status 404");
    for zone in ["other.test", "op.test", ""] {
        other.zone = zone.to_owned();
        let error = writer.add(&other).await.unwrap_err().to_string();
        assert_eq!(error, format!("PowerDNS has no zone {zone}: _acme-challenge.www.shop.test is not inside it"));
    }
}

#[tokio::test]
async fn writes_of_one_provider_do_not_overtake_one_another() {
    let values: Arc<Mutex<Vec<Value>>> = Arc::default();
    let kept = Arc::clone(&values);
    let server = Stub::start(move |asked| {
        let mut values = kept.lock().unwrap();
        if asked.line.starts_with("PATCH") {
            let body: Value = serde_json::from_str(&asked.body).unwrap();
            *values = body["rrsets"][0]["records"].as_array().cloned().unwrap_or_default();
            return (204, String::new());
        }
        let rrset = json!({ "name": "_acme-challenge.www.shop.test.", "type": "TXT", "ttl": 60, "records": *values });
        (200, json!({ "rrsets": [rrset] }).to_string())
    })
    .await;
    let writer: Arc<dyn crate::dns::TxtWriter> =
        opened("powerdns", &[("endpoint", &server.url()), ("api_key", "key")]).into();
    let mut writes = tokio::task::JoinSet::new();
    for number in 0..12 {
        let writer = Arc::clone(&writer);
        writes.spawn(async move { writer.add(&record(&format!("value-{number}"))).await });
    }
    writes.join_all().await.into_iter().for_each(|result| result.unwrap());
    assert_eq!(values.lock().unwrap().len(), 12);
}

#[tokio::test]
async fn plesk_takes_away_the_one_record() {
    let records: Arc<Mutex<Vec<Value>>> = Arc::default();
    let kept = Arc::clone(&records);
    let server = Stub::start(move |asked| {
        let mut records = kept.lock().unwrap();
        assert_eq!(asked.header("x-api-key"), "canary-key");
        if let Some(id) = asked.line.strip_prefix("DELETE /api/v2/dns/records/") {
            let id: u64 = id.parse().unwrap();
            records.retain(|record| record["id"] != id);
            return (200, json!({ "status": "success" }).to_string());
        }
        assert!(asked.line.ends_with(" /api/v2/dns/records?domain=shop.test"), "{}", asked.line);
        if asked.line.starts_with("POST") {
            let mut record: Value = serde_json::from_str(&asked.body).unwrap();
            record["id"] = json!(records.len() + 1);
            records.push(record);
            return (201, json!({ "id": records.len() }).to_string());
        }
        (200, json!(*records).to_string())
    })
    .await;
    let writer = opened("plesk", &[("endpoint", &server.url()), ("api_key", "canary-key")]);
    for value in ["one", "two", "two"] {
        writer.add(&record(value)).await.unwrap();
    }
    writer.remove(&record("one")).await.unwrap();
    let left = records.lock().unwrap().clone();
    assert_eq!(left.len(), 1, "{left:?}");
    let expected =
        json!({ "id": 2, "type": "TXT", "host": "_acme-challenge.www.shop.test", "value": "two", "ttl": 300 });
    assert_eq!(left[0], expected);
}

#[tokio::test]
async fn route53_changes_the_set_of_values() {
    // The values, as they stand in the XML.
    let values: Arc<Mutex<Vec<String>>> = Arc::default();
    let kept = Arc::clone(&values);
    let server = Stub::start(move |asked| {
        let mut values = kept.lock().unwrap();
        let signed = "AWS4-HMAC-SHA256 Credential=AKIA/";
        assert!(asked.header("authorization").starts_with(signed), "{}", asked.header("authorization"));
        if asked.line.starts_with("GET /2013-04-01/hostedzonesbyname") {
            return (200, ZONES.to_owned());
        }
        if asked.line.starts_with("POST /2013-04-01/hostedzone/Z1/rrset") {
            let found = asked.body.split("<Value>").skip(1).filter_map(|part| part.split("</Value>").next());
            *values = found.map(str::to_owned).collect();
            if asked.body.contains("<Action>DELETE</Action>") {
                values.clear();
            }
            return (200, "<ChangeResourceRecordSetsResponse/>".to_owned());
        }
        assert!(asked.line.starts_with("GET /2013-04-01/hostedzone/Z1/rrset?"), "{}", asked.line);
        let records = values.iter().map(|value| format!("<ResourceRecord><Value>{value}</Value></ResourceRecord>"));
        let records: String = records.collect();
        let set = match records.as_str() {
            "" => String::new(),
            records => format!(
                "<ResourceRecordSet><Name>_acme-challenge.www.shop.test.</Name><Type>TXT</Type><TTL>60</TTL>\
                 <ResourceRecords>{records}</ResourceRecords></ResourceRecordSet>"
            ),
        };
        let body = format!(
            "<ListResourceRecordSetsResponse><ResourceRecordSets>{set}</ResourceRecordSets>\
             <IsTruncated>false</IsTruncated><MaxItems>100</MaxItems></ListResourceRecordSetsResponse>"
        );
        (200, body)
    })
    .await;
    let url = server.url();
    let settings = [("endpoint", url.as_str()), ("access_key_id", "AKIA"), ("secret_access_key", "canary-key")];
    let writer = opened("route53", &settings);
    let has = |expected: &[&str]| {
        let values = values.lock().unwrap();
        assert_eq!(values.iter().map(|value| value.replace("&quot;", "\"")).collect::<Vec<_>>(), expected);
    };
    writer.add(&record("one")).await.unwrap();
    writer.add(&record("two")).await.unwrap();
    has(&["\"one\"", "\"two\""]);
    writer.remove(&record("one")).await.unwrap();
    has(&["\"two\""]);
    writer.remove(&record("two")).await.unwrap();
    has(&[]);
    assert!(server.asked().iter().all(|asked| !format!("{asked:?}").contains("canary-key")));
    drop(server);
    let error = add_fails(&*writer).await.to_string();
    assert!(error.starts_with("Amazon Route 53 cannot be reached: "), "{error}");
}

const ZONES: &str = "<ListHostedZonesByNameResponse><HostedZones><HostedZone><Id>/hostedzone/Z1</Id>\
    <Name>shop.test.</Name><CallerReference>x</CallerReference><Config><PrivateZone>false</PrivateZone></Config>\
    </HostedZone></HostedZones><IsTruncated>false</IsTruncated><MaxItems>100</MaxItems></ListHostedZonesByNameResponse>";
