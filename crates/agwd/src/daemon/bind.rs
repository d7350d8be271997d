//! Listeners and descriptors, before anything runs.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tracing::info;

use super::{Addresses, StartError};
use crate::config::{Config, Realm, RealmBackend};
use crate::listener::{Listener, UnixSocket};
use crate::ng;
use crate::tls::Certificates;

/// Descriptors for standard streams, epoll, timers, the admin server and whatever else.
const RESERVE: u64 = 128;
/// Peers on their way to their first octets, on both listeners.
const HANDSHAKES: u64 = 256;
/// Ports of a call: two terminations with RTP and RTCP.
const PORTS_OF_A_CALL: u64 = 4;

/// Everything that is listened at.
pub(super) struct Bound {
    pub(super) listeners: Vec<Listener>,
    pub(super) admin: TcpListener,
    pub(super) unix_socket: Option<UnixSocket>,
    pub(super) certificates: Option<Arc<Certificates>>,
    pub(super) ng: ng::Sockets,
    pub(super) reached_at: Addresses,
}

impl Bound {
    /// Reads certificates and binds every listener.
    pub(super) async fn new(config: &Config) -> Result<Self, StartError> {
        let iq = &config.iq;
        let certificates = iq.tls.clone().map(|files| Certificates::load(files, iq.roles.clone()));
        let certificates = certificates.transpose()?.map(Arc::new);
        let mut listeners = Vec::new();
        let mut iq_address = None;
        if let Some(address) = iq.listen.0 {
            let (listener, address) = bind("iq.listen", address).await?;
            iq_address = Some(address);
            listeners.push(Listener::Tcp(listener, certificates.clone()));
        }
        let mut unix_socket = None;
        if let Some(path) = &iq.unix_socket {
            let users = iq.unix_uids.clone().unwrap_or_else(|| vec![0, agw_net::effective_uid()]);
            let (listener, socket) = UnixSocket::bind(path)?;
            listeners.push(Listener::Unix(listener, users));
            unix_socket = Some(socket);
        }
        let (admin, admin_address) = bind("admin.listen", config.admin.listen).await?;
        let sockets = ng::Sockets::bind(&config.ng).await.map_err(|refused| {
            let ng::Refused { key, address, source } = refused;
            StartError::Listen { key, address, source }
        })?;
        let (ng_udp, ng_tcp) = sockets.addresses();
        let reached_at = Addresses {
            iq: iq_address,
            admin: admin_address,
            unix_socket: unix_socket.as_ref().map(|socket| socket.path().to_owned()),
            ng_udp,
            ng_tcp,
        };
        Ok(Self { listeners, admin, unix_socket, certificates, ng: sockets, reached_at })
    }

    /// Where no peer's media may go.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        let Addresses { iq, admin, unix_socket: _, ng_udp, ng_tcp } = &self.reached_at;
        let own = iq.iter().chain([admin]).chain(ng_udp).chain(ng_tcp);
        own.copied().collect()
    }
}

async fn bind(
    key: &'static str,
    address: SocketAddr,
) -> Result<(TcpListener, SocketAddr), StartError> {
    let bound = async {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    bound.await.map_err(|source| StartError::Listen { key, address, source })
}

/// Raises the descriptor limit as far as it helps and tells how many media ports there may be that
/// have a socket.
pub(super) fn descriptor_budget(config: &Config, realms: &[Realm]) -> Result<usize, StartError> {
    let system = |source| StartError::System { what: "asking for descriptors", source };
    let with_sockets = realms.iter().filter(|realm| realm.backend == RealmBackend::Sockets);
    let pools = with_sockets.map(|realm| realm.ports.pairs() * realm.addresses.len() * 2);
    let ports = pools.sum::<usize>() as u64;
    let calls = (config.limits.contexts as u64).saturating_mul(PORTS_OF_A_CALL);
    let control = RESERVE + HANDSHAKES + 2 * config.iq.max_connections as u64;
    let control = control + config.ng.max_connections as u64 + 32;
    let open = agw_net::descriptors_open().map_err(system)?;
    let limit = agw_net::raise_descriptor_limit(open + control + ports).map_err(system)?;
    let budget = limit.saturating_sub(open + control);
    if budget < PORTS_OF_A_CALL {
        return Err(StartError::Descriptors { limit });
    }
    if budget < ports.min(calls) {
        let wanted = open + control + ports.min(calls);
        info!(limit, wanted, "the descriptor limit ends calls before limits.contexts does");
    }
    Ok(usize::try_from(budget).unwrap_or(usize::MAX))
}
