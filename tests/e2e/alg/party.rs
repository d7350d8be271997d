//! The two ends of a signalled call: they know descriptions and media, and nothing of the gateway.

use std::net::{IpAddr, SocketAddr};

use agw_iq::pb;
use agw_srtp::Suite;
use agw_testkit::libsrtp::{Libsrtp, OracleKey, Session, SessionSpec, Sources};
use agw_tests::packet::{rtcp, rtp};
use agw_tests::{Endpoint, Key};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

/// A phone with SRTP by libsrtp, or a peer in the core with RTP.
pub(crate) struct Party {
    pub(crate) endpoint: Endpoint,
    ssrc: u32,
    next: u16,
    /// What was sent last, as it was sent.
    pub(crate) last: Vec<u8>,
    crypto: Option<Crypto>,
}

/// What a phone seals and opens with.
struct Crypto {
    library: Libsrtp,
    key: Key,
    seals: Session,
    theirs: Option<(Key, Session)>,
}

/// A crypto line as read.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) tag: u32,
    pub(crate) key: Key,
}

impl Party {
    /// A peer in the core.
    pub(crate) fn core(ip: IpAddr, ssrc: u32) -> Self {
        Self { endpoint: Endpoint::plain(ip), ssrc, next: 1, last: Vec::new(), crypto: None }
    }

    /// A phone.
    pub(crate) fn phone(ip: IpAddr, ssrc: u32, library: Libsrtp) -> Self {
        let key = Key::random(Suite::AesCm128HmacSha1_80);
        let seals = session(library, &key, Sources::AnyOutbound);
        let crypto = Some(Crypto { library, key, seals, theirs: None });
        Self { crypto, ..Self::core(ip, ssrc) }
    }

    /// The key that it sends with.
    pub(crate) fn key(&self) -> &Key {
        &self.crypto.as_ref().expect("a phone").key
    }

    /// The key of the gateway that it opens with.
    pub(crate) fn their_key(&self) -> &Key {
        let theirs = self.crypto.as_ref().and_then(|crypto| crypto.theirs.as_ref());
        &theirs.expect("a key of the gateway").0
    }

    /// Sends with another key from now on; indices go on (RFC 3711 §3.3.1, §3.4).
    pub(crate) fn uses(&mut self, key: &Key) {
        let crypto = self.crypto.as_mut().expect("a phone");
        crypto.key = key.clone();
        crypto.seals.update(&spec(key, Sources::AnyOutbound)).expect("a key");
    }

    /// Makes its SRTP session anew with another key, as many a phone does: indices start anew.
    pub(crate) fn starts_anew(&mut self, key: &Key) {
        let crypto = self.crypto.as_mut().expect("a phone");
        crypto.key = key.clone();
        crypto.seals = session(crypto.library, key, Sources::AnyOutbound);
    }

    /// A description of it, with these attributes.
    pub(crate) fn describe(&self, profile: &str, attributes: &[&str]) -> Vec<u8> {
        let rtp = self.endpoint.address();
        let family = if rtp.is_ipv4() { "IP4" } else { "IP6" };
        let (ip, port) = (rtp.ip(), rtp.port());
        let rtcp = self.endpoint.control_address().port();
        let mut text = format!(
            "v=0\r\no=- {ssrc} 1 IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n\
             m=audio {port} {profile} 8\r\na=rtcp:{rtcp}\r\n",
            ssrc = self.ssrc,
        );
        for attribute in attributes {
            text += &format!("{attribute}\r\n");
        }
        text.into_bytes()
    }

    /// Takes the gateway's addresses from a description that is for it, and its key from the line
    /// with a tag.
    pub(crate) fn reads(&mut self, sdp: &str, tag: Option<u32>) {
        let ip = value(sdp, "c=IN IP").and_then(|rest| rest.get(2..)).expect("an address");
        let ip: IpAddr = ip.parse().expect("an address");
        let port = value(sdp, "m=audio ").and_then(|rest| rest.split(' ').next());
        let port: u16 = port.and_then(|port| port.parse().ok()).expect("a port");
        let control = value(sdp, "a=rtcp:").and_then(|port| port.parse().ok()).unwrap_or(port + 1);
        let wire = |port: u16| {
            let address = SocketAddr::new(ip, port);
            pb::SocketAddress { ip: address.ip().to_string(), port: address.port().into() }
        };
        let (rtp, rtcp) = (Some(wire(port)), Some(wire(control)));
        self.endpoint.attach(&pb::LocalStream { stream_id: 1, rtp, rtcp });
        let Some(crypto) = &mut self.crypto else { return };
        let lines = lines(sdp);
        let line = lines.iter().find(|line| tag.is_none_or(|tag| line.tag == tag));
        let key = line.expect("a crypto line").key.clone();
        if crypto.theirs.as_ref().is_none_or(|(known, _)| *known != key) {
            let opens = session(crypto.library, &key, Sources::AnyInbound);
            // The endpoint has the keys as well, so that the capture knows them.
            self.endpoint.restart(&crypto.key, &key, 0);
            crypto.theirs = Some((key, opens));
        }
    }

    /// Sends a packet; tells it as it was before it was sealed.
    pub(crate) fn sends(&mut self) -> Vec<u8> {
        let packet = self.packet();
        let sealed = match &mut self.crypto {
            Some(crypto) => crypto.seals.protect(&packet, 0).expect("a sealed packet"),
            None => packet.clone(),
        };
        self.endpoint.send_octets(&sealed);
        self.last = sealed;
        packet
    }

    /// Leaves out packets: three times seven steps of this are three rollovers.
    pub(crate) fn skips(&mut self, packets: u16) {
        self.next = self.next.wrapping_add(packets);
    }

    /// Sends to another party with gaps, until its rollover counter is 3.
    pub(crate) fn rolls_over(&mut self, other: &mut Self) {
        for _ in 0..8 {
            self.skips(0x7000);
            let packet = self.sends();
            assert_eq!(other.hears(), packet);
        }
    }

    /// Sends the last packet once more, octet by octet, as somebody on the way can.
    pub(crate) fn repeats(&self) {
        self.endpoint.send_octets(&self.last);
    }

    /// Receives a packet; what comes to a phone is authentic.
    pub(crate) fn hears(&mut self) -> Vec<u8> {
        let octets = self.endpoint.receive_octets();
        match &mut self.crypto {
            Some(Crypto { theirs: Some((_, opens)), .. }) => {
                opens.unprotect(&octets).expect("an authentic packet")
            }
            Some(Crypto { theirs: None, .. }) => panic!("a packet before any key"),
            None => octets,
        }
    }

    /// Sends an RTCP packet.
    pub(crate) fn reports(&mut self) -> Vec<u8> {
        let packet = rtcp(self.ssrc, self.next.into());
        let sealed = match &mut self.crypto {
            Some(crypto) => crypto.seals.protect_rtcp(&packet, 0).expect("a sealed packet"),
            None => packet.clone(),
        };
        self.endpoint.send_control_octets(&sealed);
        packet
    }

    /// Receives an RTCP packet.
    pub(crate) fn hears_report(&mut self) -> Vec<u8> {
        let octets = self.endpoint.receive_control_octets();
        match &mut self.crypto {
            Some(Crypto { theirs: Some((_, opens)), .. }) => {
                opens.unprotect_rtcp(&octets).expect("an authentic packet")
            }
            Some(Crypto { theirs: None, .. }) => panic!("a packet before any key"),
            None => octets,
        }
    }

    fn packet(&mut self) -> Vec<u8> {
        self.next = self.next.wrapping_add(1);
        rtp(self.ssrc, self.next, u64::from(self.next) ^ u64::from(self.ssrc))
    }
}

/// Media and RTCP pass both ways, and arrive as they were sent.
pub(crate) fn talk(one: &mut Party, other: &mut Party) {
    for _ in 0..3 {
        let packet = one.sends();
        assert_eq!(other.hears(), packet);
        let packet = other.sends();
        assert_eq!(one.hears(), packet);
    }
    let packet = one.reports();
    assert_eq!(other.hears_report(), packet);
    let packet = other.reports();
    assert_eq!(one.hears_report(), packet);
}

/// The crypto lines of a description.
pub(crate) fn lines(sdp: &str) -> Vec<Line> {
    let attributes = sdp.lines().filter_map(|line| line.strip_prefix("a=crypto:"));
    let read = |text: &str| {
        let mut words = text.split_ascii_whitespace();
        let tag = words.next()?.parse().ok()?;
        let name = words.next()?;
        let suite = Suite::ALL.into_iter().find(|suite| suite.name() == name)?;
        let octets = BASE64_STANDARD.decode(words.next()?.strip_prefix("inline:")?).ok()?;
        Some(Line { tag, key: Key { suite, octets, mki: Vec::new(), srtp_lifetime: 0 } })
    };
    attributes.map(|text| read(text).expect("a crypto line")).collect()
}

fn value<'a>(sdp: &'a str, prefix: &str) -> Option<&'a str> {
    sdp.lines().find_map(|line| line.strip_prefix(prefix))
}

fn session(library: Libsrtp, key: &Key, sources: Sources) -> Session {
    library.session(&spec(key, sources)).expect("a session")
}

fn spec(key: &Key, sources: Sources) -> SessionSpec {
    let keys = vec![OracleKey { octets: key.octets.clone(), mki: key.mki.clone() }];
    SessionSpec {
        suite: key.suite,
        keys,
        sources,
        window: 128,
        allow_repeat_tx: false,
        unencrypted_srtp: false,
        unencrypted_srtcp: false,
    }
}
