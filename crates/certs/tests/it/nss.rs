//! The data base of NSS (Firefox, certutil, pk12util), in both directions.

use portward_certs::{Password, export_pfx, self_signed, self_signed_validity};
use portward_core::HostPattern;

use crate::workbench::{RSA, Workbench, now};

#[test]
fn what_pk12util_writes_is_read() {
    let bench = Workbench::with_chain(RSA);
    bench.run("openssl pkcs12 -export -in chain.pem -inkey leaf.key -name shop -passout pass:geheim -out from.pfx");
    bench.run("mkdir db");
    bench.run("certutil -N -d sql:db --empty-password");
    bench.run("pk12util -i from.pfx -d sql:db -W geheim -K none");
    for ciphers in ["", "-c AES-128-CBC -C AES-128-CBC", "-c DES-EDE3-CBC -C RC2-CBC", "-M SHA-512"] {
        bench.run(&format!("pk12util -o it.pfx -n shop -d sql:db -W Gehe\u{e4}m {ciphers}"));
        let bundle = bench.read(&["it.pfx"], Some("Gehe\u{e4}m")).unwrap_or_else(|error| panic!("{ciphers}: {error}"));
        bench.expect_chain(&bundle);
    }
}

#[test]
fn what_we_export_pk12util_reads() {
    let bench = Workbench::with_chain(RSA);
    let bundle = bench.read(&["chain.pem", "leaf.key"], None).unwrap();
    let password = "Schl\u{fc}ssel";
    let pfx = export_pfx(&bundle.chain, &bundle.key, &Password::new(password.to_owned()), "Laden").unwrap();
    bench.write("our.pfx", &pfx);
    bench.run("mkdir db");
    bench.run("certutil -N -d sql:db --empty-password");
    bench.run(&format!("pk12util -i our.pfx -d sql:db -W {password} -K none"));
    let listed = bench.run("certutil -L -d sql:db");
    assert!(listed.contains("Laden") && listed.contains("u,u,u"), "{listed}");
}

#[test]
fn nss_accepts_a_self_signed_server_that_it_trusts() {
    let bench = Workbench::new();
    let name = HostPattern::parse("shop.test").unwrap();
    let made = self_signed(&[name], self_signed_validity(now(), 90)).unwrap();
    bench.write("our.pem", portward_certs::export_pem(&made.chain, &made.key).as_bytes());
    bench.run("mkdir db");
    bench.run("certutil -N -d sql:db --empty-password");
    bench.run("certutil -A -d sql:db -n our -i our.pem -t P,,");
    let verdict = bench.run("certutil -V -d sql:db -n our -u V");
    assert!(verdict.contains("certificate is valid"), "{verdict}");
}
