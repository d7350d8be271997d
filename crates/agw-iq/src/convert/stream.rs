//! Streams of a new termination and changes of streams.

use agw_context::{
    Bandwidth, Change, CryptoChange, CryptoContext, LateChoice, Media, RewriteSources, RtcpMode,
    StreamChange, StreamExtras, StreamExtrasChange, StreamId, StreamLimits, StreamMode, StreamSpec,
};
use agw_relay::{TrafficLimit, Transport};

use super::address::{remote, source_filter, source_policy};
use super::bandwidth::{rtcp_gate, traffic_limit};
use super::crypto::{DirectionKey, crypto_context};
use super::group::group_id;
use super::inactivity::inactivity;
use super::marking::{dscp_rule, ecn_rule};
use super::pre_key::pre_key;
use crate::invalid::{InvalidRequest, optional};
use crate::pb;

pub(super) fn stream(stream: &pb::Stream) -> Result<StreamSpec, InvalidRequest> {
    let pb::Stream {
        stream_id: id,
        media: carries,
        transport: travels,
        remote: peer,
        rtcp,
        mode,
        source,
        ingress_crypto,
        egress_crypto,
        source_filter: filter,
        dscp,
        ecn,
        rtcp_gate: gate,
        bandwidth_bps,
        rtcp_bandwidth_bps,
        ingress_limit,
        egress_limit,
        latch_once,
        group_id: group,
        rewrite_sources: rewrite,
        inactivity: watch,
        pre_key: buffer,
    } = stream;
    Ok(StreamSpec {
        id: stream_id(*id)?,
        media: media(*carries)?,
        transport: transport(*travels)?,
        remote: optional("remote", peer.as_ref(), remote)?,
        rtcp: rtcp_mode(*rtcp)?,
        mode: stream_mode(*mode)?.unwrap_or_default(),
        source: optional("source", source.as_ref(), source_policy)?,
        extras: StreamExtras {
            source_filter: optional("source_filter", filter.as_ref(), source_filter)?.flatten(),
            dscp: optional("dscp", dscp.as_ref(), dscp_rule)?.unwrap_or_default(),
            ecn: ecn_rule(*ecn)?.unwrap_or_default(),
            rtcp_gate: rtcp_gate(*gate)?.unwrap_or_default(),
            latch_once: *latch_once,
            inactivity: optional("inactivity", watch.as_ref(), inactivity)?.flatten(),
            bandwidth: Bandwidth {
                media_bps: *bandwidth_bps,
                rtcp_bps: *rtcp_bandwidth_bps,
                ingress: limit("ingress_limit", ingress_limit.as_ref())?.flatten(),
                egress: limit("egress_limit", egress_limit.as_ref())?.flatten(),
            },
            limits: StreamLimits::default(),
            group: group_id(*group)?,
            rewrite_sources: optional("rewrite_sources", rewrite.as_ref(), rewrite_sources)?
                .flatten(),
            pre_key: optional("pre_key", buffer.as_ref(), pre_key)?.flatten(),
        },
        ingress: optional("ingress_crypto", ingress_crypto.as_ref(), crypto_context)?,
        egress: optional("egress_crypto", egress_crypto.as_ref(), crypto_context)?,
    })
}

pub(super) fn stream_change(change: &pb::StreamChange) -> Result<StreamChange, InvalidRequest> {
    let pb::StreamChange {
        stream_id: id,
        remote: peer,
        mode,
        source,
        ingress_crypto,
        egress_crypto,
        remove_ingress_crypto,
        remove_egress_crypto,
        source_filter: filter,
        dscp,
        ecn,
        rtcp_gate: gate,
        bandwidth_bps,
        rtcp_bandwidth_bps,
        ingress_limit,
        egress_limit,
        latch_once,
        relatch,
        rewrite_sources: rewrite,
        inactivity: watch,
        pre_key: buffer,
        transport: travels,
        rtcp,
    } = change;
    let ingress = optional("ingress_crypto", ingress_crypto.as_ref(), crypto_context)?;
    let egress = optional("egress_crypto", egress_crypto.as_ref(), crypto_context)?;
    Ok(StreamChange {
        id: stream_id(*id)?,
        remote: optional("remote", peer.as_ref(), remote)?,
        late: LateChoice {
            transport: late_transport(*travels)?,
            rtcp: late_rtcp(*rtcp)?,
            keys_rest: false,
        },
        mode: stream_mode(*mode)?,
        source: optional("source", source.as_ref(), source_policy)?,
        relatch: *relatch,
        extras: StreamExtrasChange {
            source_filter: change_of(optional("source_filter", filter.as_ref(), source_filter)?),
            dscp: optional("dscp", dscp.as_ref(), dscp_rule)?,
            ecn: ecn_rule(*ecn)?,
            rtcp_gate: rtcp_gate(*gate)?,
            latch_once: *latch_once,
            inactivity: change_of(optional("inactivity", watch.as_ref(), inactivity)?),
            media_bps: *bandwidth_bps,
            rtcp_bps: *rtcp_bandwidth_bps,
            ingress: change_of(limit("ingress_limit", ingress_limit.as_ref())?),
            egress: change_of(limit("egress_limit", egress_limit.as_ref())?),
            rewrite_sources: change_of(optional(
                "rewrite_sources",
                rewrite.as_ref(),
                rewrite_sources,
            )?),
            pre_key: change_of(optional("pre_key", buffer.as_ref(), pre_key)?),
        },
        ingress: crypto_change("remove_ingress_crypto", ingress, *remove_ingress_crypto)?,
        egress: crypto_change("remove_egress_crypto", egress, *remove_egress_crypto)?,
    })
}

fn limit(
    field: &str,
    limit: Option<&pb::TrafficLimit>,
) -> Result<Option<Option<TrafficLimit>>, InvalidRequest> {
    optional(field, limit, traffic_limit)
}

/// Reads whether sources leave as one stream; `None` if they do not.
fn rewrite_sources(rewrite: &pb::RewriteSources) -> Result<Option<RewriteSources>, InvalidRequest> {
    match *rewrite {
        pb::RewriteSources { enable: true, ssrc } => {
            Ok(Some(RewriteSources { ssrc: Some(ssrc).filter(|&ssrc| ssrc != 0) }))
        }
        pb::RewriteSources { enable: false, ssrc: 0 } => Ok(None),
        pb::RewriteSources { enable: false, .. } => {
            Err(InvalidRequest::value("ssrc", "goes with enable only"))
        }
    }
}

/// An absent message changes nothing, an empty one clears.
fn change_of<T>(given: Option<Option<T>>) -> Change<T> {
    match given {
        None => Change::Keep,
        Some(None) => Change::Clear,
        Some(Some(value)) => Change::Set(value),
    }
}

fn crypto_change<K: DirectionKey>(
    remove_field: &str,
    install: Option<CryptoContext<K>>,
    remove: bool,
) -> Result<CryptoChange<K>, InvalidRequest> {
    match (install, remove) {
        (None, false) => Ok(CryptoChange::Keep),
        (None, true) => Ok(CryptoChange::Remove),
        (Some(crypto), false) => Ok(CryptoChange::Install(crypto)),
        (Some(_), true) => {
            Err(InvalidRequest::value(remove_field, "does not go together with new keys"))
        }
    }
}

pub(super) fn stream_id(id: u32) -> Result<StreamId, InvalidRequest> {
    match u16::try_from(id) {
        Ok(0) => Err(InvalidRequest::missing("stream_id")),
        Ok(id) => Ok(StreamId(id)),
        Err(_) => Err(InvalidRequest::value("stream_id", "is 1 to 65535")),
    }
}

fn media(media: i32) -> Result<Media, InvalidRequest> {
    match pb::Media::try_from(media) {
        Ok(pb::Media::Unspecified | pb::Media::Audio) => Ok(Media::Audio),
        Ok(pb::Media::Video) => Ok(Media::Video),
        Ok(pb::Media::Other) => Ok(Media::Other),
        Err(_) => Err(InvalidRequest::unknown("media", media)),
    }
}

pub(super) fn transport(transport: i32) -> Result<Transport, InvalidRequest> {
    match pb::Transport::try_from(transport) {
        Ok(pb::Transport::Unspecified) => Err(InvalidRequest::missing("transport")),
        Ok(pb::Transport::Plain) => Ok(Transport::Plain),
        Ok(pb::Transport::Secured) => Ok(Transport::Secured),
        Ok(pb::Transport::Transparent) => Ok(Transport::Transparent),
        Err(_) => Err(InvalidRequest::unknown("transport", transport)),
    }
}

fn rtcp_mode(mode: i32) -> Result<RtcpMode, InvalidRequest> {
    match pb::RtcpMode::try_from(mode) {
        Ok(pb::RtcpMode::Unspecified | pb::RtcpMode::Pair) => Ok(RtcpMode::Pair),
        Ok(pb::RtcpMode::Mux) => Ok(RtcpMode::Mux),
        Ok(pb::RtcpMode::Off) => Ok(RtcpMode::Off),
        Err(_) => Err(InvalidRequest::unknown("rtcp", mode)),
    }
}

/// Reads what travels on a leg from now on; `None` if that does not change.
fn late_transport(travels: i32) -> Result<Option<Transport>, InvalidRequest> {
    let unchanged = travels == i32::from(pb::Transport::Unspecified);
    if unchanged { Ok(None) } else { transport(travels).map(Some) }
}

/// Reads where RTCP goes from now on; `None` if that does not change.
fn late_rtcp(mode: i32) -> Result<Option<RtcpMode>, InvalidRequest> {
    let unchanged = mode == i32::from(pb::RtcpMode::Unspecified);
    if unchanged { Ok(None) } else { rtcp_mode(mode).map(Some) }
}

/// Reads a stream mode; `None` if there is none.
pub(super) fn stream_mode(mode: i32) -> Result<Option<StreamMode>, InvalidRequest> {
    match pb::StreamMode::try_from(mode) {
        Ok(pb::StreamMode::Unspecified) => Ok(None),
        Ok(pb::StreamMode::Inactive) => Ok(Some(StreamMode::Inactive)),
        Ok(pb::StreamMode::SendOnly) => Ok(Some(StreamMode::SendOnly)),
        Ok(pb::StreamMode::ReceiveOnly) => Ok(Some(StreamMode::ReceiveOnly)),
        Ok(pb::StreamMode::SendReceive) => Ok(Some(StreamMode::SendReceive)),
        Err(_) => Err(InvalidRequest::unknown("mode", mode)),
    }
}
