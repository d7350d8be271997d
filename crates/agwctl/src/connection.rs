//! How the gateway is reached.

use std::fs;
use std::future::Future;
use std::path::Path;
use std::time::Duration;

use agw_iq::client::{CallError, IqClient, Tls};

use crate::cli::Reach;
use crate::failure::Failure;

/// A gateway that answers, within a limit.
pub(crate) struct Connection {
    client: IqClient,
    within: Duration,
}

impl Connection {
    /// Connects as the command line says.
    pub(crate) async fn open(reach: &Reach) -> Result<Self, Failure> {
        let within = Duration::from_secs(reach.timeout);
        let connecting = IqClient::connect(&reach.endpoint, tls(reach)?);
        match tokio::time::timeout(within, connecting).await {
            Ok(connected) => {
                let client = connected.map_err(Failure::connect)?;
                let client = match reach.controller_epoch {
                    Some(epoch) => client.with_epoch(epoch),
                    None => client,
                };
                Ok(Self { client, within })
            }
            Err(_) => Err(Failure::timeout("connecting")),
        }
    }

    /// The client, for what may take long.
    pub(crate) const fn client(&self) -> &IqClient {
        &self.client
    }

    /// Asks the gateway and waits for its answer, but not for ever.
    pub(crate) async fn ask<'a, T, F>(
        &'a self,
        what: &str,
        question: impl FnOnce(&'a IqClient) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, CallError>>,
    {
        match tokio::time::timeout(self.within, question(&self.client)).await {
            Ok(answer) => answer.map_err(|error| Failure::call(what, error)),
            Err(_) => Err(Failure::timeout(what)),
        }
    }
}

fn tls(reach: &Reach) -> Result<Option<Tls>, Failure> {
    let (Some(ca), Some(cert), Some(key)) = (&reach.ca, &reach.cert, &reach.key) else {
        return Ok(None);
    };
    Ok(Some(Tls {
        authority_pem: read(ca)?,
        certificate_pem: read(cert)?,
        key_pem: read(key)?,
        server_name: reach.server_name.clone(),
    }))
}

fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path)
        .map_err(|error| Failure::usage(path.display().to_string(), error.to_string()))
}
