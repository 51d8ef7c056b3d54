//! Keys, certificates, the administrator's token and the kubeconfig of one control plane: all fresh, all thrown away.

use base64::{Engine, engine::general_purpose::STANDARD};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// What the API server proves itself with, and what its administrator does.
pub struct Identity {
    ca_certificate: String,
    certificate: String,
    key: String,
    service_account_key: String,
    service_account_public_key: String,
    token: String,
}

/// Where [`Identity::write`] left its files.
#[derive(Debug)]
pub struct IdentityFiles {
    pub certificate: PathBuf,
    pub key: PathBuf,
    pub service_account_key: PathBuf,
    pub service_account_public_key: PathBuf,
    pub tokens: PathBuf,
}

impl Identity {
    /// Makes all of it anew (elliptic keys: made in no time, and the API server signs with them as well as with RSA).
    pub fn generate() -> Result<Self, rcgen::Error> {
        let ca_key = KeyPair::generate()?;
        let mut ca = CertificateParams::default();
        ca.distinguished_name.push(DnType::CommonName, "atlas-privatelink testbed CA");
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let ca_certificate = ca.self_signed(&ca_key)?.pem();

        let key = KeyPair::generate()?;
        let names = ["127.0.0.1", "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"];
        let mut server = CertificateParams::new(names.map(str::to_owned))?;
        server.distinguished_name.push(DnType::CommonName, "kube-apiserver");
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = server.signed_by(&key, &Issuer::new(ca, ca_key))?.pem();

        let service_account = KeyPair::generate()?;
        Ok(Self {
            ca_certificate,
            certificate,
            key: key.serialize_pem(),
            service_account_key: service_account.serialize_pem(),
            service_account_public_key: service_account.public_key_pem(),
            token: format!("{:032x}", rand::random::<u128>()),
        })
    }

    /// Writes the files that the processes read into `directory`, which only this user may enter.
    pub fn write(&self, directory: &Path) -> io::Result<IdentityFiles> {
        let write = |name: &str, text: &str| {
            let path = directory.join(name);
            fs::write(&path, text).map(|()| path)
        };
        Ok(IdentityFiles {
            certificate: write("apiserver.crt", &self.certificate)?,
            key: write("apiserver.key", &self.key)?,
            service_account_key: write("sa.key", &self.service_account_key)?,
            service_account_public_key: write("sa.pub", &self.service_account_public_key)?,
            tokens: write("tokens.csv", &format!("{},admin,admin,\"system:masters\"\n", self.token))?,
        })
    }

    /// A kubeconfig that needs no other file.
    pub fn kubeconfig(&self, server: &str) -> String {
        let ca = STANDARD.encode(&self.ca_certificate);
        let token = &self.token;
        format!(
            "apiVersion: v1
kind: Config
clusters:
- name: testbed
  cluster:
    server: {server}
    certificate-authority-data: {ca}
users:
- name: admin
  user:
    token: {token}
contexts:
- name: testbed
  context:
    cluster: testbed
    user: admin
    namespace: default
current-context: testbed
"
        )
    }
}
