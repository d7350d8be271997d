//! From keys and flags to [`Options`].

use std::net::IpAddr;

use agw_context::Family;
use agw_sdp::RtcpAttribute;
use agw_srtp::Suite;

use crate::options::{E2ae, Learning, Options, Protected, Transport};
use crate::refusal::Refusal;
use crate::rtpp;
use crate::support::{self, FAMILIES, FLAGS, Item, KEYS, Support, is_same, rest_of};
use crate::value::Value;

/// Reads what a dictionary's keys, but for those of the request itself, want.
pub(crate) fn options(body: &Value) -> Result<Options, Refusal> {
    let mut reader = Reader::default();
    if let Value::Dictionary(pairs) = body {
        for (key, value) in pairs {
            match std::str::from_utf8(key) {
                Ok(key) => reader.key(key, value)?,
                Err(_) => reader.options.unknown += 1,
            }
        }
    }
    reader.finish()
}

#[derive(Default)]
struct Reader {
    options: Options,
    /// The old spelling: SRTP or RTP, AVPF or AVP.
    old: (Option<bool>, Option<bool>),
}

impl Reader {
    fn key(&mut self, key: &str, value: &Value) -> Result<(), Refusal> {
        if is_same(key, "flags") {
            return value
                .texts()
                .flat_map(str::split_whitespace)
                .try_for_each(|one| self.flag(one));
        }
        if is_same(key, "rtpp-flags") {
            let words = value.texts().flat_map(rtpp::words);
            return words.into_iter().try_for_each(|word| self.flag(&word));
        }
        if FAMILIES.iter().any(|family| is_same(family, key)) {
            return value.texts().try_for_each(|one| self.flag(&format!("{key}-{one}")));
        }
        if let Some(item) = support::find(KEYS, key) {
            return match item.support {
                Support::Done => self.named(item.name, value),
                Support::Always | Support::NoEffect => Ok(()),
                Support::Refused => Err(refused(key, item)),
            };
        }
        if let Value::Integer(number) = value {
            return self.flag(&format!("{key}={number}"));
        }
        // A key that stands alone, as a list or a dictionary, is still one that is not known.
        let mut texts = value.texts().peekable();
        if texts.peek().is_none() {
            return self.flag(key);
        }
        texts.try_for_each(|one| self.flag(&format!("{key}={one}")))
    }

    /// A flag in any spelling; `key=value` may be a key.
    fn flag(&mut self, word: &str) -> Result<(), Refusal> {
        if let Some(item) = support::find(FLAGS, word) {
            return match item.support {
                Support::Done => self.done(item.name, word),
                Support::Always | Support::NoEffect => Ok(()),
                //= tests/spec/ng.md#offer-and-answer
                //# A request MUST be refused, with the reason, where it asks for what agw does not do and a call without it would be another.
                Support::Refused => Err(refused(word, item)),
            };
        }
        if rest_of(word, "transport-protocol=").is_some() {
            return Err(invalid("transport-protocol", "RTP/AVP, RTP/AVPF, RTP/SAVP or RTP/SAVPF"));
        }
        //= tests/spec/ng.md#offer-and-answer
        //# A flag that nobody knows MUST be ignored and counted.
        let Some((key, value)) = word.split_once('=') else {
            self.options.unknown += 1;
            return Ok(());
        };
        // Families may be written as `SDES=off` as well.
        if let Some(family) = FAMILIES.iter().find(|family| is_same(family, key)) {
            let word = format!("{family}-{value}");
            if support::find(FLAGS, &word).is_some() {
                return self.flag(&word);
            }
        }
        match support::find(KEYS, key) {
            Some(item) if item.support == Support::Refused => Err(refused(key, item)),
            Some(item) => self.named(item.name, &Value::text(value)),
            None => {
                self.options.unknown += 1;
                Ok(())
            }
        }
    }

    /// A key with a value of its own.
    fn named(&mut self, key: &'static str, value: &Value) -> Result<(), Refusal> {
        let options = &mut self.options;
        match key {
            "supports" => {
                options.knows_load_limit |= value.texts().any(|one| is_same(one, "load limit"));
            }
            "direction" => {
                for realm in value.texts() {
                    let (near, far) = &mut options.realms;
                    if near.is_none() { near } else { far }.replace(realm_name(realm)?);
                }
            }
            "from-interface" => options.realms.0 = Some(realm_name(one(key, value)?)?),
            "to-interface" => options.realms.1 = Some(realm_name(one(key, value)?)?),
            "address-family" => options.family = Some(family(key, one(key, value)?)?),
            "media-address" => options.media_address = Some(address(key, one(key, value)?)?),
            "received-from" => {
                // The family stands before the address, and says nothing that it does not.
                let mut told =
                    value.texts().filter(|text| !text.to_ascii_uppercase().starts_with("IP"));
                if let Some(text) = told.next() {
                    options.received_from = Some(address(key, text)?);
                }
            }
            "TOS" => {
                let tos = value.as_integer().and_then(|number| u8::try_from(number).ok());
                options.tos = Some(tos.ok_or(invalid(key, "a number from 0 to 255"))?);
            }
            "sip-code" | "sip-response-code" => {
                let status = value.as_integer().and_then(|number| u16::try_from(number).ok());
                let status = status.filter(|status| (100..700).contains(status));
                // A script writes it where there is none as well, as `<null>`.
                options.unknown += u32::from(status.is_none());
                options.status = status.or(options.status);
            }
            "label" => options.label = Some(short(key, one(key, value)?)?),
            // What the request itself reads.
            _ => {}
        }
        Ok(())
    }

    /// A flag that is carried out.
    fn done(&mut self, name: &'static str, word: &str) -> Result<(), Refusal> {
        let options = &mut self.options;
        if let Some(family) = name.strip_prefix("SDES-") {
            return self.sdes(family, word);
        }
        match name {
            "RTP" => self.old.0 = Some(false),
            "SRTP" => self.old.0 = Some(true),
            "AVP" => self.old.1 = Some(false),
            "AVPF" => self.old.1 = Some(true),
            "replace-SDP-version" => options.replace.version = true,
            "replace-force-increment-sdp-ver" => options.replace.force_version = true,
            "replace-username" => options.replace.username = true,
            "replace-session-name" => options.replace.session_name = true,
            "replace-zero-address" => options.replace.zero_address = true,
            "rtcp-mux-offer" => options.mux.offer = true,
            "rtcp-mux-require" => options.mux.require = true,
            "rtcp-mux-demux" => options.mux.demux = true,
            "rtcp-mux-accept" => options.mux.reject = false,
            "rtcp-mux-reject" => options.mux.reject = true,
            "OSRTP-offer" | "OSRTP-offer-rfc" => options.osrtp_offer = true,
            "asymmetric" => options.learning = Learning::Asymmetric,
            "endpoint-learning-off" | "endpoint-learning-no-learning" => {
                options.learning = Learning::Off;
            }
            "no-rtcp-attribute" => options.rtcp_attribute = RtcpAttribute::Never,
            "full-rtcp-attribute" => options.rtcp_attribute = RtcpAttribute::Full,
            "generate-mid" => options.generate_mid = true,
            "loop-protect" => options.loop_protect = true,
            "fatal" => options.fatal = true,
            "SIP-source-address" => options.trusts_source = true,
            "drop-traffic=start" | "drop-traffic" => {
                options.drops = Some(options.drops.unwrap_or(true));
            }
            //= tests/spec/ng.md#gates
            //# Where both are said, `stop` MUST go before `start`.
            "drop-traffic=stop" => options.drops = Some(false),
            "protected-signalling=both" => protect(options, true, true),
            "protected-signalling=sender" => protect(options, true, false),
            "protected-signalling=receiver" => protect(options, false, true),
            "protected-signalling=none" => protect(options, false, false),
            "e2ae=applied" => options.e2ae = E2ae::Applied,
            "e2ae=strip" => options.e2ae = E2ae::Strip,
            "e2ae=pass" => options.e2ae = E2ae::Pass,
            name => {
                let profile = name.strip_prefix("transport-protocol=").unwrap_or(name);
                options.transport = profile_of(profile).or(options.transport);
            }
        }
        Ok(())
    }

    fn sdes(&mut self, name: &str, word: &str) -> Result<(), Refusal> {
        let sdes = &mut self.options.sdes;
        let suites = |prefix: &str| {
            let named = rest_of(word, prefix).unwrap_or_default().split(';').map(str::trim);
            named.filter(|name| !name.is_empty()).filter_map(suite).collect::<Vec<_>>()
        };
        match name {
            "off" | "no" | "disable" => sdes.off = true,
            "unencrypted_srtp" => sdes.unencrypted.srtp = true,
            "unencrypted_srtcp" => sdes.unencrypted.srtcp = true,
            "nonew" => sdes.no_new = true,
            "no-*" => sdes.without.extend(suites("SDES-no-")),
            "order:*" => sdes.order = suites("SDES-order:"),
            _ => {
                let named = suites("SDES-only-");
                // To offer others than those asked for would be less than was asked for.
                if named.is_empty() {
                    let why = "agw does not know the suite";
                    return Err(Refusal::Unsupported { what: word.to_owned(), why });
                }
                sdes.only.extend(named);
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<Options, Refusal> {
        let Self { mut options, old } = self;
        if let ((Some(_), _) | (_, Some(_)), None) = (old, options.transport) {
            let secured = old.0.unwrap_or_default();
            let feedback = old.1.unwrap_or_default();
            options.transport = Some(Transport { secured, feedback });
        }
        let is_secured = options.transport.is_some_and(|transport| transport.secured);
        if options.sdes.off && (is_secured || options.osrtp_offer) {
            let why = "without SDES nothing is left to key SRTP with";
            return Err(Refusal::Unsupported { what: "SDES-off".to_owned(), why });
        }
        if options.trusts_source && options.received_from.is_none() {
            return Err(invalid("received-from", "needed with SIP-source-address"));
        }
        Ok(options)
    }
}

const fn protect(options: &mut Options, sender: bool, receiver: bool) {
    options.protected_signalling = Some(Protected { sender, receiver });
}

fn profile_of(text: &str) -> Option<Transport> {
    let (secured, feedback) = match text {
        "RTP/AVP" => (false, false),
        "RTP/AVPF" => (false, true),
        "RTP/SAVP" => (true, false),
        "RTP/SAVPF" => (true, true),
        _ => return None,
    };
    Some(Transport { secured, feedback })
}

fn suite(name: &str) -> Option<Suite> {
    // The names of RFC 6188 stand in scripts in either order.
    let other = name.replace("AES_CM_256", "AES_256_CM").replace("AES_CM_192", "AES_192_CM");
    Suite::ALL.into_iter().find(|suite| suite.name().eq_ignore_ascii_case(&other))
}

fn family(key: &'static str, text: &str) -> Result<Family, Refusal> {
    match text.to_ascii_uppercase().as_str() {
        "IP4" | "INET" | "IPV4" => Ok(Family::V4),
        "IP6" | "INET6" | "IPV6" => Ok(Family::V6),
        _ => Err(invalid(key, "IP4 or IP6")),
    }
}

fn address(key: &'static str, text: &str) -> Result<IpAddr, Refusal> {
    let bare = text.trim().trim_start_matches('[').trim_end_matches(']');
    bare.parse().map_err(|_| invalid(key, "an address of IPv4 or IPv6"))
}

fn realm_name(text: &str) -> Result<String, Refusal> {
    short("direction", text)
}

fn short(key: &'static str, text: &str) -> Result<String, Refusal> {
    if text.len() > 256 {
        return Err(invalid(key, "at most 256 octets"));
    }
    Ok(text.to_owned())
}

fn one<'a>(key: &'static str, value: &'a Value) -> Result<&'a str, Refusal> {
    value.as_text().ok_or(invalid(key, "a string"))
}

const fn invalid(key: &'static str, rule: &'static str) -> Refusal {
    Refusal::Invalid { key, rule }
}

fn refused(word: &str, item: &Item) -> Refusal {
    let what: String = word.chars().filter(|letter| !letter.is_control()).take(64).collect();
    Refusal::Unsupported { what, why: item.note }
}
