//! The keys that an answerer is offered: those that it knows, those of the offer before, or fresh
//! ones.

use agw_sdes::CryptoAttribute;

use crate::call::{Branch, Call};
use crate::dialogues::Place;
use crate::error::AlgError;
use crate::exchange::LineExchange;
use crate::keys::{self, Random};
use crate::offer::OfferRequest;

impl Call {
    /// Our lines for the answerer of a line; `own` is the one that its leg sends under.
    pub(crate) fn keys_for(
        &self,
        place: Place,
        line: usize,
        own: Option<&CryptoAttribute>,
        request: &OfferRequest<'_>,
        random: &mut Random<'_>,
    ) -> Result<Vec<CryptoAttribute>, AlgError> {
        let wanted = request.far.unencrypted;
        let refused = |refusal| AlgError::Line { line, refusal };
        let branch = place.branch.and_then(|position| self.branches.get(position));
        //= tests/spec/sdp.md#forking
        //# Who is called in the place of a callee that answered MUST be offered keys of its own.
        let is_another = request.dialogue.to_tag.is_none()
            && branch.is_some_and(|branch| branch.established && branch.callee_tag.is_some());
        // A leg that gives way to one in another family leaves its key behind.
        let leg = self.leg(place.branch, place.offerer.other(), line);
        let known = leg.and_then(|leg| leg.own.as_ref());
        //= tests/spec/sdp.md#forking
        //# An offer that is made again before its answer MUST show the same keys.
        let shown = self.shown(place, line).filter(|shown| {
            let suites = shown.iter().map(CryptoAttribute::known_suite);
            let is_known =
                known.is_some_and(|own| shown.iter().any(|one| one.shares_key_with(own)));
            let fits = shown.iter().all(|one| keys::has_parameters(one, wanted));
            !request.rekey
                && !is_known
                && fits
                && suites.eq(request.far.suites.iter().copied().map(Some))
        });
        if let Some(shown) = shown {
            let again = shown.iter().map(keys::twin).collect::<Result<_, _>>();
            return again.map_err(refused);
        }
        let is_kept = |own: &&_| !request.rekey && !is_another && keys::has_parameters(own, wanted);
        match own.filter(is_kept) {
            Some(own) => Ok(vec![keys::twin(own).map_err(refused)?]),
            None => keys::offer(&request.far.suites, wanted, random),
        }
    }

    /// Whether these lines show keys that an offer before them has shown to a first answerer.
    pub(crate) fn has_shown(&self, place: Place, lines: &[LineExchange]) -> bool {
        let is_again = |(line, one): (usize, &LineExchange)| {
            let LineExchange::Relayed(offered) = one else { return false };
            let mut shown = self.shown(place, line).into_iter().flatten();
            shown.any(|shown| offered.keys.iter().any(|key| key.shares_key_with(shown)))
        };
        let branch = place.branch.and_then(|position| self.branches.get(position));
        let is_new = branch.is_some_and(|branch| branch.callee_tag.is_none());
        is_new && lines.iter().enumerate().any(is_again)
    }

    /// The keys that this offerer's offer has shown, as long as it waits for its answer.
    fn shown(&self, place: Place, line: usize) -> Option<&[CryptoAttribute]> {
        let branch: &Branch = self.branches.get(place.branch?)?;
        let exchange = branch.exchange.as_ref()?;
        let waits = !exchange.is_answered() && exchange.offerer == place.offerer;
        let keys = exchange.offered(line).filter(|_| waits)?.keys.as_slice();
        (!keys.is_empty()).then_some(keys)
    }
}
