//! How a client reaches a gateway.

use std::time::Duration;

use thiserror::Error;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

/// How long a connection may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// How long a connection is silent before it is tried.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Mutual TLS: whom to trust, and who one is. Not printable, because of the key.
pub struct Tls {
    /// The certificates of the authority that made the gateway's, in PEM.
    pub authority_pem: String,
    /// The controller's own certificate with its chain, in PEM.
    pub certificate_pem: String,
    /// The key of the controller's certificate, in PEM.
    pub key_pem: String,
    /// The name in the gateway's certificate, if it is not the host of the address.
    pub server_name: Option<String>,
}

/// Why there is no connection.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// The address cannot be read.
    #[error("{address:?} is not http://host:port, https://host:port or unix:/path")]
    Address {
        /// The address.
        address: String,
        /// What is wrong with it.
        source: tonic::transport::Error,
    },
    /// Certificates were given for a connection without TLS, or none for one with TLS.
    #[error("{address:?} goes together with certificates if and only if it starts with https://")]
    Tls {
        /// The address.
        address: String,
    },
    /// The certificates or the key cannot be used.
    #[error("the certificates or the key cannot be used")]
    Identity(#[source] tonic::transport::Error),
    /// Nobody answers there, or not in the expected way.
    #[error("no gateway answers at {address}")]
    Connect {
        /// The address.
        address: String,
        /// What happened.
        source: tonic::transport::Error,
    },
}

pub(super) async fn connect(address: &str, tls: Option<Tls>) -> Result<Channel, ConnectError> {
    let owned = || address.to_owned();
    if address.starts_with("https://") != tls.is_some() {
        return Err(ConnectError::Tls { address: owned() });
    }
    let mut endpoint = Endpoint::from_shared(owned())
        .map_err(|source| ConnectError::Address { address: owned(), source })?
        .connect_timeout(CONNECT_WITHIN)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_while_idle(true);
    if let Some(tls) = tls {
        endpoint = endpoint.tls_config(tls_config(tls)).map_err(ConnectError::Identity)?;
    }
    endpoint.connect().await.map_err(|source| ConnectError::Connect { address: owned(), source })
}

fn tls_config(tls: Tls) -> ClientTlsConfig {
    let Tls { authority_pem, certificate_pem, key_pem, server_name } = tls;
    let config = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(authority_pem))
        .identity(Identity::from_pem(certificate_pem, key_pem));
    match server_name {
        Some(name) => config.domain_name(name),
        None => config,
    }
}
