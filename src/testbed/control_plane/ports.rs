//! Free ports of the loopback interface.

use std::{net::TcpListener, ops::Range};

/// Below the ports that systems give to outgoing connections (32768 and up on Linux, 49152 elsewhere): a client that
/// connects while the API server is down for a restart must not be given the API server's port.
const RANGE: Range<u16> = 20_000..32_000;
const ATTEMPTS: usize = 200;

/// The ports of one control plane.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    pub etcd: u16,
    pub etcd_peer: u16,
    pub api_server: u16,
}

impl Ports {
    /// Ports that were free a moment ago. Whoever uses them must be ready to see one taken meanwhile.
    pub fn choose() -> Option<Self> {
        // Held until all are chosen, so that they differ.
        let held = [listen()?, listen()?, listen()?];
        let [etcd, etcd_peer, api_server] = held.each_ref().map(|listener| listener.local_addr().ok());
        Some(Self { etcd: etcd?.port(), etcd_peer: etcd_peer?.port(), api_server: api_server?.port() })
    }
}

fn listen() -> Option<TcpListener> {
    (0..ATTEMPTS).find_map(|_| TcpListener::bind(("127.0.0.1", rand::random_range(RANGE))).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ports_differ_and_lie_in_the_range() {
        let Ports { etcd, etcd_peer, api_server } = Ports::choose().unwrap();
        assert!(etcd != etcd_peer && etcd_peer != api_server && api_server != etcd);
        assert!([etcd, etcd_peer, api_server].iter().all(|port| RANGE.contains(port)));
    }
}
