//! What a gateway serves: the Iq service, health, reflection v1 and v1alpha.

use std::sync::Arc;

use tonic::service::Routes;
use tonic_health::server::HealthReporter;

use crate::backend::Backend;
use crate::guard::Guarded;
use crate::pb::iq_service_server::IqServiceServer;
use crate::{FILE_DESCRIPTOR_SET, Iq};

/// The longest request, in octets.
pub const MAX_REQUEST_OCTETS: usize = 64 << 10;

/// The services and the switch of their health.
pub struct Services {
    /// The services, ready for `tonic::transport::Server::add_routes`.
    pub routes: Routes,
    /// Tells clients whether the gateway serves.
    pub health: Health,
}

/// Tells clients whether the gateway serves, by the name of the Iq service and by the empty name
/// of the server as a whole.
#[derive(Clone)]
pub struct Health(HealthReporter);

impl Health {
    /// New contexts are welcome.
    pub async fn set_serving(&self) {
        self.set(tonic_health::ServingStatus::Serving).await;
    }

    /// Take new contexts elsewhere.
    pub async fn set_not_serving(&self) {
        self.set(tonic_health::ServingStatus::NotServing).await;
    }

    async fn set(&self, status: tonic_health::ServingStatus) {
        for name in ["", crate::pb::iq_service_server::SERVICE_NAME] {
            self.0.set_service_status(name, status).await;
        }
    }
}

/// Makes the services of a gateway, with or without reflection; health starts as not serving.
///
/// # Errors
/// If the descriptors compiled into this crate cannot be read.
pub async fn services<B: Backend>(
    backend: Arc<B>,
    with_reflection: bool,
) -> Result<Services, tonic_reflection::server::Error> {
    let (reporter, health_service) = tonic_health::server::health_reporter();
    let health = Health(reporter);
    health.set_not_serving().await;
    let iq = IqServiceServer::new(Iq::new(Arc::clone(&backend)))
        .max_decoding_message_size(MAX_REQUEST_OCTETS);
    let iq = Guarded::new(iq, backend);
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    //= tests/spec/iq.md#access
    //# Health and reflection MUST be served.
    let mut routes = Routes::new(iq).add_service(health_service);
    if with_reflection {
        routes =
            routes.add_service(reflection().build_v1()?).add_service(reflection().build_v1alpha()?);
    }
    Ok(Services { routes, health })
}
