//! A UE as RFC 3264 and RFC 4568 have it: what it writes, sends and hears.

use std::collections::BTreeMap;

use agw_sdes::{CryptoAttribute, CryptoTag, InlineKey, Mode};
use agw_srtp::{Engine, Portable, Protector, Suite};

use crate::media::{Passed, pass, receiver, sender};
use crate::world::World;

/// One end of a dialogue.
#[derive(Clone)]
pub(crate) struct End {
    pub(crate) address: String,
    pub(crate) ssrc: u8,
    /// What its master key is made of, if it is a secured one.
    pub(crate) key: Option<u8>,
    /// Whether it takes and offers keys under RTP/AVP (RFC 8643).
    pub(crate) is_opportunistic: bool,
    /// Whether it may send.
    pub(crate) sends: bool,
    /// The version of its description.
    pub(crate) version: u32,
    /// What the gateway has told it.
    pub(crate) told: String,
    /// The crypto line that it wrote.
    line: Option<String>,
}

/// What is on the wire under each key, so that no number comes twice.
#[derive(Default)]
pub(crate) struct Wire {
    sealed: BTreeMap<String, Protector<<Portable as Engine>::Keys>>,
    number: u16,
}

impl End {
    pub(crate) fn new(address: &str, ssrc: u8, key: Option<u8>) -> Self {
        let (told, line) = (String::new(), None);
        let address = address.to_owned();
        let is_opportunistic = false;
        Self { address, ssrc, key, is_opportunistic, sends: true, version: 1, told, line }
    }

    fn inline(&self) -> Option<InlineKey> {
        let seed = self.key?;
        let fill = &mut |octets: &mut [u8]| {
            octets.iter_mut().zip(0_u8..).for_each(|(octet, n)| *octet = seed ^ n.wrapping_mul(29));
        };
        Some(InlineKey::generate(Suite::AesCm128HmacSha1_80, fill).unwrap())
    }

    pub(crate) fn is_on_v6(&self) -> bool {
        self.address.starts_with('[')
    }

    fn place(&self) -> (String, String) {
        let (ip, port) = self.address.rsplit_once(':').unwrap();
        (ip.replace(['[', ']'], ""), port.to_owned())
    }

    /// Goes to the other address family.
    pub(crate) fn changes_family(&mut self, port: u16) {
        let (ip, _) = self.place();
        self.address = match ip.rsplit_once("::") {
            Some((_, last)) => format!("192.0.2.{last}:{port}"),
            None => format!("[2001:db8::{}]:{port}", ip.rsplit_once('.').unwrap().1),
        };
    }

    /// Writes a description with its key, if it has one, under this tag.
    fn write(&mut self, line: Option<String>, direction: &str) -> String {
        let (ip, port) = self.place();
        let family = if self.is_on_v6() { "IP6" } else { "IP4" };
        let (ssrc, version) = (self.ssrc, self.version);
        let is_secured = line.is_some() && !self.is_opportunistic;
        let profile = if is_secured { "RTP/SAVP" } else { "RTP/AVP" };
        let crypto = line.iter().map(|line| format!("{line}\r\n")).collect::<String>();
        self.line = line;
        format!(
            "v=0\r\no=u{ssrc} 1 {version} IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n\
             m=audio {port} {profile} 8\r\n{crypto}a={direction}\r\n"
        )
    }

    /// Offers, to send only or both ways.
    pub(crate) fn offer(&mut self, holds: bool) -> String {
        let tag = CryptoTag::new(1).unwrap();
        let line = self.inline().map(|key| {
            let suite = Suite::AesCm128HmacSha1_80;
            let line = CryptoAttribute::new(tag, suite, vec![key], Vec::new()).unwrap();
            line.expose_line().to_string()
        });
        self.write(line, if holds { "sendonly" } else { "sendrecv" })
    }

    /// Answers with what it has and the first line that is offered.
    pub(crate) fn answer(&mut self, offer: &str) -> String {
        let line = self.inline().map(|key| {
            let offered = offer.lines().find(|line| line.starts_with("a=crypto")).unwrap();
            let offered = CryptoAttribute::parse(offered, Mode::Strict).unwrap();
            offered.answer(key).unwrap().expose_line().to_string()
        });
        self.sends = !offer.contains("a=sendonly");
        self.write(line, if self.sends { "sendrecv" } else { "recvonly" })
    }

    /// The gateway's line as it was told.
    fn peer(&self) -> Option<&str> {
        self.told.lines().find(|line| line.starts_with("a=crypto"))
    }
}

impl Wire {
    /// Sends from one end to the other one, which opens what comes by what it was told; why not if
    /// nothing comes.
    pub(crate) fn send(&mut self, world: &mut World, from: &End, to: &End) -> Result<(), String> {
        self.number += 1;
        let mut packet = vec![0x80, 8, 0, 0, 0, 0, 0, 1, 0, 0, 0, from.ssrc];
        packet[2..4].copy_from_slice(&self.number.to_be_bytes());
        packet.extend_from_slice(b"voice of somebody");
        let plain = packet.clone();
        if let Some(line) = &from.line {
            let sealer = self.sealed.entry(line.split("inline:").nth(1).unwrap().to_owned());
            let sealer = sealer.or_insert_with(|| sender(line));
            packet.resize(256, 0);
            let len = sealer.protect_srtp(&Portable, &mut packet, plain.len()).unwrap();
            packet.truncate(len);
        }
        let passed: Passed = pass(world, &from.told, &from.address, &packet);
        let (address, mut arrived) = passed.map_err(|reason| format!("dropped: {reason:?}"))?;
        if address != to.address {
            return Err(format!("went to {address} instead of {}", to.address));
        }
        if to.key.is_some() {
            let line = to.peer().ok_or("no key was told")?;
            let len = arrived.len();
            let opened = receiver(line).unprotect_srtp(&Portable, &mut arrived, len, world.now);
            let opened = opened.map_err(|reason| format!("cannot be opened: {reason:?}"))?;
            arrived.truncate(opened);
        }
        if arrived == plain { Ok(()) } else { Err("arrived as something else".to_owned()) }
    }
}
