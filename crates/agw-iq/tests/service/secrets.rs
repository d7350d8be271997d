//! Keys go in and never come out.

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};
use prost::Message;
use prost_types::FileDescriptorSet;
use prost_types::field_descriptor_proto::Type;

use agw_iq::{FILE_DESCRIPTOR_SET, Wipe, pb};

use crate::fake::rig;
use crate::sent;

/// Every way in which someone might print octets.
fn spellings(octets: &[u8]) -> Vec<Vec<u8>> {
    let decimal: Vec<String> = octets.iter().map(u8::to_string).collect();
    vec![
        octets.to_vec(),
        hex::encode(octets).into_bytes(),
        hex::encode_upper(octets).into_bytes(),
        BASE64_STANDARD.encode(octets).into_bytes(),
        BASE64_STANDARD_NO_PAD.encode(octets).into_bytes(),
        decimal.join(", ").into_bytes(),
        octets.escape_ascii().to_string().into_bytes(),
    ]
}

fn assert_free_of_keys(text: &[u8], what: &str) {
    let inline = sent::LINE.split_once("inline:").unwrap().1.split('|').next().unwrap();
    let from_line = BASE64_STANDARD.decode(inline).unwrap();
    for secret in [&sent::KEY[..8], &sent::KEY[8..], &sent::SALT[..], &from_line] {
        for spelling in spellings(secret) {
            let found = text.windows(spelling.len()).any(|window| window == spelling);
            assert!(!found, "{what} shows {}", spelling.escape_ascii());
        }
    }
}

/// One request of every kind that carries keys, with commands of every kind.
fn transaction() -> pb::TransactRequest {
    use pb::command::Command as Kind;
    let mut configure = sent::configure();
    configure.streams[0].ingress_crypto = Some(sent::sdes(sent::LINE));
    configure.streams[0].egress_crypto = Some(sent::crypto());
    configure.add_streams = sent::reserve().streams;
    let line = pb::StagedKey { sdes_line: sent::LINE.to_owned(), ..pb::StagedKey::default() };
    let key = Some(pb::stage_key::Key::EgressCrypto(line));
    let kinds = [
        Kind::Reserve(sent::reserve()),
        Kind::Configure(configure),
        Kind::StageKey(sent::stage_key()),
        Kind::StageKey(pb::StageKey { key, ..sent::stage_key() }),
        Kind::ChangeThroughConnection(sent::gates()),
        Kind::SetTopology(pb::SetTopology::default()),
        Kind::Release(pb::Release::default()),
        Kind::ActivateKey(pb::ActivateKey::default()),
        Kind::CancelKey(pb::CancelKey::default()),
        Kind::SetGroup(pb::SetGroup {
            ingress_crypto: Some(sent::crypto()),
            egress_crypto: Some(sent::sdes(sent::LINE)),
            ..pb::SetGroup::default()
        }),
        Kind::RemoveGroup(pb::RemoveGroup::default()),
    ];
    let commands = kinds.into_iter().map(sent::command).collect();
    pb::TransactRequest { transaction_id: "t".to_owned(), commands }
}

#[test]
fn no_message_prints_a_key() {
    let printed = format!("{:?} {:#?}", transaction(), transaction());
    assert!(printed.contains("redacted, 16 octets"), "{printed}");
    assert_free_of_keys(printed.as_bytes(), "Debug");
}

#[test]
fn a_wiped_request_has_no_key_left() {
    let mut request = transaction();
    let before = request.encode_to_vec();
    assert!(before.windows(sent::KEY.len()).any(|window| window == sent::KEY));
    request.wipe();
    assert_free_of_keys(&request.encode_to_vec(), "the wiped request");
    assert_eq!(request.commands.len(), 11);
}

#[test]
fn all_fields_that_can_hold_a_secret_are_known() {
    let set = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
    let mut found = Vec::new();
    for file in set.file.iter().filter(|file| file.package().starts_with("agw.")) {
        for message in &file.message_type {
            for field in &message.field {
                if field.r#type() == Type::Bytes
                    || field.name().ends_with("_line") && field.name() != "media_line"
                {
                    found.push(format!("{}.{}", message.name(), field.name()));
                }
            }
        }
    }
    found.sort();
    // MKIs are no secret: every packet shows them.
    let expected = [
        "AnswerRequest.sdp",
        "AnswerResponse.sdp",
        "CryptoContext.sdes_line",
        "KeyInfo.mkis",
        "KeyUse.mki",
        "MasterKey.key",
        "MasterKey.mki",
        "MasterKey.salt",
        "OfferRequest.sdp",
        "OfferResponse.sdp",
        "StagedKey.sdes_line",
        "StagedKeyInfo.mki",
    ];
    assert_eq!(found, expected);
}

#[tokio::test]
async fn no_refusal_shows_a_key() {
    let rig = rig().await;
    let changes: [fn(&mut pb::Stream); 9] = [
        |s| s.ingress_crypto.as_mut().unwrap().keys[0].key.push(0),
        |s| s.ingress_crypto.as_mut().unwrap().keys[0].salt.push(0),
        |s| s.ingress_crypto.as_mut().unwrap().keys[0].srtp_lifetime = u64::MAX,
        |s| s.ingress_crypto.as_mut().unwrap().suite = 77,
        |s| s.egress_crypto.as_mut().unwrap().sdes_line.push_str("|1:4"),
        |s| s.egress_crypto.as_mut().unwrap().sdes_line.push_str(" WSH=1"),
        |s| s.egress_crypto.as_mut().unwrap().sdes_line.insert(0, 'x'),
        |s| s.egress_crypto.as_mut().unwrap().sdes_line.push_str(" UNAUTHENTICATED_SRTP"),
        |s| {
            let line = &mut s.egress_crypto.as_mut().unwrap().sdes_line;
            *line = line.replace("_128_HMAC", "_129_HMAC");
        },
    ];
    let mut refused = 0;
    for change in changes {
        let mut request = sent::reserve_request("");
        change(&mut request.reserve.as_mut().unwrap().streams[0]);
        let answer = rig.client.service().reserve_connection_point(request).await;
        let Err(status) = answer else { continue };
        refused += 1;
        assert_free_of_keys(format!("{status:?} {status}").as_bytes(), "the status");
        assert_free_of_keys(status.details(), "the details");
    }
    // A tolerated window hint is the only one that passes.
    assert_eq!(refused, changes.len() - 1);
}

#[tokio::test]
async fn no_reply_shows_a_key() {
    let rig = rig().await;
    let mut service = rig.client.service();
    let answer = service.transact(pb::TransactRequest {
        commands: transaction().commands.into_iter().take(4).collect(),
        ..pb::TransactRequest::default()
    });
    let answer = answer.await.unwrap().into_inner();
    assert_eq!(answer.replies.len(), 4);
    assert_free_of_keys(&answer.encode_to_vec(), "the reply");
    let (_, commands) = rig.fake.state().transactions.pop().unwrap();
    assert_free_of_keys(format!("{commands:?}").as_bytes(), "the commands' Debug");
}
