//! Address families: a leg stands in one, and whoever goes to the other one gets a leg there.

use agw_context::Family;
use agw_sdes::CryptoAttribute;

use crate::call::Call;
use crate::description::{Connection, MediaDescription, SessionDescription};
use crate::dialogues::Place;
use crate::error::LineRefusal;
use crate::exchange::Exchange;
use crate::leg::{Leg, Side};
use crate::options::SideOptions;

/// In which family the author of a media line receives; `None` if it receives nothing.
pub(crate) fn of_author(
    description: &SessionDescription,
    media: &MediaDescription,
) -> Option<Family> {
    let connection = description.connection(media).filter(|one| !one.is_nowhere());
    connection.map(Connection::family)
}

impl Leg {
    /// The family of its address.
    pub(crate) const fn family(&self) -> Family {
        Family::of(self.local.rtp.ip())
    }

    //= tests/spec/sdp.md#re-offers
    //# Who goes to another address family MUST get a leg and a key of the gateway's of its own there
    //# with the answer, and keep the old ones until then.
    /// Whether it stands in the family that is needed, if one is.
    pub(crate) fn stands_in(&self, needed: Option<Family>) -> bool {
        needed.is_none_or(|needed| needed == self.family())
    }

    /// Takes over from one in another family what is known of its dialogues.
    pub(crate) fn in_place_of(mut self, before: Option<&Self>, needed: Option<Family>) -> Self {
        if let Some(before) = before.filter(|leg| !leg.stands_in(needed)) {
            self.secured_for.clone_from(&before.secured_for);
        }
        self
    }
}

/// Refuses the key of an offerer that goes to another family and keeps it: its leg there cannot
/// know how far the key's rollover counters are, and what was captured here would open there.
pub(crate) fn refuse_kept_key(
    leg: Option<&Leg>,
    needed: Option<Family>,
    chosen: Option<&CryptoAttribute>,
) -> Result<(), LineRefusal> {
    let left = leg.filter(|leg| !leg.stands_in(needed)).and_then(|leg| leg.theirs.as_ref());
    let is_kept = left.zip(chosen).is_some_and(|(left, chosen)| left.shares_key_with(chosen));
    if is_kept { Err(LineRefusal::KeyKept) } else { Ok(()) }
}

impl Call {
    /// The family in which a side gets what is reserved for it: the one that is asked for, else
    /// that of what the offerer tells of itself, or that in which the answerer is already.
    pub(crate) fn family_for(
        &self,
        (place, side): (Place, Side),
        exchange: &Exchange,
        description: &SessionDescription,
        options: &SideOptions,
    ) -> Option<Family> {
        let said = if side == exchange.offerer {
            let lines = description.media.iter().enumerate();
            let mut reserved = lines.filter(|(line, _)| exchange.leg(side, *line).is_some());
            reserved.find_map(|(_, media)| Some(description.connection(media)?.family()))
        } else {
            let known = place.branch.or(place.beside);
            let mut legs = (0..exchange.lines.len()).filter_map(|line| self.leg(known, side, line));
            legs.next().map(Leg::family)
        };
        options.family.or(said).or(options.family_of_new)
    }
}
