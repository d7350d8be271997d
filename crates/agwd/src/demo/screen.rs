//! What the demo shows.

use std::io::{IsTerminal, stderr, stdout};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use agw_iq::pb;
use agw_srtp::Suite;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{Cell, CellAlignment, Color, Table};
use indicatif::{ProgressBar, ProgressStyle};

use super::call::Call;
use super::endpoint;
use super::play::Path;
use super::report::{Flow, Report, dropped, roc};
use crate::daemon::Running;

const DELAYS: &str =
    "  Delays in µs, from one side's send to the other's receive, wake-ups included.";

/// The terminal, or the file that stands for it.
pub(super) struct Screen {
    seconds: u64,
    /// The moment of the first look at the progress.
    started: OnceLock<Instant>,
    bar: Option<ProgressBar>,
    /// The last second of which a line told, without a terminal.
    told: AtomicU64,
    colours: bool,
}

impl Screen {
    /// For a call of so many seconds.
    pub(super) fn new(seconds: u64) -> Self {
        let bar = stderr().is_terminal().then(|| ProgressBar::new(seconds * 10));
        let template = "  playing   {bar:30.cyan/black.bright} {msg}";
        if let (Some(bar), Ok(style)) = (&bar, ProgressStyle::with_template(template)) {
            bar.set_style(style.progress_chars("━╸─"));
        }
        let colours = stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { seconds, started: OnceLock::new(), bar, told: AtomicU64::new(0), colours }
    }

    /// What is going to happen, and where.
    pub(super) fn heading(&self, running: &Running, call: &Call, suite: Suite) {
        let title = "agw demo: one call, secured on the access side, plain on the core side";
        println!("\n{}\n", self.paint(Paint::Bold, title));
        println!(
            "  gateway   gRPC {}, metrics http://{}/metrics",
            endpoint(running),
            running.admin_address()
        );
        println!("  call      context {}, set up over gRPC in one transaction", call.context_id);
        println!("  suite     {}", self.paint(Paint::Bold, suite.name()));
        println!("  keys      K11 opens what arrives, K12 seals what leaves; both fresh");
        let (srtp, rtp) = (self.paint(Paint::Green, "SRTP"), self.paint(Paint::Yellow, "RTP"));
        let (access, core) = (&call.access, &call.core);
        println!("  access    {} ◀──{srtp}──▶ gateway {}", access.peer, access.gateway);
        println!("  core      {} ◀──{rtp}───▶ gateway {}\n", core.peer, core.gateway);
    }

    /// How far the call is; to be called again and again.
    pub(super) fn progress(&self, paths: &[Path<'_>; 2]) {
        let elapsed =
            self.started.get_or_init(Instant::now).elapsed().as_secs_f64().min(self.seconds as f64);
        let [there, back] = paths.each_ref().map(|path| path.rtp.arrived.load(Ordering::Relaxed));
        let arrived = format!("{there} → core, {back} → access");
        if let Some(bar) = &self.bar {
            bar.set_position((elapsed * 10.0) as u64);
            bar.set_message(format!("{elapsed:.1} of {} s   packets {arrived}", self.seconds));
            return;
        }
        let whole = elapsed as u64;
        if self.told.swap(whole, Ordering::Relaxed) < whole {
            eprintln!("  playing   {whole} of {} s, packets {arrived}", self.seconds);
        }
    }

    /// The call is over.
    pub(super) fn done(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// What the call came to.
    pub(super) fn report(&self, report: &Report<'_>, files: &[PathBuf; 2]) {
        println!("{}", self.packets(report));
        println!("{DELAYS}\n");
        println!("{}\n", self.audio(report, files));
        println!("{}\n", self.gateway(report));
        let troubles = report.troubles();
        if troubles.is_empty() {
            let verdict = "✔ Every packet arrived unchanged, every sample is what was spoken.";
            println!("{}\n", self.paint(Paint::Green, verdict));
            return;
        }
        println!("{}", self.paint(Paint::Red, "✘ Something is off:"));
        for trouble in troubles {
            println!("  - {trouble}");
        }
        println!();
    }

    /// How to go on with a gateway that stays.
    pub(super) fn farewell(&self, running: &Running, call: &Call) {
        let reached_at = endpoint(running);
        let option = if reached_at == "http://127.0.0.1:7400" {
            String::new()
        } else {
            format!("--endpoint {reached_at} ")
        };
        println!("The gateway stays, and the voices go on. In another terminal:\n");
        for command in [
            "status".to_owned(),
            format!("contexts show {}", call.context_id),
            "stats --watch".to_owned(),
            "events".to_owned(),
        ] {
            println!("  agwctl {option}{command}");
        }
        println!("  curl http://{}/metrics", running.admin_address());
        println!("\nCtrl-C ends it.");
    }

    fn packets(&self, report: &Report<'_>) -> Table {
        let headings = ["flow", "sent", "arrived", "lost", "p50", "p90", "p99", "max µs"];
        let mut table = self.table(&headings, 1);
        for direction in &report.directions {
            for flow in &direction.flows {
                table.add_row(self.flow_row(flow));
            }
        }
        table
    }

    fn flow_row(&self, flow: &Flow<'_>) -> Vec<Cell> {
        let delay = |quantile: f64| match &flow.heard.delays {
            Some(delays) if !delays.is_empty() => {
                format!("{:.0}", delays.value_at_quantile(quantile) as f64 / 1_000.0)
            }
            Some(_) | None => "-".to_owned(),
        };
        let mut row = vec![
            Cell::new(flow.name),
            Cell::new(flow.sent),
            Cell::new(flow.heard.arrived()),
            self.must_be_zero(flow.heard.lost()),
        ];
        row.extend([0.5, 0.9, 0.99, 1.0].map(|quantile| Cell::new(delay(quantile))));
        row
    }

    fn audio(&self, report: &Report<'_>, files: &[PathBuf; 2]) -> Table {
        let headings = ["recording", "samples", "differ", "pitch", "level"];
        let mut table = self.table(&headings, 1);
        for (direction, file) in report.directions.iter().zip(files) {
            let audio = &direction.audio;
            let (pitch, heard_pitch) = direction.pitch_hz;
            let (level, heard_level) = direction.level_dbfs;
            let heard_pitch = heard_pitch.map_or_else(|| "-".to_owned(), |hz| format!("{hz:.0}"));
            table.add_row([
                Cell::new(file.display()),
                Cell::new(audio.arrived),
                self.must_be_zero((audio.arrived - audio.identical) as u64),
                Cell::new(format!("{heard_pitch} of {pitch:.0} Hz")),
                Cell::new(format!("{heard_level:.1} of {level:.1} dB")),
            ]);
        }
        table
    }

    fn gateway(&self, report: &Report<'_>) -> Table {
        let headings = ["gateway", "received", "forwarded", "dropped", "opening", "sealing"];
        let mut table = self.table(&headings, 1);
        let counters = report.counters;
        for (leg, statistics) in [("access leg", &counters.access), ("core leg", &counters.core)] {
            let pb::StreamStatistics { ingress, egress } = statistics;
            let ingress = ingress.clone().unwrap_or_default();
            let sealing = egress.as_ref().and_then(|egress| egress.crypto.as_ref());
            table.add_row([
                Cell::new(leg),
                Cell::new(ingress.received.unwrap_or_default().packets),
                Cell::new(ingress.forwarded.unwrap_or_default().packets),
                self.must_be_zero(dropped(&ingress.dropped)),
                Cell::new(rollovers(roc(ingress.crypto.as_ref()))),
                Cell::new(rollovers(roc(sealing))),
            ]);
        }
        let totals = &counters.totals;
        table.add_row([
            Cell::new("all workers"),
            Cell::new(totals.received.unwrap_or_default().packets),
            Cell::new(totals.forwarded.unwrap_or_default().packets),
            self.must_be_zero(dropped(&totals.dropped) + totals.kernel_drops),
            Cell::new(format!("{} packets", totals.unprotected)),
            Cell::new(format!("{} packets", totals.protected)),
        ]);
        table
    }

    /// An empty table; all columns after the first `words` are numbers.
    fn table(&self, headings: &[&str], words: usize) -> Table {
        let mut table = Table::new();
        table.load_style(UTF8_FULL_CONDENSED.with_rounded_corners());
        if !self.colours {
            table.force_no_tty();
        }
        table.set_header(headings.iter().map(|heading| Cell::new(heading).fg(Color::Cyan)));
        for column in table.column_iter_mut().skip(words) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }

    fn must_be_zero(&self, count: u64) -> Cell {
        let colour = if count == 0 { Color::Green } else { Color::Red };
        Cell::new(count).fg(colour)
    }

    fn paint(&self, paint: Paint, text: &str) -> String {
        if !self.colours {
            return text.to_owned();
        }
        let code = match paint {
            Paint::Bold => "1",
            Paint::Red => "1;31",
            Paint::Green => "1;32",
            Paint::Yellow => "33",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

/// How a text stands out (ECMA-48 §8.3.117).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Paint {
    Bold,
    Red,
    Green,
    Yellow,
}

fn rollovers(roc: Option<u32>) -> String {
    roc.map_or_else(|| "-".to_owned(), |roc| format!("ROC {roc}"))
}
