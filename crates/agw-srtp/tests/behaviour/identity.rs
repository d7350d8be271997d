//! What is sealed opens to what it was, under every suite and whatever the packet looks like.

use agw_srtp::{
    EgressKey, IngressKey, Lifetime, Mki, Portable, Protector, SessionParameters, Suite,
    Unprotector,
};
use proptest::prelude::*;

use crate::support::{master, open, open_rtcp, seal, seal_rtcp, start};

/// Header parts and payload of an RTP packet.
#[derive(Debug, Clone)]
struct Shape {
    csrc_count: u8,
    extension_words: Option<u8>,
    padding: Option<u8>,
    payload: Vec<u8>,
    sequence: u16,
    ssrc: u32,
}

impl Shape {
    fn header(&self) -> Vec<u8> {
        let padded = if self.padding.is_some() { 0x20 } else { 0 };
        let extended = if self.extension_words.is_some() { 0x10 } else { 0 };
        let mut packet = vec![0x80 | padded | extended | self.csrc_count, 0x80 | 96];
        packet.extend(self.sequence.to_be_bytes());
        packet.extend([1, 2, 3, 4]);
        packet.extend(self.ssrc.to_be_bytes());
        packet.extend((0..self.csrc_count * 4).map(|octet| octet ^ 0x5a));
        if let Some(words) = self.extension_words {
            packet.extend([0xbe, 0xde, 0, words]);
            packet.extend((0..usize::from(words) * 4).map(|octet| octet as u8));
        }
        packet
    }

    fn packet(&self) -> Vec<u8> {
        let mut packet = self.header();
        packet.extend(&self.payload);
        if let Some(padding) = self.padding {
            packet.extend((1..=padding).map(|octet| if octet == padding { padding } else { 0 }));
        }
        packet
    }
}

fn shapes() -> impl Strategy<Value = Shape> {
    (
        0_u8..16,
        prop::option::of(0_u8..20),
        prop::option::of(1_u8..=255),
        prop_oneof![
            1 => Just(Vec::new()),
            6 => prop::collection::vec(any::<u8>(), 0..300),
            1 => prop::collection::vec(any::<u8>(), 1200..1500),
        ],
        any::<u16>(),
        any::<u32>(),
    )
        .prop_map(|(csrc_count, extension_words, padding, payload, sequence, ssrc)| Shape {
            csrc_count,
            extension_words,
            padding,
            payload,
            sequence,
            ssrc,
        })
}

fn parameters() -> impl Strategy<Value = SessionParameters> {
    any::<(bool, bool)>().prop_map(|(unencrypted_srtp, unencrypted_srtcp)| SessionParameters {
        unencrypted_srtp,
        unencrypted_srtcp,
        ..SessionParameters::default()
    })
}

fn mkis() -> impl Strategy<Value = Option<Mki>> {
    prop::option::of(prop::collection::vec(any::<u8>(), 1..=128))
        .prop_map(|octets| octets.map(|octets| Mki::new(&octets).unwrap()))
}

struct Ends {
    egress: Protector<agw_srtp::PortableKeys>,
    ingress: Unprotector<agw_srtp::PortableKeys>,
}

fn ends(suite: Suite, mki: Option<Mki>, parameters: SessionParameters, roc: u32) -> Ends {
    let lifetime = Lifetime { srtp: 1 << 20, srtcp: 1 << 20 };
    let egress = EgressKey { master: master(suite, 9), mki, lifetime };
    let ingress = IngressKey { master: master(suite, 9), mki, lifetime };
    Ends {
        egress: Protector::new(&Portable, vec![egress], parameters, roc).unwrap(),
        ingress: Unprotector::new(&Portable, vec![ingress], parameters, roc).unwrap(),
    }
}

proptest! {
    //= tests/spec/srtp.md#suites
    //= type=test
    //# A gateway MUST offer AES_192_CM and AES_256_CM with tags of 80 and of 32 bits.
    //= tests/spec/srtp.md#packet-forms
    //= type=test
    //# CSRC list and header extension MUST NOT be encrypted.
    //= tests/spec/srtp.md#packet-forms
    //= type=test
    //# A packet without payload MUST be protected and opened like any other.
    //= tests/spec/srtp.md#packet-forms
    //= type=test
    //# Padding MUST be inside the encrypted part.
    //= tests/spec/srtp.md#mki
    //= type=test
    //# An MKI of 1 to 128 octets MUST be accepted.
    //= tests/spec/relay.md#transport
    //= type=test
    //# A header extension MUST pass unchanged.
    #[test]
    fn rtp_of_any_shape_comes_back_and_only_the_header_stays_in_the_clear(
        suite in prop::sample::select(Suite::ALL.to_vec()),
        mki in mkis(),
        parameters in parameters(),
        roc in any::<u32>(),
        shape in shapes(),
    ) {
        let Ends { mut egress, mut ingress } = ends(suite, mki, parameters, roc);
        let (plain, header) = (shape.packet(), shape.header());

        let sealed = seal(&mut egress, &plain).unwrap();
        let trailer = suite.srtp_tag_len() + mki.map_or(0, |mki| mki.as_slice().len());
        prop_assert_eq!(sealed.len(), plain.len() + trailer);
        prop_assert_eq!(&sealed[..header.len()], &header[..]);
        let body = &plain[header.len()..];
        let shows = sealed[header.len()..].starts_with(body);
        if suite.is_null() || parameters.unencrypted_srtp {
            prop_assert!(shows);
        } else if body.len() >= 8 {
            prop_assert!(!shows);
        }

        prop_assert_eq!(open(&mut ingress, &sealed, start()), Ok(plain));
    }

    //= tests/spec/srtp.md#packet-forms
    //= type=test
    //# An SRTCP packet MUST be protected and opened whatever its first packet type is.
    #[test]
    fn rtcp_compound_or_reduced_comes_back(
        suite in prop::sample::select(Suite::ALL.to_vec()),
        mki in mkis(),
        parameters in parameters(),
        packet_type in 192_u8..=223,
        count in 0_u8..32,
        ssrc in any::<u32>(),
        body in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let Ends { mut egress, mut ingress } = ends(suite, mki, parameters, 0);
        let words = (body.len() / 4 + 1) as u16;
        let mut plain = vec![0x80 | count, packet_type];
        plain.extend(words.to_be_bytes());
        plain.extend(ssrc.to_be_bytes());
        plain.extend(&body);

        let sealed = seal_rtcp(&mut egress, &plain).unwrap();
        let trailer = suite.srtcp_tag_len() + 4 + mki.map_or(0, |mki| mki.as_slice().len());
        prop_assert_eq!(sealed.len(), plain.len() + trailer);
        prop_assert_eq!(&sealed[..8], &plain[..8]);

        prop_assert_eq!(open_rtcp(&mut ingress, &sealed, start()), Ok(plain));
    }

    //= tests/spec/srtp.md#order-of-checks
    //= type=test
    //# Any octets of any length MUST be answered without a panic.
    #[test]
    fn any_octets_are_refused_or_authentic(
        suite in prop::sample::select(Suite::ALL.to_vec()),
        mki in mkis(),
        octets in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let Ends { mut ingress, mut egress } = ends(suite, mki, SessionParameters::default(), 0);
        prop_assert!(open(&mut ingress, &octets, start()).is_err());
        prop_assert!(open_rtcp(&mut ingress, &octets, start()).is_err());
        prop_assert_eq!(ingress.sources().count(), 0);
        // Sealing anything must not panic either.
        let _ = (seal(&mut egress, &octets), seal_rtcp(&mut egress, &octets));
    }

    //= tests/spec/srtp.md#packet-forms
    //= type=test
    //# CSRC list and header extension MUST be authenticated.
    #[test]
    fn a_changed_bit_anywhere_is_noticed(
        suite in prop::sample::select(Suite::ALL.to_vec()),
        mki in mkis(),
        shape in shapes(),
        bit in any::<prop::sample::Index>(),
    ) {
        let Ends { mut egress, mut ingress } = ends(suite, mki, SessionParameters::default(), 0);
        let sealed = seal(&mut egress, &shape.packet()).unwrap();
        let bit = bit.index(sealed.len() * 8);
        let mut forged = sealed.clone();
        forged[bit / 8] ^= 1 << (bit % 8);

        prop_assert!(open(&mut ingress, &forged, start()).is_err());
        prop_assert!(open(&mut ingress, &sealed, start()).is_ok());
    }
}

#[test]
fn a_buffer_without_tail_room_is_left_alone() {
    for suite in Suite::ALL {
        let Ends { mut egress, .. } = ends(suite, None, SessionParameters::default(), 0);
        let plain = crate::support::rtp(7, 1);
        let mut buffer = plain.clone();
        buffer.resize(plain.len() + suite.srtp_tag_len() - 1, 0);
        let outcome = egress.protect_srtp(&Portable, &mut buffer, plain.len());
        assert_eq!(outcome, Err(agw_srtp::ProtectError::NoRoom), "{suite:?}");
        assert_eq!(buffer[..plain.len()], plain, "{suite:?}");
    }
}
