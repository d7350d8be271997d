//! What is known of links, neighbours and routes. No system call, no clock.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    sync::atomic::{AtomicBool, Ordering},
};

use super::{NextHop, Resolution};
use crate::frame::LinkHeader;

/// Between whom a datagram goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Pair {
    pub(super) destination: IpAddr,
    pub(super) source: IpAddr,
}

/// A neighbour: an address at an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Hop {
    pub(super) interface: u32,
    pub(super) address: IpAddr,
}

/// What the kernel says about a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    /// Over a neighbour, or the destination itself; `mtu` if the route has one of its own.
    Over { hop: Hop, mtu: Option<u32> },
    /// There is none.
    None,
}

/// What carries frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Medium {
    /// With link addresses.
    Ethernet,
    /// With link addresses of zeroes.
    Loopback,
    /// A VLAN device on another interface.
    Tagged { parent: u32, vlan: u16 },
    /// Anything that we cannot write frames for.
    Other,
}

/// An interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) medium: Medium,
    pub(super) address: [u8; 6],
    pub(super) mtu: u32,
    pub(super) is_up: bool,
}

/// What the kernel knows of a neighbour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Neighbour {
    /// Its link address; `stale` if nobody has heard of it for some time.
    Known { address: [u8; 6], stale: bool },
    /// Being asked.
    Asked,
    /// Does not answer.
    Silent,
}

/// A change that the kernel tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// An interface is such, or is gone.
    Link(u32, Option<Link>),
    /// A neighbour is such, or is gone.
    Neighbour(Hop, Option<Neighbour>),
    /// Any route may be another one.
    Routes,
}

/// What an event calls for.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outcome {
    /// An answer that was `Ready` may be another one.
    pub(super) changed: bool,
    /// The routes in use must be asked for again.
    pub(super) routes: bool,
    /// This neighbour must be asked for, from this source.
    pub(super) ask: Option<(Hop, IpAddr)>,
}

/// A route that somebody uses.
#[derive(Debug)]
struct Path {
    route: Route,
    /// Since the last sweep.
    is_used: AtomicBool,
}

/// Everything that is known.
#[derive(Debug, Default)]
pub(super) struct Table {
    links: BTreeMap<u32, Link>,
    neighbours: HashMap<Hop, Neighbour>,
    paths: HashMap<Pair, Path>,
    /// Neighbours in use, each with an address of ours that reaches it.
    hops: HashMap<Hop, IpAddr>,
}

/// Most destinations; beyond, they are as unreachable.
pub(super) const MOST_PATHS: usize = 1 << 18;

impl Table {
    /// What is known; `None` if the kernel was not yet asked for the route.
    pub(super) fn resolve(&self, pair: &Pair) -> Option<Resolution> {
        let Some(path) = self.paths.get(pair) else {
            return (self.paths.len() >= MOST_PATHS).then_some(Resolution::Unreachable);
        };
        // Read first: a line of memory that all workers write is slow.
        if !path.is_used.load(Ordering::Relaxed) {
            path.is_used.store(true, Ordering::Relaxed);
        }
        Some(self.follow(path.route))
    }

    fn follow(&self, route: Route) -> Resolution {
        let Route::Over { hop, mtu } = route else { return Resolution::Unreachable };
        let Some(link) = self.links.get(&hop.interface).filter(|link| link.is_up) else {
            return Resolution::Unreachable;
        };
        let (ifindex, vlan) = match link.medium {
            Medium::Ethernet => (hop.interface, None),
            Medium::Tagged { parent, vlan } => (parent, Some(vlan)),
            Medium::Loopback => {
                let header = LinkHeader::default();
                let mtu = mtu.unwrap_or(link.mtu).min(link.mtu);
                return Resolution::Ready(NextHop { ifindex: hop.interface, link: header, mtu });
            }
            Medium::Other => return Resolution::Unreachable,
        };
        if vlan.is_some() && !self.carries_tags(ifindex) {
            return Resolution::Unreachable;
        }
        match self.neighbours.get(&hop) {
            Some(Neighbour::Known { address, .. }) => {
                let header = LinkHeader { source: link.address, destination: *address, vlan };
                let mtu = mtu.unwrap_or(link.mtu).min(link.mtu);
                Resolution::Ready(NextHop { ifindex, link: header, mtu })
            }
            Some(Neighbour::Silent) => Resolution::Unreachable,
            Some(Neighbour::Asked) | None => Resolution::Pending,
        }
    }

    /// The interface below a VLAN device.
    pub(super) fn parent(&self, interface: u32) -> Option<u32> {
        match self.links.get(&interface)?.medium {
            Medium::Tagged { parent, .. } => Some(parent),
            Medium::Ethernet | Medium::Loopback | Medium::Other => None,
        }
    }

    /// The tag of a VLAN device.
    pub(super) fn tag(&self, interface: u32) -> Option<u16> {
        match self.links.get(&interface)?.medium {
            Medium::Tagged { vlan, .. } => Some(vlan),
            Medium::Ethernet | Medium::Loopback | Medium::Other => None,
        }
    }

    /// One tag is what a frame of ours has room for.
    fn carries_tags(&self, interface: u32) -> bool {
        let parent = self.links.get(&interface);
        parent.is_some_and(|link| link.is_up && link.medium == Medium::Ethernet)
    }

    /// Takes in what the kernel tells.
    pub(super) fn apply(&mut self, event: Event) -> Outcome {
        match event {
            Event::Link(index, link) => {
                let before = match link {
                    Some(link) => self.links.insert(index, link),
                    None => self.links.remove(&index),
                };
                let differs = before != link;
                // Routes go with their interface, and not all of them are told.
                Outcome { changed: differs && before.is_some(), routes: differs, ask: None }
            }
            Event::Neighbour(hop, neighbour) => self.apply_neighbour(hop, neighbour),
            Event::Routes => Outcome { routes: true, ..Outcome::default() },
        }
    }

    fn apply_neighbour(&mut self, hop: Hop, neighbour: Option<Neighbour>) -> Outcome {
        let before = match neighbour {
            Some(neighbour) => self.neighbours.insert(hop, neighbour),
            None => self.neighbours.remove(&hop),
        };
        let Some(source) = self.hops.get(&hop) else { return Outcome::default() };
        let changed = address(before).is_some() && address(before) != address(neighbour);
        let ask = needs_asking(neighbour).then_some((hop, *source));
        // One that does not answer waits for the next second.
        let ask = ask.filter(|_| neighbour != Some(Neighbour::Silent));
        Outcome { changed, routes: false, ask }
    }

    /// Notes the route of a pair.
    pub(super) fn set_route(&mut self, pair: Pair, route: Route) -> Outcome {
        let mut ask = None;
        if let Route::Over { hop, .. } = route {
            let is_new = self.hops.insert(hop, pair.source).is_none();
            if is_new && self.is_asked_for(&hop) && needs_asking(self.neighbours.get(&hop).copied())
            {
                ask = Some((hop, pair.source));
            }
        }
        let changed = match self.paths.get_mut(&pair) {
            Some(path) => std::mem::replace(&mut path.route, route) != route,
            None => {
                if self.paths.len() < MOST_PATHS {
                    self.paths.insert(pair, Path { route, is_used: AtomicBool::new(true) });
                }
                false
            }
        };
        Outcome { changed, routes: false, ask }
    }

    /// The pairs whose routes are in use.
    pub(super) fn pairs(&self) -> Vec<Pair> {
        self.paths.keys().copied().collect()
    }

    /// Neighbours in use to be asked for: those unknown, silent, or not heard of for some time;
    /// with an address of ours, and whether their link address is known.
    pub(super) fn to_ask(&self) -> Vec<(Hop, IpAddr, bool)> {
        let wanted = self.hops.iter().filter(|(hop, _)| {
            self.is_asked_for(hop) && needs_asking(self.neighbours.get(hop).copied())
        });
        let is_known = |hop| address(self.neighbours.get(hop).copied()).is_some();
        wanted.map(|(hop, source)| (*hop, *source, is_known(hop))).collect()
    }

    /// Whether the interface is one on which neighbours are asked for.
    fn is_asked_for(&self, hop: &Hop) -> bool {
        self.links.get(&hop.interface).is_some_and(|link| {
            link.is_up && matches!(link.medium, Medium::Ethernet | Medium::Tagged { .. })
        })
    }

    /// Forgets the paths that nobody used since the last sweep; tells whether any are left, whose
    /// users must show themselves before the next.
    pub(super) fn sweep(&mut self) -> bool {
        self.paths.retain(|_, path| path.is_used.swap(false, Ordering::Relaxed));
        self.hops = self
            .paths
            .iter()
            .filter_map(|(pair, path)| match path.route {
                Route::Over { hop, .. } => Some((hop, pair.source)),
                Route::None => None,
            })
            .collect();
        !self.paths.is_empty()
    }

    /// Forgets links and neighbours, before they are read anew.
    pub(super) fn forget(&mut self) {
        self.links.clear();
        self.neighbours.clear();
    }
}

fn address(neighbour: Option<Neighbour>) -> Option<[u8; 6]> {
    match neighbour {
        Some(Neighbour::Known { address, .. }) => Some(address),
        Some(Neighbour::Asked | Neighbour::Silent) | None => None,
    }
}

fn needs_asking(neighbour: Option<Neighbour>) -> bool {
    match neighbour {
        Some(Neighbour::Known { stale, .. }) => stale,
        Some(Neighbour::Asked) => false,
        Some(Neighbour::Silent) | None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ETHERNET: Link =
        Link { medium: Medium::Ethernet, address: [2, 0, 0, 0, 0, 1], mtu: 1_500, is_up: true };
    const FAR: [u8; 6] = [2, 0, 0, 0, 0, 2];

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn pair() -> Pair {
        Pair { destination: ip("192.0.2.2"), source: ip("192.0.2.1") }
    }

    fn hop(interface: u32) -> Hop {
        Hop { interface, address: ip("192.0.2.2") }
    }

    /// Interface 2 is Ethernet, 3 a VLAN device with tag 100 on it; the pair goes over `interface`.
    fn table(interface: u32) -> Table {
        let mut table = Table::default();
        let _ = table.apply(Event::Link(2, Some(ETHERNET)));
        let medium = Medium::Tagged { parent: 2, vlan: 100 };
        let _ = table.apply(Event::Link(3, Some(Link { medium, mtu: 1_400, ..ETHERNET })));
        let _ = table.set_route(pair(), Route::Over { hop: hop(interface), mtu: None });
        table
    }

    fn known(stale: bool) -> Option<Neighbour> {
        Some(Neighbour::Known { address: FAR, stale })
    }

    #[test]
    fn over_a_vlan_device_frames_are_tagged_and_leave_through_the_interface_below() {
        let mut table = table(3);
        assert_eq!(table.resolve(&pair()), Some(Resolution::Pending));
        let _ = table.apply(Event::Neighbour(hop(3), known(false)));
        let link = LinkHeader { source: ETHERNET.address, destination: FAR, vlan: Some(100) };
        let expected = Resolution::Ready(NextHop { ifindex: 2, link, mtu: 1_400 });
        assert_eq!(table.resolve(&pair()), Some(expected));

        let outcome = table.apply(Event::Link(2, Some(Link { is_up: false, ..ETHERNET })));
        assert!(outcome.changed && outcome.routes);
        assert_eq!(table.resolve(&pair()), Some(Resolution::Unreachable));
        let twice = Medium::Tagged { parent: 9, vlan: 5 };
        let _ = table.apply(Event::Link(2, Some(Link { medium: twice, ..ETHERNET })));
        assert_eq!(table.resolve(&pair()), Some(Resolution::Unreachable), "two tags");
    }

    #[test]
    fn only_what_makes_an_answer_wrong_counts_as_a_change() {
        let mut table = table(2);
        let moved = Some(Neighbour::Known { address: [2, 0, 0, 0, 0, 9], stale: false });
        let events = [
            ("found", known(false), false),
            ("not heard of", known(true), false),
            ("another link address", moved, true),
            ("silent", Some(Neighbour::Silent), true),
            ("found again", known(false), false),
            ("gone", None, true),
        ];
        for (what, neighbour, changed) in events {
            let outcome = table.apply(Event::Neighbour(hop(2), neighbour));
            assert_eq!(outcome.changed, changed, "{what}");
            let stranger = Hop { interface: 2, address: ip("192.0.2.50") };
            let outcome = table.apply(Event::Neighbour(stranger, neighbour));
            assert_eq!(outcome, Outcome::default(), "{what}, a neighbour nobody uses");
        }
    }

    #[test]
    fn a_neighbour_in_use_is_asked_for_when_stale_or_gone_and_each_second_when_silent() {
        let mut table = table(2);
        assert_eq!(table.to_ask(), [(hop(2), pair().source, false)]);
        let events = [
            (known(false), false, false),
            (known(true), true, true),
            (Some(Neighbour::Asked), false, false),
            (Some(Neighbour::Silent), false, true),
            (None, true, true),
        ];
        for (neighbour, now, at_the_tick) in events {
            let outcome = table.apply(Event::Neighbour(hop(2), neighbour));
            assert_eq!(outcome.ask.is_some(), now, "{neighbour:?}");
            assert_eq!(!table.to_ask().is_empty(), at_the_tick, "{neighbour:?}");
        }
    }

    #[test]
    fn a_path_is_forgotten_when_nobody_used_it_between_two_sweeps() {
        let mut table = table(2);
        assert!(table.sweep(), "new ones stay");
        assert!(table.resolve(&pair()).is_some());
        assert!(table.sweep(), "used ones stay");
        assert!(!table.sweep());
        assert_eq!(table.resolve(&pair()), None);
        assert!(table.to_ask().is_empty());
    }
}
