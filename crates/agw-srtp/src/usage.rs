//! How much of a key's lifetime is used (RFC 3711 §9.2).

use crate::Lifetime;
use crate::event::KeyEvent;
use crate::ticket::Protocol;

const LAST_SRTP_INDEX: u64 = (1 << 48) - 1;
const LAST_SRTCP_INDEX: u64 = (1 << 31) - 1;

//= tests/spec/srtp.md#key-lifetime
//# SRTP and SRTCP packets MUST be counted separately against the lifetime.
/// Packets that passed under a key, and what it may not be used for any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Spent {
    srtp: u64,
    srtcp: u64,
    ended: Ended,
}

/// Of which protocol a key is used up: no lifetime that is told later brings it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Ended {
    srtp: bool,
    srtcp: bool,
}

impl Spent {
    pub(crate) fn is_zero(self) -> bool {
        self == Self::default()
    }

    pub(crate) fn max(self, other: Self) -> Self {
        let ended = Ended {
            srtp: self.ended.srtp || other.ended.srtp,
            srtcp: self.ended.srtcp || other.ended.srtcp,
        };
        Self { srtp: self.srtp.max(other.srtp), srtcp: self.srtcp.max(other.srtcp), ended }
    }
}

/// How much of a key's lifetime is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Usage {
    limit: Lifetime,
    srtp: u64,
    srtcp: u64,
    ended: Ended,
    warned: bool,
    stopped: bool,
}

impl Usage {
    pub(crate) fn new(limit: Lifetime) -> Self {
        Self { limit, srtp: 0, srtcp: 0, ended: Ended::default(), warned: false, stopped: false }
    }

    //= tests/spec/srtp.md#key-lifetime
    //# A key that is used up MUST stay so whatever lifetime it is told again with.
    pub(crate) fn set_limit(&mut self, limit: Lifetime) {
        self.note_end();
        let Ended { srtp, srtcp } = self.ended;
        let limit = Lifetime {
            srtp: if srtp { limit.srtp.min(self.limit.srtp) } else { limit.srtp },
            srtcp: if srtcp { limit.srtcp.min(self.limit.srtcp) } else { limit.srtcp },
        };
        if self.limit != limit {
            self.limit = limit;
            self.warned = false;
            self.stopped = false;
        }
        self.note_end();
    }

    fn note_end(&mut self) {
        self.ended.srtp |= !self.has_room(Protocol::Srtp);
        self.ended.srtcp |= !self.has_room(Protocol::Srtcp);
    }

    /// As it was told, or shorter of what is used up.
    pub(crate) fn limit(&self) -> Lifetime {
        self.limit
    }

    /// Nothing passes any more here; the key itself is not used up by that.
    pub(crate) fn end(&mut self) {
        self.limit = Lifetime { srtp: 0, srtcp: 0 };
    }

    /// What was used, to be handed on.
    pub(crate) fn spent(&self) -> Spent {
        Spent { srtp: self.srtp, srtcp: self.srtcp, ended: self.ended }
    }

    pub(crate) fn take_over(&mut self, spent: Spent) {
        let Spent { srtp, srtcp, ended } = self.spent().max(spent);
        (self.srtp, self.srtcp, self.ended) = (srtp, srtcp, ended);
        // What is used up under a shorter lifetime stays so under a longer one.
        if ended.srtp {
            self.limit.srtp = self.limit.srtp.min(srtp + 1);
        }
        if ended.srtcp {
            self.limit.srtcp = self.limit.srtcp.min(srtcp + 1);
        }
    }

    /// Whether one more packet may pass: counts have to stay below the lifetime.
    #[inline]
    pub(crate) fn has_room(&self, protocol: Protocol) -> bool {
        let (spent, limit) = self.count(protocol);
        //= tests/spec/srtp.md#key-lifetime
        //# A key MUST NOT protect or open packets beyond its lifetime.
        spent + 1 < limit
    }

    /// Counts a packet, and says so once when nine tenths are used and once when all is. A source
    /// that nears the end of its index space counts like a lifetime that nears its end.
    #[inline]
    pub(crate) fn record(&mut self, protocol: Protocol, index: u64) -> Option<KeyEvent> {
        self.add(protocol);
        self.tell(protocol, index)
    }

    /// Counts a packet.
    #[inline]
    pub(crate) fn add(&mut self, protocol: Protocol) {
        match protocol {
            Protocol::Srtp => self.srtp += 1,
            Protocol::Srtcp => self.srtcp += 1,
        }
        let (spent, limit) = self.count(protocol);
        if spent + 1 >= limit {
            self.note_end();
        }
    }

    /// What is to be told now, after a packet with this index.
    #[inline]
    pub(crate) fn tell(&mut self, protocol: Protocol, index: u64) -> Option<KeyEvent> {
        let last_index = match protocol {
            Protocol::Srtp => LAST_SRTP_INDEX,
            Protocol::Srtcp => LAST_SRTCP_INDEX,
        };
        let (spent, limit) = self.count(protocol);
        let stop = spent + 1 >= limit || index >= last_index;
        let warn = spent >= Self::warning_at(limit) || index >= last_index - last_index / 10;
        if stop && !self.stopped {
            self.stopped = true;
            self.warned = true;
            return Some(KeyEvent::LifetimeExpired);
        }
        //= tests/spec/srtp.md#key-lifetime
        //# A warning MUST be given once when 90 % of a lifetime is used.
        if warn && !self.warned {
            self.warned = true;
            return Some(KeyEvent::LifetimeWarning);
        }
        None
    }

    /// How many packets use nine tenths of a lifetime.
    #[inline]
    pub(crate) const fn warning_at(limit: u64) -> u64 {
        limit - limit / 10
    }

    /// Packets so far, and the lifetime.
    #[inline]
    pub(crate) fn count(&self, protocol: Protocol) -> (u64, u64) {
        match protocol {
            Protocol::Srtp => (self.srtp, self.limit.srtp),
            Protocol::Srtcp => (self.srtcp, self.limit.srtcp),
        }
    }
}
