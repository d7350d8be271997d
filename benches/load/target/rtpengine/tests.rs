//! A real call through a real rtpengine, if it is installed.

use std::net::UdpSocket;
use std::time::Instant;

use agw_srtp::{EgressKey, IngressKey, Portable, Protector, SessionParameters, Suite, Unprotector};

use super::*;

const SUITE: Suite = Suite::AesCm128HmacSha1_80;

/// An RTP packet of G.711: version 2, payload type 8.
fn packet(sequence: u8, ssrc: u8) -> Vec<u8> {
    let header = [0x80, 8, 0, sequence, 0, 0, sequence, 160, 0, 0, 0, ssrc];
    header.into_iter().chain((0..160).map(|octet| octet ^ sequence)).collect()
}

fn options(ports: RangeInclusive<u16>) -> RtpengineOptions {
    let address: IpAddr = "127.0.0.1".parse().unwrap();
    RtpengineOptions {
        program: None,
        place: Place::default(),
        threads: 1,
        access: address,
        core: address,
        control: SocketAddr::new(address, free_port()),
        ports,
    }
}

fn free_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn is_installed() -> bool {
    let installed = std::process::Command::new(NAME).arg("--version").output().is_ok();
    if !installed {
        eprintln!("skipped: rtpengine is not installed (Debian: rtpengine-daemon)");
    }
    installed
}

fn party() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    socket
}

fn spec(number: u64, phone: &UdpSocket, core: &UdpSocket, keys: Option<CallKeys>) -> Arc<CallSpec> {
    Arc::new(CallSpec {
        number,
        keys,
        access_peer: phone.local_addr().unwrap(),
        core_peer: core.local_addr().unwrap(),
    })
}

fn keys() -> CallKeys {
    let random = |first: u8| Zeroizing::new((first..).take(30).collect::<Vec<u8>>());
    CallKeys { suite: SUITE, ingress: random(1), egress: random(101) }
}

fn phone_seals(octets: &[u8]) -> Protector<agw_srtp::PortableKeys> {
    let key = EgressKey::new(MasterKey::from_concatenated(SUITE, octets).unwrap());
    Protector::new(&Portable, vec![key], SessionParameters::default(), 0).unwrap()
}

fn phone_opens(octets: &[u8]) -> Unprotector<agw_srtp::PortableKeys> {
    let key = IngressKey::new(MasterKey::from_concatenated(SUITE, octets).unwrap());
    Unprotector::new(&Portable, vec![key], SessionParameters::default(), 0).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secured_call_passes_both_ways_and_is_counted() {
    if !is_installed() {
        return;
    }
    let mut target = Rtpengine::start(options(41_000..=41_099)).await.unwrap();
    let (phone, core) = (party(), party());
    let keys = keys();
    let mut seals = phone_seals(&keys.ingress);
    let placed = target.control().set_up(spec(1, &phone, &core, Some(keys))).await.unwrap();
    let mut opens = phone_opens(&placed.egress.as_ref().unwrap().0);
    let mut octets = [0; 2_000];

    for sequence in 0..10 {
        let plain = packet(sequence, 1);
        let mut sealed = plain.clone();
        sealed.resize(plain.len() + agw_srtp::MAX_TRAILER, 0);
        let length = seals.protect_srtp(&Portable, &mut sealed, plain.len()).unwrap();
        phone.send_to(&sealed[..length], placed.access).unwrap();
        let (length, from) = core.recv_from(&mut octets).unwrap();
        assert_eq!((&octets[..length], from), (&plain[..], placed.core));

        let plain = packet(sequence, 2);
        core.send_to(&plain, placed.core).unwrap();
        let (length, from) = phone.recv_from(&mut octets).unwrap();
        let length = opens.unprotect_srtp(&Portable, &mut octets, length, Instant::now()).unwrap();
        assert_eq!((&octets[..length], from), (&plain[..], placed.access));
    }

    let counters = target.counters().await.unwrap();
    assert_eq!((counters.received, counters.forwarded, counters.kernel_drops), (20, 20, 0));
    target.control().release(&placed.id).await.unwrap();
    let again = target.control().release(&placed.id).await;
    assert!(matches!(again, Err(TargetError::Refused { .. })), "{again:?}");
    target.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn many_calls_are_set_up_at_once_until_ports_run_out() {
    if !is_installed() {
        return;
    }
    let target = Rtpengine::start(options(41_100..=41_899)).await.unwrap();
    let (phone, core) = (party(), party());
    let control = target.control();
    let set_ups = (0..200).map(|number| {
        let (control, spec) = (control.clone(), spec(number, &phone, &core, None));
        tokio::spawn(async move { control.set_up(spec).await })
    });
    let mut ports = std::collections::BTreeSet::new();
    for set_up in set_ups.collect::<Vec<_>>() {
        let placed = set_up.await.unwrap().unwrap();
        assert!(placed.egress.is_none());
        ports.extend([placed.access, placed.core]);
    }
    assert_eq!(ports.len(), 400);
    for number in 200.. {
        assert!(number < 400, "more calls than there are ports for");
        if let Err(refused) = control.set_up(spec(number, &phone, &core, None)).await {
            assert_eq!(refused.to_string(), "refused: Ran out of ports");
            break;
        }
    }
    target.stop().await.unwrap();
}

#[tokio::test]
async fn a_start_that_fails_tells_what_rtpengine_said() {
    if !is_installed() {
        return;
    }
    let mut options = options(41_900..=41_999);
    options.access = "203.0.113.77".parse().unwrap();
    options.control.set_ip(options.access);
    let error = Rtpengine::start(options).await.unwrap_err().to_string();
    assert!(error.contains("its log ends with:\n"), "{error}");
    assert!(error.contains("203.0.113.77") || error.contains("ng"), "{error}");
}
