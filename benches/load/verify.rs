//! Reading what was kept: opened where it is sealed, compared octet by octet with what was sent.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use agw_srtp::{
    Engine, IngressKey, KeyError, MAX_TRAILER, MasterKey, RocOnRekey, SessionParameters,
    Unprotector,
};

use crate::calls::Calls;
use crate::packet::{Direction, PacketId, RTCP, write_rtcp};
use crate::plan::Traffic;
use crate::sink::{Kept, Sink};
use crate::target::{CallKeys, Placed};

/// Longer than any run: order tells which key a packet has, not time.
const OVERLAP: Duration = Duration::from_secs(1 << 20);

/// The receiving half of a call's phone.
struct Opener<K> {
    unprotector: Unprotector<K>,
    /// Keys that the gateway may have got since, in their order.
    coming: VecDeque<Arc<CallKeys>>,
}

/// Compares what a sink has kept and counts what is wrong in its figures.
///
/// # Errors
/// Keys that cannot be: a fault of this program.
pub(crate) fn verify<E: Engine>(
    engine: &E,
    direction: Direction,
    traffic: &Traffic,
    calls: &Calls,
    placed: &[Placed],
    sink: &mut Sink,
) -> anyhow::Result<()> {
    let mut openers = match direction {
        Direction::Up => calls.specs.iter().map(|_| None).collect(),
        Direction::Down => openers(engine, calls, placed)?,
    };
    let now = Instant::now();
    let mut buffer = vec![0; traffic.longest() + MAX_TRAILER];
    let mut rtcp_seen = BTreeSet::new();
    let (mut verified, mut corrupted, mut duplicated) = (0, 0, 0);
    for (kept, octets) in sink.kept() {
        let Some(room) = buffer.get_mut(..octets.len()) else {
            corrupted += 1;
            continue;
        };
        room.copy_from_slice(octets);
        let opener = openers.get_mut(kept.call as usize).and_then(Option::as_mut);
        let len = match opener {
            Some(opener) => opener.open(engine, kept.number, &mut buffer, octets.len(), now),
            None => Some(octets.len()),
        };
        let packet = len.and_then(|len| buffer.get(..len));
        match packet.and_then(|packet| check(direction, traffic, kept, packet)) {
            None => corrupted += 1,
            Some(number) if kept.number.is_none() && !rtcp_seen.insert((kept.call, number)) => {
                duplicated += 1;
            }
            Some(_) => verified += 1,
        }
    }
    sink.figures.verified += verified;
    sink.figures.corrupted += corrupted;
    sink.figures.duplicated += duplicated;
    sink.figures.rtcp_delivered -= duplicated;
    Ok(())
}

/// The packet's number, if it is what was sent under it.
fn check(direction: Direction, traffic: &Traffic, kept: Kept, packet: &[u8]) -> Option<u32> {
    let call = kept.call;
    if let Some(number) = kept.number {
        let mut sent = vec![0; traffic.form.octets()];
        traffic.form.write(PacketId { direction, call, number }, &mut sent);
        return (packet == sent).then_some(number);
    }
    let number = packet.get(20..24)?.first_chunk().copied().map(u32::from_be_bytes)?;
    let mut sent = [0; RTCP];
    write_rtcp(PacketId { direction, call, number }, &mut sent);
    (packet == sent && number < traffic.rtcp_packets).then_some(number)
}

fn openers<E: Engine>(
    engine: &E,
    calls: &Calls,
    placed: &[Placed],
) -> Result<Vec<Option<Opener<E::Keys>>>, KeyError> {
    let mut openers = Vec::with_capacity(calls.specs.len());
    for (spec, placed) in calls.specs.iter().zip(placed) {
        let opener = match &spec.keys {
            Some(keys) => {
                let chosen = placed.egress.as_ref().map(|chosen| &chosen.0);
                let octets = chosen.unwrap_or(&keys.egress);
                let key = IngressKey::new(MasterKey::from_concatenated(keys.suite, octets)?);
                let parameters = SessionParameters::default();
                let unprotector = Unprotector::new(engine, vec![key], parameters, 0)?;
                Some(Opener { unprotector, coming: VecDeque::new() })
            }
            None => None,
        };
        openers.push(opener);
    }
    for rekey in &calls.rekeys {
        if let Some(Some(opener)) = openers.get_mut(rekey.call as usize) {
            opener.coming.push_back(Arc::clone(&rekey.keys));
        }
    }
    Ok(openers)
}

fn ingress_key(keys: &CallKeys) -> Result<IngressKey, KeyError> {
    Ok(IngressKey::new(MasterKey::from_concatenated(keys.suite, &keys.egress)?))
}

impl<K> Opener<K> {
    /// Opens a packet in place, under the next keys if it must be; `None` if nothing opens it.
    fn open<E: Engine<Keys = K>>(
        &mut self,
        engine: &E,
        number: Option<u32>,
        buffer: &mut [u8],
        len: usize,
        now: Instant,
    ) -> Option<usize> {
        loop {
            let opened = match number {
                Some(_) => self.unprotector.unprotect_srtp(engine, buffer, len, now),
                None => self.unprotector.unprotect_srtcp(engine, buffer, len, now),
            };
            if let Ok(octets) = opened {
                return Some(octets);
            }
            let keys = vec![ingress_key(self.coming.front()?.as_ref()).ok()?];
            let parameters = SessionParameters::default();
            let roc = RocOnRekey::Keep;
            self.unprotector.rekey(engine, keys, parameters, roc, OVERLAP, now).ok()?;
            self.coming.pop_front();
        }
    }
}
