//! Attacks on a call with libsrtp at ROC 3: nothing forwarded, everything counted, no genuine
//! packet lost.

use agw_srtp::Suite;

use crate::rig;

#[test]
fn packets_under_a_wrong_key_are_dropped() {
    run("wrong_key");
}

//= tests/spec/relay.md#transport
//= type=test
//# A packet whose tag does not verify MUST NOT be forwarded.
#[test]
fn packets_with_any_flipped_bit_are_dropped() {
    run("flipped_bits");
}

#[test]
fn replayed_packets_are_dropped_inside_and_outside_of_the_window() {
    run("replay");
}

#[test]
fn replayed_control_packets_are_dropped() {
    run("replay_of_control_packets");
}

#[test]
fn a_replay_from_another_address_does_not_draw_media_there() {
    run("foreign_replay");
}

#[test]
fn control_packets_that_claim_to_be_unencrypted_are_dropped() {
    run("forged_unencrypted_control");
}

#[test]
fn runts_of_every_length_are_dropped() {
    run("runts");
}

//= tests/spec/relay.md#transport
//= type=test
//# On a secured leg plain RTP MUST NOT be forwarded.
#[test]
fn a_flood_of_unknown_sources_does_no_harm() {
    run("unknown_sources");
}

#[test]
fn datagrams_that_are_too_long_are_dropped() {
    run("giants");
}

#[test]
fn plain_rtp_is_not_taken_for_srtp() {
    run("plain_rtp_into_the_srtp_port");
}

//= tests/spec/relay.md#demultiplexing
//= type=test
//# A datagram whose first octet is not that of RTP or RTCP MUST NOT reach a crypto context.
#[test]
fn stun_dtls_and_noise_are_dropped_by_their_first_octet() {
    run("other_protocols");
}

#[test]
fn packets_at_the_wrong_port_are_dropped() {
    run("the_wrong_port");
}

#[test]
fn a_foreign_source_on_the_plain_leg_is_dropped() {
    run("a_foreign_source_on_the_plain_leg");
}

/// In counter mode and with GCM, where tags stand elsewhere.
fn run(scenario: &str) {
    rig::python("attacks.py", &["grpc", "grpc_reflection", "pylibsrtp"], |gateway| {
        let mut arguments = vec![gateway.daemon.iq.to_string(), gateway.daemon.admin.to_string()];
        arguments.push(scenario.to_owned());
        for suite in [Suite::AesCm128HmacSha1_80, Suite::AeadAes128Gcm] {
            arguments.push(suite.name().to_owned());
        }
        arguments
    });
}
