//! Offers whose ports are reserved: what the answerer is shown.

use agw_context::{Reply, RtcpMode, TerminationReply};
use agw_relay::Transport;

use crate::call::{Branch, Call};
use crate::dialogues::Located;
use crate::error::AlgError;
use crate::exchange::{Exchange, LineExchange, Offered};
use crate::keys;
use crate::leg::{Side, stream_id};
use crate::plan::{OfferStep, Signalled};
use crate::render::{MediaEdit, RelayEdit, render};
use crate::slot::Slot;

impl Call {
    /// The ports are reserved: the answerer can be shown them.
    pub(crate) fn conclude_offer(
        &mut self,
        step: OfferStep,
        replies: &[Reply],
    ) -> Result<Signalled, AlgError> {
        let OfferStep { at, mut exchange, near, far, needed, description, hides_origin, dropping } =
            step;
        self.dropping = dropping;
        let is_first = self.context.is_none();
        let offerer = exchange.offerer;
        for (side, position) in [(offerer, near), (offerer.other(), far)] {
            let Some(position) = position else { continue };
            let Some(Reply::Termination(reply)) = replies.get(position) else {
                return Err(AlgError::Replies);
            };
            place(&mut exchange, side, reply)?;
        }
        let told = [near, far].into_iter().flatten().filter_map(|at| replies.get(at));
        for reply in told {
            if let Reply::Termination(reply) = reply {
                self.context = Some(reply.context);
            }
        }
        self.keep(&needed);
        let position = self.branch_for(at)?;
        self.put_in_force(position, &mut exchange, false);
        let branch = self.branches.get_mut(position).ok_or(AlgError::UnknownDialogue)?;
        branch.begin(exchange);
        let place = Slot::last(position);
        if is_first {
            self.connected = self.wanted(place);
        }
        let edits = self.offer_edits(place)?;
        let known = self.known_to(place, offerer.other());
        let sdp = render(description, &edits, known, hides_origin);
        let (context, streams) = (self.context, self.streams());
        Ok(Signalled { sdp, context, streams, rekey_advised: false })
    }

    fn branch_for(&mut self, at: Located) -> Result<usize, AlgError> {
        let (via_branch, caller_tag, callee_tag, is_beside) = match at {
            Located::Branch { position, .. } => return Ok(position),
            Located::New { via_branch, caller_tag, callee_tag } => {
                (via_branch, caller_tag, callee_tag, false)
            }
            Located::Beside { position, callee_tag, .. } => {
                let beside = self.branches.get(position).ok_or(AlgError::UnknownDialogue)?;
                (beside.via_branch.clone(), beside.caller_tag.clone(), Some(callee_tag), true)
            }
        };
        self.ended.retain(|ended| Some(ended) != via_branch.as_ref());
        self.branches.push(Branch {
            via_branch,
            caller_tag,
            callee_tag,
            early: Vec::new(),
            is_beside,
            callee: Vec::new(),
            exchange: None,
            initial: None,
            further: 0,
            said: Vec::new(),
            agreed: Vec::new(),
            established: false,
            lines: 0,
        });
        Ok(self.branches.len() - 1)
    }

    /// How the offer changes for who is to answer it.
    fn offer_edits(&self, place: Slot) -> Result<Vec<MediaEdit>, AlgError> {
        let exchange = self.exchange(place).ok_or(AlgError::NoOffer)?;
        let answerer = exchange.offerer.other();
        let edit = |(line, one): (usize, &LineExchange)| {
            Ok(match one {
                LineExchange::Declined { shown, transport: _ } => {
                    MediaEdit::Decline { transport: shown.clone() }
                }
                LineExchange::PassBy => MediaEdit::PassBy,
                LineExchange::Relayed(offered) => {
                    let leg = self.used(place, answerer, line).ok_or(AlgError::Replies)?;
                    let Offered { profile, far_profile, .. } = &**offered;
                    let is_cut = leg.transport != Transport::Transparent;
                    let is_secured = leg.transport == Transport::Secured;
                    let edit = RelayEdit {
                        // Whoever answers may leave multiplexing again.
                        local: leg.local_with(RtcpMode::Pair),
                        transport: (profile != far_profile).then(|| far_profile.name().to_owned()),
                        crypto: is_cut.then(|| keys::texts(&offered.keys)),
                        //= tests/spec/sdp.md#indications
                        //# A UE that is offered e2ae protection MUST be told that it is applied.
                        applied: is_secured && exchange.far.indicates_e2ae,
                        mux: offered.mux_offered,
                        drops_feedback: profile.feedback && !far_profile.feedback,
                        rtcp: exchange.far.rtcp_attribute,
                    };
                    MediaEdit::Relay(Box::new(edit))
                }
            })
        };
        exchange.lines.iter().enumerate().map(edit).collect()
    }
}

/// Gives the legs of a side the place that was reserved for them.
fn place(exchange: &mut Exchange, side: Side, reply: &TerminationReply) -> Result<(), AlgError> {
    let is_near = side == exchange.offerer;
    for (line, one) in exchange.lines.iter_mut().enumerate() {
        let LineExchange::Relayed(offered) = one else { continue };
        let leg = if is_near { &mut offered.near } else { &mut offered.far };
        let Some(leg) = leg else { continue };
        let id = stream_id(line);
        let local = reply.streams.iter().find(|local| local.id == id).ok_or(AlgError::Replies)?;
        (leg.termination, leg.local) = (reply.termination, *local);
    }
    Ok(())
}
