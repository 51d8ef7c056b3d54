//! Over real sockets, in real time, with a client that is nothing but a TCP stream.

use super::*;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Everything the simulator writes until it closes the connection; empty: it was cut off.
async fn raw(address: std::net::SocketAddr, request: &HttpRequest<Bytes>) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let target = request.uri().path_and_query().unwrap().as_str();
    let mut text = format!("{} {target} HTTP/1.1\r\nhost: atlas\r\nconnection: close\r\n", request.method());
    text.push_str(&format!("content-length: {}\r\n", request.body().len()));
    for (name, value) in request.headers() {
        text.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap()));
    }
    text.push_str("\r\n");
    stream.write_all(text.as_bytes()).await.unwrap();
    stream.write_all(request.body()).await.unwrap();
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer).await);
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn connections_are_really_cut() {
    let atlas = atlas();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let serving = tokio::spawn({
        let (atlas, stop) = (atlas.clone(), stop.clone());
        async move { atlas.serve(listener, stop).await }
    });
    let body = r#"{"providerName":"AWS","region":"us-east-1"}"#;
    let post = request("POST", &format!("{V2}/endpointService"), body);
    for (fault, expected) in [
        (Fault::DroppedBefore, ""),
        (Fault::RefusedBefore, ""),
        (Fault::Redirect { to: "http://elsewhere.invalid/".to_owned() }, "HTTP/1.1 302 Found"),
        (Fault::AnswerLost, ""),
        (Fault::UnexpectedError, "HTTP/1.1 500 Internal Server Error"),
    ] {
        let challenged = raw(address, &post).await;
        let header = challenged.lines().find_map(|line| line.strip_prefix("www-authenticate: ")).unwrap().to_owned();
        assert_eq!(challenged.matches("date: ").count(), 1, "{challenged}");
        atlas.inject(Rule::once(Operation::CreateService, fault.clone()));
        let answer = raw(address, &signed(post.clone(), &header, (PUBLIC_KEY, PRIVATE_KEY))).await;
        assert_eq!(answer.lines().next().unwrap_or_default(), expected, "{}", fault.name());
    }
    assert_eq!(atlas.ledger().creates().values().sum::<usize>(), 1, "only the lost answer's took effect");
    stop.cancel();
    serving.await.unwrap().unwrap();
}
