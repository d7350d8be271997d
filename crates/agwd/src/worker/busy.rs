//! What a worker's thread costs, as the kernel counts it.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Where the kernel tells what the calling thread has had of its core.
const OWN: &str = "/proc/thread-self/schedstat";

/// The kernel's account of a worker's thread; open from its start to its end.
#[derive(Debug, Clone, Default)]
pub(crate) struct Account(Arc<OnceLock<File>>);

/// What a thread has had since it started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Spent {
    /// On a core.
    pub(crate) running: Duration,
    /// Ready to run, but without a core: others had it, or a quota was used up.
    pub(crate) waiting: Duration,
}

impl Account {
    /// Opens the account of the calling thread; kernels without it have none.
    pub(super) fn open(&self) {
        if let Ok(file) = File::open(OWN) {
            let _ = self.0.set(file);
        }
    }

    /// What the thread has had, if the kernel tells.
    pub(crate) fn spent(&self) -> Option<Spent> {
        let mut text = [0; 64];
        let length = self.0.get()?.read_at(&mut text, 0).ok()?;
        let text = std::str::from_utf8(text.get(..length)?).ok()?;
        let mut fields = text.split_ascii_whitespace().map(str::parse);
        let running = Duration::from_nanos(fields.next()?.ok()?);
        let waiting = Duration::from_nanos(fields.next()?.ok()?);
        Some(Spent { running, waiting })
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn the_account_is_that_of_the_thread_that_opened_it_and_grows_with_its_work() {
        let account = Account::default();
        assert_eq!(account.spent(), None);
        let of_worker = account.clone();
        let worked = thread::spawn(move || {
            of_worker.open();
            let first = of_worker.spent()?;
            let mut sum = 0_u64;
            loop {
                sum = (0..100_000).fold(sum, u64::wrapping_add);
                let now = of_worker.spent()?;
                if std::hint::black_box(sum) != 1 && now.running > first.running {
                    return Some(now);
                }
            }
        });
        let worked = worked.join().expect("no panic");
        // The thread is gone: its account cannot be mistaken for another's.
        assert!(worked.is_some() || !std::path::Path::new(OWN).exists());
        assert_eq!(account.spent(), None);
    }
}
