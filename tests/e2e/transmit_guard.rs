//! What the core side sends twice never becomes two packets under one index.

use agw_iq::pb::event::Kind;
use agw_srtp::Suite;
use agw_tests::packet::rtp;
use agw_tests::{Call, Gateway};

use crate::events::Listener;

//= tests/spec/srtp.md#transmit-guard
//= type=test
//# Two packets MUST NOT be protected with the same key, SSRC and index.
//= tests/spec/srtp.md#transmit-guard
//= type=test
//# A packet behind the transmit window MUST NOT be protected.
#[test]
fn a_sequence_number_is_sealed_once_whatever_the_core_side_repeats() {
    for suite in [Suite::AesCm128HmacSha1_80, Suite::AeadAes128Gcm] {
        let gateway = Gateway::start();
        let (mut call, ..) = Call::e2ae_at(&gateway, suite, 3);
        let mut listener = Listener::from_the_start(&gateway);
        for number in 300..500 {
            let packet = rtp(Call::CORE, number, number.into());
            call.core.send(&packet);
            assert_eq!(call.access.receive(), packet);
        }

        // The last one again, with the same payload and with another; and one that is long gone.
        call.core.send(&rtp(Call::CORE, 499, 499));
        call.core.send(&rtp(Call::CORE, 499, 7));
        call.core.send(&rtp(Call::CORE, 301, 7));

        let _ = gateway.ledger().after_drops("index_reused", 2);
        let _ = gateway.ledger().after_drops("egress_too_old", 1);
        let event =
            listener.await_kind(&gateway, |kind| matches!(kind, Kind::TransmitIndexReused(_)));
        assert!(event.subject.is_some());
        // A packet that is late, but not too late, is no harm.
        call.core.send(&rtp(Call::CORE, 501, 501));
        assert_eq!(call.access.receive(), rtp(Call::CORE, 501, 501));
        call.core.send(&rtp(Call::CORE, 500, 500));
        assert_eq!(call.access.receive(), rtp(Call::CORE, 500, 500));
        assert!(call.is_silent());
    }
}
