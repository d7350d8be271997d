//! Control messages beside a datagram (`cmsg(3)`), read and written without `unsafe`.

use std::mem::{offset_of, size_of};

use crate::options::SO_RXQ_OVFL;

/// Room for the control messages of a datagram: drop counter, time and traffic class.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(8))]
pub(crate) struct Control([u8; Control::ROOM]);

impl Control {
    pub(crate) const ROOM: usize = 96;
    pub(crate) const EMPTY: Self = Self([0; Self::ROOM]);
    /// Octets of a message with one number, padding included.
    pub(crate) const NUMBER: usize = Self::HEADER + size_of::<u64>();
    const WORD: usize = size_of::<usize>();
    const HEADER: usize = size_of::<libc::cmsghdr>().next_multiple_of(Self::WORD);

    pub(crate) const fn as_mut_ptr(&mut self) -> *mut libc::c_void {
        self.0.as_mut_ptr().cast()
    }

    /// The socket's drop counter, if it is among the messages in the first `len` octets.
    pub(crate) fn drops(&self, len: impl TryInto<usize>) -> Option<u32> {
        let drops = self.messages(len).find(|message| message.is(libc::SOL_SOCKET, SO_RXQ_OVFL))?;
        native(drops.data, 0).map(u32::from_ne_bytes)
    }

    /// Seconds and nanoseconds of arrival, likewise.
    pub(crate) fn time(&self, len: impl TryInto<usize>) -> Option<(u64, u64)> {
        let is_time = |one: &Message<'_>| one.is(libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS);
        let time = self.messages(len).find(is_time)?;
        let number = |offset| native(time.data, offset).map(u64::from_ne_bytes);
        Some((number(0)?, number(8)?))
    }

    /// The IPv4 type of service or IPv6 traffic class octet, likewise.
    pub(crate) fn traffic_class(&self, len: impl TryInto<usize>) -> Option<u8> {
        self.messages(len).find_map(|message| {
            if message.is(libc::IPPROTO_IP, libc::IP_TOS) {
                // The kernel writes the one octet here, and a whole number below.
                return message.data.first().copied();
            }
            let is_v6 = message.is(libc::IPPROTO_IPV6, libc::IPV6_TCLASS);
            let number = native(message.data, 0).filter(|_| is_v6).map(i32::from_ne_bytes)?;
            u8::try_from(number).ok()
        })
    }

    /// Makes it one message with a number, for sending.
    pub(crate) fn write_number(&mut self, level: libc::c_int, kind: libc::c_int, value: i32) {
        let len = Self::HEADER + size_of::<i32>();
        let parts: [(usize, &[u8]); 4] = [
            (offset_of!(libc::cmsghdr, cmsg_len), &len.to_ne_bytes()),
            (offset_of!(libc::cmsghdr, cmsg_level), &level.to_ne_bytes()),
            (offset_of!(libc::cmsghdr, cmsg_type), &kind.to_ne_bytes()),
            (Self::HEADER, &value.to_ne_bytes()),
        ];
        for (offset, octets) in parts {
            if let Some(place) = self.0.get_mut(offset..offset + octets.len()) {
                place.copy_from_slice(octets);
            }
        }
    }

    fn messages(&self, len: impl TryInto<usize>) -> Messages<'_> {
        let rest = len.try_into().ok().and_then(|len| self.0.get(..len));
        Messages { rest: rest.unwrap_or_default() }
    }
}

/// One message: what it is, and its data.
struct Message<'a> {
    level: libc::c_int,
    kind: libc::c_int,
    data: &'a [u8],
}

impl Message<'_> {
    const fn is(&self, level: libc::c_int, kind: libc::c_int) -> bool {
        self.level == level && self.kind == kind
    }
}

/// The messages one behind the other; ends at the first that is not whole.
struct Messages<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        let len =
            native(self.rest, offset_of!(libc::cmsghdr, cmsg_len)).map(usize::from_ne_bytes)?;
        let message = self.rest.get(..len)?;
        let number = |offset| native(message, offset).map(i32::from_ne_bytes);
        let (level, kind) = (
            number(offset_of!(libc::cmsghdr, cmsg_level))?,
            number(offset_of!(libc::cmsghdr, cmsg_type))?,
        );
        let data = message.get(Control::HEADER..)?;
        let next = len.next_multiple_of(Control::WORD);
        self.rest = self.rest.get(next..).unwrap_or_default();
        Some(Message { level, kind, data })
    }
}

fn native<const N: usize>(octets: &[u8], offset: usize) -> Option<[u8; N]> {
    octets.get(offset..)?.first_chunk().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OVERFLOW: (i32, i32) = (libc::SOL_SOCKET, SO_RXQ_OVFL);

    fn control((level, kind): (i32, i32), value: u32) -> Control {
        let mut control = Control::EMPTY;
        control.write_number(level, kind, value.cast_signed());
        control
    }

    #[test]
    #[cfg(target_pointer_width = "64")]
    fn a_number_is_read_only_from_its_own_whole_control_message() {
        let drops = control(OVERFLOW, 77);
        assert_eq!(drops.drops(20), Some(77));
        assert_eq!(drops.drops(24), Some(77));
        assert_eq!(drops.drops(19), None);
        assert_eq!(drops.drops(0), None);
        assert_eq!(drops.drops(Control::ROOM + 1), None);
        assert_eq!(drops.traffic_class(24), None);
        assert_eq!(control((libc::SOL_SOCKET, libc::SCM_RIGHTS), 77).drops(20), None);
        assert_eq!(control((libc::IPPROTO_IP, SO_RXQ_OVFL), 77).drops(20), None);
    }

    #[test]
    #[cfg(target_pointer_width = "64")]
    fn the_traffic_class_is_found_behind_the_drop_counter() {
        for (place, written) in [
            ((libc::IPPROTO_IP, libc::IP_TOS), 0xB9),
            ((libc::IPPROTO_IPV6, libc::IPV6_TCLASS), 0xB9),
        ] {
            let mut both = control(OVERFLOW, 77);
            let class = control(place, written);
            both.0.copy_within(..24, 24);
            both.0[24..48].copy_from_slice(&class.0[..24]);
            assert_eq!((both.drops(48), both.traffic_class(48)), (Some(77), Some(0xB9)));
            assert_eq!(both.traffic_class(24), None);
        }
    }

    #[test]
    fn a_message_that_claims_no_length_or_too_much_ends_the_search() {
        for len in [0, 15, 97, usize::MAX] {
            let mut control = control(OVERFLOW, 1);
            control.0[..8].copy_from_slice(&len.to_ne_bytes());
            assert_eq!(control.drops(Control::ROOM), None, "{len}");
        }
    }
}
