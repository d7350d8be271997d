//! Progress on a terminal; nothing where there is none.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// The line of progress.
#[derive(Debug, Clone)]
pub(crate) struct Screen {
    bar: ProgressBar,
}

impl Screen {
    /// An empty line.
    pub(crate) fn new() -> Self {
        Self { bar: ProgressBar::no_length() }
    }

    /// A step begins; `length` is what it counts up to, 0 if nobody knows.
    pub(crate) fn step(&self, what: &str, length: u64) {
        let template = if length > 0 {
            "{msg:28} {bar:30} {pos}/{len} {elapsed}"
        } else {
            "{msg:28} {spinner} {elapsed}"
        };
        let style = ProgressStyle::with_template(template);
        self.bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        self.bar.reset();
        self.bar.set_length(length);
        self.bar.set_message(what.to_owned());
        self.bar.enable_steady_tick(Duration::from_millis(200));
    }

    /// How far it has come.
    pub(crate) fn at(&self, position: u64) {
        self.bar.set_position(position);
    }

    /// A line that stays, above the line of progress.
    pub(crate) fn say(&self, line: &str) {
        self.bar.suspend(|| eprintln!("{line}"));
    }

    /// The line goes away.
    pub(crate) fn done(&self) {
        self.bar.finish_and_clear();
    }
}
