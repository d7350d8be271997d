//! Memory on the packet path.

use agw_srtp::{Engine, Job, MasterKey, Suite};

use crate::rig::{engines, packet, profiles, sessions, with_room};

#[test]
fn a_run_allocates_nothing() {
    let profiles = profiles();
    for engine in engines() {
        let mut sessions = sessions(&engine, &profiles);
        let packets: Vec<Vec<u8>> = (0..)
            .zip(&profiles)
            .map(|(place, profile)| packet(*profile, 1, place * 97 % 1_400))
            .collect();
        let tickets: Vec<_> =
            sessions.iter_mut().zip(&packets).map(|(one, packet)| one.begin(packet)).collect();
        let mut buffers: Vec<Vec<u8>> = packets.iter().map(|packet| with_room(packet)).collect();
        let mut jobs: Vec<Job<'_, _>> = sessions
            .iter()
            .zip(&tickets)
            .zip(buffers.iter_mut().zip(&packets))
            .map(|((one, ticket), (buffer, packet))| one.egress.job(ticket, buffer, packet.len()))
            .collect();

        let allocations = allocation_counter::measure(|| engine.run(&mut jobs));

        assert_eq!(allocations.count_total, 0, "{engine:?}");
        assert!(jobs.iter().all(|job| job.outcome().is_ok()), "{engine:?}");
    }
}

#[test]
fn the_expanded_keys_of_a_direction_take_576_octets_at_most() {
    for engine in engines() {
        for suite in Suite::ALL {
            let octets = vec![0x33; suite.key_len() + suite.salt_len()];
            let master = MasterKey::from_concatenated(suite, &octets).unwrap();
            let mut keys = None;

            let taken = allocation_counter::measure(|| keys = Some(engine.expand(&master)));

            assert!(keys.is_some());
            assert!((1..=576).contains(&taken.bytes_current), "{suite:?} {taken:?}");
        }
    }
}
