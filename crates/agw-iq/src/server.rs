//! What a gateway serves: the Iq service, that of the IMS-ALG, health, reflection v1 and v1alpha.

use std::sync::Arc;

use tonic::service::Routes;
use tonic_health::server::HealthReporter;

use crate::alg::pb::alg_service_server::{AlgServiceServer, SERVICE_NAME as ALG};
use crate::alg::{Alg, AlgFace};
use crate::backend::Backend;
use crate::epochs::Epochs;
use crate::guard::Guarded;
use crate::pb::iq_service_server::{IqServiceServer, SERVICE_NAME as IQ};
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

/// Tells clients whether the gateway serves, by the names of its services and by the empty name of
/// the server as a whole.
#[derive(Clone)]
pub struct Health {
    reporter: HealthReporter,
    names: Vec<&'static str>,
}

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
        for name in &self.names {
            self.reporter.set_service_status(*name, status).await;
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
    let iq = iq(backend, Arc::default());
    assemble(Routes::new(iq), vec![IQ], with_reflection).await
}

/// As [`services`], with that of the IMS-ALG.
///
/// # Errors
/// If the descriptors compiled into this crate cannot be read.
pub async fn services_with_alg<B: Backend, A: Alg>(
    backend: Arc<B>,
    alg: Arc<A>,
    with_reflection: bool,
) -> Result<Services, tonic_reflection::server::Error> {
    let epochs: Arc<Epochs> = Arc::default();
    let face = AlgFace::new(Arc::clone(&backend), alg, Arc::clone(&epochs));
    let face = AlgServiceServer::new(face).max_decoding_message_size(MAX_REQUEST_OCTETS);
    let face = Guarded::new(face, Arc::clone(&backend));
    let routes = Routes::new(iq(backend, epochs)).add_service(face);
    assemble(routes, vec![IQ, ALG], with_reflection).await
}

fn iq<B: Backend>(backend: Arc<B>, epochs: Arc<Epochs>) -> Guarded<IqServiceServer<Iq<B>>, B> {
    let iq = Iq::fenced_by(Arc::clone(&backend), epochs);
    let iq = IqServiceServer::new(iq).max_decoding_message_size(MAX_REQUEST_OCTETS);
    Guarded::new(iq, backend)
}

/// Adds health and reflection to services with these names.
async fn assemble(
    routes: Routes,
    mut names: Vec<&'static str>,
    with_reflection: bool,
) -> Result<Services, tonic_reflection::server::Error> {
    let (reporter, health_service) = tonic_health::server::health_reporter();
    let reflection = || {
        let builder = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .with_service_name("grpc.health.v1.Health");
        names.iter().fold(builder, |builder, name| builder.with_service_name(*name))
    };
    //= tests/spec/iq.md#access
    //# Health and reflection MUST be served.
    let mut routes = routes.add_service(health_service);
    if with_reflection {
        routes =
            routes.add_service(reflection().build_v1()?).add_service(reflection().build_v1alpha()?);
    }
    names.push("");
    let health = Health { reporter, names };
    health.set_not_serving().await;
    Ok(Services { routes, health })
}
