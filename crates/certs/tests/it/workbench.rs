//! A directory in which tools are run, with a small authority made by openssl.

use std::process::{Command, Output, Stdio};

use portward_certs::{Bundle, Input, Password, ReadError, read};
use portward_core::Timestamp;
use tempfile::TempDir;

/// Runs tools in a directory of its own.
pub(crate) struct Workbench {
    dir: TempDir,
}

/// How the leaf's key is made: the arguments of `openssl genpkey`.
pub(crate) const RSA: &str = "-algorithm RSA -pkeyopt rsa_keygen_bits:2048";
pub(crate) const P256: &str = "-algorithm EC -pkeyopt ec_paramgen_curve:P-256";

impl Workbench {
    pub(crate) fn new() -> Self {
        Self { dir: TempDir::new().unwrap() }
    }

    /// With `root.pem`, `middle.pem` and `leaf.pem`, each with its `.key`, and `chain.pem`: leaf, middle, root.
    pub(crate) fn with_chain(leaf_key: &str) -> Self {
        let bench = Self::new();
        bench.write(
            "ca.ext",
            b"basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n",
        );
        bench.write(
            "leaf.ext",
            b"basicConstraints=CA:FALSE\nkeyUsage=digitalSignature\nextendedKeyUsage=serverAuth\n\
              subjectAltName=DNS:shop.test,DNS:*.shop.test,IP:10.0.0.1\n\
              authorityInfoAccess=caIssuers;URI:http://ca.test/middle.cer\n",
        );
        for name in ["root", "middle"] {
            bench.run(&format!("openssl genpkey {P256} -out {name}.key"));
        }
        bench.run(&format!("openssl genpkey {leaf_key} -out leaf.key"));
        bench.run("openssl req -x509 -new -key root.key -subj /O=Test/CN=Root -days 3650 -out root.pem");
        bench.issue("middle", "/O=Test/CN=Middle", "root", "ca.ext", 3650);
        bench.issue("leaf", "/O=Test/CN=shop.test", "middle", "leaf.ext", 90);
        bench.join(&["leaf.pem", "middle.pem", "root.pem"], "chain.pem");
        bench
    }

    /// Issues `name.pem` for `name.key`.
    pub(crate) fn issue(&self, name: &str, subject: &str, issuer: &str, extensions: &str, days: u32) {
        self.run(&format!("openssl req -new -key {name}.key -subj {subject} -out {name}.csr"));
        self.run(&format!(
            "openssl x509 -req -in {name}.csr -CA {issuer}.pem -CAkey {issuer}.key -set_serial 0x{} -days {days} -extfile {extensions} -out {name}.pem",
            hex(name.as_bytes()),
        ));
    }

    /// Runs a command line and expects it to succeed; its arguments are separated by spaces.
    pub(crate) fn run(&self, line: &str) -> String {
        let output = self.output(line);
        assert!(output.status.success(), "{line}\n{}{}", text(&output.stdout), text(&output.stderr));
        text(&output.stdout)
    }

    /// Runs a command line to whatever end.
    pub(crate) fn output(&self, line: &str) -> Output {
        let words: Vec<&str> = line.split_whitespace().collect();
        self.output_of(&words)
    }

    /// Runs a command whose arguments have spaces, or none in them.
    pub(crate) fn output_of(&self, words: &[&str]) -> Output {
        Command::new(words[0])
            .args(&words[1..])
            .current_dir(self.dir.path())
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|error| panic!("{} is needed by this test: {error}", words[0]))
    }

    pub(crate) fn run_words(&self, words: &[&str]) -> String {
        let output = self.output_of(words);
        assert!(output.status.success(), "{words:?}\n{}{}", text(&output.stdout), text(&output.stderr));
        text(&output.stdout)
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.dir.path().join(name), bytes).unwrap();
    }

    pub(crate) fn bytes(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.dir.path().join(name)).unwrap()
    }

    pub(crate) fn join(&self, from: &[&str], to: &str) {
        let all: Vec<u8> = from.iter().flat_map(|name| self.bytes(name)).collect();
        self.write(to, &all);
    }

    /// The DER of a certificate in PEM, by openssl.
    pub(crate) fn der(&self, name: &str) -> Vec<u8> {
        self.run(&format!("openssl x509 -in {name} -outform DER -out {name}.der"));
        self.bytes(&format!("{name}.der"))
    }

    /// Reads files of the directory.
    pub(crate) fn read(&self, names: &[&str], password: Option<&str>) -> Result<Bundle, ReadError> {
        let contents: Vec<Vec<u8>> = names.iter().map(|name| self.bytes(name)).collect();
        let inputs: Vec<Input<'_>> = names.iter().zip(&contents).map(|(name, bytes)| Input { name, bytes }).collect();
        read(&inputs, password.map(|text| Password::new(text.to_owned())).as_ref())
    }

    /// Expects the whole chain that [`Workbench::with_chain`] made.
    pub(crate) fn expect_chain(&self, bundle: &Bundle) {
        assert_eq!(*bundle.chain.leaf, self.der("leaf.pem"));
        let intermediates: Vec<&[u8]> = bundle.chain.intermediates.iter().map(|der| &**der).collect();
        assert_eq!(intermediates, [self.der("middle.pem")]);
        assert_eq!(bundle.chain.root.as_deref(), Some(&*self.der("root.pem")));
        assert!(bundle.key.fits(&bundle.chain.leaf));
        assert!(bundle.left_over.is_empty(), "{:?}", bundle.left_over);
    }
}

/// A moment in which what the tools have just made is valid.
pub(crate) fn now() -> Timestamp {
    let seconds = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    Timestamp::from_unix(i64::try_from(seconds).unwrap() + 60).unwrap()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
