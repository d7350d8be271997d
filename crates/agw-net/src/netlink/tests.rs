//! With the kernel, in network namespaces of their own.

use std::{
    fs,
    time::{Duration, Instant},
};

use super::*;
use crate::{
    keep_capabilities,
    testing::{Namespace, command},
};

const NEAR: [u8; 6] = [2, 0, 0, 0, 0, 1];
const FAR: [u8; 6] = [2, 0, 0, 0, 0, 2];

/// `va` with 192.0.2.1 and 2001:db8::1 here, `vb` with .2 and ::2 at its other end.
fn pair() -> Option<(Namespace, Namespace)> {
    let (near, far) = (Namespace::new()?, Namespace::new()?);
    near.connect("va", &far, "vb", 1);
    near.ip("link set va address 02:00:00:00:00:01");
    far.ip("link set vb address 02:00:00:00:00:02");
    for (namespace, device, host) in [(&near, "va", 1), (&far, "vb", 2)] {
        namespace.ip(&format!("addr add 192.0.2.{host}/24 dev {device}"));
        namespace.ip(&format!("addr add 2001:db8::{host}/64 dev {device} nodad"));
    }
    Some((near, far))
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn start(namespace: &Namespace) -> NextHops {
    namespace.run(|| NextHops::start().unwrap())
}

/// Asks until the answer is as wanted; long is the wait only if it never is.
fn until(
    hops: &NextHops,
    destination: &str,
    source: &str,
    wanted: impl Fn(Resolution) -> bool,
) -> Resolution {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let found = hops.resolve(ip(destination), ip(source));
        if wanted(found) {
            return found;
        }
        assert!(Instant::now() < deadline, "{destination}: still {found:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn ready(hops: &NextHops, destination: &str, source: &str) -> NextHop {
    let found = until(hops, destination, source, |found| matches!(found, Resolution::Ready(_)));
    let Resolution::Ready(hop) = found else { unreachable!() };
    hop
}

fn unreachable(hops: &NextHops, destination: &str, source: &str) {
    until(hops, destination, source, |found| found == Resolution::Unreachable);
}

#[test]
fn an_address_of_this_host_is_on_the_loopback_without_link_addresses() {
    let Some(namespace) = Namespace::new() else { return };
    let hops = start(&namespace);
    for address in ["127.0.0.1", "::1"] {
        let hop = ready(&hops, address, address);
        let expected =
            NextHop { ifindex: namespace.index("lo"), link: LinkHeader::default(), mtu: 65_536 };
        assert_eq!(hop, expected, "{address}");
    }
}

#[test]
fn a_neighbour_that_nobody_asked_for_yet_is_asked_for_over_both_families() {
    let Some((near, _far)) = pair() else { return };
    let hops = start(&near);
    for (destination, source) in [("192.0.2.2", "192.0.2.1"), ("2001:db8::2", "2001:db8::1")] {
        assert_eq!(hops.resolve(ip(destination), ip(source)), Resolution::Pending);
        let hop = ready(&hops, destination, source);
        let link = LinkHeader { source: NEAR, destination: FAR, vlan: None };
        assert_eq!(hop, NextHop { ifindex: near.index("va"), link, mtu: 1_500 });
    }
}

#[test]
fn without_the_privilege_the_kernel_is_made_to_ask() {
    let Some((near, _far)) = pair() else { return };
    let hops = near.run(|| {
        keep_capabilities(&[]).unwrap();
        NextHops::start().unwrap()
    });
    for (destination, source) in [("192.0.2.2", "192.0.2.1"), ("2001:db8::2", "2001:db8::1")] {
        assert_eq!(ready(&hops, destination, source).link.destination, FAR);
    }
}

#[test]
fn behind_a_gateway_the_gateway_is_the_neighbour_and_the_route_has_a_say_in_the_mtu() {
    let Some((near, _far)) = pair() else { return };
    let hops = start(&near);
    unreachable(&hops, "198.51.100.7", "192.0.2.1");
    unreachable(&hops, "2001:db8:7::7", "2001:db8::1");

    near.ip("route add 198.51.100.0/24 via 192.0.2.2 mtu 1300");
    near.ip("-6 route add 2001:db8:7::/48 via 2001:db8::2");
    let hop = ready(&hops, "198.51.100.7", "192.0.2.1");
    assert_eq!((hop.link.destination, hop.mtu), (FAR, 1_300));
    let hop = ready(&hops, "2001:db8:7::7", "2001:db8::1");
    assert_eq!((hop.link.destination, hop.mtu), (FAR, 1_500));
}

#[test]
fn a_route_that_moves_is_followed_and_the_generation_tells() {
    let Some((near, far)) = pair() else { return };
    near.connect("va2", &far, "vb2", 1);
    near.ip("addr add 192.0.3.1/24 dev va2");
    far.ip("addr add 192.0.3.2/24 dev vb2");
    near.ip("route add 198.51.100.0/24 via 192.0.2.2");
    let hops = start(&near);
    assert_eq!(ready(&hops, "198.51.100.7", "192.0.2.1").ifindex, near.index("va"));

    let before = hops.generation();
    near.ip("route replace 198.51.100.0/24 via 192.0.3.2");
    let other = near.index("va2");
    until(
        &hops,
        "198.51.100.7",
        "192.0.2.1",
        |found| matches!(found, Resolution::Ready(hop) if hop.ifindex == other),
    );
    assert!(hops.generation() > before);
}

#[test]
fn a_neighbour_with_a_new_link_address_is_followed_and_the_generation_tells() {
    let Some((near, _far)) = pair() else { return };
    let hops = start(&near);
    ready(&hops, "192.0.2.2", "192.0.2.1");
    let before = hops.generation();
    near.ip("neigh replace 192.0.2.2 lladdr 02:00:00:00:00:09 dev va nud reachable");
    until(
        &hops,
        "192.0.2.2",
        "192.0.2.1",
        |found| matches!(found, Resolution::Ready(hop) if hop.link.destination == [2, 0, 0, 0, 0, 9]),
    );
    assert!(hops.generation() > before);
}

#[test]
fn new_destinations_and_new_neighbours_leave_the_generation_alone() {
    let Some((near, far)) = pair() else { return };
    far.ip("addr add 192.0.2.3/24 dev vb");
    let hops = start(&near);
    ready(&hops, "192.0.2.2", "192.0.2.1");
    let before = hops.generation();
    ready(&hops, "192.0.2.3", "192.0.2.1");
    ready(&hops, "2001:db8::2", "2001:db8::1");
    assert_eq!(hops.generation(), before);
}

#[test]
fn an_interface_that_goes_down_is_unreachable_until_it_is_up_again_with_its_new_mtu() {
    let Some((near, _far)) = pair() else { return };
    let hops = start(&near);
    ready(&hops, "192.0.2.2", "192.0.2.1");
    let before = hops.generation();

    near.ip("link set va down");
    unreachable(&hops, "192.0.2.2", "192.0.2.1");
    assert!(hops.generation() > before);
    near.ip("link set va mtu 1400");
    near.ip("link set va up");
    assert_eq!(ready(&hops, "192.0.2.2", "192.0.2.1").mtu, 1_400);

    near.ip("link del va");
    unreachable(&hops, "192.0.2.2", "192.0.2.1");
}

#[test]
fn a_neighbour_that_does_not_answer_is_unreachable_and_found_when_it_comes() {
    let Some((near, far)) = pair() else { return };
    let hops = start(&near);
    unreachable(&hops, "192.0.2.77", "192.0.2.1");
    far.ip("addr add 192.0.2.77/24 dev vb");
    assert_eq!(ready(&hops, "192.0.2.77", "192.0.2.1").link.destination, FAR);
}

#[test]
fn a_source_that_is_not_ours_leads_nowhere() {
    let Some((near, _far)) = pair() else { return };
    let hops = start(&near);
    unreachable(&hops, "192.0.2.2", "192.0.2.99");
    near.ip("addr add 192.0.2.99/24 dev va");
    ready(&hops, "192.0.2.2", "192.0.2.99");
}

#[test]
fn a_neighbour_in_use_is_made_sure_of_when_the_kernel_has_not_heard_of_it_for_some_time() {
    let Some((near, _far)) = pair() else { return };
    let hops = start(&near);
    ready(&hops, "192.0.2.2", "192.0.2.1");
    // The kernel sees no traffic of ours: what happens to every neighbour after half a minute.
    near.run(|| fs::write("/proc/sys/net/ipv4/neigh/va/delay_first_probe_time", "0").unwrap());
    near.ip("neigh change 192.0.2.2 dev va nud stale");
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let told = near.run(|| command("ip", "neigh show 192.0.2.2 dev va"));
        if told.contains("REACHABLE") {
            break;
        }
        assert!(Instant::now() < deadline, "{told}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn when_more_changed_than_was_heard_the_newest_of_it_counts() {
    let Some((near, _far)) = pair() else { return };
    let (mut watch, shared) = near.run(|| Watch::new().unwrap());
    let replace = |address: &str| {
        near.ip(&format!("neigh replace 192.0.2.2 lladdr {address} dev va nud permanent"));
    };
    let pair = Pair { destination: ip("192.0.2.2"), source: ip("192.0.2.1") };
    shared.wanted().insert(pair);
    watch.step();

    replace("02:00:00:00:00:08");
    // More than the listener has room for.
    let one = |n: u32| {
        let (address, mac) = (n % 200 + 1, n / 200 % 250);
        format!(
            "neigh replace 198.18.0.{address} lladdr 02:00:00:00:01:{mac:02x} dev va nud permanent\n"
        )
    };
    let flood: String = (0..40_000).map(one).collect();
    let path = std::env::temp_dir().join(format!("agw-net-flood-{}", std::process::id()));
    fs::write(&path, flood).unwrap();
    near.run(|| command("ip", &format!("-batch {}", path.display())));
    fs::remove_file(&path).unwrap();
    replace("02:00:00:00:00:09");
    let before = shared.generation.load(Ordering::Acquire);
    for _ in 0..5 {
        watch.step();
    }

    assert!(shared.generation.load(Ordering::Acquire) > before, "nothing was lost");
    let Some(Resolution::Ready(hop)) = shared.read().resolve(&pair) else { panic!("no way") };
    assert_eq!(hop.link.destination, [2, 0, 0, 0, 0, 9]);
}

#[test]
fn a_next_hop_that_is_replaced_under_its_routes_is_heard_of() {
    let Some((near, _far)) = pair() else { return };
    // What routers set, so as not to be told of a thousand routes for one next hop.
    near.run(|| fs::write("/proc/sys/net/ipv4/nexthop_compat_mode", "0").unwrap());
    let listener = near.run(|| socket::Listener::new().unwrap());
    for change in ["add id 7 via 192.0.2.2", "replace id 7 via 192.0.2.3"] {
        while !matches!(listener.hear(), socket::Heard::Nothing) {}
        near.ip(&format!("nexthop {change} dev va"));
        let heard = std::iter::from_fn(|| match listener.hear() {
            socket::Heard::Messages { next_hops, .. } => Some(next_hops),
            socket::Heard::Nothing | socket::Heard::Lost => None,
        });
        assert!(heard.collect::<Vec<_>>().contains(&true), "{change}");
    }
}

#[test]
fn a_new_destination_does_not_wait_until_all_routes_are_asked_for_again() {
    let Some((near, _far)) = pair() else { return };
    let (mut watch, shared) = near.run(|| Watch::new().unwrap());
    let source = ip("192.0.2.1");
    shared.wanted().insert(Pair { destination: ip("192.0.2.2"), source });
    watch.step();

    let new = Pair { destination: ip("192.0.2.3"), source };
    shared.wanted().insert(new);
    watch.refresh();

    assert_eq!(shared.read().resolve(&new), Some(Resolution::Pending));
}
