//! Programs on interfaces.

use super::*;

#[test]
fn an_attached_program_takes_media_from_the_kernel_until_it_is_dropped() {
    let Some((near, far)) = pair() else { return };
    let interface = near.index("va");
    for (mode, got) in [
        (AttachMode::Generic, AttachedMode::Generic),
        (AttachMode::Native, AttachedMode::Native),
        (AttachMode::Auto, AttachedMode::Native),
    ] {
        let program = near.run(|| Program::load(&realms(None), 2).unwrap());
        let socket = near.run(xdp_socket);
        let attached = near.run(|| program.attach(interface, mode).unwrap());
        assert_eq!(attached.mode(), got);
        assert!(attached.native_refusal().is_none());
        assert!(arrives(&near, &far, 40_000), "{mode:?}: no socket yet");

        program.register(0, socket.as_fd()).unwrap();
        program.register(1, socket.as_fd()).unwrap();
        assert!(!arrives(&near, &far, 40_000), "{mode:?}: media");
        assert!(arrives(&near, &far, 39_000), "{mode:?}: another port");

        let second = near.run(|| program.attach(interface, mode).unwrap_err());
        assert_eq!(second.kind(), io::ErrorKind::ResourceBusy, "{second}");
        assert!(second.to_string().contains("another XDP program"), "{second}");
        drop(attached);
        assert!(arrives(&near, &far, 40_000), "{mode:?}: detached");
    }
}

#[test]
fn a_driver_without_xdp_gets_the_generic_mode_or_says_so() {
    let Some(namespace) = Namespace::new() else { return };
    let lo = namespace.index("lo");
    let program = Program::load(&realms(None), 1).unwrap();

    let native = namespace.run(|| program.attach(lo, AttachMode::Native).unwrap_err());
    assert!(native.to_string().contains("generic mode works"), "{native}");
    let auto = namespace.run(|| program.attach(lo, AttachMode::Auto).unwrap());
    assert_eq!(auto.mode(), AttachedMode::Generic);
    assert!(auto.native_refusal().is_some());
    let absent = namespace.run(|| program.attach(4_000, AttachMode::Auto).unwrap_err());
    assert!(absent.to_string().contains("no such interface"), "{absent}");
}
