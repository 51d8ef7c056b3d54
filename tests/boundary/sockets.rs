//! Over real sockets: whom the client believes, and how much it listens to.

use super::recorder::*;
use atlas_privatelink_operator::atlas::{
    dialect::Dialect,
    error::{Class, Effect},
    https::{Https, HttpsOptions, install_crypto},
    region::Provider,
    url::BaseUrl,
};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, date_time_ymd,
};
use rustls::{ServerConfig, pki_types::PrivateKeyDer};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

/// Who signs a server's certificate.
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
}

/// What is wrong with a server's certificate.
#[derive(Debug, Clone, Copy)]
enum Flaw {
    None,
    Expired,
    NotYetValid,
    OtherHost,
    UnknownAuthority,
    SelfSigned,
}

/// A server of such a certificate, by an authority that is trusted unless that is the flaw.
fn server(trusted: &Authority, flaw: Flaw) -> ServerConfig {
    install_crypto();
    let host = if let Flaw::OtherHost = flaw { "atlas.test" } else { "127.0.0.1" };
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new([host.to_owned()]).expect("a name");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    match flaw {
        Flaw::Expired => (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1)),
        Flaw::NotYetValid => {
            (params.not_before, params.not_after) = (date_time_ymd(2090, 1, 1), date_time_ymd(2091, 1, 1))
        }
        Flaw::None | Flaw::OtherHost | Flaw::UnknownAuthority | Flaw::SelfSigned => {}
    }
    let certificate = match flaw {
        Flaw::SelfSigned => params.self_signed(&key),
        Flaw::UnknownAuthority => params.signed_by(&key, &Authority::new("of somebody else").issuer),
        Flaw::None | Flaw::Expired | Flaw::NotYetValid | Flaw::OtherHost => params.signed_by(&key, &trusted.issuer),
    };
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let builder = ServerConfig::builder().with_no_client_auth();
    builder.with_single_cert(vec![certificate.expect("signed").der().clone()], key).expect("a certificate")
}

/// Serves TLS with it; the port, and how many bytes of requests have come.
async fn listen(config: ServerConfig) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let (acceptor, heard) = (TlsAcceptor::from(Arc::new(config)), Arc::new(AtomicUsize::new(0)));
    let counter = heard.clone();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let Ok(mut tls) = acceptor.accept(socket).await else { continue };
            let mut chunk = [0; 4096];
            if let Ok(length) = tls.read(&mut chunk).await {
                counter.fetch_add(length, Ordering::SeqCst);
            }
            let _ = tls.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n[]").await;
            let _ = tls.shutdown().await;
        }
    });
    (port, heard)
}

#[tokio::test]
async fn a_bad_certificate_is_told_nothing() {
    let trusted = Authority::new("trusted");
    for flaw in
        [Flaw::None, Flaw::Expired, Flaw::NotYetValid, Flaw::OtherHost, Flaw::UnknownAuthority, Flaw::SelfSigned]
    {
        let (port, heard) = listen(server(&trusted, flaw)).await;
        let options = HttpsOptions { extra_ca: Some(trusted.pem.clone().into_bytes()), ..HttpsOptions::default() };
        let base = BaseUrl::parse(&format!("https://127.0.0.1:{port}"), false).expect("an origin");
        let atlas = at(base, Dialect::V2, Arc::new(Https::new(&options).expect("a client")));
        for caller in [key(), account()] {
            let outcome = atlas.list_services(&caller, Provider::Aws).await;
            if let Flaw::None = flaw {
                assert!(heard.load(Ordering::SeqCst) > 0, "a good one is believed");
                continue;
            }
            let failure = outcome.expect_err("refused");
            assert_eq!(failure.error.class, Class::Transient, "{flaw:?}");
            assert!(matches!(failure.error.effect, Effect::None | Effect::NotSent), "{flaw:?}: {failure}");
            assert!(failure.error.detail.contains("certificate"), "{flaw:?}: {failure}");
            assert_eq!(heard.load(Ordering::SeqCst), 0, "{flaw:?}: it was told something");
        }
    }
}

/// A server that never comes to the end of the head of its answer, and how much of it was taken.
async fn flood(line: &'static [u8]) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let taken = Arc::new(AtomicUsize::new(0));
    let counter = taken.clone();
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.expect("a connection");
        let _ = socket.read(&mut [0; 4096]).await;
        let _ = socket.write_all(b"HTTP/1.1 200 OK\r\n").await;
        while counter.load(Ordering::SeqCst) < ENDLESS && socket.write_all(line).await.is_ok() {
            counter.fetch_add(line.len(), Ordering::SeqCst);
        }
        // Whoever has taken all that waits for more.
        std::future::pending::<()>().await;
    });
    (port, taken)
}

const ENDLESS: usize = 256 << 20;

/// Many headers, and one without an end; what the system's own buffers take goes on top of it.
#[tokio::test]
async fn headers_without_an_end_are_not_listened_to() {
    const MANY: &[u8] = b"x-filler: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n";
    const LONG: &[u8] = &[b'a'; 4096];
    for line in [MANY, LONG] {
        let (port, taken) = flood(line).await;
        let base = BaseUrl::parse(&format!("http://127.0.0.1:{port}"), false).expect("an origin");
        let atlas = at(base, Dialect::V2, Arc::new(Https::new(&HttpsOptions::default()).expect("a client")));
        let failure = atlas.list_services(&key(), Provider::Aws).await.expect_err("given up");
        assert_eq!((failure.error.class, failure.error.effect), (Class::Transient, Effect::Unknown), "{failure}");
        assert!(!failure.error.detail.contains("aaaa"), "{failure}");
        assert!(taken.load(Ordering::SeqCst) < 32 << 20, "{} bytes were taken", taken.load(Ordering::SeqCst));
    }
}

/// A failure names neither the target nor what came back, whether nobody listens or somebody talks nonsense.
#[tokio::test]
async fn no_failure_repeats_a_target_or_a_body() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let closed = listener.local_addr().expect("an address").port();
    drop(listener);
    let base = BaseUrl::parse(&format!("http://127.0.0.1:{closed}"), false).expect("an origin");
    let https = Arc::new(Https::new(&HttpsOptions::default()).expect("a client"));
    let mut failures =
        vec![at(base, Dialect::V2, https).list_services(&key(), Provider::Aws).await.expect_err("nobody")];
    for (status, body) in [
        (200, "<html>canary-of-the-body</html>"),
        (200, r#"{"canary-of-the-body": 1}"#),
        (200, r#"[{"id": "canary-of-the-body"}]"#),
        (403, "<html>canary-of-the-body</html>"),
        (404, r#"{"canary-of-the-body": 1}"#),
        (502, "canary-of-the-body"),
    ] {
        let atlas = client(Dialect::V2, Recorder::new(move |_| answer(status, body)));
        failures.push(atlas.list_services(&key(), Provider::Aws).await.expect_err("no answer"));
    }
    for failure in failures {
        let text = format!("{failure} {failure:?}");
        let leaks = ["canary-of-the-body", "/api", "groups", PROJECT, "?", "127.0.0.1"].into_iter();
        assert_eq!(leaks.filter(|leak| text.contains(leak)).collect::<Vec<_>>(), [""; 0], "{text}");
    }
}
