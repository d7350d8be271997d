//! Fencing: of two instances of one controller, the newer one is heard.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use agw_context::Controller;
use tonic::metadata::MetadataMap;

use crate::invalid::InvalidRequest;
use crate::status::Failure;

/// Where a controller states the number of its present instance.
pub(crate) const EPOCH: &str = "agw-controller-epoch";

/// The highest epoch of each controller that has stated one; only names that a certificate, the
/// unix socket or the loopback vouches for come here.
#[derive(Debug, Default)]
pub(crate) struct Epochs(Mutex<BTreeMap<Controller, u64>>);

/// The epoch that a request states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stated(Option<u64>);

impl Stated {
    /// Reads a request's metadata.
    pub(crate) fn read(metadata: &MetadataMap) -> Result<Self, InvalidRequest> {
        let Some(value) = metadata.get(EPOCH) else {
            return Ok(Self(None));
        };
        let digits = |text: &&str| text.bytes().all(|octet| octet.is_ascii_digit());
        let epoch = value.to_str().ok().filter(digits).and_then(|text| text.parse().ok());
        let rule = "is a decimal number below 2^64";
        epoch.map(|epoch| Self(Some(epoch))).ok_or_else(|| InvalidRequest::value(EPOCH, rule))
    }
}

impl Epochs {
    //= tests/spec/iq.md#supervision
    //# Of two instances of a controller the one with the lower epoch MUST be refused once the
    //# higher one was seen.
    /// Lets a request pass unless a newer instance of its controller was here.
    pub(crate) fn admit(&self, controller: &Controller, stated: Stated) -> Result<(), Failure> {
        let mut highest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match (highest.get_mut(controller), stated.0) {
            (None, None) => Ok(()),
            (None, Some(epoch)) => {
                highest.insert(controller.clone(), epoch);
                Ok(())
            }
            (Some(highest), Some(epoch)) if epoch >= *highest => {
                *highest = epoch;
                Ok(())
            }
            (Some(highest), Some(_) | None) => Err(Failure::stale_controller(*highest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lower_epoch_is_refused_once_a_higher_one_was_seen_of_the_same_controller() {
        let epochs = Epochs::default();
        let admit =
            |name: &str, epoch| epochs.admit(&Controller(name.to_owned()), Stated(epoch)).is_ok();
        assert!(admit("alg-1", None), "who never states one is not fenced");
        assert!(admit("alg-1", Some(4)));
        assert!(admit("alg-1", Some(4)));
        assert!(admit("alg-1", Some(7)));
        assert!(!admit("alg-1", Some(4)));
        assert!(!admit("alg-1", None), "silence is no way around");
        assert!(admit("alg-2", Some(1)), "another controller counts for itself");
        assert!(admit("alg-1", Some(u64::MAX)));
    }

    #[test]
    fn an_epoch_is_a_decimal_number() {
        let read = |text: &'static str| {
            let mut metadata = MetadataMap::new();
            metadata.insert(EPOCH, text.parse().unwrap());
            Stated::read(&metadata)
        };
        assert_eq!(read("18446744073709551615"), Ok(Stated(Some(u64::MAX))));
        for text in ["", "-1", "+1", "0x10", "18446744073709551616", "1 "] {
            assert_eq!(read(text).unwrap_err().field, EPOCH, "{text:?}");
        }
        assert_eq!(Stated::read(&MetadataMap::new()), Ok(Stated(None)));
    }
}
