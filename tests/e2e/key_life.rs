//! The life of keys with libsrtp as the phone: activation at a time, rollover counters, agreed
//! plain text, parameters that nobody may agree on.

use std::time::{Duration, SystemTime};

use agw_iq::pb;
use agw_iq::pb::event::Kind;
use agw_rtp::Ssrc;
use agw_srtp::{RocOnRekey, Suite};
use agw_testkit::libsrtp::{Libsrtp, OracleKey, Session, SessionSpec, Sources};
use agw_tests::packet::{rtcp, rtp_at};
use agw_tests::{Call, Gateway, Key, Leg, Side, api};

use crate::events::Listener;

const SUITE: Suite = Suite::AesCm128HmacSha1_80;

fn spec(key: &Key, source: u32) -> SessionSpec {
    SessionSpec {
        suite: key.suite,
        keys: vec![OracleKey { octets: key.octets.clone(), mki: Vec::new() }],
        sources: Sources::These(vec![Ssrc(source)]),
        window: 128,
        allow_repeat_tx: false,
        unencrypted_srtp: false,
        unencrypted_srtcp: false,
    }
}

/// A session of the phone's libsrtp that stands at a rollover counter.
fn session(library: Libsrtp, spec: &SessionSpec, roc: u32) -> Session {
    let Sources::These(sources) = &spec.sources else { panic!("sources by name") };
    let mut session = library.session(spec).expect("a session");
    session.set_roc(sources[0], roc).expect("a source");
    session
}

fn in_a_moment() -> SystemTime {
    SystemTime::now() + Duration::from_millis(500)
}

//= tests/spec/iq.md#keys
//= type=test
//# A staged key MUST come in force at the time that the controller has said and not before.
#[test]
fn staged_keys_come_in_force_at_a_time_unless_they_are_cancelled_before() {
    let gateway = Gateway::start();
    let (mut call, ..) = Call::e2ae_at(&gateway, SUITE, 3);
    let mut listener = Listener::from_the_start(&gateway);
    let [ingress, egress, cancelled] = [SUITE; 3].map(Key::random);
    for stage in
        [api::stage_ingress(call.context, &cancelled), api::stage_egress(call.context, &egress)]
    {
        gateway.wait(gateway.iq.stage_key(stage)).expect("a staged key");
    }
    let at = in_a_moment();
    let later = |direction| pb::ActivateKey {
        at: Some(at.into()),
        ..api::activate(call.context, direction)
    };
    for direction in [pb::Direction::Ingress, pb::Direction::Egress] {
        gateway.wait(gateway.iq.activate_key(later(direction))).expect("a time");
    }
    let past = Some(SystemTime::UNIX_EPOCH.into());
    let past = pb::ActivateKey { at: past, ..later(pb::Direction::Egress) };
    let refused = gateway.wait(gateway.iq.activate_key(past)).expect_err("a time that is past");
    assert_eq!(refused.field.as_deref(), Some("activate_key.at"));
    let cancel = api::cancel(call.context, pb::Direction::Ingress);
    gateway.wait(gateway.iq.cancel_key(cancel)).expect("no staged key");
    let stage = api::stage_ingress(call.context, &ingress);
    gateway.wait(gateway.iq.stage_key(stage)).expect("a staged key");
    let again = pb::ActivateKey { at: Some(in_a_moment().into()), ..later(pb::Direction::Ingress) };
    let contexts = gateway.wait(gateway.iq.contexts(false)).expect("an audit");
    let key = contexts[0].terminations[0].streams[0].egress_key.clone().expect("a key");
    assert_eq!(key.staged.and_then(|staged| staged.activates_at), Some(at.into()));
    gateway.wait(gateway.iq.activate_key(again)).expect("a time");

    for _ in 0..2 {
        let _ = listener.await_kind(&gateway, |kind| matches!(kind, Kind::KeyActivated(_)));
    }

    // The events come with the order to the packet path: what follows them by the API is behind it.
    let _ = gateway.wait(gateway.iq.contexts(true)).expect("an audit");
    call.access.sends_with(&ingress, RocOnRekey::Keep);
    call.access.receives_with(&egress, RocOnRekey::Keep);
    for _ in 0..20 {
        call.talk();
    }
    call.report();
    assert!(call.is_silent());
}

//= tests/spec/srtp.md#new-keys
//= type=test
//# With a new key the rollover counter MUST be kept, reset or set as the controller says.
#[test]
fn libsrtp_goes_on_with_a_kept_counter_and_starts_anew_with_one_reset_or_set() {
    let Ok(library) = Libsrtp::load() else { return };
    let gateway = Gateway::start();
    for (rule, initial_roc, next) in [
        (pb::RocOnRekey::Unspecified, None, 3),
        (pb::RocOnRekey::Keep, None, 3),
        (pb::RocOnRekey::Reset, None, 0),
        (pb::RocOnRekey::Value, Some(9), 9),
    ] {
        let (mut call, ingress, egress) = Call::e2ae_at(&gateway, SUITE, 3);
        let mut sends = session(library, &spec(&ingress, Call::ACCESS), 3);
        let mut receives = session(library, &spec(&egress, Call::CORE), 3);
        both_ways(&mut call, &mut sends, &mut receives);
        let fresh = [SUITE; 2].map(Key::random);
        let crypto = |key: &Key| {
            Some(pb::CryptoContext { roc_on_rekey: rule.into(), initial_roc, ..key.crypto() })
        };
        let change = pb::StreamChange {
            ingress_crypto: crypto(&fresh[0]),
            egress_crypto: crypto(&fresh[1]),
            ..pb::StreamChange::default()
        };
        let change = api::configure(call.context, 1, change);
        gateway.wait(gateway.iq.configure(change)).expect("new keys");

        let specs = [spec(&fresh[0], Call::ACCESS), spec(&fresh[1], Call::CORE)];
        if next == 3 {
            sends.update(&specs[0]).expect("a new key");
            receives.update(&specs[1]).expect("a new key");
        } else {
            // As a phone does that makes a new session: what it had counted is gone.
            sends = session(library, &specs[0], next);
            receives = session(library, &specs[1], next);
        }
        both_ways(&mut call, &mut sends, &mut receives);
        assert_eq!(receives.roc(Ssrc(Call::CORE)), Ok(next), "{rule:?}");
    }
}

/// Twenty packets each way between libsrtp and the core side.
fn both_ways(call: &mut Call, sends: &mut Session, receives: &mut Session) {
    for _ in 0..20 {
        let packet = call.next_packet(Call::ACCESS);
        call.access.send_octets(&sends.protect(&packet, 0).expect("a sealed packet"));
        assert_eq!(call.core.receive(), packet);
        let packet = call.next_packet(Call::CORE);
        call.core.send(&packet);
        assert_eq!(receives.unprotect(&call.access.receive_octets()), Ok(packet));
    }
}

//= tests/spec/srtp.md#e-bit
//= type=test
//# An SRTCP packet whose E bit is not as agreed MUST be discarded under a suite that encrypts.
#[test]
fn what_is_agreed_to_be_unencrypted_is_authenticated_all_the_same() {
    let Ok(library) = Libsrtp::load() else { return };
    let gateway = Gateway::with(&["policy.allow_unencrypted=true"]);
    let agreed = [(true, false), (false, true), (true, true)];
    for (round, (unencrypted_srtp, unencrypted_srtcp)) in (1..).zip(agreed) {
        let keys = [SUITE; 2].map(Key::random);
        let mut access = Leg::secured(Side::Access.peer(), &keys[0], &keys[1]).multiplexing();
        let parameters = pb::SessionParameters {
            unencrypted_srtp,
            unencrypted_srtcp,
            ..pb::SessionParameters::default()
        };
        let crypto =
            |key: &Key| Some(pb::CryptoContext { parameters: Some(parameters), ..key.crypto() });
        access.stream.ingress_crypto = crypto(&keys[0]);
        access.stream.egress_crypto = crypto(&keys[1]);
        let mut call = Call::between(&gateway, access, Leg::plain(Side::Core.peer()));
        let agreed =
            |key, source| SessionSpec { unencrypted_srtp, unencrypted_srtcp, ..spec(key, source) };
        let mut sends = session(library, &agreed(&keys[0], Call::ACCESS), 0);
        let mut receives = session(library, &agreed(&keys[1], Call::CORE), 0);

        both_ways(&mut call, &mut sends, &mut receives);
        let packet = rtp_at(Call::ACCESS, 900);
        let sealed = sends.protect(&packet, 0).expect("a sealed packet");
        assert_eq!(sealed.starts_with(&packet), unencrypted_srtp);
        call.access.send_octets(&sealed);
        assert_eq!(call.core.receive(), packet);

        let report = rtcp(Call::ACCESS, 1);
        let sealed = sends.protect_rtcp(&report, 0).expect("a sealed packet");
        assert_eq!(sealed.starts_with(&report), unencrypted_srtcp);
        let mut forged = sealed.clone();
        let e_bit = sealed.len() - SUITE.srtcp_tag_len() - 4;
        forged[e_bit] ^= 0x80;
        call.access.send_octets(&forged);
        let _ = gateway.ledger().after_drops("unencrypted", round);
        call.access.send_octets(&sealed);
        assert_eq!(call.core.receive_control(), report);
        let report = rtcp(Call::CORE, 2);
        call.core.send_control(&report);
        assert_eq!(receives.unprotect_rtcp(&call.access.receive_octets()), Ok(report));
        assert!(call.is_silent());
    }
}

//= tests/spec/sdes.md#session-parameters
//= type=test
//# UNAUTHENTICATED_SRTP MUST be refused.
//= tests/spec/sdes.md#session-parameters
//= type=test
//# A key derivation rate other than zero MUST be refused by policy.
#[test]
fn parameters_that_nobody_may_agree_on_are_refused_by_name_and_clause() {
    let gateway = Gateway::with(&["policy.allow_unencrypted=true", "policy.allow_null=true"]);
    let [ingress, egress, fec] = [SUITE; 3].map(Key::random);
    for (parameter, names) in [
        ("UNAUTHENTICATED_SRTP".to_owned(), ["UNAUTHENTICATED_SRTP", "6.4.1"]),
        ("KDR=10".to_owned(), ["key derivation rate", "6.3.1"]),
        ("FEC_ORDER=SRTP_FEC".to_owned(), ["FEC_ORDER=SRTP_FEC", "6.3.4"]),
        (format!("FEC_KEY=inline:{}", fec.base64()), ["FEC_KEY", "6.3.5"]),
    ] {
        let mut stream = Leg::secured(Side::Access.peer(), &ingress, &egress).stream;
        let sdes_line = format!("{} {parameter}", ingress.sdes_line(1));
        stream.ingress_crypto =
            Some(pb::CryptoContext { sdes_line, ..pb::CryptoContext::default() });
        let reserve = api::reserve("access", vec![stream]);
        let refused =
            gateway.wait(gateway.iq.reserve_and_configure(reserve)).expect_err(&parameter);
        assert_eq!(refused.reason.as_deref(), Some("SESSION_PARAM_REFUSED"), "{parameter}");
        let text = refused.to_string();
        assert!(names.iter().all(|name| text.contains(name)), "{parameter}: {text}");
        assert!(!text.contains(&fec.base64()));
    }
}
