//! Why a call is silent: what the gateway knows of its legs, read as an engineer on call would.

mod drops;
mod keys;
mod topology;

use agw_iq::pb;

/// A leg that has heard nothing for so long is silent, in milliseconds: voice with silence
/// suppression and a report every five seconds stays below.
const SILENT_MS: u64 = 10_000;
/// Drops and losses below one in so many are no reason for silence.
const NOTEWORTHY: u64 = 20;
/// Loss that a listener hears, in per cent.
const AUDIBLE_LOSS: f64 = 5.0;

/// What is wrong at one leg, worst first; nothing if all is well.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Leg {
    pub(crate) termination: u32,
    pub(crate) realm: String,
    pub(crate) stream: u32,
    pub(crate) findings: Vec<Finding>,
}

/// One thing that keeps media from passing, or spoils it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// For programs: what it is, in one word.
    pub(crate) cause: &'static str,
    /// For people: what is seen and what it mostly means.
    pub(crate) text: String,
}

/// Looks at every leg of a context that was audited twice with its counters, a moment apart: what
/// went wrong long ago is no reason for silence now.
pub(crate) fn examine(before: &pb::ContextInfo, context: &pb::ContextInfo) -> Vec<Leg> {
    let alone = context.terminations.len() < 2;
    let legs = context.terminations.iter().flat_map(|termination| {
        let of_before = before.terminations.iter();
        let mut of_before =
            of_before.filter(|old| old.termination_id == termination.termination_id);
        let of_before = of_before.next();
        termination.streams.iter().map(move |stream| {
            let number = termination.termination_id;
            let before = of_before
                .and_then(|old| old.streams.iter().find(|old| old.stream_id == stream.stream_id));
            let mut findings = findings(before.unwrap_or(stream), stream, alone);
            if !alone {
                findings.extend(topology::unheard(context, number, stream.stream_id));
            }
            let realm = termination.realm.clone();
            Leg { termination: number, realm, stream: stream.stream_id, findings }
        })
    });
    legs.collect()
}

fn findings(before: &pb::StreamInfo, stream: &pb::StreamInfo, alone: bool) -> Vec<Finding> {
    let mut found = Vec::new();
    if alone {
        found.push(finding("one_side", "the context has one termination: nothing to relay to"));
    }
    found.extend(closed_gates(stream.mode()));
    found.extend(missing_keys(stream));
    let (before, _) = halves(before);
    let (ingress, egress) = halves(stream);
    found.extend(keys::worn(&ingress, &egress));
    found.extend(arriving(stream, &before, &ingress));
    found.extend(leaving(&egress));
    found
}

fn halves(stream: &pb::StreamInfo) -> (pb::IngressStatistics, pb::EgressStatistics) {
    let statistics = stream.statistics.clone().unwrap_or_default();
    (statistics.ingress.unwrap_or_default(), statistics.egress.unwrap_or_default())
}

fn closed_gates(mode: pb::StreamMode) -> Option<Finding> {
    match mode {
        pb::StreamMode::Inactive => {
            Some(finding("gate_closed", "the gates are closed both ways (inactive)"))
        }
        pb::StreamMode::SendOnly => {
            Some(finding("gate_closed", "media from the peer is stopped (send only)"))
        }
        pb::StreamMode::ReceiveOnly => {
            Some(finding("gate_closed", "media to the peer is stopped (receive only)"))
        }
        pb::StreamMode::SendReceive | pb::StreamMode::Unspecified => None,
    }
}

fn missing_keys(stream: &pb::StreamInfo) -> Vec<Finding> {
    if stream.transport() != pb::Transport::Secured {
        return Vec::new();
    }
    let missing = [
        (stream.ingress_key.is_none(), "there is no key yet for what the peer sends (ingress)"),
        (stream.egress_key.is_none(), "there is no key yet for what is sent to the peer (egress)"),
    ];
    let missing = missing.into_iter().filter(|(is_missing, _)| *is_missing);
    missing.map(|(_, text)| finding("no_key", text)).collect()
}

/// What arrives, and whether it goes on.
fn arriving(
    stream: &pb::StreamInfo,
    before: &pb::IngressStatistics,
    ingress: &pb::IngressStatistics,
) -> Vec<Finding> {
    let received = ingress.received.unwrap_or_default().packets;
    if received == 0 {
        let local = stream.local.as_ref().and_then(|local| local.rtp.as_ref());
        let local = local.map(|local| format!("{} port {}", local.ip, local.port));
        let text = format!(
            "nothing has arrived at {}: the peer does not send, or it was told another address, or \
             something between drops it",
            local.unwrap_or_else(|| "its address".to_owned())
        );
        return vec![Finding { cause: "nothing_arrives", text }];
    }
    let recent = received - before.received.unwrap_or_default().packets.min(received);
    let lately = drops::since(&before.dropped, &ingress.dropped);
    let mut found = dropped(&lately, recent, " that came just now");
    if found.is_empty() {
        found = dropped(&drops::since(&[], &ingress.dropped), received, "");
    }
    if let Some(silent) = ingress.accepted_ago_ms.filter(|&silent| silent >= SILENT_MS) {
        let ago = silent / 1_000;
        found.push(if recent == 0 {
            let text = format!("the peer was heard {ago} s ago and is silent since");
            Finding { cause: "fell_silent", text }
        } else {
            let text = format!(
                "packets arrive, and none has been accepted for {ago} s: their sender has another \
                 key, lost count of its packets, or is somebody else"
            );
            Finding { cause: "deaf", text }
        });
    }
    found
}

/// The reasons for which many of the packets were dropped, worst first.
fn dropped(drops: &[(u64, pb::DropReason)], received: u64, which: &str) -> Vec<Finding> {
    let many = drops.iter().filter(|(packets, _)| packets * NOTEWORTHY > received);
    let found = many.map(|&(packets, reason)| {
        let (word, meaning) = (drops::word(reason), drops::meaning(reason));
        let text = format!("{packets} of {received} packets{which} dropped as {word}: {meaning}");
        Finding { cause: "dropped", text }
    });
    found.collect()
}

/// What leaves, and how the peer hears it.
fn leaving(egress: &pb::EgressStatistics) -> Vec<Finding> {
    let mut found = Vec::new();
    let sent = egress.sent.unwrap_or_default().packets;
    if egress.destination_rtp.is_none() {
        let text = "the peer's address is not known: none was signalled and none was learnt";
        found.push(finding("no_destination", text));
    } else if sent == 0 {
        found.push(finding(
            "nothing_leaves",
            "nothing was sent to the peer: look at the other legs",
        ));
    }
    if egress.refused * NOTEWORTHY > sent.max(1) {
        let text = format!(
            "the operating system refused {} of {sent} packets: no route, no neighbour, or a \
             firewall on this machine",
            egress.refused
        );
        found.push(Finding { cause: "refused", text });
    }
    let quality = egress.quality.as_ref();
    if let Some(quality) = quality.filter(|quality| quality.loss_percent >= AUDIBLE_LOSS) {
        let text = format!("the peer reports that {:.1} % do not reach it", quality.loss_percent);
        found.push(Finding { cause: "lost_on_the_way", text });
    }
    found
}

fn finding(cause: &'static str, text: &str) -> Finding {
    Finding { cause, text: text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A leg at which all is well.
    fn good() -> pb::StreamInfo {
        let traffic = Some(pb::Traffic { packets: 1_000, octets: 172_000 });
        let address = Some(pb::SocketAddress { ip: "192.0.2.1".to_owned(), port: 40_000 });
        let statistics = pb::StreamStatistics {
            ingress: Some(pb::IngressStatistics {
                received: traffic,
                forwarded: traffic,
                accepted_ago_ms: Some(20),
                ..pb::IngressStatistics::default()
            }),
            egress: Some(pb::EgressStatistics {
                sent: traffic,
                destination_rtp: address.clone(),
                ..pb::EgressStatistics::default()
            }),
        };
        pb::StreamInfo {
            stream_id: 1,
            transport: pb::Transport::Secured.into(),
            mode: pb::StreamMode::SendReceive.into(),
            local: Some(pb::LocalStream { stream_id: 1, rtp: address, rtcp: None }),
            ingress_key: Some(pb::KeyInfo::default()),
            egress_key: Some(pb::KeyInfo::default()),
            statistics: Some(statistics),
            ..pb::StreamInfo::default()
        }
    }

    /// The causes that are found after a change of a good leg.
    fn causes(change: impl FnOnce(&mut pb::StreamInfo)) -> Vec<&'static str> {
        let mut stream = good();
        change(&mut stream);
        findings(&stream, &stream, false).into_iter().map(|finding| finding.cause).collect()
    }

    fn ingress(stream: &mut pb::StreamInfo) -> &mut pb::IngressStatistics {
        stream.statistics.as_mut().unwrap().ingress.as_mut().unwrap()
    }

    fn egress(stream: &mut pb::StreamInfo) -> &mut pb::EgressStatistics {
        stream.statistics.as_mut().unwrap().egress.as_mut().unwrap()
    }

    #[test]
    fn a_leg_at_which_all_is_well_has_no_findings() {
        assert!(causes(|_| {}).is_empty());
    }

    #[test]
    fn each_cause_of_silence_is_found() {
        assert_eq!(causes(|leg| leg.mode = pb::StreamMode::Inactive.into()), ["gate_closed"]);
        assert_eq!(causes(|leg| leg.egress_key = None), ["no_key"]);
        assert_eq!(causes(|leg| ingress(leg).received = None), ["nothing_arrives"]);
        assert_eq!(causes(|leg| ingress(leg).accepted_ago_ms = Some(60_000)), ["fell_silent"]);
        assert_eq!(causes(|leg| egress(leg).destination_rtp = None), ["no_destination"]);
        assert_eq!(causes(|leg| egress(leg).sent = None), ["nothing_leaves"]);
        assert_eq!(causes(|leg| egress(leg).refused = 900), ["refused"]);
        let lossy = pb::Quality { loss_percent: 30.0, ..pb::Quality::default() };
        assert_eq!(causes(|leg| egress(leg).quality = Some(lossy)), ["lost_on_the_way"]);
    }

    #[test]
    fn a_key_that_is_used_up_or_nearly_so_is_found() {
        let count = |until_warning, until_stop| {
            Some(pb::KeyCount { packets: 90, until_warning, until_stop })
        };
        let key = |standing: pb::KeyStanding, srtp, srtcp| pb::CryptoState {
            keys: vec![pb::KeyUse { standing: standing.into(), srtp, srtcp, ..Default::default() }],
            ..Default::default()
        };
        let in_force = pb::KeyStanding::InForce;
        let used_up = key(in_force, count(0, 0), count(10, 20));
        assert_eq!(causes(|leg| ingress(leg).crypto = Some(used_up)), ["key_used_up"]);
        let worn = key(in_force, count(5, 15), count(0, 10));
        assert_eq!(causes(|leg| egress(leg).crypto = Some(worn)), ["key_wears_out"]);
        let replaced = key(pb::KeyStanding::Replaced, count(0, 0), count(0, 0));
        assert!(causes(|leg| ingress(leg).crypto = Some(replaced)).is_empty());
    }

    #[test]
    fn what_drops_most_stands_first_and_a_few_drops_do_not_matter() {
        let drop =
            |reason: pb::DropReason, packets| pb::DropCount { reason: reason.into(), packets };
        let mut stream = good();
        ingress(&mut stream).dropped = vec![
            drop(pb::DropReason::Replay, 3),
            drop(pb::DropReason::WrongSource, 100),
            drop(pb::DropReason::Authentication, 800),
        ];
        let found = findings(&stream, &stream, false);
        let [first, second] = found.as_slice() else { panic!("{found:?}") };
        assert!(first.text.starts_with("800 of 1000 packets dropped as authentication"));
        assert!(second.text.starts_with("100 of 1000 packets dropped as wrong_source"));
    }

    #[test]
    fn what_went_wrong_lately_counts_and_a_peer_that_is_not_accepted_is_not_silent() {
        let drop =
            |packets| pb::DropCount { reason: pb::DropReason::Authentication.into(), packets };
        let mut before = good();
        ingress(&mut before).received = Some(pb::Traffic { packets: 100_000, octets: 0 });
        ingress(&mut before).dropped = vec![drop(500)];
        let mut after = before.clone();
        ingress(&mut after).received = Some(pb::Traffic { packets: 100_050, octets: 0 });
        ingress(&mut after).dropped = vec![drop(550)];
        ingress(&mut after).accepted_ago_ms = Some(11_000);
        let found = findings(&before, &after, false);
        let [dropped, deaf] = found.as_slice() else { panic!("{found:?}") };
        assert!(dropped.text.starts_with("50 of 50 packets that came just now dropped as auth"));
        assert_eq!(deaf.cause, "deaf");
        assert!(deaf.text.starts_with("packets arrive, and none has been accepted for 11 s"));
    }

    #[test]
    fn a_context_with_one_side_says_so() {
        let termination =
            pb::TerminationInfo { termination_id: 1, streams: vec![good()], ..Default::default() };
        let context = pb::ContextInfo { terminations: vec![termination], ..Default::default() };
        let legs = examine(&context, &context);
        let [leg] = legs.as_slice() else { panic!("{legs:?}") };
        assert_eq!(leg.findings[0].cause, "one_side");
    }
}
