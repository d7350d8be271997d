//! Keys that are, or soon will be, used up (RFC 3711 §9.2).

use agw_iq::pb;

use super::Finding;

/// The keys in force with little or nothing left of their lifetimes.
pub(super) fn worn(ingress: &pb::IngressStatistics, egress: &pb::EgressStatistics) -> Vec<Finding> {
    let of = |crypto: &Option<pb::CryptoState>| crypto.clone().unwrap_or_default().keys;
    // Of several egress keys the first one seals.
    let sealing = of(&egress.crypto).into_iter().take(1);
    let keys = of(&ingress.crypto).into_iter().map(|key| ("ingress", key));
    let keys = keys.chain(sealing.map(|key| ("egress", key)));
    keys.filter(|(_, key)| key.standing() == pb::KeyStanding::InForce)
        .flat_map(|(direction, key)| {
            [("SRTP", key.srtp), ("SRTCP", key.srtcp)]
                .into_iter()
                .filter_map(move |(protocol, count)| finding(direction, protocol, count?))
        })
        .collect()
}

fn finding(direction: &str, protocol: &str, count: pb::KeyCount) -> Option<Finding> {
    let pb::KeyCount { packets, until_warning, until_stop } = count;
    if until_stop == 0 {
        let text = format!(
            "the {direction} key has served {packets} {protocol} packets, all of its lifetime: \
             nothing passes until a new one is installed"
        );
        return Some(Finding { cause: "key_used_up", text });
    }
    let text = format!(
        "the {direction} key has {until_stop} {protocol} packets left of its lifetime: install a \
         new one"
    );
    (until_warning == 0).then_some(Finding { cause: "key_wears_out", text })
}
