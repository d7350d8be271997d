//! The call: set up, asked about and released through the gateway's own gRPC API.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use agw_iq::client::IqClient;
use agw_iq::pb;
use agw_sdes::{CryptoAttribute, CryptoTag, Mode};
use agw_srtp::{Portable, Protector, Suite, Unprotector};
use rand::Rng;
use zeroize::Zeroizing;

use super::DemoError;
use super::endpoint::{Endpoint, GatewayLeg, Keys, Sockets};

/// Not 127.0.0.1: the gateway has its media ports there, and takes none of them for a peer's.
const ACCESS_PEER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const CORE_PEER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);
const STREAM: u32 = 1;
/// How long counters may take to show the last packets.
const COUNTERS_WITHIN: Duration = Duration::from_secs(2);
const COUNTERS_EVERY: Duration = Duration::from_millis(50);

/// A call through the gateway, seen from all sides.
pub(super) struct Call {
    /// Its context at the gateway.
    pub(super) context_id: u32,
    /// Both sides.
    pub(super) access: Side,
    /// The side without keys.
    pub(super) core: Side,
}

/// One side with its addresses.
pub(super) struct Side {
    /// Where the peer is.
    pub(super) peer: SocketAddr,
    /// Where the gateway is.
    pub(super) gateway: SocketAddr,
    /// Who speaks and listens there.
    pub(super) endpoint: Endpoint,
}

/// What the gateway counted.
pub(super) struct Counters {
    /// All workers.
    pub(super) totals: pb::Totals,
    /// The access leg.
    pub(super) access: pb::StreamStatistics,
    /// The core leg.
    pub(super) core: pb::StreamStatistics,
}

/// Sets up an originating e2ae call (TS 33.328 §7.2.1) between two fresh sides, with fresh keys.
pub(super) async fn set_up(
    client: &IqClient,
    suite: Suite,
    realms: [&str; 2],
) -> Result<Call, DemoError> {
    let [access_realm, core_realm] = realms;
    let (access, core) = (Sockets::bind(ACCESS_PEER)?, Sockets::bind(CORE_PEER)?);
    // The peer writes K11 and sends with it; K12 is written for the gateway, which sends with it.
    let (k11, k12) = (fresh_line(suite)?, fresh_line(suite)?);
    let keys = peer_keys(&k11, &k12)?;

    let access_leg = pb::Stream {
        transport: pb::Transport::Secured.into(),
        ingress_crypto: Some(from_line(&k11)),
        egress_crypto: Some(from_line(&k12)),
        ..open_stream(&access)?
    };
    let core_leg = pb::Stream { transport: pb::Transport::Plain.into(), ..open_stream(&core)? };
    let commands = vec![
        pb::command::Command::Reserve(pb::Reserve {
            correlation_id: "agwd-demo".to_owned(),
            realm: access_realm.to_owned(),
            streams: vec![access_leg],
            ..pb::Reserve::default()
        }),
        pb::command::Command::Reserve(pb::Reserve {
            latest_context: true,
            realm: core_realm.to_owned(),
            streams: vec![core_leg],
            ..pb::Reserve::default()
        }),
    ];
    let replies = client.transact(commands).await?;
    let [access_reply, core_reply] = &replies[..] else {
        return Err(DemoError::Answer("two commands, but not two replies"));
    };
    Ok(Call {
        context_id: termination(access_reply)?.context_id,
        access: side(access, access_reply, Some(keys))?,
        core: side(core, core_reply, None)?,
    })
}

impl Call {
    /// What the gateway counted, once its workers have told of `packets`, or after a while.
    pub(super) async fn counters(
        &self,
        client: &IqClient,
        packets: u64,
    ) -> Result<Counters, DemoError> {
        let deadline = Instant::now() + COUNTERS_WITHIN;
        loop {
            let counters = self.counters_now(client).await?;
            let seen = counters.totals.received.unwrap_or_default().packets;
            if seen >= packets || Instant::now() >= deadline {
                return Ok(counters);
            }
            tokio::time::sleep(COUNTERS_EVERY).await;
        }
    }

    /// Ends the call: ports are closed and keys wiped.
    pub(super) async fn release(&self, client: &IqClient) -> Result<(), DemoError> {
        let release =
            pb::Release { context_id: self.context_id, termination_id: 0, ..Default::default() };
        Ok(client.release(release).await.map(drop)?)
    }

    async fn counters_now(&self, client: &IqClient) -> Result<Counters, DemoError> {
        let request = pb::AuditValueRequest {
            context_id: self.context_id,
            include_statistics: true,
            ..pb::AuditValueRequest::default()
        };
        let audit = client.audit(request).await?;
        let mut legs = audit
            .contexts
            .into_iter()
            .flat_map(|context| context.terminations)
            .flat_map(|termination| termination.streams)
            .filter_map(|stream| stream.statistics);
        let missing = || DemoError::Answer("an audit without the statistics of both legs");
        let (access, core) = (legs.next().ok_or_else(missing)?, legs.next().ok_or_else(missing)?);
        let totals = client.status().await?.totals.unwrap_or_default();
        Ok(Counters { totals, access, core })
    }
}

fn fresh_line(suite: Suite) -> Result<Zeroizing<String>, DemoError> {
    let mut random = |octets: &mut [u8]| rand::rng().fill_bytes(octets);
    Ok(CryptoAttribute::generate(CryptoTag::new(1)?, suite, &mut random)?.expose_line())
}

/// What the peer makes of the line it wrote and the line it was sent.
fn peer_keys(own: &str, gateways: &str) -> Result<Keys, DemoError> {
    let (seal, sealing) = CryptoAttribute::parse(own, Mode::Strict)?.into_egress()?;
    let (open, opening) = CryptoAttribute::parse(gateways, Mode::Strict)?.into_ingress()?;
    Ok(Keys {
        protector: Protector::new(&Portable, seal, sealing, 0)?,
        unprotector: Unprotector::new(&Portable, open, opening, 0)?,
    })
}

fn from_line(line: &str) -> pb::CryptoContext {
    pb::CryptoContext { sdes_line: line.to_owned(), ..pb::CryptoContext::default() }
}

fn open_stream(peer: &Sockets) -> Result<pb::Stream, DemoError> {
    let (rtp, rtcp) = peer.addresses()?;
    let address = |socket: SocketAddr| pb::SocketAddress {
        ip: socket.ip().to_string(),
        port: socket.port().into(),
    };
    Ok(pb::Stream {
        stream_id: STREAM,
        media: pb::Media::Audio.into(),
        remote: Some(pb::RemoteAddress { rtp: Some(address(rtp)), rtcp: Some(address(rtcp)) }),
        rtcp: pb::RtcpMode::Pair.into(),
        mode: pb::StreamMode::SendReceive.into(),
        ..pb::Stream::default()
    })
}

fn side(sockets: Sockets, reply: &pb::CommandReply, keys: Option<Keys>) -> Result<Side, DemoError> {
    let unreadable = || DemoError::Answer("a termination without its local addresses");
    let local = termination(reply)?.streams.first().ok_or_else(unreadable)?;
    let address = |address: Option<&pb::SocketAddress>| {
        let address = address?;
        let ip: IpAddr = address.ip.parse().ok()?;
        Some(SocketAddr::new(ip, u16::try_from(address.port).ok()?))
    };
    let rtp = address(local.rtp.as_ref()).ok_or_else(unreadable)?;
    let rtcp = address(local.rtcp.as_ref()).ok_or_else(unreadable)?;
    let (peer, _) = sockets.addresses()?;
    let endpoint = Endpoint::new(sockets, GatewayLeg { rtp, rtcp }, keys);
    Ok(Side { peer, gateway: rtp, endpoint })
}

fn termination(reply: &pb::CommandReply) -> Result<&pb::TerminationReply, DemoError> {
    match &reply.reply {
        Some(pb::command_reply::Reply::Termination(termination)) => Ok(termination),
        None | Some(pb::command_reply::Reply::Done(_) | pb::command_reply::Reply::Released(_)) => {
            Err(DemoError::Answer("a reservation without a termination"))
        }
    }
}
