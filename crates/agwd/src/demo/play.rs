//! Playing the call: both sides speak and listen at the same time, paced as real ones are.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use super::endpoint::{Component, Endpoint};
use super::heard::Heard;
use super::script::{PACKETS_PER_SECOND, REPORT_AFTER, Script, due_ms};

/// How long the last packets may take.
const GRACE: Duration = Duration::from_secs(3);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Between the packets of one side and those of the other, in milliseconds.
const SIDES_APART_MS: u64 = 10;
/// Between a packet and the report after it, in milliseconds.
const REPORT_LATER_MS: u64 = 5;

/// One direction of the call.
pub(super) struct Path<'a> {
    pub(super) script: &'a Script,
    pub(super) from: &'a Endpoint,
    pub(super) to: &'a Endpoint,
    pub(super) rtp: Trace,
    pub(super) rtcp: Trace,
}

/// When each packet of one flow left, and how many arrived so far.
pub(super) struct Trace {
    /// Nanoseconds since `origin`, 0 for what has not left yet.
    left: Vec<AtomicU64>,
    origin: Instant,
    /// Packets that arrived.
    pub(super) arrived: AtomicU64,
}

/// What was heard over one direction.
pub(super) struct PathHeard {
    pub(super) rtp: Heard,
    pub(super) rtcp: Heard,
}

impl<'a> Path<'a> {
    /// A direction over which nothing has been sent yet.
    pub(super) fn new(script: &'a Script, from: &'a Endpoint, to: &'a Endpoint) -> Self {
        let (rtp, rtcp) = (Trace::new(script.packets()), Trace::new(script.reports()));
        Self { script, from, to, rtp, rtcp }
    }

    pub(super) const fn trace(&self, component: Component) -> &Trace {
        match component {
            Component::Rtp => &self.rtp,
            Component::Rtcp => &self.rtcp,
        }
    }

    fn send(&self, component: Component, number: u64) -> io::Result<()> {
        let packet = match component {
            Component::Rtp => self.script.packet(number),
            Component::Rtcp => self.script.report(number),
        };
        let left = self.from.send(component, packet)?;
        self.trace(component).leaves(number, left);
        Ok(())
    }

    fn is_over(&self) -> bool {
        [Component::Rtp, Component::Rtcp].map(|component| self.trace(component).is_over())
            == [true; 2]
    }

    fn listen(&self, component: Component, stop: &AtomicBool) -> io::Result<Heard> {
        let trace = self.trace(component);
        let mut heard = Heard::new(component, self.script);
        while !stop.load(Ordering::Relaxed) {
            let Some(arrival) = self.to.receive(component)? else { continue };
            if let Some(number) = heard.take(arrival.packet, self.script) {
                heard.took(trace.since_it_left(number, arrival.at));
                trace.arrived.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(heard)
    }
}

impl Trace {
    fn new(packets: u64) -> Self {
        let left = (0..packets).map(|_| AtomicU64::new(0)).collect();
        Self { left, origin: Instant::now(), arrived: AtomicU64::new(0) }
    }

    fn leaves(&self, number: u64, at: Instant) {
        if let Some(left) = usize::try_from(number).ok().and_then(|number| self.left.get(number)) {
            left.store(nanoseconds(at - self.origin), Ordering::Release);
        }
    }

    /// The time that a packet took; `None` if it has not been sent yet.
    fn since_it_left(&self, number: u64, at: Instant) -> Option<Duration> {
        let left = self.left.get(usize::try_from(number).ok()?)?;
        // The moment is written after the system call, which may return after the arrival.
        let deadline = Instant::now() + LOOK_EVERY;
        loop {
            match left.load(Ordering::Acquire) {
                0 if Instant::now() < deadline => thread::yield_now(),
                0 => return None,
                left => return (at - self.origin).checked_sub(Duration::from_nanos(left)),
            }
        }
    }

    fn is_over(&self) -> bool {
        self.arrived.load(Ordering::Relaxed) >= self.left.len() as u64
    }
}

/// Plays the whole script over both directions; `watch` is called again and again meanwhile.
///
/// # Errors
/// What the operating system says of the sockets of the two sides.
pub(super) fn play(paths: &[Path<'_>; 2], mut watch: impl FnMut()) -> io::Result<[PathHeard; 2]> {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let listen = |path, component| {
            let stop = &stop;
            scope.spawn(move || Path::listen(path, component, stop))
        };
        let listeners = paths
            .each_ref()
            .map(|path| [listen(path, Component::Rtp), listen(path, Component::Rtcp)]);
        let speaker = scope.spawn(|| speak(paths));
        while !speaker.is_finished() {
            watch();
            thread::sleep(LOOK_EVERY);
        }
        let deadline = Instant::now() + GRACE;
        while !paths.iter().all(Path::is_over) && Instant::now() < deadline {
            thread::sleep(LOOK_EVERY);
        }
        stop.store(true, Ordering::Relaxed);
        watch();
        let spoken = join(speaker);
        let [there, back] = listeners.map(|[rtp, rtcp]| {
            let (rtp, rtcp) = (join(rtp), join(rtcp));
            Ok::<_, io::Error>(PathHeard { rtp: rtp?, rtcp: rtcp? })
        });
        spoken.and(Ok([there?, back?]))
    })
}

/// Goes on speaking, from the packet after the last one, until told to stop; nobody listens.
///
/// # Errors
/// What the operating system says of the sockets of the two sides.
pub(super) fn go_on(paths: &[Path<'_>; 2], stop: &AtomicBool) -> io::Result<()> {
    let first = paths.iter().map(|path| path.script.packets()).max().unwrap_or_default();
    let start = Instant::now();
    (first..)
        .take_while(|_| !stop.load(Ordering::Relaxed))
        .try_for_each(|number| speak_once(paths, number, start, due_ms(number - first)))
}

fn speak(paths: &[Path<'_>; 2]) -> io::Result<()> {
    let packets = paths.iter().map(|path| path.script.packets()).max().unwrap_or_default();
    let start = Instant::now();
    (0..packets).try_for_each(|number| speak_once(paths, number, start, due_ms(number)))
}

fn speak_once(paths: &[Path<'_>; 2], number: u64, start: Instant, due_ms: u64) -> io::Result<()> {
    for (path, later) in paths.iter().zip([0, SIDES_APART_MS]) {
        sleep_until(start + Duration::from_millis(due_ms + later));
        path.send(Component::Rtp, number)?;
        if number % PACKETS_PER_SECOND == REPORT_AFTER {
            sleep_until(start + Duration::from_millis(due_ms + later + REPORT_LATER_MS));
            path.send(Component::Rtcp, number / PACKETS_PER_SECOND)?;
        }
    }
    Ok(())
}

fn sleep_until(moment: Instant) {
    thread::sleep(moment.saturating_duration_since(Instant::now()));
}

fn join<T>(thread: ScopedJoinHandle<'_, io::Result<T>>) -> io::Result<T> {
    thread.join().unwrap_or_else(|_| Err(io::Error::other("a thread of the demo panicked")))
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).max(1)
}
