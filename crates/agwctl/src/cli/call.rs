//! The command line of `agwctl call add`.

use std::path::PathBuf;

use clap::Args;

use crate::spec::{
    CallSpec, CryptoLine, Dscp, Ecn, LegSpec, MediaKind, Mode, Precedence, RemoteAddress, Rtcp,
    SourceFilter, SourceRule, StreamSsrc, TransportKind,
};

const HELP: &str = "\
Which key is which: a line a=crypto is always written by the side that sends with its key.
  ingress crypto  opens what arrives; the line that the peer wrote:
                  K11 originating, K22 terminating e2ae (TS 33.328 7.2.1, 7.3.1);
                  K2 at SRVCC (TR 33.829 clause 6)
  egress crypto   seals what leaves; the line that was written for the gateway and sent to the peer:
                  K12 originating, K21 terminating e2ae;
                  K1 at SRVCC

Other users of this machine can read the command line of a process. To keep keys off it, give them
in a file, or on standard input with `-`:

  agwctl call add --access-remote 127.0.0.1:30000 --core-remote 127.0.0.1:30010 --crypto-file - <<END
  access ingress a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:...
  access egress  a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:...
  END

A call file has all of it, in TOML; options beat the file:

  correlation = \"call-1\"
  priority = \"normal\"            # priority, emergency
  media = \"audio\"                # video, other
  mode = \"send_receive\"          # inactive, send_only, receive_only
  stream = 1
  heartbeat_ms = 60000

  [access]                       # the same keys under [core]
  realm = \"access\"
  transport = \"secured\"          # plain, transparent; core: plain
  remote = \"127.0.0.1:30000\"
  remote_rtcp = \"127.0.0.1:30001\"
  rtcp = \"pair\"                  # mux, off
  source = \"latch\"               # signalled
  source_filter = \"192.0.2.0/24 30000-30010\"
  dscp = \"46\"                    # realm, copy
  ecn = \"not_ect\"                # copy
  latch_once = false
  rtcp_gate = \"unless_inactive\"  # with_media, open, closed
  bandwidth_kbps = 80            # as b=AS; without it nothing is limited
  rewrite_sources = \"random\"     # 0x1234abcd
  ingress_crypto = \"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:...\"
  egress_crypto = \"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:...\"";

/// The call to add.
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub(crate) struct AddCall {
    /// File with the whole call; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// File with crypto lines, each after `access` or `core` and `ingress` or `egress`; `-` is
    /// standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) crypto_file: Option<PathBuf>,
    /// Give the stream to a call that stands, to its first two terminations, in place of a new
    /// call; `--stream` is then another number than those it has.
    #[arg(long, value_name = "CONTEXT", conflicts_with_all = ["correlation", "heartbeat_ms", "realm"])]
    pub(crate) to: Option<u32>,
    /// Your own name for the call, repeated in audits, events and logs.
    #[arg(long, value_name = "ID")]
    correlation: Option<String>,
    /// How much of the gateway's room it may use [default: normal].
    #[arg(long, value_enum, value_name = "PRIORITY")]
    priority: Option<Precedence>,
    /// What the stream carries [default: audio].
    #[arg(long, value_enum, value_name = "MEDIA")]
    media: Option<MediaKind>,
    /// Which directions are open, seen from each leg [default: send_receive].
    #[arg(long, value_enum, value_name = "MODE")]
    mode: Option<Mode>,
    /// The stream's number [default: 1].
    #[arg(long, value_name = "N")]
    stream: Option<u32>,
    /// How often the gateway asks whether its controller still knows the call, in milliseconds
    /// [default: never].
    #[arg(long, value_name = "MS")]
    heartbeat_ms: Option<u32>,
    /// Where RTCP goes on both legs [default: pair].
    #[arg(long, value_enum, value_name = "RTCP", conflicts_with_all = ["access_rtcp", "core_rtcp"])]
    rtcp: Option<Rtcp>,
    /// Signalled bandwidth of both legs in kbit/s, as `b=AS`; without it nothing is limited.
    #[arg(long, value_name = "KBPS")]
    bandwidth_kbps: Option<u32>,
    /// Realms of both legs [default: access,core].
    #[arg(long, value_name = "ACCESS,CORE", value_parser = realms)]
    realm: Option<[String; 2]>,

    /// Where the access peer receives RTP; without it, reserve only.
    #[arg(long, value_name = "IP:PORT", help_heading = "Access leg")]
    access_remote: Option<RemoteAddress>,
    /// Where the access peer receives RTCP [default: the next port].
    #[arg(long, value_name = "IP:PORT", help_heading = "Access leg")]
    access_remote_rtcp: Option<RemoteAddress>,
    /// Opens what arrives from the access peer, who wrote it: K11 or K22.
    #[arg(long, value_name = "LINE", help_heading = "Access leg")]
    access_ingress_crypto: Option<CryptoLine>,
    /// Seals what leaves to the access peer, to whom it was sent: K12 or K21.
    #[arg(long, value_name = "LINE", help_heading = "Access leg")]
    access_egress_crypto: Option<CryptoLine>,
    /// What travels on the access leg [default: secured].
    #[arg(long, value_enum, value_name = "TRANSPORT", help_heading = "Access leg")]
    access_transport: Option<TransportKind>,
    /// Where RTCP goes on the access leg [default: pair].
    #[arg(long, value_enum, value_name = "RTCP", help_heading = "Access leg")]
    access_rtcp: Option<Rtcp>,
    /// Whom the access leg listens to [default: latch if secured, else signalled].
    #[arg(long, value_enum, value_name = "RULE", help_heading = "Access leg")]
    access_source: Option<SourceRule>,
    /// Who may send to the access leg: a network, perhaps with ports, as "192.0.2.0/24 4000-4010".
    #[arg(long, value_name = "FILTER", help_heading = "Access leg")]
    access_source_filter: Option<SourceFilter>,
    /// Which code point leaves to the access peer: realm, copy or 0 to 63 [default: realm].
    #[arg(long, value_name = "DSCP", help_heading = "Access leg")]
    access_dscp: Option<Dscp>,
    /// What becomes of the ECN field of what leaves to the access peer [default: not_ect].
    #[arg(long, value_enum, value_name = "ECN", help_heading = "Access leg")]
    access_ecn: Option<Ecn>,
    /// Make what leaves on the access leg one gapless stream, under an SSRC or a `random` one.
    #[arg(long, value_name = "SSRC", help_heading = "Access leg")]
    access_rewrite_sources: Option<StreamSsrc>,

    /// Where the core peer receives RTP; without it, reserve only.
    #[arg(long, value_name = "IP:PORT", help_heading = "Core leg")]
    core_remote: Option<RemoteAddress>,
    /// Where the core peer receives RTCP [default: the next port].
    #[arg(long, value_name = "IP:PORT", help_heading = "Core leg")]
    core_remote_rtcp: Option<RemoteAddress>,
    /// Opens what arrives from the core peer; only if that leg is secured too.
    #[arg(long, value_name = "LINE", help_heading = "Core leg")]
    core_ingress_crypto: Option<CryptoLine>,
    /// Seals what leaves to the core peer; only if that leg is secured too.
    #[arg(long, value_name = "LINE", help_heading = "Core leg")]
    core_egress_crypto: Option<CryptoLine>,
    /// What travels on the core leg [default: plain].
    #[arg(long, value_enum, value_name = "TRANSPORT", help_heading = "Core leg")]
    core_transport: Option<TransportKind>,
    /// Where RTCP goes on the core leg [default: pair].
    #[arg(long, value_enum, value_name = "RTCP", help_heading = "Core leg")]
    core_rtcp: Option<Rtcp>,
    /// Whom the core leg listens to [default: latch if secured, else signalled].
    #[arg(long, value_enum, value_name = "RULE", help_heading = "Core leg")]
    core_source: Option<SourceRule>,
    /// Who may send to the core leg: a network, perhaps with ports, as "192.0.2.0/24 4000-4010".
    #[arg(long, value_name = "FILTER", help_heading = "Core leg")]
    core_source_filter: Option<SourceFilter>,
    /// Which code point leaves to the core peer: realm, copy or 0 to 63 [default: realm].
    #[arg(long, value_name = "DSCP", help_heading = "Core leg")]
    core_dscp: Option<Dscp>,
    /// What becomes of the ECN field of what leaves to the core peer [default: not_ect].
    #[arg(long, value_enum, value_name = "ECN", help_heading = "Core leg")]
    core_ecn: Option<Ecn>,
    /// Make what leaves on the core leg one gapless stream, under an SSRC or a `random` one.
    #[arg(long, value_name = "SSRC", help_heading = "Core leg")]
    core_rewrite_sources: Option<StreamSsrc>,
}

impl AddCall {
    /// What the options say of the call.
    pub(crate) fn into_spec(self) -> CallSpec {
        let [access_realm, core_realm] = match self.realm {
            Some(realms) => realms.map(Some),
            None => [None, None],
        };
        CallSpec {
            correlation: self.correlation,
            priority: self.priority,
            media: self.media,
            mode: self.mode,
            stream: self.stream,
            heartbeat_ms: self.heartbeat_ms,
            access: LegSpec {
                realm: access_realm,
                transport: self.access_transport,
                remote: self.access_remote,
                remote_rtcp: self.access_remote_rtcp,
                rtcp: self.access_rtcp.or(self.rtcp),
                source: self.access_source,
                source_filter: self.access_source_filter,
                dscp: self.access_dscp,
                ecn: self.access_ecn,
                latch_once: None,
                rtcp_gate: None,
                bandwidth_kbps: self.bandwidth_kbps,
                rewrite_sources: self.access_rewrite_sources,
                ingress_crypto: self.access_ingress_crypto,
                egress_crypto: self.access_egress_crypto,
            },
            core: LegSpec {
                realm: core_realm,
                transport: self.core_transport,
                remote: self.core_remote,
                remote_rtcp: self.core_remote_rtcp,
                rtcp: self.core_rtcp.or(self.rtcp),
                source: self.core_source,
                source_filter: self.core_source_filter,
                dscp: self.core_dscp,
                ecn: self.core_ecn,
                latch_once: None,
                rtcp_gate: None,
                bandwidth_kbps: self.bandwidth_kbps,
                rewrite_sources: self.core_rewrite_sources,
                ingress_crypto: self.core_ingress_crypto,
                egress_crypto: self.core_egress_crypto,
            },
        }
    }
}

fn realms(text: &str) -> Result<[String; 2], String> {
    match text.split(',').collect::<Vec<_>>()[..] {
        [both] if !both.is_empty() => Ok([both.to_owned(), both.to_owned()]),
        [access, core] if !access.is_empty() && !core.is_empty() => {
            Ok([access.to_owned(), core.to_owned()])
        }
        _ => Err("one realm for both legs, or two with a comma between".to_owned()),
    }
}
