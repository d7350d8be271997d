//! Keys that are held ready reach the gateway with every field.

use std::time::{Duration, SystemTime};

use agw_context::{
    ActivateKey, CancelKey, Command, ContextId, DirectedKey, Direction, KeySlot, StreamId,
    TerminationId,
};
use agw_srtp::RocOnRekey;

use agw_iq::pb;

use crate::fake::rig;
use crate::sent;

const SLOT: KeySlot =
    KeySlot { context: ContextId(7), termination: TerminationId(2), stream: StreamId(1) };

#[tokio::test]
async fn a_key_is_staged_activated_and_cancelled() {
    let rig = rig().await;
    rig.client.stage_key(sent::stage_key()).await.unwrap();
    let Command::StageKey(stage) = rig.fake.command() else { panic!("stage") };
    let DirectedKey::Ingress(key) = stage.key else { panic!("egress") };
    assert_eq!(stage.slot, SLOT);
    assert_eq!(key.master.expose(<[u8]>::to_vec), [sent::KEY.as_slice(), &sent::SALT].concat());

    let line = pb::StagedKey { sdes_line: sent::LINE.to_owned(), ..pb::StagedKey::default() };
    let key = Some(pb::stage_key::Key::EgressCrypto(line));
    rig.client.stage_key(pb::StageKey { key, ..sent::stage_key() }).await.unwrap();
    let Command::StageKey(stage) = rig.fake.command() else { panic!("stage") };
    assert!(matches!(stage.key, DirectedKey::Egress(_)));

    let activate = pb::ActivateKey {
        expected_generation: 0,
        context_id: 7,
        termination_id: 2,
        stream_id: 1,
        direction: pb::Direction::Ingress.into(),
        roc_on_rekey: pb::RocOnRekey::Reset.into(),
        initial_roc: None,
        overlap_ms: Some(0),
        at: Some(prost_types::Timestamp { seconds: 1_800_000_000, nanos: 5 }),
        group_id: 0,
    };
    rig.client.activate_key(activate).await.unwrap();
    let Command::ActivateKey(activate) = rig.fake.command() else { panic!("activate") };
    let (direction, overlap) = (Direction::Ingress, Some(Duration::ZERO));
    let at = Some(SystemTime::UNIX_EPOCH + Duration::new(1_800_000_000, 5));
    let roc = RocOnRekey::Reset;
    assert_eq!(activate, ActivateKey { slot: SLOT, direction, roc, overlap, at });

    let cancel = pb::CancelKey {
        expected_generation: 0,
        context_id: 7,
        termination_id: 2,
        stream_id: 1,
        direction: pb::Direction::Egress.into(),
        group_id: 0,
    };
    rig.client.cancel_key(cancel).await.unwrap();
    let Command::CancelKey(cancel) = rig.fake.command() else { panic!("cancel") };
    assert_eq!(cancel, CancelKey { slot: SLOT, direction: Direction::Egress });
}
