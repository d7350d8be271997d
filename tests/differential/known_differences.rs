//! Where the two are meant to differ: the end of the index space, sequence numbers sent again,
//! the SRTCP window, and the keys of AES-192.

use std::time::Instant;

use agw_rtp::Ssrc;
use agw_srtp::{
    EgressKey, IngressKey, MAX_TRAILER, MasterKey, Portable, ProtectError, Protector,
    SessionParameters, Suite, UnprotectError, Unprotector,
};
use agw_testkit::differential::{Divergence, Operation, Scenario, run};
use agw_testkit::engines::engines;
use agw_testkit::libsrtp::{Libsrtp, OracleKey, Refusal, Session, SessionSpec, Sources};
use agw_testkit::packet::{Shape, rtp};

use crate::library;

const SUITE: Suite = Suite::AesCm128HmacSha1_80;
const SOURCE: Ssrc = Ssrc(0x1234_5678);
const KEY: [u8; 30] = [0x2b; 30];

fn session(library: Libsrtp, allow_repeat_tx: bool) -> Session {
    let spec = SessionSpec {
        suite: SUITE,
        keys: vec![OracleKey { octets: KEY.to_vec(), mki: Vec::new() }],
        sources: Sources::These(vec![SOURCE]),
        window: 128,
        allow_repeat_tx,
        unencrypted_srtp: false,
        unencrypted_srtcp: false,
    };
    library.session(&spec).unwrap()
}

fn plain(sequence: u16) -> Vec<u8> {
    rtp(SOURCE, sequence, Shape { payload: 20, ..Shape::default() })
}

/// Seals a packet with ours.
fn seal<K>(egress: &mut Protector<K>, packet: &[u8]) -> Result<Vec<u8>, ProtectError>
where
    Portable: agw_srtp::Engine<Keys = K>,
{
    let mut slot = packet.to_vec();
    slot.resize(packet.len() + MAX_TRAILER, 0);
    let octets = egress.protect_srtp(&Portable, &mut slot, packet.len())?;
    slot.truncate(octets);
    Ok(slot)
}

#[test]
fn after_the_last_index_ours_stops_and_libsrtp_starts_again_at_0() {
    let Some(library) = library() else { return };
    let key = || MasterKey::from_concatenated(SUITE, &KEY).unwrap();
    let parameters = SessionParameters::default();
    let keys = vec![EgressKey::new(key())];
    let mut ours = Protector::new(&Portable, keys, parameters, u32::MAX).unwrap();
    let keys = vec![IngressKey::new(key())];
    let mut ingress = Unprotector::new(&Portable, keys, parameters, u32::MAX).unwrap();
    let mut theirs = session(library, false);
    theirs.set_roc(SOURCE, u32::MAX).unwrap();

    for sequence in [0xfffe, 0xffff] {
        let sealed = seal(&mut ours, &plain(sequence)).unwrap();
        assert_eq!(sealed, theirs.protect(&plain(sequence), 0).unwrap());
        let mut slot = sealed.clone();
        let opened = ingress.unprotect_srtp(&Portable, &mut slot, sealed.len(), Instant::now());
        assert_eq!(opened, Ok(plain(sequence).len()));
    }

    // A second packet with index 0: the keystream of the first one (RFC 3711 §9.1).
    let mut repeated = theirs.protect(&plain(0), 0).unwrap();
    let mut first = session(library, false);
    assert_eq!(repeated, first.protect(&plain(0), 0).unwrap());
    assert_eq!(seal(&mut ours, &plain(0)), Err(ProtectError::TooOld));
    let octets = repeated.len();
    let opened = ingress.unprotect_srtp(&Portable, &mut repeated, octets, Instant::now());
    assert_eq!(opened, Err(UnprotectError::TooOld));
}

#[test]
fn a_sequence_number_sent_again_is_refused_by_both_unless_libsrtp_is_told_to_allow_it() {
    let Some(library) = library() else { return };
    let key = MasterKey::from_concatenated(SUITE, &KEY).unwrap();
    let keys = vec![EgressKey::new(key)];
    let parameters = SessionParameters::default();
    let mut ours = Protector::new(&Portable, keys, parameters, 0).unwrap();
    let (mut strict, mut lenient) = (session(library, false), session(library, true));
    for sender in [&mut strict, &mut lenient] {
        sender.protect(&plain(7), 0).unwrap();
    }
    seal(&mut ours, &plain(7)).unwrap();

    assert_eq!(seal(&mut ours, &plain(7)), Err(ProtectError::IndexReused));
    assert_eq!(strict.protect(&plain(7), 0), Err(Refusal::Replay));
    assert!(lenient.protect(&plain(7), 0).is_ok());
}

#[test]
fn libsrtp_derives_keys_of_aes_192_with_aes_256_and_ours_does_not() {
    let Some(library) = library() else { return };
    let octets: Vec<u8> = (1..=38).collect();
    let zeros_behind: Vec<u8> = octets.iter().copied().chain([0; 8]).collect();
    let seal_with = |suite, octets: &[u8]| {
        let spec = SessionSpec {
            suite,
            keys: vec![OracleKey { octets: octets.to_vec(), mki: Vec::new() }],
            sources: Sources::AnyOutbound,
            window: 128,
            allow_repeat_tx: false,
            // Only the tag depends on keys then, and the suites differ in nothing else.
            unencrypted_srtp: true,
            unencrypted_srtcp: false,
        };
        library.session(&spec).unwrap().protect(&plain(7), 0).unwrap()
    };
    let theirs = seal_with(Suite::AesCm192HmacSha1_80, &octets);
    assert_eq!(theirs, seal_with(Suite::AesCm256HmacSha1_80, &zeros_behind));

    let master = MasterKey::from_concatenated(Suite::AesCm192HmacSha1_80, &octets).unwrap();
    let keys = vec![EgressKey::new(master)];
    let parameters = SessionParameters { unencrypted_srtp: true, ..SessionParameters::default() };
    let mut ours = Protector::new(&Portable, keys, parameters, 0).unwrap();
    assert_ne!(seal(&mut ours, &plain(7)).unwrap(), theirs);
}

#[test]
fn the_srtcp_window_of_libsrtp_has_128_packets_and_ours_what_was_asked_for() {
    let Some(library) = library() else { return };
    for (window, late) in [(64, 64), (64, 127), (256, 128), (256, 255)] {
        let report =
            |arrives| Operation::SendRtcp { source: 0, packet_type: 201, words: 0, arrives };
        let mut operations = vec![report(false)];
        operations.extend(std::iter::repeat_n(report(true), late));
        operations.push(Operation::Arrive { back: late as u8 });
        let scenario = Scenario {
            suite: SUITE,
            mki_octets: 0,
            window,
            initial_roc: 0,
            unencrypted_srtp: false,
            unencrypted_srtcp: false,
            operations,
        };
        for engine in engines() {
            let tally = run(library, engine, &scenario).unwrap();
            let seen = tally.divergences.get(&Divergence::SrtcpWindowFixed);
            assert_eq!(seen, Some(&1), "{engine:?} {window} {late}");
        }
    }
}
