//! Heartbeats and adoption.

use agw_context::{AdoptContexts, Confirmation, ContextId, Controller};

use super::command::{context_id, termination_id};
use crate::invalid::{InvalidRequest, each};
use crate::pb;

/// The most terminations or contexts of a request.
const MOST: usize = 1_000;
/// The longest name of a controller, in octets.
const MAX_NAME_OCTETS: usize = 255;

pub(crate) fn confirmations(
    request: &pb::ConfirmTerminationsRequest,
) -> Result<Vec<Confirmation>, InvalidRequest> {
    let pb::ConfirmTerminationsRequest { terminations } = request;
    if !(1..=MOST).contains(&terminations.len()) {
        return Err(InvalidRequest::value("terminations", "are 1 to 1000"));
    }
    each("terminations", terminations, |word| {
        let pb::TerminationConfirmation { context_id: context, termination_id: termination, known } =
            word;
        Ok(Confirmation {
            context: context_id(*context)?,
            termination: termination_id("termination_id", *termination)?,
            known: *known,
        })
    })
}

pub(crate) fn adoption(
    request: &pb::AdoptContextsRequest,
) -> Result<AdoptContexts, InvalidRequest> {
    let pb::AdoptContextsRequest { context_ids, orphans_of } = request;
    match (context_ids.as_slice(), orphans_of.as_str()) {
        ([], "") => Err(InvalidRequest::missing("context_ids")),
        ([], name) if name.len() > MAX_NAME_OCTETS => {
            Err(InvalidRequest::value("orphans_of", "has at most 255 octets"))
        }
        ([], name) => Ok(AdoptContexts::OrphansOf(Controller(name.to_owned()))),
        (_, "") => these(context_ids),
        ([_, ..], _) => {
            Err(InvalidRequest::value("orphans_of", "does not go together with context_ids"))
        }
    }
}

fn these(ids: &[u32]) -> Result<AdoptContexts, InvalidRequest> {
    if ids.len() > MOST {
        return Err(InvalidRequest::value("context_ids", "are at most 1000"));
    }
    if let Some(position) = ids.iter().position(|&id| id == 0) {
        let field = format!("context_ids[{position}]");
        return Err(InvalidRequest::value(&field, "contexts are numbered from 1"));
    }
    let mut contexts: Vec<ContextId> = ids.iter().map(|&id| ContextId(id)).collect();
    contexts.sort_unstable();
    contexts.dedup();
    Ok(AdoptContexts::These(contexts))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adopt(context_ids: &[u32], orphans_of: &str) -> Result<AdoptContexts, String> {
        let (context_ids, orphans_of) = (context_ids.to_vec(), orphans_of.to_owned());
        adoption(&pb::AdoptContextsRequest { context_ids, orphans_of }).map_err(|e| e.field)
    }

    #[test]
    fn an_adoption_names_contexts_or_a_controller() {
        let these = AdoptContexts::These(vec![ContextId(2), ContextId(7)]);
        assert_eq!(adopt(&[7, 2, 7], ""), Ok(these));
        let all = AdoptContexts::OrphansOf(Controller("alg-1".to_owned()));
        assert_eq!(adopt(&[], "alg-1"), Ok(all));
        for (ids, name, field) in [
            (&[][..], "", "context_ids"),
            (&[1], "alg-1", "orphans_of"),
            (&[1, 0], "", "context_ids[1]"),
            (&[5; 1_001], "", "context_ids"),
            (&[], &"x".repeat(256), "orphans_of"),
        ] {
            assert_eq!(adopt(ids, name), Err(field.to_owned()), "{name}");
        }
    }

    #[test]
    fn a_confirmation_names_one_to_a_thousand_terminations() {
        let word = |context_id, termination_id| pb::TerminationConfirmation {
            context_id,
            termination_id,
            known: true,
        };
        let read = |terminations: Vec<_>| {
            let request = pb::ConfirmTerminationsRequest { terminations };
            confirmations(&request).map_err(|error| error.field)
        };
        assert_eq!(read(vec![word(3, 2)]).unwrap().len(), 1);
        for (words, field) in [
            (vec![], "terminations"),
            (vec![word(1, 1); 1_001], "terminations"),
            (vec![word(1, 1), word(0, 1)], "terminations[1].context_id"),
            (vec![word(1, 0)], "terminations[0].termination_id"),
        ] {
            assert_eq!(read(words).unwrap_err(), field);
        }
    }
}
