//! A daemon on ports of its own, and how to ask it.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use agw_iq::client::IqClient;
use agw_iq::pb;
use agwd::{Config, Daemon, Listen, Running};

/// The defaults with ports that the system chooses and one worker.
pub(crate) fn config() -> Config {
    let anywhere: SocketAddr = ([127, 0, 0, 1], 0).into();
    let mut config = Config::default();
    config.iq.listen = Listen(Some(anywhere));
    config.admin.listen = anywhere;
    config.media.workers = 1;
    config
}

pub(crate) async fn start(config: Config) -> Running {
    Daemon::start(config).await.expect("started")
}

pub(crate) async fn client(running: &Running) -> IqClient {
    let address = running.iq_address().expect("a TCP listener");
    IqClient::connect(&format!("http://{address}"), None).await.expect("connected")
}

/// Status code and body of an HTTP answer.
pub(crate) async fn http(
    address: SocketAddr,
    method: &str,
    path: &str,
    body: &str,
) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.expect("connected");
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: agwd\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, body.to_owned())
}

pub(crate) async fn get(running: &Running, path: &str) -> (u16, String) {
    http(running.admin_address(), "GET", path, "").await
}

/// A plain stream whose peer is there.
pub(crate) fn stream(peer: SocketAddr) -> pb::Stream {
    pb::Stream {
        stream_id: 1,
        media: pb::Media::Audio.into(),
        transport: pb::Transport::Plain.into(),
        remote: Some(remote(peer)),
        mode: pb::StreamMode::SendReceive.into(),
        ..pb::Stream::default()
    }
}

pub(crate) fn remote(peer: SocketAddr) -> pb::RemoteAddress {
    let rtp = pb::SocketAddress { ip: peer.ip().to_string(), port: peer.port().into() };
    pb::RemoteAddress { rtp: Some(rtp), rtcp: None }
}

/// A termination of a new context.
pub(crate) fn reserve(realm: &str, stream: pb::Stream) -> pb::Reserve {
    pb::Reserve { realm: realm.to_owned(), streams: vec![stream], ..pb::Reserve::default() }
}

/// The local RTP address of a termination.
pub(crate) fn local(termination: &pb::TerminationReply) -> SocketAddr {
    let rtp = termination.streams[0].rtp.as_ref().expect("an RTP address");
    let port = u16::try_from(rtp.port).expect("a port");
    SocketAddr::new(rtp.ip.parse().expect("an address"), port)
}
