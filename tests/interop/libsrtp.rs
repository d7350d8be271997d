//! libsrtp through pylibsrtp, on calls that a Python controller sets up by reflection: payload
//! octets are compared, packet by packet, in both directions.

use agw_srtp::Suite;

use crate::rig;

/// The suites that pylibsrtp has.
const SUITES: [Suite; 4] = [
    Suite::AesCm128HmacSha1_80,
    Suite::AesCm128HmacSha1_32,
    Suite::AeadAes128Gcm,
    Suite::AeadAes256Gcm,
];

//= tests/spec/relay.md#transport
//= type=test
//# A header extension MUST pass unchanged.
#[test]
fn packets_of_every_shape_arrive_as_they_were() {
    run("shapes_of_packets");
}

#[test]
fn compound_and_reduced_size_rtcp_arrives_as_it_was() {
    run("shapes_of_control_packets");
}

#[test]
fn a_session_at_roc_3_is_joined() {
    run("joining_at_roc_3");
}

#[test]
fn a_session_is_followed_through_gaps_to_roc_5() {
    run("reaching_roc_5_by_gaps");
}

#[test]
fn loss_and_reorder_around_the_wrap_harm_nothing_else() {
    run("wrapping_with_loss_and_reorder");
}

fn run(scenario: &str) {
    rig::python("libsrtp_media.py", &["grpc", "grpc_reflection", "pylibsrtp"], |gateway| {
        let mut arguments = vec![gateway.daemon.iq.to_string(), scenario.to_owned()];
        arguments.extend(SUITES.map(|suite| suite.name().to_owned()));
        arguments
    });
}
