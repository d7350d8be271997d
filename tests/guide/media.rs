//! What is said between the steps.

use agw_srtp::Suite;
use agw_tests::packet::{rtcp, rtp};
use agw_tests::{Endpoint, Gateway, Key};

/// A key of the mandatory suite.
pub(crate) fn key() -> Key {
    Key::random(Suite::AesCm128HmacSha1_80)
}

/// Numbers packets, so that no two of a test are the same.
#[derive(Debug, Default)]
pub(crate) struct Voice(u16);

impl Voice {
    /// The next packet of a source.
    pub(crate) fn packet(&mut self, ssrc: u32) -> Vec<u8> {
        self.0 += 1;
        rtp(ssrc, self.0, self.0.into())
    }

    /// One packet passes as it was sent.
    pub(crate) fn passes(&mut self, from: &mut Endpoint, to: &mut Endpoint, ssrc: u32) {
        let packet = self.packet(ssrc);
        from.send(&packet);
        assert_eq!(to.receive(), packet);
    }

    /// One packet passes each way.
    pub(crate) fn both_ways(&mut self, one: &mut Endpoint, other: &mut Endpoint) {
        self.passes(one, other, 0xA1);
        self.passes(other, one, 0xB1);
    }

    /// One RTCP packet passes.
    pub(crate) fn reports(&mut self, from: &mut Endpoint, to: &mut Endpoint) {
        self.0 += 1;
        let packet = rtcp(0xA1, self.0.into());
        from.send_control(&packet);
        assert_eq!(to.receive_control(), packet);
    }

    /// One packet goes no further, for a reason; `drops` is how many there are of it then.
    pub(crate) fn is_dropped(
        &mut self,
        gateway: &Gateway,
        from: &mut Endpoint,
        reason: &str,
        drops: u64,
    ) {
        let packet = self.packet(0xA1);
        from.send(&packet);
        let _ = gateway.ledger().after_drops(reason, drops);
    }
}
