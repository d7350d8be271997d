//! The packet path does not allocate.

#![expect(clippy::tests_outside_test_module, reason = "an integration test is one")]

use std::time::Duration;

use agw_net::{Batch, PacketIo, Transmit};

use crate::rig::{V4, V6, add, backend, drain, peer, round};

#[test]
fn receiving_and_sending_allocate_nothing() {
    let (mut backend, mut batch) = (backend(), Batch::new());
    let ports = [add(&mut backend, 0, V4), add(&mut backend, 1, V6), add(&mut backend, 2, V4)];
    let (v4, _) = peer(V4);
    let (v6, _) = peer(V6);

    let mut echoed = 0;
    let allocations = allocation_counter::measure(|| {
        for _ in 0..100 {
            for _ in 0..10 {
                v4.send_to(&[1; 172], ports[0]).unwrap();
                v6.send_to(&[2; 172], ports[1]).unwrap();
            }
            v4.send_to(&[3; 172], ports[2]).unwrap();
            while backend.receive(&mut batch, Some(Duration::ZERO)).unwrap() > 0 {
                let (slots, mut outbox) = batch.split_mut();
                for slot in slots {
                    let transmit = Transmit {
                        port: slot.port,
                        destination: slot.source,
                        slot: slot.index,
                        len: slot.len,
                        tag: 0,
                        traffic_class: None,
                    };
                    outbox.push(transmit).unwrap();
                }
                echoed += backend.transmit(&mut batch, |_, _| ());
            }
        }
    });

    assert_eq!(echoed, 2_100);
    assert_eq!(allocations.count_total, 0);
    assert!(
        drain(&mut backend, &mut batch).is_empty() && round(&mut backend, &mut batch).is_empty()
    );
}
