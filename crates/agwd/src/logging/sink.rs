//! The way of log lines to standard error, which never holds anybody up.
//!
//! Lines go into a bounded queue; a thread of its own writes them. When whoever reads standard error
//! does not, the queue fills, and lines are dropped and counted: `agw_log_lines_dropped_total`, and a
//! line of its own once somebody reads again.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use tracing_subscriber::fmt::MakeWriter;

/// Lines that may wait.
const QUEUE: usize = 4_096;
/// How long the end of the process waits for lines that are on their way.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// The sink of this process, so that whoever ends it can let the last lines out.
static SINK: OnceLock<Sink> = OnceLock::new();

/// Where log lines go; clones are the same one.
#[derive(Debug, Clone)]
pub(super) struct Sink {
    lines: SyncSender<Box<[u8]>>,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    taken: AtomicU64,
    written: AtomicU64,
    dropped: AtomicU64,
}

impl Sink {
    /// The sink to standard error, with its thread.
    ///
    /// # Errors
    /// If the operating system refuses the thread.
    pub(super) fn to_stderr() -> io::Result<Self> {
        let sink = Self::to(io::stderr(), QUEUE)?;
        let _ = SINK.set(sink.clone());
        Ok(sink)
    }

    fn to(out: impl Write + Send + 'static, queue: usize) -> io::Result<Self> {
        let (lines, queued) = sync_channel(queue);
        let counts = Arc::new(Counts::default());
        let of_thread = Arc::clone(&counts);
        thread::Builder::new().name("agw-log".to_owned()).spawn(move || {
            // It is there before the daemon has given its capabilities up, and needs none. A
            // thread that cannot give them up does not run: its lines count as dropped.
            if agw_net::keep_capabilities(&[]).is_ok() {
                write_lines(&queued, out, &of_thread);
            }
        })?;
        Ok(Self { lines, counts })
    }

    fn drain(&self, longest: Duration) {
        let deadline = Instant::now() + longest;
        let taken = self.counts.taken.load(Ordering::Acquire);
        while self.counts.written.load(Ordering::Acquire) < taken && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Lines that were dropped because nobody reads standard error.
pub(crate) fn lines_dropped() -> u64 {
    SINK.get().map_or(0, |sink| sink.counts.dropped.load(Ordering::Relaxed))
}

/// Waits a moment for lines that are on their way, at the end of the process.
pub(crate) fn last_words() {
    if let Some(sink) = SINK.get() {
        sink.drain(LAST_WORDS);
    }
}

fn write_lines(queued: &Receiver<Box<[u8]>>, mut out: impl Write, counts: &Counts) {
    let mut told = 0;
    while let Ok(line) = queued.recv() {
        // There is nowhere to complain about standard error.
        let _ = out.write_all(&line);
        let dropped = counts.dropped.load(Ordering::Relaxed);
        if dropped > told {
            let new = dropped - told;
            told = dropped;
            let _ = writeln!(out, "agwd: {new} log lines dropped: standard error was not read");
        }
        counts.written.fetch_add(1, Ordering::Release);
    }
}

/// A line on its way: `tracing-subscriber` writes each at once.
#[derive(Debug)]
pub(super) struct Line<'a>(&'a Sink);

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let counts = &self.0.counts;
        counts.taken.fetch_add(1, Ordering::Release);
        match self.0.lines.try_send(line.into()) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                counts.dropped.fetch_add(1, Ordering::Relaxed);
                counts.written.fetch_add(1, Ordering::Release);
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Sink {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        Line(self)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// A reader that does not read while somebody holds it.
    #[derive(Clone, Default)]
    struct Slow(Arc<Mutex<Vec<u8>>>);

    impl Write for Slow {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no panic").extend_from_slice(octets);
            Ok(octets.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn nobody_waits_for_a_reader_that_does_not_read_and_what_is_dropped_is_counted() {
        let slow = Slow::default();
        let sink = Sink::to(slow.clone(), 4).expect("a thread");
        let held = slow.0.lock().expect("no panic");
        for number in 0..100 {
            sink.make_writer().write_all(format!("line {number}\n").as_bytes()).expect("taken");
        }
        let dropped = sink.counts.dropped.load(Ordering::Relaxed);
        // The thread holds one, the queue four.
        assert!((95..=96).contains(&dropped), "{dropped}");
        drop(held);
        sink.drain(Duration::from_secs(20));
        let text = String::from_utf8(slow.0.lock().expect("no panic").clone()).expect("UTF-8");
        assert!(text.starts_with("line 0\n"), "{text}");
        assert!(text.contains(" log lines dropped: standard error was not read\n"), "{text}");
    }

    #[test]
    fn what_is_read_is_written_in_order() {
        let slow = Slow::default();
        let sink = Sink::to(slow.clone(), 1_000).expect("a thread");
        for number in 0..500 {
            sink.make_writer().write_all(format!("{number}\n").as_bytes()).expect("taken");
        }
        sink.drain(Duration::from_secs(20));
        let text = String::from_utf8(slow.0.lock().expect("no panic").clone()).expect("UTF-8");
        let expected: String = (0..500).map(|number| format!("{number}\n")).collect();
        assert_eq!(text, expected);
    }
}
