//! Sealing everything before the measured window, so that the generator only sends.

use std::collections::VecDeque;
use std::sync::Arc;

use agw_srtp::{
    EgressKey, Engine, Job, KeyError, MasterKey, Protector, RocOnRekey, SealTicket,
    SessionParameters, SpareRooms,
};
use anyhow::Context;

use crate::calls::Calls;
use crate::packet::{Direction, PacketId, RTCP, write_rtcp};
use crate::plan::{REKEY_LEAD, TRAILER, Traffic};
use crate::schedule::Timetable;
use crate::target::CallKeys;

/// Contexts sealed together.
const BATCH: usize = 64;
/// Room for an SRTCP packet.
const RTCP_ROOM: usize = RTCP + TRAILER + 4;

/// The packets of the access side, sealed.
#[derive(Debug)]
pub(crate) struct Prepared {
    rtp: Arena,
    rtcp: Arena,
}

/// Packets of about the same length in a row.
#[derive(Debug)]
struct Arena {
    stride: usize,
    octets: Vec<u8>,
    lens: Vec<u16>,
}

impl Arena {
    fn new(stride: usize, packets: usize) -> Self {
        Self { stride, octets: vec![0; stride * packets], lens: vec![0; packets] }
    }

    fn packet(&self, place: usize) -> &[u8] {
        let len = self.lens.get(place).copied().unwrap_or_default();
        let start = place * self.stride;
        self.octets.get(start..start + usize::from(len)).unwrap_or_default()
    }
}

impl Prepared {
    /// The RTP packet at its place in the schedule: call by call, then number by number.
    pub(crate) fn rtp(&self, place: usize) -> &[u8] {
        self.rtp.packet(place)
    }

    /// The RTCP packet at its place, likewise.
    pub(crate) fn rtcp(&self, place: usize) -> &[u8] {
        self.rtcp.packet(place)
    }
}

/// Seals all packets of the access side; tells `progress` how many are done, now and then.
///
/// # Errors
/// Keys or packets that cannot be: a fault of this program.
pub(crate) fn prepare<E: Engine>(
    engine: &E,
    traffic: &Traffic,
    calls: &Calls,
    progress: impl Fn(usize),
) -> anyhow::Result<Prepared> {
    let timetable = Timetable::new(traffic);
    let mut prepared = Prepared {
        rtp: Arena::new(traffic.form.octets() + TRAILER, traffic.packets_each_way()),
        rtcp: Arena::new(RTCP_ROOM, traffic.rtcp_each_way()),
    };
    let mut sealers = sealers(engine, traffic, calls)?;
    if !timetable.is_paced() {
        for (call, sealer) in (0u32..).zip(&mut sealers) {
            for _ in 0..traffic.rtcp_packets {
                sealer.seal_rtcp(engine, traffic, call, &mut prepared.rtcp)?;
            }
        }
    }
    for number in 0..traffic.packets {
        for (call, sealer) in (0u32..).zip(&mut sealers) {
            sealer.advance(engine, traffic, &timetable, call, number, &mut prepared.rtcp)?;
        }
        let first = number as usize * traffic.calls as usize;
        for start in (0..sealers.len()).step_by(BATCH) {
            let end = sealers.len().min(start + BATCH);
            let batch = sealers.get_mut(start..end).unwrap_or_default();
            seal_batch(engine, traffic, (start, number), batch, &mut prepared.rtp, first + start)?;
        }
        progress(first + sealers.len());
    }
    Ok(prepared)
}

/// The sending half of a call's phone.
struct Sealer<K> {
    /// `None` for plain RTP.
    protector: Option<Protector<K>>,
    /// Numbers of the first packets under new keys, with these.
    switches: VecDeque<(u32, Arc<CallKeys>)>,
    rtcp_sealed: u32,
}

fn sealers<E: Engine>(
    engine: &E,
    traffic: &Traffic,
    calls: &Calls,
) -> anyhow::Result<Vec<Sealer<E::Keys>>> {
    let mut sealers = Vec::with_capacity(calls.specs.len());
    for spec in &calls.specs {
        let protector = match &spec.keys {
            Some(keys) => {
                let key = vec![egress_key(keys)?];
                Some(Protector::new(engine, key, SessionParameters::default(), 0)?)
            }
            None => None,
        };
        sealers.push(Sealer { protector, switches: VecDeque::new(), rtcp_sealed: 0 });
    }
    let interval = traffic.pace_interval().as_secs_f64();
    for rekey in &calls.rekeys {
        let switch = ((rekey.at + REKEY_LEAD).as_secs_f64() / interval).ceil() as u32;
        let sealer = sealers.get_mut(rekey.call as usize).context("a re-key of no call")?;
        sealer.switches.push_back((switch, Arc::clone(&rekey.keys)));
    }
    Ok(sealers)
}

fn egress_key(keys: &CallKeys) -> Result<EgressKey, KeyError> {
    Ok(EgressKey::new(MasterKey::from_concatenated(keys.suite, &keys.ingress)?))
}

impl<K> Sealer<K> {
    /// Changes keys and seals RTCP that come before an RTP packet of the call.
    fn advance<E: Engine<Keys = K>>(
        &mut self,
        engine: &E,
        traffic: &Traffic,
        timetable: &Timetable,
        call: u32,
        number: u32,
        rtcp: &mut Arena,
    ) -> anyhow::Result<()> {
        if timetable.is_paced() {
            let due = timetable.rtp(Direction::Up, call, number);
            while self.rtcp_sealed < traffic.rtcp_packets
                && timetable.rtcp(Direction::Up, call, self.rtcp_sealed) <= due
            {
                self.seal_rtcp(engine, traffic, call, rtcp)?;
            }
        }
        let Some((_, keys)) = self.switches.pop_front_if(|(switch, _)| *switch <= number) else {
            return Ok(());
        };
        if let Some(protector) = &mut self.protector {
            let key = vec![egress_key(&keys)?];
            protector.rekey(engine, key, SessionParameters::default(), RocOnRekey::Keep)?;
        }
        Ok(())
    }

    fn seal_rtcp<E: Engine<Keys = K>>(
        &mut self,
        engine: &E,
        traffic: &Traffic,
        call: u32,
        arena: &mut Arena,
    ) -> anyhow::Result<()> {
        let number = self.rtcp_sealed;
        self.rtcp_sealed += 1;
        let place = number as usize * traffic.calls as usize + call as usize;
        let mut packet = [0; RTCP];
        write_rtcp(PacketId { direction: Direction::Up, call, number }, &mut packet);
        let start = place * arena.stride;
        let room = arena.octets.get_mut(start..start + arena.stride).context("no such place")?;
        let (front, _) = room.split_first_chunk_mut().context("no room for RTCP")?;
        *front = packet;
        let len = match &mut self.protector {
            Some(protector) => protector.protect_srtcp(engine, room, RTCP)?,
            None => RTCP,
        };
        *arena.lens.get_mut(place).context("no such place")? = u16::try_from(len)?;
        Ok(())
    }
}

/// Seals the packets with one number of neighbouring calls.
fn seal_batch<E: Engine>(
    engine: &E,
    traffic: &Traffic,
    (first_call, number): (usize, u32),
    sealers: &mut [Sealer<E::Keys>],
    arena: &mut Arena,
    place: usize,
) -> anyhow::Result<()> {
    let plain = traffic.form.octets();
    let (start, count) = (place * arena.stride, sealers.len());
    let rooms = arena.octets.get_mut(start..start + count * arena.stride).unwrap_or_default();
    let mut tickets: Vec<Option<SealTicket>> = Vec::with_capacity(count);
    for ((sealer, room), call) in
        sealers.iter_mut().zip(rooms.chunks_exact_mut(arena.stride)).zip(first_call..)
    {
        let call = u32::try_from(call)?;
        traffic.form.write(PacketId { direction: Direction::Up, call, number }, room);
        let packet = room.get(..plain).unwrap_or_default();
        let begin = |protector: &mut Protector<E::Keys>| {
            protector.begin_srtp(packet, &mut SpareRooms::new())
        };
        tickets.push(sealer.protector.as_mut().map(begin).transpose()?);
    }
    let chunks = rooms.chunks_exact_mut(arena.stride);
    let mut jobs: Vec<Job<'_, E::Keys>> = sealers
        .iter()
        .zip(&tickets)
        .zip(chunks)
        .filter_map(|((sealer, ticket), room)| {
            Some(sealer.protector.as_ref()?.job(ticket.as_ref()?, room, plain))
        })
        .collect();
    engine.run(&mut jobs);
    let mut sealed = jobs.iter().map(Job::outcome);
    let lens = arena.lens.iter_mut().skip(place);
    for (len, ticket) in lens.zip(&tickets) {
        let octets = match ticket {
            Some(_) => {
                let outcome = sealed.next().context("a job without an outcome")?;
                outcome?
            }
            None => plain,
        };
        *len = u16::try_from(octets)?;
    }
    Ok(())
}
