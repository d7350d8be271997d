//! Requests to start from.

use agw_iq::pb;

/// The key and salt of the first line of RFC 4568 §4.
pub(crate) const LINE: &str = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 \
                               inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20|1:4";

pub(crate) const KEY: [u8; 16] = *b"sixteen key oct.";
pub(crate) const SALT: [u8; 14] = *b"fourteen octs.";

pub(crate) fn master_key() -> pb::MasterKey {
    pb::MasterKey { key: KEY.to_vec(), salt: SALT.to_vec(), ..pb::MasterKey::default() }
}

pub(crate) fn crypto() -> pb::CryptoContext {
    pb::CryptoContext {
        suite: pb::Suite::AesCm128HmacSha180.into(),
        keys: vec![master_key()],
        ..pb::CryptoContext::default()
    }
}

pub(crate) fn sdes(line: &str) -> pb::CryptoContext {
    pb::CryptoContext { sdes_line: line.to_owned(), ..pb::CryptoContext::default() }
}

pub(crate) fn address(ip: &str, port: u32) -> pb::SocketAddress {
    pb::SocketAddress { ip: ip.to_owned(), port }
}

pub(crate) fn remote() -> pb::RemoteAddress {
    pb::RemoteAddress { rtp: Some(address("192.0.2.1", 4_000)), rtcp: None }
}

/// A secured stream with keys both ways.
pub(crate) fn stream() -> pb::Stream {
    pb::Stream {
        stream_id: 1,
        transport: pb::Transport::Secured.into(),
        ingress_crypto: Some(crypto()),
        egress_crypto: Some(sdes(LINE)),
        ..pb::Stream::default()
    }
}

pub(crate) fn reserve() -> pb::Reserve {
    pb::Reserve { streams: vec![stream()], ..pb::Reserve::default() }
}

pub(crate) fn reserve_request(transaction_id: &str) -> pb::ReserveConnectionPointRequest {
    pb::ReserveConnectionPointRequest {
        transaction_id: transaction_id.to_owned(),
        reserve: Some(reserve()),
    }
}

pub(crate) fn gates() -> pb::ChangeThroughConnection {
    pb::ChangeThroughConnection {
        context_id: 7,
        mode: pb::StreamMode::SendReceive.into(),
        ..pb::ChangeThroughConnection::default()
    }
}

pub(crate) fn configure() -> pb::Configure {
    let change = pb::StreamChange { stream_id: 1, ..pb::StreamChange::default() };
    pb::Configure {
        context_id: 7,
        termination_id: 2,
        streams: vec![change],
        ..pb::Configure::default()
    }
}

pub(crate) fn staged_key() -> pb::StagedKey {
    pb::StagedKey {
        suite: pb::Suite::AesCm128HmacSha180.into(),
        key: Some(master_key()),
        ..pb::StagedKey::default()
    }
}

pub(crate) fn stage_key() -> pb::StageKey {
    pb::StageKey {
        expected_generation: 0,
        context_id: 7,
        termination_id: 2,
        stream_id: 1,
        key: Some(pb::stage_key::Key::IngressCrypto(staged_key())),
        group_id: 0,
    }
}

pub(crate) fn command(command: pb::command::Command) -> pb::Command {
    pb::Command { command: Some(command) }
}

/// A change of topology by its associations: from, to, relation, stream.
pub(crate) fn associations(associations: &[(u32, u32, pb::Relation, u32)]) -> pb::SetTopology {
    let association = |&(from, to, relation, stream_id): &(u32, u32, pb::Relation, u32)| {
        let (from_termination_id, to_termination_id) = (from, to);
        let relation = relation.into();
        pb::Association { from_termination_id, to_termination_id, relation, stream_id }
    };
    let associations = associations.iter().map(association).collect();
    pb::SetTopology { context_id: 7, associations, ..pb::SetTopology::default() }
}
