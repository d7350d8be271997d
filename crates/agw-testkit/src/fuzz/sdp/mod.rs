//! `sdp_calls`: calls through the IMS-ALG, with descriptions of any octets, onto a gateway.

mod text;
mod world;

use agw_sdp::{
    AlgPolicy, AnswerRequest, Dialogue, MuxRule, OfferRequest, OfferedSrtp, OtherMedia, Protection,
    SessionDescription, SideOptions,
};
use agw_srtp::Suite;

use crate::draw::Draw;
use text::{answer_to, description, inspect};
use world::World;

const MAX_REQUESTS: usize = 16;

/// Reads octets as a description, and as choices of requests that make calls.
///
/// # Panics
/// If a description that is read does not leave as it came, if a key of one side leaves on the
/// other, if a secured line leaves without a key, if the packet path refuses what control decided,
/// or if the gateway keeps anything of calls that have ended.
pub fn sdp_calls(data: &[u8]) {
    carry_out(data);
}

/// Makes the calls, and tells how many offers and answers were taken.
fn carry_out(data: &[u8]) -> (usize, usize) {
    if let Ok(description) = SessionDescription::parse(data) {
        assert!(*description.expose() == *data, "a description changes by being read");
    }
    let mut draw = Draw::new(data);
    // Where nothing passes end to end, no key may pass at all.
    let is_cut = draw.flag();
    let mut world = World::new(policy(&mut draw, is_cut));
    let mut last = Vec::new();
    let (mut offers, mut answers) = (0, 0);
    for _ in 0..MAX_REQUESTS {
        if draw.is_empty() {
            break;
        }
        let verb = draw.below(8);
        let (from_tag, to_tag) = draw.one_of(&[
            ("a", None),
            ("a", Some("b")),
            ("b", Some("a")),
            ("a", Some("c")),
            ("c", Some("a")),
        ]);
        let dialogue = Dialogue { from_tag, to_tag, via_branch: draw.one_of(&[None, Some("z")]) };
        let (input, done) = match verb {
            0..=2 => {
                let sdp = description(&mut draw);
                let (near, far) = (side(&mut draw, is_cut), side(&mut draw, is_cut));
                let (near, far, rekey, supersedes) = (&near, &far, draw.flag(), draw.flag());
                let (sdp_of, drops) = (&sdp, None);
                let request =
                    OfferRequest { dialogue, sdp: sdp_of, near, far, rekey, supersedes, drops };
                let done = world.offer(&request);
                (sdp, done)
            }
            3..=5 => {
                let any = verb == 5;
                let sdp = if any { description(&mut draw) } else { answer_to(&last, &mut draw) };
                let status = draw.one_of(&[None, Some(183), Some(200)]);
                let request = AnswerRequest { dialogue, sdp: &sdp, status, drops: None };
                let done = world.answer(&request);
                (sdp, done)
            }
            6 => (Vec::new(), world.reject(&dialogue)),
            _ if draw.flag() => (Vec::new(), world.hang_up(&dialogue)),
            _ => (Vec::new(), world.delete(&dialogue)),
        };
        let Some(output) = done else { continue };
        inspect(&input, &output, is_cut);
        match verb {
            0..=2 => {
                offers += 1;
                last = output;
            }
            3..=5 => answers += 1,
            _ => {}
        }
    }
    world.end();
    (offers, answers)
}

fn policy(draw: &mut Draw<'_>, is_cut: bool) -> AlgPolicy {
    let allow = draw.flag();
    AlgPolicy {
        mode: draw.one_of(&[agw_sdes::Mode::Strict, agw_sdes::Mode::Tolerant]),
        sdes: agw_sdes::Policy { allow_unencrypted: allow, allow_null: allow, allow_f8: allow },
        allow_unprotected_signalling: draw.flag(),
        hides_origin: draw.flag(),
        other_media: if is_cut { OtherMedia::Decline } else { OtherMedia::PassBy },
        max_branches: 4,
    }
}

fn side(draw: &mut Draw<'_>, is_cut: bool) -> SideOptions {
    let mut side = match draw.flag() {
        true => SideOptions::access(Some("access".to_owned())),
        false => SideOptions::core(None),
    };
    side.offered_srtp = match is_cut {
        true => OfferedSrtp::Terminate,
        false => draw.one_of(&[OfferedSrtp::PassOn, OfferedSrtp::TerminateOnRequest]),
    };
    side.protection =
        draw.one_of(&[Protection::Plain, Protection::Secured, Protection::Opportunistic]);
    side.feedback = draw.one_of(&[None, Some(false), Some(true)]);
    side.mux = draw.one_of(&[MuxRule::Remove, MuxRule::Accept, MuxRule::Offer, MuxRule::Require]);
    side.end_to_end_past_gateway = !is_cut && draw.flag();
    if draw.flag() {
        side.suites = vec![Suite::AeadAes128Gcm];
    }
    side
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::octets_of_seed;

    #[test]
    fn choices_from_seeds_reach_offers_and_answers_that_are_taken() {
        let runs = (0..300).map(|seed| carry_out(&octets_of_seed(seed, 400)));
        let (offers, answers) = runs.fold((0, 0), |sum, run| (sum.0 + run.0, sum.1 + run.1));
        assert!(offers > 200 && answers > 100, "{offers} offers, {answers} answers");
    }
}
