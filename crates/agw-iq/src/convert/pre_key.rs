//! What waits for the key of a leg.

use std::time::Duration;

use agw_relay::PreKeySpec;

use crate::invalid::InvalidRequest;
use crate::pb;

/// The most packets that may wait, whatever policy says.
const MAX_PACKETS: u8 = 64;
/// The longest that each may wait, in milliseconds.
pub(crate) const MAX_PRE_KEY_MS: u32 = 10_000;

/// Reads what waits for a key; `None` if nothing does.
pub(crate) fn pre_key(buffer: &pb::PreKeyBuffer) -> Result<Option<PreKeySpec>, InvalidRequest> {
    let pb::PreKeyBuffer { packets, time_ms } = *buffer;
    if *buffer == pb::PreKeyBuffer::default() {
        return Ok(None);
    }
    let packets = match u8::try_from(packets) {
        Ok(packets @ 1..=MAX_PACKETS) => packets,
        Ok(_) | Err(_) => return Err(InvalidRequest::value("packets", "is 1 to 64")),
    };
    if !(1..=MAX_PRE_KEY_MS).contains(&time_ms) {
        return Err(InvalidRequest::value("time_ms", "is 1 to 10000"));
    }
    Ok(Some(PreKeySpec { packets, time: Duration::from_millis(time_ms.into()) }))
}
