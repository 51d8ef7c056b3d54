//! Where the pages are served.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
};
use tokio::net::TcpListener;

/// Where the pages are when nobody says otherwise.
const PORT: u16 = 8080;

/// Binds the address, or port 8080 of every interface, IPv6 included where there is IPv6.
///
/// # Errors
/// When the address is taken or not of this machine.
pub async fn bind(address: Option<SocketAddr>) -> io::Result<TcpListener> {
    if let Some(address) = address {
        return TcpListener::bind(address).await;
    }
    let v4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT));
    bind_or(SocketAddr::from((Ipv6Addr::UNSPECIFIED, PORT)), v4).await
}

/// Binds `first`, or `second` where this machine has no such address. One that is taken is no reason to go elsewhere.
async fn bind_or(first: SocketAddr, second: SocketAddr) -> io::Result<TcpListener> {
    match TcpListener::bind(first).await {
        Err(error) if error.kind() != io::ErrorKind::AddrInUse => TcpListener::bind(second).await,
        bound => bound,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An address that this machine does not have: to the socket the same as IPv6 where there is none.
    const ELSEWHERE: &str = "[2001:db8::1]:0";
    const HERE: &str = "127.0.0.1:0";

    #[tokio::test]
    async fn without_ipv6_it_listens_on_ipv4() {
        let listener = bind_or(ELSEWHERE.parse().unwrap(), HERE.parse().unwrap()).await.unwrap();
        assert!(listener.local_addr().unwrap().is_ipv4());
        assert!(bind(Some(ELSEWHERE.parse().unwrap())).await.is_err(), "who asks for an address gets that or none");
    }

    #[tokio::test]
    async fn a_port_that_is_taken_is_not_exchanged_for_another() {
        let taken = TcpListener::bind(HERE).await.unwrap().into_std().unwrap();
        let error = bind_or(taken.local_addr().unwrap(), HERE.parse().unwrap()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }

    #[tokio::test]
    async fn an_address_that_is_asked_for_is_used() {
        let listener = bind(Some(HERE.parse().unwrap())).await.unwrap();
        assert_eq!(listener.local_addr().unwrap().ip(), std::net::IpAddr::from(Ipv4Addr::LOCALHOST));
    }
}
