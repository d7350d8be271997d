//! The socket of those who drive a gateway.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use agw_net::{BATCH, BatchSocket, Outgoing, PortOptions, SLOT};

use crate::rig::{V4, V6};

fn wall_clock() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

#[test]
fn a_batch_goes_to_many_peers_and_arrives_in_order_with_source_and_time() {
    for anywhere in [V4, V6] {
        let bind = || BatchSocket::bind(anywhere, &PortOptions::default()).unwrap();
        let (mut sender, mut peers) = (bind(), [bind(), bind()]);
        let addresses = [peers[0].local_address(), peers[1].local_address()];
        let payloads: Vec<[u8; 2]> = (0..BATCH as u8).map(|n| [n, n ^ 0xff]).collect();
        let datagrams: Vec<Outgoing<'_>> = payloads
            .iter()
            .zip(addresses.into_iter().cycle())
            .map(|(octets, destination)| Outgoing { destination, octets })
            .collect();

        let before = wall_clock();
        assert_eq!(sender.send(&datagrams).unwrap(), BATCH);
        for (parity, peer) in peers.iter_mut().enumerate() {
            let mut found = Vec::new();
            let count = peer.receive(|datagram| {
                assert_eq!(datagram.source, sender.local_address());
                let arrived = datagram.arrived.unwrap();
                assert!(before <= arrived && arrived <= wall_clock());
                found.push(datagram.octets.to_vec());
            });
            assert_eq!(count.unwrap(), BATCH / 2);
            let expected: Vec<_> = payloads.iter().skip(parity).step_by(2).collect();
            assert_eq!(found, expected);
            assert_eq!(peer.receive(|_| panic!("all is read")).unwrap(), 0);
        }
    }
}

#[test]
fn what_is_longer_than_a_slot_arrives_cut_and_what_a_full_queue_drops_is_told() {
    let options = PortOptions { receive_buffer_octets: Some(4096), ..PortOptions::default() };
    let mut receiver = BatchSocket::bind(V4, &options).unwrap();
    let mut sender = BatchSocket::bind(V4, &PortOptions::default()).unwrap();
    let destination = receiver.local_address();
    let octets = vec![7; SLOT + 1];
    sender.send(&[Outgoing { destination, octets: &octets }]).unwrap();
    receiver.receive(|datagram| assert_eq!(datagram.octets, &octets[..SLOT])).unwrap();

    let flood = [Outgoing { destination, octets: &octets[..200] }; BATCH];
    assert_eq!(sender.send(&flood).unwrap(), BATCH);
    let mut arrived = 0;
    while receiver.receive(|_| arrived += 1).unwrap() > 0 {}
    assert!(arrived < BATCH as u32, "the queue is too small for all");
    assert_eq!(receiver.kernel_drops().unwrap(), BATCH as u32 - arrived);
}
