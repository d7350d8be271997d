//! The plots of runs: how latency is distributed, and what load does to loss, latency and
//! processor time.

use super::format::{Unit, count, number};
use super::html::Page;
use super::svg::{Line, linear, logarithmic, plot};
use crate::result::{Distribution, LoadPoint};

/// A distribution with the name and the colour of its subject.
pub(crate) struct Spread<'a> {
    /// Whose it is.
    pub(crate) name: &'a str,
    /// Its number among the subjects.
    pub(crate) style: usize,
    /// The times.
    pub(crate) times: &'a Distribution,
}

/// The loads that were tried, with the name and the colour of their subject.
pub(crate) struct Search<'a> {
    /// Whose they are.
    pub(crate) name: &'a str,
    /// Its number among the subjects.
    pub(crate) style: usize,
    /// The loads.
    pub(crate) points: &'a [LoadPoint],
}

/// Shows distributions: time over the share of packets, the rarer the farther to the right.
pub(crate) fn latency(page: &mut Page, spreads: &[Spread<'_>], caption: &str) {
    let lines: Vec<Line> = spreads.iter().filter_map(spread_line).collect();
    if lines.is_empty() {
        return;
    }
    let nines = lines.iter().flat_map(|line| &line.points).map(|point| point.0).fold(1.0, f64::max);
    let times =
        || spreads.iter().filter(|spread| spread.times.count > 0).map(|spread| spread.times);
    let least = times().map(|times| times.min_us.max(1.0)).fold(f64::INFINITY, f64::min);
    let most = times().map(|times| times.max_us).fold(1.0, f64::max);
    let end = nines.ceil().clamp(2.0, 6.0);
    let shares = [(0.0, "0 %"), (1.0, "90 %"), (2.0, "99 %"), (3.0, "99.9 %"), (4.0, "99.99 %")];
    let rare = [(5.0, "99.999 %"), (6.0, "99.9999 %")];
    let marks = shares.into_iter().chain(rare).filter(|(nines, _)| *nines <= end);
    let x = super::svg::Axis {
        label: "share of packets that took no longer".to_owned(),
        range: (0.0, end),
        ticks: marks.map(|(nines, text)| (nines, text.to_owned())).collect(),
    };
    let y = logarithmic("latency", (least, most), |us| Unit::Microseconds.show(us));
    page.figure(&plot(340.0, &x, &y, &lines, "Latency by percentile"), caption);
}

/// Shows what became of each load that was tried.
pub(crate) fn loads(page: &mut Page, searches: &[Search<'_>]) {
    let points = || searches.iter().flat_map(|search| search.points);
    if points().next().is_none() {
        return;
    }
    let most_load = points().map(|point| point.packets_per_second).fold(0.0, f64::max);
    let panels: [Panel; 3] = [
        ("loss", |point| point.loss_percent, |value| Unit::Percent.show(value)),
        ("processor seconds a second", |point| point.gateway_cores, number),
        ("added latency, p99", |point| point.added_p99_us, |us| Unit::Microseconds.show(us)),
    ];
    for (position, (what, read, show)) in panels.into_iter().enumerate() {
        let x = linear("packets a second offered, both directions", most_load, number);
        let y = linear(what, points().map(read).fold(0.0, f64::max), show);
        let lines: Vec<Line> =
            searches.iter().map(|search| load_line(search, read, show)).collect();
        let caption = match position {
            2 => {
                "Full dots kept to the objective, hollow ones did not. Point at one for its figures."
            }
            _ => "",
        };
        page.figure(&plot(230.0, &x, &y, &lines, &format!("Load against {what}")), caption);
    }
}

/// What a panel shows of each load: its name, the value, and the value in words.
type Panel = (&'static str, fn(&LoadPoint) -> f64, fn(f64) -> String);

fn load_line(search: &Search<'_>, read: fn(&LoadPoint) -> f64, show: fn(f64) -> String) -> Line {
    let mut sorted: Vec<&LoadPoint> = search.points.iter().collect();
    sorted.sort_by(|a, b| a.packets_per_second.total_cmp(&b.packets_per_second));
    let says = |point: &LoadPoint| {
        let limited = if point.limited_by_generator { "; the generator was the limit" } else { "" };
        let (calls, load) = (count(point.calls as u64), number(point.packets_per_second));
        format!("{}: {calls} calls, {load}/s: {}{limited}", search.name, show(read(point)))
    };
    let dot =
        |point: &&LoadPoint| (point.packets_per_second, read(point), says(point), point.slo_kept);
    Line {
        style: search.style,
        points: sorted.iter().map(|point| (point.packets_per_second, read(point))).collect(),
        dots: sorted.iter().map(dot).collect(),
    }
}

/// Each bucket where its share begins and ends; 90 % is 1 on the axis, 99 % is 2 and so on.
fn spread_line(spread: &Spread<'_>) -> Option<Line> {
    let total: u64 = spread.times.buckets.iter().map(|bucket| bucket.count).sum();
    if total == 0 {
        return None;
    }
    // The last of n packets stands where one packet in n is rarer.
    let nines = |below: u64| {
        let above = (total - below).max(1) as f64 / total as f64;
        -above.log10()
    };
    let mut points = Vec::with_capacity(spread.times.buckets.len() + 1);
    let mut below = 0;
    for bucket in &spread.times.buckets {
        let time = bucket.to_us.max(1.0).log10();
        if points.is_empty() {
            points.push((0.0, spread.times.min_us.max(1.0).log10()));
        }
        below += bucket.count;
        points.push((nines(below), time));
    }
    let named =
        [(0.5, spread.times.p50_us), (0.99, spread.times.p99_us), (0.999, spread.times.p999_us)];
    let dots = named.map(|(share, us): (f64, f64)| {
        let says =
            format!("{}: {} % within {}", spread.name, share * 100.0, Unit::Microseconds.show(us));
        (-(1.0 - share).log10(), us.max(1.0).log10(), says, true)
    });
    // With few packets the rarest shares have none.
    let end = points.last().map_or(0.0, |point| point.0);
    let dots = dots.into_iter().filter(|dot| dot.0 <= end).collect();
    Some(Line { style: spread.style, points, dots })
}
