//! Packets of every length.

use agw_srtp::{Portable, Suite};

use crate::rig::{Session, engines, made, open, packet, plain, seal};

/// A batch takes packets of neighbouring lengths.
const BATCH: usize = 61;

#[test]
fn every_suite_seals_and_opens_every_length_as_the_portable_engine_does() {
    for engine in engines() {
        for suite in Suite::ALL {
            for rtcp in [false, true] {
                let profile = plain(suite, rtcp);
                let session = |_| Session::new(&engine, profile, 3);
                let mut ours: Vec<Session<_>> = (0..BATCH).map(session).collect();
                let session = |_| Session::new(&Portable, profile, 3);
                let mut reference: Vec<Session<_>> = (0..BATCH).map(session).collect();
                let lengths: Vec<usize> = (0..=1_500).collect();
                for (sequence, lengths) in (1..).zip(lengths.chunks(BATCH)) {
                    let packets: Vec<Vec<u8>> =
                        lengths.iter().map(|octets| packet(profile, sequence, *octets)).collect();
                    let sealed = seal(&engine, &mut ours, &packets);
                    let expected = seal(&Portable, &mut reference, &packets);
                    assert_eq!(sealed, expected, "{engine:?} {profile:?} {lengths:?}");

                    let sealed: Vec<Vec<u8>> = sealed.iter().map(made).collect();
                    let opened = open(&engine, &ours, &sealed);
                    assert_eq!(opened, open(&Portable, &reference, &sealed), "{profile:?}");
                    for (opened, packet) in opened.iter().zip(&packets) {
                        assert_eq!(made(opened), *packet, "{engine:?} {profile:?}");
                    }
                }
            }
        }
    }
}
