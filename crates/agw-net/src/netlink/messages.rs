//! Netlink messages taken apart and put together.
#![expect(clippy::wildcard_enum_match_arm, reason = "foreign enums that grow with the kernel")]

use std::net::IpAddr;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage,
    NetlinkPayload,
};
use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    link::{
        InfoData, InfoKind, InfoVlan, LinkAttribute, LinkFlags, LinkInfo, LinkLayerType,
        LinkMessage, VlanProtocol,
    },
    neighbour::{
        NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
    },
    route::{RouteAddress, RouteAttribute, RouteMessage, RouteMetric, RouteType, RouteVia},
};

use super::table::{Event, Hop, Link, Medium, Neighbour, Pair, Route};

/// What a message of the kernel tells us, if anything.
pub(super) fn event(message: &RouteNetlinkMessage) -> Option<Event> {
    use RouteNetlinkMessage as Message;
    match message {
        // A bridge tells of its ports in the same words, but not of the interface.
        Message::NewLink(link) | Message::DelLink(link)
            if link.header.interface_family != AddressFamily::Unspec =>
        {
            None
        }
        Message::NewLink(link) => Some(Event::Link(link.header.index, Some(read_link(link)))),
        Message::DelLink(link) => Some(Event::Link(link.header.index, None)),
        Message::NewNeighbour(one) => Some(Event::Neighbour(read_hop(one)?, read_neighbour(one))),
        Message::DelNeighbour(one) => Some(Event::Neighbour(read_hop(one)?, None)),
        Message::NewRoute(_)
        | Message::DelRoute(_)
        | Message::NewAddress(_)
        | Message::DelAddress(_)
        | Message::NewRule(_)
        | Message::DelRule(_) => Some(Event::Routes),
        // Foreign, and none of our groups bring others.
        _ => None,
    }
}

fn read_link(message: &LinkMessage) -> Link {
    let mut address = None;
    let mut mtu = 0;
    let mut parent = None;
    let mut elsewhere = false;
    let mut info: &[LinkInfo] = &[];
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::Address(octets) => address = <[u8; 6]>::try_from(&octets[..]).ok(),
            LinkAttribute::Mtu(octets) => mtu = *octets,
            LinkAttribute::Link(index) => parent = Some(*index),
            LinkAttribute::LinkNetNsId(_) => elsewhere = true,
            LinkAttribute::LinkInfo(told) => info = told,
            _ => {}
        }
    }
    let is_vlan = info.contains(&LinkInfo::Kind(InfoKind::Vlan));
    let medium = match (message.header.link_layer_type, address) {
        (LinkLayerType::Loopback, _) => Medium::Loopback,
        (LinkLayerType::Ether, Some(_)) if is_vlan => match (parent, read_tag(info)) {
            (Some(parent), Some(vlan)) if !elsewhere => Medium::Tagged { parent, vlan },
            _ => Medium::Other,
        },
        (LinkLayerType::Ether, Some(_)) => Medium::Ethernet,
        _ => Medium::Other,
    };
    let is_up = message.header.flags.contains(LinkFlags::Up | LinkFlags::Running);
    Link { medium, address: address.unwrap_or_default(), mtu, is_up }
}

/// The identifier of an IEEE 802.1Q tag; none for a provider's.
fn read_tag(info: &[LinkInfo]) -> Option<u16> {
    let data = info.iter().find_map(|one| match one {
        LinkInfo::Data(InfoData::Vlan(data)) => Some(data),
        _ => None,
    })?;
    let is_foreign = |one: &InfoVlan| *one == InfoVlan::Protocol(VlanProtocol::Ieee8021Ad);
    if data.iter().any(is_foreign) {
        return None;
    }
    data.iter().find_map(|one| match one {
        InfoVlan::Id(id) => Some(*id),
        _ => None,
    })
}

fn read_hop(message: &NeighbourMessage) -> Option<Hop> {
    let address = message.attributes.iter().find_map(|attribute| match attribute {
        NeighbourAttribute::Destination(NeighbourAddress::Inet(v4)) => Some(IpAddr::V4(*v4)),
        NeighbourAttribute::Destination(NeighbourAddress::Inet6(v6)) => Some(IpAddr::V6(*v6)),
        _ => None,
    })?;
    // A bridge or tunnel tells of its forwarding table in the same words.
    if !matches!(message.header.family, AddressFamily::Inet | AddressFamily::Inet6) {
        return None;
    }
    // Proxied addresses are ours to answer for, not neighbours.
    let is_proxy = message.header.flags.contains(NeighbourFlags::Proxy);
    (!is_proxy).then_some(Hop { interface: message.header.ifindex, address })
}

fn read_neighbour(message: &NeighbourMessage) -> Option<Neighbour> {
    let address = message.attributes.iter().find_map(|attribute| match attribute {
        NeighbourAttribute::LinkLayerAddress(octets) => <[u8; 6]>::try_from(&octets[..]).ok(),
        _ => None,
    });
    let known = |stale| address.map(|address| Neighbour::Known { address, stale });
    match message.header.state {
        NeighbourState::Incomplete => Some(Neighbour::Asked),
        NeighbourState::Failed => Some(Neighbour::Silent),
        NeighbourState::Stale => known(true),
        NeighbourState::Reachable
        | NeighbourState::Delay
        | NeighbourState::Probe
        | NeighbourState::Noarp
        | NeighbourState::Permanent => known(false),
        _ => None,
    }
}

/// What the kernel answered to [`ask_route`].
pub(super) fn route(pair: &Pair, message: &RouteMessage) -> Route {
    if !matches!(message.header.kind, RouteType::Unicast | RouteType::Local) {
        return Route::None;
    }
    let mut interface = None;
    let mut address = pair.destination;
    let mut mtu = None;
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Oif(index) => interface = Some(*index),
            RouteAttribute::Gateway(RouteAddress::Inet(v4))
            | RouteAttribute::Via(RouteVia::Inet(v4)) => address = IpAddr::V4(*v4),
            RouteAttribute::Gateway(RouteAddress::Inet6(v6))
            | RouteAttribute::Via(RouteVia::Inet6(v6)) => address = IpAddr::V6(*v6),
            RouteAttribute::Metrics(metrics) => {
                mtu = metrics.iter().find_map(|metric| match metric {
                    RouteMetric::Mtu(octets) => Some(*octets),
                    _ => None,
                });
            }
            _ => {}
        }
    }
    match interface {
        Some(interface) => Route::Over { hop: Hop { interface, address }, mtu },
        None => Route::None,
    }
}

/// Asks which way a pair's datagrams go.
pub(super) fn ask_route(pair: &Pair) -> NetlinkMessage<RouteNetlinkMessage> {
    let mut message = RouteMessage::default();
    let bits = if pair.destination.is_ipv4() { 32 } else { 128 };
    message.header.address_family = family(pair.destination);
    message.header.destination_prefix_length = bits;
    message.header.source_prefix_length = bits;
    message.attributes = vec![
        RouteAttribute::Destination(pair.destination.into()),
        RouteAttribute::Source(pair.source.into()),
    ];
    request(RouteNetlinkMessage::GetRoute(message), NLM_F_REQUEST)
}

/// Has the kernel ask for a neighbour, or make sure of it, as if it had a packet for it.
pub(super) fn ask_neighbour(hop: &Hop) -> NetlinkMessage<RouteNetlinkMessage> {
    let mut message = NeighbourMessage::default();
    message.header.family = family(hop.address);
    message.header.ifindex = hop.interface;
    message.header.flags = NeighbourFlags::Use;
    let address = match hop.address {
        IpAddr::V4(v4) => NeighbourAddress::Inet(v4),
        IpAddr::V6(v6) => NeighbourAddress::Inet6(v6),
    };
    message.attributes = vec![NeighbourAttribute::Destination(address)];
    let flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_ACK;
    request(RouteNetlinkMessage::NewNeighbour(message), flags)
}

/// Asks for all interfaces.
pub(super) fn list_links() -> NetlinkMessage<RouteNetlinkMessage> {
    let message = RouteNetlinkMessage::GetLink(LinkMessage::default());
    request(message, NLM_F_REQUEST | NLM_F_DUMP)
}

/// Asks for all neighbours.
pub(super) fn list_neighbours() -> NetlinkMessage<RouteNetlinkMessage> {
    let message = RouteNetlinkMessage::GetNeighbour(NeighbourMessage::default());
    request(message, NLM_F_REQUEST | NLM_F_DUMP)
}

fn request(message: RouteNetlinkMessage, flags: u16) -> NetlinkMessage<RouteNetlinkMessage> {
    let mut header = NetlinkHeader::default();
    header.flags = flags;
    NetlinkMessage::new(header, NetlinkPayload::InnerMessage(message))
}

fn family(address: IpAddr) -> AddressFamily {
    if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the kernel tells of a VLAN device, through octets and back.
    fn told(protocol: VlanProtocol, elsewhere: bool) -> Event {
        let mut link = LinkMessage::default();
        link.header.index = 3;
        link.header.link_layer_type = LinkLayerType::Ether;
        link.header.flags = LinkFlags::Up | LinkFlags::Running;
        let data = InfoData::Vlan(vec![InfoVlan::Protocol(protocol), InfoVlan::Id(100)]);
        link.attributes = vec![
            LinkAttribute::Address(vec![2, 0, 0, 0, 0, 1]),
            LinkAttribute::Mtu(1_500),
            LinkAttribute::Link(2),
            LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Vlan), LinkInfo::Data(data)]),
        ];
        if elsewhere {
            link.attributes.push(LinkAttribute::LinkNetNsId(0));
        }
        event(&through_octets(RouteNetlinkMessage::NewLink(link))).unwrap()
    }

    fn through_octets(message: RouteNetlinkMessage) -> RouteNetlinkMessage {
        let mut message = request(message, 0);
        message.finalize();
        let mut octets = vec![0; message.buffer_len()];
        message.serialize(&mut octets);
        let read = NetlinkMessage::<RouteNetlinkMessage>::deserialize(&octets).unwrap();
        let NetlinkPayload::InnerMessage(inner) = read.payload else { panic!("not a message") };
        inner
    }

    #[test]
    fn what_a_bridge_tells_of_its_ports_and_neighbours_says_nothing_about_ours() {
        let mut link = LinkMessage::default();
        link.header.index = 3;
        let mut one = NeighbourMessage::default();
        one.attributes = vec![
            NeighbourAttribute::Destination(NeighbourAddress::Inet([192, 0, 2, 2].into())),
            NeighbourAttribute::LinkLayerAddress(vec![2, 0, 0, 0, 0, 9]),
        ];
        for (of_link, of_neighbour, is_ours) in [
            (AddressFamily::Unspec, AddressFamily::Inet, true),
            (AddressFamily::Bridge, AddressFamily::Bridge, false),
        ] {
            link.header.interface_family = of_link;
            one.header.family = of_neighbour;
            for message in [
                RouteNetlinkMessage::NewLink(link.clone()),
                RouteNetlinkMessage::DelLink(link.clone()),
                RouteNetlinkMessage::NewNeighbour(one.clone()),
                RouteNetlinkMessage::DelNeighbour(one.clone()),
            ] {
                assert_eq!(event(&through_octets(message)).is_some(), is_ours);
            }
        }
    }

    #[test]
    fn a_vlan_device_is_its_tag_on_the_interface_below() {
        let link = |medium| {
            let address = [2, 0, 0, 0, 0, 1];
            Event::Link(3, Some(Link { medium, address, mtu: 1_500, is_up: true }))
        };
        let tagged = link(Medium::Tagged { parent: 2, vlan: 100 });
        assert_eq!(told(VlanProtocol::Ieee8021Q, false), tagged);
        assert_eq!(told(VlanProtocol::Ieee8021Q, true), link(Medium::Other));
        assert_eq!(told(VlanProtocol::Ieee8021Ad, false), link(Medium::Other));
    }
}
