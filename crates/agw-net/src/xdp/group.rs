//! Opens the `xdp` backend of all workers at once.

use std::{
    io,
    os::fd::AsFd,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use super::{
    addresses::{Owners, WORKERS},
    handover::{Mailbox, Sleepers},
    held::HELD,
    options::{XdpInterface, XdpMode, XdpOptions},
    socket::{Binding, XdpSocket},
    sys,
    umem::Umem,
    worker::{Queue, Shared, XdpWorker},
};
use crate::{
    arena::FRAME,
    batch::BATCH,
    netlink::NextHops,
    program::{AttachMode, Attached, AttachedMode, Program, RealmFilter},
    table::Table,
};

/// The shares of all workers in one `xdp` backend. They need each other: a call's packets may
/// arrive at any worker's queue.
///
/// The programs are taken off the interfaces when the last share is dropped, and with the process
/// however it ends.
pub struct XdpGroup {
    /// One share for each worker, in order.
    pub workers: Vec<XdpWorker>,
    /// What was got of each interface.
    pub interfaces: Vec<XdpInterface>,
}

/// An interface on the way to being used.
pub(super) struct Device {
    index: u32,
    name: String,
    receive_queues: u32,
    filters: Vec<RealmFilter>,
}

impl XdpGroup {
    /// Opens the sockets of `workers` workers, then attaches the programs.
    ///
    /// It takes the capabilities CAP_NET_RAW (sockets), CAP_BPF and CAP_NET_ADMIN (program) and a
    /// locked-memory limit that covers the rings; none of them is needed afterwards.
    ///
    /// # Errors
    /// With what to do about it: `InvalidInput` for options that make no sense or more workers
    /// than an interface has queues; else the kernel's. Nothing stays open or attached.
    pub fn open(options: &XdpOptions, workers: usize) -> io::Result<Self> {
        check(options, workers)?;
        let next_hops = NextHops::start()?;
        let devices = devices(options, workers, &next_hops)?;
        let shares = open_sockets(options, workers, &devices)?;
        let (programs, interfaces) = attach_all(options, &devices, &shares)?;
        let addresses = options.realms.iter().map(|realm| (realm.address, realm.ports.clone()));
        let owners = Owners::new(addresses);
        let sleepers = Sleepers::new(workers);
        let shared = Arc::new(Shared { owners, sleepers, next_hops, _programs: programs });
        let mailboxes = Mailbox::of(workers);
        let workers = shares.into_iter().zip(mailboxes).enumerate();
        let workers = workers
            .map(|(index, (Share { queues, umem }, mailbox))| XdpWorker {
                index,
                held: XdpWorker::room_to_hold(),
                late: Vec::with_capacity(queues.iter().map(|queue| queue.sending.len()).sum()),
                queues,
                umem,
                ports: Table::new(),
                tokens: shared.owners.tokens(),
                mailbox,
                turn: 0,
                taken: 0,
                identification: 0,
                rounds: 0,
                shared: Arc::clone(&shared),
            })
            .collect();
        Ok(Self { workers, interfaces })
    }

    /// How many workers an interface can have: the smaller number of its receive and transmit
    /// queues in use.
    ///
    /// # Errors
    /// `NotFound`, or the kernel's.
    pub fn most_workers(interface: &str) -> io::Result<usize> {
        sys::interface_index(interface)?;
        let (receive, transmit) = sys::queues(interface)?;
        Ok(receive.min(transmit) as usize)
    }
}

/// One worker's memory and sockets.
pub(super) struct Share {
    // Before the memory they use.
    pub(super) queues: Vec<Queue>,
    pub(super) umem: Umem,
}

/// A program at work on an interface: taken off when this is dropped.
pub(super) struct AtWork {
    _attached: Attached,
    _program: Program,
}

pub(super) fn check(options: &XdpOptions, workers: usize) -> io::Result<()> {
    let invalid = |text: String| Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    if options.realms.is_empty() {
        return invalid("the xdp backend has no realm".to_owned());
    }
    if !options.ring.is_power_of_two() || !(64..=32_768).contains(&options.ring) {
        return invalid(format!("a ring of {} entries: take a power of two", options.ring));
    }
    if !(1..=WORKERS).contains(&workers) {
        return invalid(format!("{workers} workers: the xdp backend has 1 to {WORKERS}"));
    }
    Ok(())
}

/// The interfaces of the realms, each once with the filters of all its realms.
pub(super) fn devices(
    options: &XdpOptions,
    workers: usize,
    next_hops: &NextHops,
) -> io::Result<Vec<Device>> {
    let mut devices: Vec<Device> = Vec::new();
    for realm in &options.realms {
        let named = sys::interface_index(&realm.device)?;
        let index = next_hops.lower(named).unwrap_or(named);
        let (ports, vlan) = (realm.ports.clone(), next_hops.tag(named));
        let filter = RealmFilter { address: realm.address, ports, vlan };
        if let Some(known) = devices.iter_mut().find(|known| known.index == index) {
            known.filters.push(filter);
            continue;
        }
        let name = sys::interface_name(index)?;
        let (receive_queues, transmit_queues) = sys::queues(&name)?;
        let most = receive_queues.min(transmit_queues);
        if workers > most as usize {
            let text = format!(
                "{name} has {most} queues in use, too few for {workers} workers: configure at \
                 most {most} workers, or more queues (`ethtool -L {name} combined {workers}`)"
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        devices.push(Device { index, name, receive_queues, filters: vec![filter] });
    }
    Ok(devices)
}

/// Opens the sockets of all workers in the best mode that is wanted and there.
pub(super) fn open_sockets(
    options: &XdpOptions,
    workers: usize,
    devices: &[Device],
) -> io::Result<Vec<Share>> {
    let zero_copy_possible = options.attach != AttachMode::Generic;
    let first = match options.mode {
        XdpMode::Auto if zero_copy_possible => XdpMode::ZeroCopy,
        XdpMode::Auto => XdpMode::Copy,
        wanted @ (XdpMode::ZeroCopy | XdpMode::Copy) => wanted,
    };
    match open_all(options, first, workers, devices) {
        Err(error) if options.mode == XdpMode::Auto && is_about_the_mode(&error) => {
            open_all(options, XdpMode::Copy, workers, devices)
        }
        other => other,
    }
}

fn open_all(
    options: &XdpOptions,
    mode: XdpMode,
    workers: usize,
    devices: &[Device],
) -> io::Result<Vec<Share>> {
    (0..workers).map(|worker| open_share(options, mode, worker, workers, devices)).collect()
}

/// Opens one worker's sockets over one memory, with frames to receive into.
fn open_share(
    options: &XdpOptions,
    mode: XdpMode,
    worker: usize,
    workers: usize,
    devices: &[Device],
) -> io::Result<Share> {
    let places = devices.iter().flat_map(|device| {
        (0..device.receive_queues).skip(worker).step_by(workers).map(move |queue| (device, queue))
    });
    let places: Vec<_> = places.collect();
    let frames = places.len() * 2 * options.ring as usize + 2 * BATCH + HELD;
    let mut umem = Umem::new(u32::try_from(frames).unwrap_or(u32::MAX))?;
    let mut queues: Vec<Queue> = Vec::with_capacity(places.len());
    for (device, queue) in places {
        let binding = Binding {
            interface: device.index,
            queue,
            ring: options.ring,
            mode,
            busy_poll: options.busy_poll,
        };
        let shared = queues.first().map(|first| first.socket.as_fd());
        let socket = patiently(|| XdpSocket::open(&umem, binding, shared));
        let mut socket = socket.map_err(|error| explained(&error, device, queue, frames))?;
        socket.refill(&mut umem, BATCH);
        queues.push(Queue::new(socket));
    }
    Ok(Share { queues, umem })
}

/// Tries again for a while if a queue is busy: the kernel gives the queues of a socket that was
/// closed, or of a process that was killed, back a little later.
fn patiently<T>(mut open: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let end = Instant::now() + Duration::from_secs(1);
    loop {
        match open() {
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) && Instant::now() < end => {
                thread::sleep(Duration::from_millis(10));
            }
            other => return other,
        }
    }
}

/// Whether another mode may work.
fn is_about_the_mode(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::InvalidInput)
}

fn explained(error: &io::Error, device: &Device, queue: u32, frames: usize) -> io::Error {
    let name = &device.name;
    let octets = frames * FRAME;
    let advice = match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => "; it takes CAP_NET_RAW".to_owned(),
        Some(libc::ENOBUFS | libc::ENOMEM) => {
            format!("; it takes {octets} octets of locked memory a worker (LimitMEMLOCK=)")
        }
        Some(libc::EBUSY) => "; another program has this queue".to_owned(),
        Some(libc::EOPNOTSUPP) => "; the driver has no such mode".to_owned(),
        Some(libc::EAFNOSUPPORT) => "; this kernel has no AF_XDP".to_owned(),
        Some(_) | None => String::new(),
    };
    let kind = if error.raw_os_error() == Some(libc::EOPNOTSUPP) {
        io::ErrorKind::Unsupported
    } else {
        error.kind()
    };
    let text = format!("cannot open an AF_XDP socket on queue {queue} of {name}: {error}{advice}");
    io::Error::new(kind, text)
}

/// Puts the programs of all interfaces to work.
pub(super) fn attach_all(
    options: &XdpOptions,
    devices: &[Device],
    shares: &[Share],
) -> io::Result<(Vec<AtWork>, Vec<XdpInterface>)> {
    devices.iter().map(|device| attach(options.attach, device, shares)).collect()
}

/// Loads the program of an interface, gives it the sockets of its queues, and attaches it.
fn attach(
    mode: AttachMode,
    device: &Device,
    shares: &[Share],
) -> io::Result<(AtWork, XdpInterface)> {
    let Device { index, name, receive_queues, filters } = device;
    let program = Program::load(filters, *receive_queues)?;
    let mut zero_copy = false;
    for Queue { socket, .. } in shares.iter().flat_map(|share| &share.queues) {
        if socket.binding().interface == *index {
            program.register(socket.binding().queue, socket.as_fd())?;
            zero_copy = socket.is_zero_copy();
        }
    }
    // A generic program sees none of the frames that the device itself wrote.
    let mode = if zero_copy { AttachMode::Native } else { mode };
    let attached = program.attach(*index, mode)?;
    let interface = XdpInterface {
        name: name.clone(),
        queues: *receive_queues,
        attached: attached.mode(),
        native_refusal: attached.native_refusal().map(ToString::to_string),
        zero_copy,
    };
    debug_assert!(!zero_copy || interface.attached == AttachedMode::Native);
    Ok((AtWork { _attached: attached, _program: program }, interface))
}
