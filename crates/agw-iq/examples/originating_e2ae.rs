//! An originating call with SDES end-to-access-edge protection, as the IMS-ALG sets it up
//! (TS 33.328 §7.2.1): UE A speaks SRTP with the gateway, the gateway speaks RTP with the core.
//!
//! Run it against a gateway with its defaults: `cargo run -p agw-iq --example originating_e2ae`.

use std::error::Error;

use agw_iq::client::{CallError, IqClient};
use agw_iq::pb;
use agw_sdes::{CryptoAttribute, CryptoTag};
use agw_srtp::Suite;
use rand::Rng;

/// What UE A offers: where it receives, and the line with K11, under which it sends.
const UE_A: (&str, u32) = ("127.0.0.1", 50_000);
const LINE_WITH_K11: &str = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 \
                             inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";
/// Where the core receives, as its answer says.
const CORE: (&str, u32) = ("127.0.0.1", 50_100);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "http://127.0.0.1:7400".to_owned());
    let gateway = IqClient::connect(&address, None).await?;
    let line_with_k12 = set_up(&gateway).await?;
    println!("answer UE A with one a=crypto line of {} octets", line_with_k12.len());
    Ok(())
}

/// Sets the call up, and returns the line with K12 for the answer to UE A.
///
/// # Errors
/// What the gateway refused; a termination reserved before is left for the caller to release.
pub(crate) async fn set_up(gateway: &IqClient) -> Result<String, Box<dyn Error>> {
    // At the offer: a side towards UE A, whose address is known, and one towards the core, whose
    // address is not. Their gates are closed and no key is installed, so nothing passes.
    let access = gateway.reserve_and_configure(access_side()).await?;
    let core = gateway.reserve(core_side(access.context_id)).await?;
    println!("offer the core {:?} over RTP/AVP", core.streams.first().map(|s| &s.rtp));

    // At the answer: K12 is made here and seals what goes to UE A. K11 came from UE A and opens
    // what comes from it.
    let k12 =
        CryptoAttribute::generate(CryptoTag::new(1)?, Suite::AesCm128HmacSha1_80, &mut |octets| {
            rand::rng().fill_bytes(octets)
        })?;
    let line_with_k12 = k12.expose_line();
    configure(gateway, &access, &core, &line_with_k12).await?;

    // The keys are in force. Only now may media pass, and only then may UE A be answered.
    gateway
        .change_through_connection(pb::ChangeThroughConnection {
            context_id: access.context_id,
            mode: pb::StreamMode::SendReceive.into(),
            ..pb::ChangeThroughConnection::default()
        })
        .await?;
    println!("offer UE A {:?} over RTP/SAVP", access.streams.first().map(|s| &s.rtp));
    Ok(line_with_k12.to_string())
}

/// The side towards UE A: SRTP, following authenticated packets, gates closed.
fn access_side() -> pb::Reserve {
    let stream = pb::Stream {
        stream_id: 1,
        media: pb::Media::Audio.into(),
        transport: pb::Transport::Secured.into(),
        remote: Some(remote(UE_A)),
        ..pb::Stream::default()
    };
    pb::Reserve {
        correlation_id: "call-1@ue-a".to_owned(),
        realm: "access".to_owned(),
        streams: vec![stream],
        ..pb::Reserve::default()
    }
}

/// The side towards the core: RTP, only from the signalled address, gates closed.
fn core_side(context_id: u32) -> pb::Reserve {
    let stream = pb::Stream {
        stream_id: 1,
        media: pb::Media::Audio.into(),
        transport: pb::Transport::Plain.into(),
        ..pb::Stream::default()
    };
    pb::Reserve {
        context_id,
        realm: "core".to_owned(),
        streams: vec![stream],
        ..pb::Reserve::default()
    }
}

/// Brings the core's address and both keys, all or nothing.
async fn configure(
    gateway: &IqClient,
    access: &pb::TerminationReply,
    core: &pb::TerminationReply,
    line_with_k12: &str,
) -> Result<(), CallError> {
    let of = |termination: &pb::TerminationReply, change| {
        pb::command::Command::Configure(pb::Configure {
            context_id: termination.context_id,
            termination_id: termination.termination_id,
            streams: vec![change],
            ..pb::Configure::default()
        })
    };
    let core_address = pb::StreamChange {
        stream_id: 1,
        remote: Some(remote(CORE)),
        ..pb::StreamChange::default()
    };
    let keys = pb::StreamChange {
        stream_id: 1,
        ingress_crypto: Some(crypto(LINE_WITH_K11)),
        egress_crypto: Some(crypto(line_with_k12)),
        ..pb::StreamChange::default()
    };
    gateway.transact(vec![of(core, core_address), of(access, keys)]).await.map(drop)
}

fn crypto(line: &str) -> pb::CryptoContext {
    pb::CryptoContext { sdes_line: line.to_owned(), ..pb::CryptoContext::default() }
}

fn remote((ip, port): (&str, u32)) -> pb::RemoteAddress {
    let rtp = pb::SocketAddress { ip: ip.to_owned(), port };
    pb::RemoteAddress { rtp: Some(rtp), rtcp: None }
}
