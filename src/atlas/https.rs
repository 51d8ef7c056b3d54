//! The [`Transport`] over real sockets.

use super::{
    detail,
    transport::{Transport, TransportError},
};
use bytes::{Bytes, BytesMut};
use futures::future::BoxFuture;
use reqwest::{Certificate, Client, NoProxy, Proxy, redirect};
use std::{error::Error, time::Duration};

/// Far more than any answer about private endpoints; recorded ones stay under 10 kB.
pub const LARGEST_BODY: usize = 1 << 20;

/// Who we are, to Atlas and to the Kubernetes API, where it stands in the audit log.
pub const USER_AGENT: &str = concat!("atlas-privatelink-operator/", env!("CARGO_PKG_VERSION"));

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Unused connections are closed before a NAT gateway or load balancer forgets them silently (AWS: 350 s).
const IDLE_CONNECTION: Duration = Duration::from_secs(60);

/// Installs the TLS implementation, once for the process; later calls change nothing. Must come before the first
/// [`Https`] or Kubernetes client is built.
pub fn install_crypto() {
    // An error means that one is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Twice this stays below the deadline of a call.
const PING_INTERVAL: Duration = Duration::from_secs(10);

/// How to reach Atlas, beyond the system's own settings. The environment's proxies are not looked at: they are often
/// meant for other programs, and would be shown the names of what we talk to.
#[derive(Clone, Default)]
pub struct HttpsOptions {
    /// PEM certificates to trust in addition to the system's.
    pub extra_ca: Option<Vec<u8>>,
    /// A proxy for https, such as `http://proxy.example:3128`.
    pub https_proxy: Option<String>,
    /// Hosts to reach without the proxy, separated by commas.
    pub no_proxy: Option<String>,
}

/// Why no client could be built.
#[derive(Debug, thiserror::Error)]
pub enum InvalidOptions {
    #[error("the extra CA file holds no usable PEM certificate")]
    Ca,
    #[error("the HTTPS proxy is not a URL such as http://proxy.example:3128")]
    Proxy,
    #[error("TLS can't be set up: {0}")]
    Tls(String),
}

/// Sends over pooled HTTPS connections.
#[derive(Clone)]
pub struct Https {
    client: Client,
}

impl Https {
    /// A transport with connections of its own.
    ///
    /// # Errors
    /// When an option is unusable, or no root certificates can be loaded.
    pub fn new(options: &HttpsOptions) -> Result<Self, InvalidOptions> {
        install_crypto();
        let mut builder = Client::builder()
            .user_agent(USER_AGENT)
            .redirect(redirect::Policy::none())
            // A repeat must pass the client's own checks first.
            .retry(reqwest::retry::never())
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_CONNECTION)
            // A connection that died silently is noticed within one call, not by every call until TCP gives up.
            .http2_keep_alive_interval(PING_INTERVAL)
            .http2_keep_alive_timeout(PING_INTERVAL)
            .referer(false)
            .no_proxy();
        if let Some(pem) = &options.extra_ca {
            builder = builder.tls_certs_merge(certificates(pem)?);
        }
        if let Some(url) = &options.https_proxy {
            let exceptions = options.no_proxy.as_deref().and_then(NoProxy::from_string);
            builder = builder.proxy(Proxy::https(url).map_err(|_| InvalidOptions::Proxy)?.no_proxy(exceptions));
        }
        let client = builder.build().map_err(|error| InvalidOptions::Tls(reason(error)))?;
        Ok(Self { client })
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<Certificate>, InvalidOptions> {
    let certificates = Certificate::from_pem_bundle(pem).map_err(|_| InvalidOptions::Ca)?;
    if certificates.is_empty() { Err(InvalidOptions::Ca) } else { Ok(certificates) }
}

impl Transport for Https {
    fn send(&self, request: http::Request<Bytes>) -> BoxFuture<'static, Result<http::Response<Bytes>, TransportError>> {
        let client = self.client.clone();
        Box::pin(async move {
            let request = convert(request)?;
            let answer = client.execute(request).await.map_err(failure)?;
            collect(answer).await
        })
    }
}

fn convert(request: http::Request<Bytes>) -> Result<reqwest::Request, TransportError> {
    let (parts, body) = request.into_parts();
    let url = reqwest::Url::parse(&parts.uri.to_string())
        .map_err(|error| TransportError::NotConnected(format!("the address is not a URL: {error}")))?;
    let mut request = reqwest::Request::new(parts.method, url);
    *request.headers_mut() = parts.headers;
    if !body.is_empty() {
        *request.body_mut() = Some(body.into());
    }
    Ok(request)
}

async fn collect(mut answer: reqwest::Response) -> Result<http::Response<Bytes>, TransportError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = answer.chunk().await.map_err(failure)? {
        if body.len() + chunk.len() > LARGEST_BODY {
            return Err(TransportError::TooLarge(LARGEST_BODY));
        }
        body.extend_from_slice(&chunk);
    }
    let mut response = http::Response::new(body.freeze());
    *response.status_mut() = answer.status();
    *response.headers_mut() = std::mem::take(answer.headers_mut());
    Ok(response)
}

fn failure(error: reqwest::Error) -> TransportError {
    // Connecting covers DNS, the proxy's tunnel and TLS: nothing of the request has left before that.
    if error.is_connect() || error.is_builder() {
        TransportError::NotConnected(reason(error))
    } else {
        TransportError::NoAnswer(reason(error))
    }
}

/// The causes below what reqwest and hyper say ("error sending request: client error"), without the URL.
fn reason(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut texts = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        texts.push(error.to_string());
        cause = error.source();
    }
    let told = texts.get(2..).filter(|told| !told.is_empty()).unwrap_or(&texts);
    detail::tidy(&told.join(": "), 300)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header;
    use std::sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    };
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    /// Reads a request's head, then does with the connection what the test says; counts connections.
    async fn listen(answer: &'static [u8], filler: usize) -> (String, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let count = Arc::new(AtomicUsize::new(0));
        let counter = count.clone();
        tokio::spawn(async move {
            loop {
                let (mut socket, _) = listener.accept().await.unwrap();
                counter.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(async move {
                    let mut seen = Vec::new();
                    while !seen.windows(4).any(|w| w == b"\r\n\r\n") {
                        let mut chunk = [0; 1024];
                        match socket.read(&mut chunk).await {
                            Ok(n) if n > 0 => seen.extend_from_slice(&chunk[..n]),
                            _ => return,
                        }
                    }
                    let _ = socket.write_all(answer).await;
                    let _ = socket.write_all(&vec![b' '; filler]).await;
                });
            }
        });
        (address, count)
    }

    async fn get(address: &str) -> Result<http::Response<Bytes>, TransportError> {
        let mut request = http::Request::new(Bytes::new());
        *request.uri_mut() = address.parse().unwrap();
        request.headers_mut().insert(header::AUTHORIZATION, "Digest hunter2".parse().unwrap());
        Https::new(&HttpsOptions::default()).unwrap().send(request).await
    }

    #[tokio::test]
    async fn an_answer_comes_whole() {
        let (address, _) = listen(b"HTTP/1.1 201 Created\r\nretry-after: 5\r\ncontent-length: 2\r\n\r\n{}", 0).await;
        let answer = get(&address).await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.body().as_ref()), (201, b"{}".as_ref()));
        assert_eq!(answer.headers()["retry-after"], "5");
    }

    #[tokio::test]
    async fn a_refused_connection_was_never_one() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let error = get(&address).await.unwrap_err();
        assert!(matches!(error, TransportError::NotConnected(_)), "{error}");
        assert!(error.to_string().starts_with("cannot connect to Atlas: tcp connect error: "), "{error}");
    }

    #[tokio::test]
    async fn a_name_that_does_not_resolve_was_never_connected() {
        let error = get("https://atlas.invalid").await.unwrap_err();
        assert!(matches!(error, TransportError::NotConnected(_)), "{error}");
    }

    #[tokio::test]
    async fn a_failed_tls_handshake_was_never_a_connection() {
        let (address, _) = listen(b"HTTP/1.1 200 OK\r\n\r\n", 0).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tls = format!("https://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let _ = socket.write_all(b"not TLS at all").await;
        });
        let error = get(&tls).await.unwrap_err();
        assert!(matches!(error, TransportError::NotConnected(_)), "{error}");
        assert!(get(&address).await.is_ok());
    }

    #[tokio::test]
    async fn a_connection_cut_after_the_request_leaves_no_answer() {
        for answer in [b"".as_ref(), b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{"] {
            let (address, count) = listen(answer, 0).await;
            let error = get(&address).await.unwrap_err();
            assert!(matches!(error, TransportError::NoAnswer(_)), "{error}");
            assert_eq!(count.load(Ordering::SeqCst), 1, "the request was repeated");
        }
    }

    #[tokio::test]
    async fn no_body_over_a_mebibyte_is_read() {
        let (address, _) = listen(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n", LARGEST_BODY + 1).await;
        assert_eq!(get(&address).await.unwrap_err(), TransportError::TooLarge(LARGEST_BODY));
        let (address, _) = listen(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n", LARGEST_BODY).await;
        assert_eq!(get(&address).await.unwrap().body().len(), LARGEST_BODY);
    }

    #[tokio::test]
    async fn a_redirect_is_not_followed() {
        let (elsewhere, visits) = listen(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", 0).await;
        let head = format!("HTTP/1.1 307 Temporary Redirect\r\nlocation: {elsewhere}/\r\ncontent-length: 0\r\n\r\n");
        let (address, _) = listen(head.leak().as_bytes(), 0).await;
        assert_eq!(get(&address).await.unwrap().status(), 307);
        assert_eq!(visits.load(Ordering::SeqCst), 0);
    }

    /// A proxy that refuses every tunnel, and what it was asked for.
    async fn proxy() -> (String, Arc<Mutex<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(String::new()));
        let note = asked.clone();
        tokio::spawn(async move {
            loop {
                let (mut socket, _) = listener.accept().await.unwrap();
                let mut chunk = [0; 1024];
                let n = socket.read(&mut chunk).await.unwrap();
                note.lock().unwrap().push_str(&String::from_utf8_lossy(&chunk[..n]));
                let _ = socket.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").await;
            }
        });
        (address, asked)
    }

    #[tokio::test]
    async fn a_proxy_sees_the_host_only_and_its_refusal_is_no_connection() {
        let (address, asked) = proxy().await;
        for (no_proxy, through) in [(None, true), (Some("atlas.invalid"), false)] {
            asked.lock().unwrap().clear();
            let options = HttpsOptions {
                https_proxy: Some(address.clone()),
                no_proxy: no_proxy.map(str::to_owned),
                ..Default::default()
            };
            let mut request = http::Request::new(Bytes::new());
            *request.uri_mut() = "https://atlas.invalid/api/atlas/v2/groups".parse().unwrap();
            request.headers_mut().insert(header::AUTHORIZATION, "Digest hunter2".parse().unwrap());
            let error = Https::new(&options).unwrap().send(request).await.unwrap_err();
            assert!(matches!(error, TransportError::NotConnected(_)), "{error}");
            let asked = asked.lock().unwrap().clone();
            assert_eq!(asked.starts_with("CONNECT atlas.invalid:443"), through, "{asked}");
            assert!(!asked.contains("hunter2") && !asked.contains("/api"), "{asked}");
        }
    }

    /// A TLS server with a certificate of its own making, which it gives as PEM.
    #[cfg(feature = "testbed")]
    fn private_server() -> (String, String) {
        use std::io::{Read, Write};
        install_crypto();
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let config = rustls::ServerConfig::builder().with_no_client_auth();
        let config = Arc::new(config.with_single_cert(vec![made.cert.der().clone()], key).unwrap());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        std::thread::spawn(move || {
            for socket in listener.incoming() {
                let connection = rustls::ServerConnection::new(config.clone()).unwrap();
                let mut tls = rustls::StreamOwned::new(connection, socket.unwrap());
                let _ = tls.read(&mut [0; 1024]);
                let _ = tls.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}");
                let _ = tls.flush();
            }
        });
        (address, made.cert.pem())
    }

    #[cfg(feature = "testbed")]
    #[tokio::test]
    async fn a_certificate_is_trusted_only_when_it_is_given() {
        let (address, pem) = private_server();
        let error = get(&address).await.unwrap_err();
        assert!(matches!(error, TransportError::NotConnected(_)), "{error}");
        let options = HttpsOptions { extra_ca: Some(pem.into_bytes()), ..Default::default() };
        let mut request = http::Request::new(Bytes::new());
        *request.uri_mut() = address.parse().unwrap();
        let answer = Https::new(&options).unwrap().send(request).await.unwrap();
        assert_eq!(answer.body().as_ref(), b"{}");
    }

    #[test]
    fn unusable_options_are_named_without_their_content() {
        let error = |options| Https::new(&options).err().unwrap().to_string();
        assert!(error(HttpsOptions { extra_ca: Some(b"nonsense".to_vec()), ..Default::default() }).contains("CA"));
        let proxy = error(HttpsOptions { https_proxy: Some("http://user:hunter2@:x".into()), ..Default::default() });
        assert!(proxy.contains("proxy") && !proxy.contains("hunter2"));
    }
}
