//! A controller in one file: connects, sets calls up with keys of its own and by session
//! descriptions, listens to events, answers heartbeats, finds its way after a restart, and releases.
//!
//! `cargo run -p agw-iq --example controller -- unix:/run/agwd/iq.sock`
//! `cargo run -p agw-iq --example controller -- https://gateway:7400 NAME ca.pem me.pem me.key`
//!
//! The variables `UE` and `CORE` name the peers' addresses, 127.0.0.1 if they are not set.

use std::collections::BTreeSet;
use std::error::Error;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use agw_iq::alg::pb as alg;
use agw_iq::client::{CallError, IqClient, Tls};
use agw_iq::pb;
use base64::prelude::{BASE64_STANDARD, Engine};
use rand::Rng;
use tonic::Code;

/// How often a request is made while the gateway is full or the connection breaks.
const ATTEMPTS: u32 = 5;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (address, name, tls) = match &arguments[..] {
        [address] => (address, "local", None),
        [address, name, authority, certificate, key] => {
            let [authority_pem, certificate_pem, key_pem] =
                [authority, certificate, key].map(std::fs::read_to_string);
            let (authority_pem, certificate_pem) = (authority_pem?, certificate_pem?);
            let server_name = None;
            let tls = Tls { authority_pem, certificate_pem, key_pem: key_pem?, server_name };
            (address, name.as_str(), Some(tls))
        }
        _ => return Err("ADDRESS, or ADDRESS NAME CA CERTIFICATE KEY".into()),
    };
    let peers = Peers { ue: peer("UE")?, core: peer("CORE")? };
    run(address, name, tls, peers).await
}

fn peer(variable: &str) -> Result<IpAddr, Box<dyn Error>> {
    let named = std::env::var(variable).ok();
    Ok(named.map_or(Ok(Ipv4Addr::LOCALHOST.into()), |named| named.parse())?)
}

/// Where media comes from and goes to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peers {
    pub(crate) ue: IpAddr,
    pub(crate) core: IpAddr,
}

/// Everything, one after the other; `name` is that of the certificate.
///
/// # Errors
/// What the gateway refused.
pub(crate) async fn run(
    address: &str,
    name: &str,
    tls: Option<Tls>,
    peers: Peers,
) -> Result<(), Box<dyn Error>> {
    let gateway = IqClient::connect(address, tls).await?;
    let mut controller = Controller::new(gateway.clone(), name, peers).await?;
    let with_keys = controller.call_with_keys().await?;
    let with_sdp = controller.call_with_sdp("call-2@ue-a").await?;
    println!("calls: context {with_keys}, context {with_sdp}");

    controller.listen(|event| matches!(event, pb::event::Kind::TerminationHeartbeat(_))).await?;
    // As after a broken connection: what is left of the calls, and what happened meanwhile.
    let gone = controller.come_back(gateway).await?;
    if !gone.is_empty() {
        return Err(format!("nobody has released {gone:?}").into());
    }

    controller.gateway.release(pb::Release { context_id: with_keys, ..<_>::default() }).await?;
    controller.delete("call-2@ue-a").await?;
    controller.listen(|event| matches!(event, pb::event::Kind::ContextReleased(_))).await?;
    Ok(())
}

/// A controller with one gateway.
pub(crate) struct Controller {
    gateway: IqClient,
    /// What its calls are found by in audits.
    name: String,
    peers: Peers,
    /// The contexts of its calls.
    pub(crate) calls: BTreeSet<u32>,
    /// The gateway's life in which they were made.
    epoch: u64,
    /// The last event that it has seen.
    seen: u64,
}

impl Controller {
    /// Begins before the first call, so that no event is missed.
    ///
    /// # Errors
    /// If the gateway cannot answer.
    pub(crate) async fn new(
        gateway: IqClient,
        name: &str,
        peers: Peers,
    ) -> Result<Self, CallError> {
        let epoch = gateway.status().await?.gateway.unwrap_or_default().restart_epoch;
        let (name, calls) = (name.to_owned(), BTreeSet::new());
        Ok(Self { gateway, name, peers, calls, epoch, seen: 0 })
    }

    /// A call over `agw.iq.v1`: both sides, both keys and the gates in one transaction. The client
    /// gives it an id of its own and sends it again under that id if the connection breaks.
    ///
    /// # Errors
    /// What the gateway refused; nothing changed then.
    pub(crate) async fn call_with_keys(&mut self) -> Result<u32, CallError> {
        // K11 is UE A's and opens what it sends; K12 is ours and seals what it is sent.
        let (k11, k12) = (crypto_line(), crypto_line());
        let stream = |transport: pb::Transport, peer, port| pb::Stream {
            stream_id: 1,
            transport: transport.into(),
            remote: Some(remote(peer, port)),
            mode: pb::StreamMode::SendReceive.into(),
            ..pb::Stream::default()
        };
        let secured = pb::Stream {
            ingress_crypto: Some(sdes(&k11)),
            egress_crypto: Some(sdes(&k12)),
            ..stream(pb::Transport::Secured, self.peers.ue, 50_000)
        };
        let access = pb::Reserve {
            correlation_id: "call-1@ue-a".to_owned(),
            realm: "access".to_owned(),
            heartbeat_ms: 1_000,
            streams: vec![secured],
            ..pb::Reserve::default()
        };
        let core = pb::Reserve {
            latest_context: true,
            realm: "core".to_owned(),
            streams: vec![stream(pb::Transport::Plain, self.peers.core, 50_100)],
            ..pb::Reserve::default()
        };
        let commands = [access, core].map(pb::command::Command::Reserve);
        let replies = patiently(|| self.gateway.transact(commands.to_vec())).await?;
        // The keys are in force: now UE A is answered with K12 and the address of its side.
        let reserved = replies.into_iter().find_map(|reply| match reply.reply {
            Some(pb::command_reply::Reply::Termination(reserved)) => Some(reserved.context_id),
            Some(_) | None => None,
        });
        let context = reserved.unwrap_or_default();
        self.calls.insert(context);
        Ok(context)
    }

    /// A call over `agw.alg.v1`: descriptions in, descriptions to send on out. Each request is sent
    /// again under the same id until it has an answer.
    ///
    /// # Errors
    /// What the gateway refused, with the status of the SIP response in `sip_status`.
    pub(crate) async fn call_with_sdp(&mut self, call_id: &str) -> Result<u32, CallError> {
        let attributes = format!("{}\r\na=3ge2ae:requested\r\n", crypto_line());
        let offer = alg::OfferRequest {
            transaction_id: self.gateway.transaction_id(),
            dialogue: dialogue(call_id, ""),
            sdp: description(self.peers.ue, 50_200, "RTP/SAVP", &attributes),
            offerer: side(alg::Place::Access, "access"),
            answerer: side(alg::Place::Core, "core"),
            ..alg::OfferRequest::default()
        };
        let offered = patiently(|| self.offer(offer.clone())).await?;
        println!("the core is offered {} octets", offered.sdp.len());
        let answer = alg::AnswerRequest {
            transaction_id: self.gateway.transaction_id(),
            dialogue: dialogue(call_id, "tag-b"),
            sdp: description(self.peers.core, 50_300, "RTP/AVP", ""),
            status: 200,
        };
        let answered = patiently(|| self.answer(answer.clone())).await?;
        println!("UE A is answered {} octets", answered.sdp.len());
        self.calls.insert(answered.context_id);
        Ok(answered.context_id)
    }

    async fn offer(&self, offer: alg::OfferRequest) -> Result<alg::OfferResponse, CallError> {
        Ok(self.gateway.alg().offer(self.gateway.request(offer)).await?.into_inner())
    }

    async fn answer(&self, answer: alg::AnswerRequest) -> Result<alg::AnswerResponse, CallError> {
        Ok(self.gateway.alg().answer(self.gateway.request(answer)).await?.into_inner())
    }

    async fn delete(&self, call_id: &str) -> Result<(), CallError> {
        let call = alg::CallSelector { call_id: call_id.to_owned(), ..<_>::default() };
        let transaction_id = self.gateway.transaction_id();
        let delete = alg::DeleteRequest { transaction_id, call: Some(call) };
        self.gateway.alg().delete(self.gateway.request(delete)).await?;
        Ok(())
    }

    /// Reads events from where it left off, answers heartbeats, until one comes that is waited for.
    ///
    /// # Errors
    /// If events are not kept any more: audit then, as [`Self::come_back`] does.
    pub(crate) async fn listen(
        &mut self,
        is_last: impl Fn(&pb::event::Kind) -> bool,
    ) -> Result<(), CallError> {
        let mut events = self.gateway.events(Some(self.seen), self.epoch).await?;
        while let Some(told) = events.message().await? {
            let Some(pb::Event { sequence, subject, kind: Some(kind), .. }) = told.event else {
                continue;
            };
            self.seen = sequence;
            let pb::Subject { context_id, termination_id, .. } = subject.unwrap_or_default();
            if let pb::event::Kind::TerminationHeartbeat(_) = kind {
                let known = self.calls.contains(&context_id);
                let word = pb::TerminationConfirmation { context_id, termination_id, known };
                self.gateway.confirm(vec![word]).await?;
            }
            if let pb::event::Kind::ContextReleased(_) = kind {
                self.calls.remove(&context_id);
            }
            if is_last(&kind) {
                return Ok(());
            }
        }
        Ok(())
    }

    /// After a broken connection: tells which calls are gone. In another life of the gateway all of
    /// them are; in the same life, those that only we know. What only the gateway knows is released.
    ///
    /// # Errors
    /// If the gateway cannot answer.
    pub(crate) async fn come_back(&mut self, gateway: IqClient) -> Result<Vec<u32>, CallError> {
        let state = gateway.status().await?.gateway.unwrap_or_default();
        self.gateway = gateway;
        if state.restart_epoch != self.epoch {
            (self.epoch, self.seen) = (state.restart_epoch, 0);
            return Ok(std::mem::take(&mut self.calls).into_iter().collect());
        }
        let there = self.gateway.contexts(false).await?;
        // Who is local sees the calls of others as well.
        let own = there.into_iter().filter(|context| context.controller == self.name);
        let there: BTreeSet<u32> = own.map(|context| context.context_id).collect();
        for &context_id in there.difference(&self.calls) {
            self.gateway.release(pb::Release { context_id, ..pb::Release::default() }).await?;
        }
        let gone: Vec<u32> = self.calls.difference(&there).copied().collect();
        self.calls.retain(|context| there.contains(context));
        Ok(gone)
    }
}

/// Asks again while the gateway is full or the connection breaks. Another gateway may have room at
/// once: a controller that has more than one asks there instead of waiting.
async fn patiently<T, F>(mut ask: impl FnMut() -> F) -> Result<T, CallError>
where
    F: Future<Output = Result<T, CallError>>,
{
    let mut pause = Duration::from_millis(100);
    for _ in 1..ATTEMPTS {
        match ask().await {
            Err(error) if error.code == Code::ResourceExhausted || error.is_of_connection() => {
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
            answer => return answer,
        }
    }
    ask().await
}

/// An `a=crypto` line with a fresh key and salt: 16 and 14 octets (RFC 4568 §6.2.1).
fn crypto_line() -> String {
    let mut octets = [0; 30];
    rand::rng().fill_bytes(&mut octets);
    format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{}", BASE64_STANDARD.encode(octets))
}

fn sdes(line: &str) -> pb::CryptoContext {
    pb::CryptoContext { sdes_line: line.to_owned(), ..pb::CryptoContext::default() }
}

fn remote(ip: IpAddr, port: u32) -> pb::RemoteAddress {
    let rtp = Some(pb::SocketAddress { ip: ip.to_string(), port });
    pb::RemoteAddress { rtp, rtcp: None }
}

fn dialogue(call_id: &str, to_tag: &str) -> Option<alg::Dialogue> {
    Some(alg::Dialogue {
        call_id: call_id.to_owned(),
        from_tag: "tag-a".to_owned(),
        to_tag: to_tag.to_owned(),
        via_branch: String::new(),
    })
}

fn side(place: alg::Place, realm: &str) -> Option<alg::SideOptions> {
    Some(alg::SideOptions {
        place: place.into(),
        realm: realm.to_owned(),
        protected_signalling: Some(true),
        ..alg::SideOptions::default()
    })
}

fn description(ip: IpAddr, port: u16, profile: &str, attributes: &str) -> Vec<u8> {
    let family = if ip.is_ipv4() { "IP4" } else { "IP6" };
    format!(
        "v=0\r\no=- 1 1 IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n\
         m=audio {port} {profile} 8\r\n{attributes}"
    )
    .into_bytes()
}
