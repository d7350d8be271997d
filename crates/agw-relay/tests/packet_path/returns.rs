//! Ingress keys that return within a call.

use agw_relay::{CallId, Command, DropReason, IngressCrypto, IngressId, Transport};
use agw_srtp::Suite;

use crate::crypto::at_roc_3;
use crate::support::{
    ACCESS, ACCESS_RTCP, ACCESS_RTP, Call, INGRESS_SEED, UE, UE_RTCP, ingress_spec,
    install_ingress, receiver_report, rtp,
};

const SUITE: Suite = Suite::AesCm128HmacSha1_80;

/// The leg goes and comes again, as another step of the same call.
fn comes_again(call: &mut Call) {
    call.command(Command::RemoveIngress(IngressId(ACCESS)));
    let spec = ingress_spec(ACCESS, Transport::Secured);
    call.command(Command::SetIngress(IngressId(ACCESS), spec));
    call.command(install_ingress(ACCESS, SUITE, INGRESS_SEED));
}

//= tests/spec/relay.md#keys-that-return
//= type=test
//# An ingress key that returns within a call MUST go on where it was, on whichever leg.
#[test]
fn a_key_whose_leg_or_keys_were_removed_returns_and_opens_nothing_twice() {
    for keys_only in [false, true] {
        let mut call = at_roc_3();
        let media = call.seal(&rtp(7, 0x9001, b"once"));
        let control = call.seal_rtcp(&receiver_report(7));
        call.pass(ACCESS_RTP, UE, &media).unwrap();
        call.pass(ACCESS_RTCP, UE_RTCP, &control).unwrap();

        for round in 1..=3 {
            if keys_only {
                let remove = || Command::IngressCrypto(IngressId(ACCESS), IngressCrypto::Remove);
                for seed in [INGRESS_SEED + 1, INGRESS_SEED] {
                    call.command(remove());
                    call.command(install_ingress(ACCESS, SUITE, seed));
                }
            } else {
                comes_again(&mut call);
            }
            let dropped = call.dropped(ACCESS, DropReason::Replay);
            assert_eq!(call.pass(ACCESS_RTCP, UE_RTCP, &control), Err(DropReason::Replay));
            assert_eq!(call.pass(ACCESS_RTP, UE, &media), Err(DropReason::Replay));
            assert_eq!(call.dropped(ACCESS, DropReason::Replay), dropped + 2);
            let next = call.seal(&rtp(7, 0x9001 + round, b"next"));
            assert_eq!(
                call.pass(ACCESS_RTP, UE, &next).unwrap().2,
                rtp(7, 0x9001 + round, b"next")
            );
            let next = call.seal_rtcp(&receiver_report(7));
            call.pass(ACCESS_RTCP, UE_RTCP, &next).unwrap();
        }
        let state = call.relay.ingress(IngressId(ACCESS)).unwrap().crypto.unwrap();
        assert_eq!(state.sources[0].roc, 3);
    }
}

#[test]
fn what_was_opened_is_known_on_its_own_call_until_that_ends() {
    let mut call = at_roc_3();
    let control = call.seal_rtcp(&receiver_report(7));
    call.pass(ACCESS_RTCP, UE_RTCP, &control).unwrap();
    call.relay.handle_command_of(CallId(8), Command::EndCall, call.now).unwrap();
    comes_again(&mut call);
    assert_eq!(call.pass(ACCESS_RTCP, UE_RTCP, &control), Err(DropReason::Replay));

    call.command(Command::RemoveIngress(IngressId(ACCESS)));
    call.command(Command::EndCall);
    let spec = ingress_spec(ACCESS, Transport::Secured);
    call.command(Command::SetIngress(IngressId(ACCESS), spec));
    call.command(install_ingress(ACCESS, SUITE, INGRESS_SEED));
    // Control lets no key return to another call: this one starts as if it were new.
    assert!(call.pass(ACCESS_RTCP, UE_RTCP, &control).is_ok());
}
