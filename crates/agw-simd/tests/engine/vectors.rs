//! A whole packet that others agree on.

use agw_srtp::{
    EgressKey, Engine, MAX_TRAILER, MasterKey, Protector, SessionParameters, SpareRooms, Suite,
};

use crate::rig::engines;

/// The reference packet of libsrtp's `srtp_driver` for AES_CM_128_HMAC_SHA1_80.
#[test]
fn the_reference_packet_of_libsrtp_comes_out() {
    let key = hex::decode("e1f97a0d3e018be0d64fa32c06de41390ec675ad498afeebb6960b3aabe6").unwrap();
    let plain = hex::decode("800f1234decafbadcafebabeabababababababababababababababab").unwrap();
    let sealed = "800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb";
    for engine in engines() {
        let master = MasterKey::from_concatenated(Suite::AesCm128HmacSha1_80, &key).unwrap();
        let parameters = SessionParameters::default();
        let keys = vec![EgressKey::new(master)];
        let mut egress = Protector::new(&engine, keys, parameters, 0).unwrap();
        // Beside others, so that every kernel has its turn.
        for (sequence, copies) in (0x1234_u16..).zip([1, 2, 4, 16, 32]) {
            let mut packet = plain.clone();
            packet[2..4].copy_from_slice(&sequence.to_be_bytes());
            let ticket = egress.begin_srtp(&packet, &mut SpareRooms::new()).unwrap();
            let mut buffers = vec![[0; 28 + MAX_TRAILER]; copies];
            let mut jobs = Vec::new();
            for buffer in &mut buffers {
                buffer[..28].copy_from_slice(&packet);
                jobs.push(egress.job(&ticket, buffer, 28));
            }
            engine.run(&mut jobs);
            let first = jobs.first().unwrap().outcome();
            assert!(jobs.iter().all(|job| job.outcome() == Ok(38)), "{engine:?} {first:?}");
            assert!(buffers.windows(2).all(|pair| pair[0] == pair[1]), "{engine:?} {copies}");
            if sequence == 0x1234 {
                assert_eq!(hex::encode(&buffers[0][..38]), sealed, "{engine:?}");
            }
        }
    }
}
