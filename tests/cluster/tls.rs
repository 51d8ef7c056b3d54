//! An Atlas behind TLS: whose certificates are trusted, and through which proxy it is reached.

use super::world::*;
use crate::harness::canary::{PROXY_PASSWORD, proxy_proof};
use atlas_privatelink_operator::{api::Standing, atlas::https::install_crypto};
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::{ServerConfig, pki_types::PrivateKeyDer};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

/// Somebody who signs certificates.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let (key, mut params) = (KeyPair::generate().expect("a key"), CertificateParams::default());
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).expect("signed").pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// The file that has its certificate.
    fn file(&self, world: &World) -> PathBuf {
        let path = world.directory().join(fresh("ca"));
        std::fs::write(&path, &self.pem).expect("written");
        path
    }

    /// What a server of that name or address proves itself with.
    fn certify(&self, host: &str) -> ServerConfig {
        install_crypto();
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new([host.to_owned()]).expect("a name");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = params.signed_by(&key, &self.issuer).expect("signed");
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let builder = ServerConfig::builder().with_no_client_auth();
        builder.with_single_cert(vec![certificate.der().clone()], key).expect("a certificate")
    }
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    (listener, address)
}

/// TLS before the world's Atlas; where it listens.
async fn tls_before(world: &World, config: ServerConfig) -> SocketAddr {
    let atlas = world.base_url.trim_start_matches("http://").to_owned();
    let (listener, address) = listen().await;
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let (acceptor, atlas) = (acceptor.clone(), atlas.clone());
            tokio::spawn(async move {
                if let (Ok(mut tls), Ok(mut to)) = (acceptor.accept(socket).await, TcpStream::connect(atlas).await) {
                    let _ = copy_bidirectional(&mut tls, &mut to).await;
                }
            });
        }
    });
    address
}

/// A proxy that notes the heads of the requests that it gets, and leads every tunnel to one place.
async fn proxy(to: SocketAddr) -> (String, Arc<Mutex<Vec<String>>>) {
    let (listener, address) = listen().await;
    let heads = Arc::new(Mutex::new(Vec::new()));
    let notes = heads.clone();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let notes = notes.clone();
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    match socket.read_u8().await {
                        Ok(byte) => head.push(byte),
                        Err(_) => return,
                    }
                }
                notes.lock().expect("not poisoned").push(String::from_utf8_lossy(&head).into_owned());
                let answered = socket.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await;
                if let (Ok(()), Ok(mut to)) = (answered, TcpStream::connect(to).await) {
                    let _ = copy_bidirectional(&mut socket, &mut to).await;
                }
            });
        }
    });
    (format!("http://{address}"), heads)
}

/// Every spelling of the variables that other programs take proxies from.
fn environment(proxy: &str) -> Vec<(&str, &str)> {
    ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"]
        .map(|name| (name, proxy))
        .into()
}

fn seen(heads: &Mutex<Vec<String>>) -> Vec<String> {
    heads.lock().expect("not poisoned").clone()
}

/// The world's own operator, with more flags and variables.
fn start(world: &World, flags: &[&str], variables: &[(&str, &str)]) -> Operator {
    let mut arguments = world.arguments(&[&world.namespace]);
    arguments.extend(flags.iter().map(|flag| (*flag).to_owned()));
    world.launch(&arguments, variables)
}

async fn apply(world: &World) {
    world.credentials().await;
    world.apply(&link("orders")).await;
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a printable path")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_private_ca_is_trusted_where_it_is_given() {
    let mut world = World::new(Nature::default()).await;
    let (system, ours) = (Authority::new("of the system"), Authority::new("our own"));
    let address = tls_before(&world, ours.certify("127.0.0.1")).await;
    world.base_url = format!("https://{address}");
    let (system, ours) = (system.file(&world), ours.file(&world));
    let variables = [("SSL_CERT_FILE", text(&system))];
    apply(&world).await;
    let operator = start(&world, &[], &variables);
    let refused = world.until_says(LINKS, "orders", Standing::Reconciling, "AtlasUnreachable").await;
    assert!(message(&refused).contains("certificate"), "{}", message(&refused));
    assert!(world.ledger().is_empty(), "it told Atlas something");
    operator.kill().await;
    let _operator = start(&world, &["--ca-file", text(&ours)], &variables);
    world.until_ready(LINKS, "orders").await;
    world.always().await;
}

/// A certificate that the system trusts is as good as before. Here the flag is a variable.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_private_ca_comes_in_addition_to_those_of_the_system() {
    let mut world = World::new(Nature::default()).await;
    let (system, ours) = (Authority::new("of the system"), Authority::new("our own"));
    let address = tls_before(&world, system.certify("127.0.0.1")).await;
    world.base_url = format!("https://{address}");
    let (system, ours) = (system.file(&world), ours.file(&world));
    let variables = [("SSL_CERT_FILE", text(&system)), ("ATLAS_PRIVATELINK_CA_FILE", text(&ours))];
    apply(&world).await;
    let _operator = start(&world, &[], &variables);
    world.until_ready(LINKS, "orders").await;
    world.always().await;
}

/// The name of Atlas means something to the proxy only: whatever reaches Atlas went through it. Only the proxy is told its
/// password.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_sees_the_calls_of_atlas_and_no_others() {
    let mut world = World::new(Nature::default()).await;
    let ours = Authority::new("our own");
    let address = tls_before(&world, ours.certify("atlas.test")).await;
    world.base_url = "https://atlas.test".to_owned();
    let (proxy_of_atlas, heads) = proxy(address).await;
    let (proxy_of_others, strays) = proxy(address).await;
    let ca = ours.file(&world);
    apply(&world).await;
    let with_password = proxy_of_atlas.replace("http://", &format!("http://operator:{PROXY_PASSWORD}@"));
    let mut variables = environment(&proxy_of_others);
    variables.push(("ATLAS_PRIVATELINK_HTTPS_PROXY", &with_password));
    let _operator = start(&world, &["--ca-file", text(&ca)], &variables);
    world.until_ready(LINKS, "orders").await;
    let heads = seen(&heads);
    assert!(heads.iter().all(|head| head.contains(&proxy_proof())), "the proxy was not told its password");
    assert!(!heads.is_empty() && heads.iter().all(|head| head.starts_with("CONNECT atlas.test:443 ")), "{heads:?}");
    for head in heads {
        let head = head.to_lowercase();
        assert!(!head.contains("digest") && !head.contains("/api/"), "the proxy is told too much: {head}");
    }
    assert_eq!(seen(&strays), [""; 0], "a proxy of the environment was used");
    world.always().await;
}

/// The same operator with and without `--no-proxy`, both as variables.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_may_be_reached_without_the_proxy() {
    let mut world = World::new(Nature::default()).await;
    let ours = Authority::new("our own");
    let address = tls_before(&world, ours.certify("127.0.0.1")).await;
    world.base_url = format!("https://{address}");
    let (url, heads) = proxy(address).await;
    let ca = ours.file(&world);
    apply(&world).await;
    let mut variables = vec![
        ("ATLAS_PRIVATELINK_CA_FILE", text(&ca)),
        ("ATLAS_PRIVATELINK_HTTPS_PROXY", &url),
        ("ATLAS_PRIVATELINK_NO_PROXY", "other.test,127.0.0.1"),
    ];
    let operator = start(&world, &[], &variables);
    world.until_ready(LINKS, "orders").await;
    assert_eq!(seen(&heads), [""; 0], "the proxy was used");
    operator.kill().await;
    variables.pop();
    let _operator = start(&world, &[], &variables);
    until(SOON, "the proxy is used", async || !seen(&heads).is_empty()).await;
    assert!(seen(&heads).iter().all(|head| head.starts_with(&format!("CONNECT {address} "))), "{heads:?}");
    world.always().await;
}

/// What the environment says of proxies is for other programs: neither Atlas nor the Kubernetes API is asked through one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn proxies_of_the_environment_are_not_used() {
    let world = World::new(Nature::default()).await;
    let (url, heads) = proxy(([127, 0, 0, 1], 1).into()).await;
    let variables = environment(&url);
    let _operator = start(&world, &[], &variables);
    apply(&world).await;
    world.until_ready(LINKS, "orders").await;
    assert_eq!(seen(&heads), [""; 0], "a proxy of the environment was used");
    world.always().await;
}
