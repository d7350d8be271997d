//! Plots as inline SVG. Colours come from the page's style, so that they follow its theme.

use std::fmt::Write as _;

use super::html::escape;

const WIDTH: f64 = 760.0;
const LEFT: f64 = 78.0;
const RIGHT: f64 = 36.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 46.0;

/// How many kinds of line the style knows.
pub(crate) const STYLES: usize = 6;

/// One axis.
pub(crate) struct Axis {
    /// What it shows.
    pub(crate) label: String,
    /// Where it begins and ends, in the coordinates of the points.
    pub(crate) range: (f64, f64),
    /// Marks: where, and what they say.
    pub(crate) ticks: Vec<(f64, String)>,
}

/// One line with its points.
pub(crate) struct Line {
    /// Its number among the subjects: its colour.
    pub(crate) style: usize,
    /// The points, in the coordinates of the axes.
    pub(crate) points: Vec<(f64, f64)>,
    /// Points to draw as dots, with what they say when pointed at; hollow if `false`.
    pub(crate) dots: Vec<(f64, f64, String, bool)>,
}

/// Draws lines over two axes.
pub(crate) fn plot(height: f64, x: &Axis, y: &Axis, lines: &[Line], description: &str) -> String {
    let place = Place { height, x: x.range, y: y.range };
    let mut svg = begin(height, description);
    grid(&mut svg, &place, x, y);
    for line in lines {
        let style = line.style % STYLES;
        let points: String = line.points.iter().map(|&point| place.pair(point)).collect();
        push(&mut svg, &format!(r#"<polyline class="line s{style}" points="{}"/>"#, points.trim()));
        for (px, py, says, full) in &line.dots {
            let (px, py) = (place.x(*px), place.y(*py));
            let kind = if *full { "full" } else { "hollow" };
            let says = escape(says);
            push(
                &mut svg,
                &format!(
                    r#"<circle class="dot {kind} s{style}" cx="{px:.1}" cy="{py:.1}" r="3.5"><title>{says}</title></circle>"#
                ),
            );
        }
    }
    svg.push_str("</svg>\n");
    svg
}

/// Draws a horizontal bar for each label, with the text of its value.
pub(crate) fn bars(entries: &[(usize, String, f64, String)], description: &str) -> String {
    const ROW: f64 = 30.0;
    const LABELS: f64 = 190.0;
    const VALUES: f64 = 150.0;
    let height = ROW * entries.len() as f64 + 8.0;
    let most = entries.iter().map(|entry| entry.2).fold(0.0, f64::max);
    let mut svg = begin(height, description);
    for (row, (style, label, value, text)) in entries.iter().enumerate() {
        let top = ROW * row as f64 + 6.0;
        let length = if most > 0.0 { value / most * (WIDTH - LABELS - VALUES) } else { 0.0 };
        let (style, middle) = (style % STYLES, top + 14.0);
        let (label, text) = (escape(label), escape(text));
        let (end, after) = (LABELS - 12.0, LABELS + length + 8.0);
        push(
            &mut svg,
            &format!(
                r#"<text class="end" x="{end}" y="{middle}">{label}</text><rect class="bar s{style}" x="{LABELS}" y="{top}" width="{length:.1}" height="19" rx="2"/><text x="{after:.1}" y="{middle}">{text}</text>"#
            ),
        );
    }
    svg.push_str("</svg>\n");
    svg
}

/// An axis from 0 to a round number not below `most`, with its marks.
pub(crate) fn linear(label: &str, most: f64, show: impl Fn(f64) -> String) -> Axis {
    let most = if most.is_finite() && most > 0.0 { most } else { 1.0 };
    let rough = most / 5.0;
    let power = 10_f64.powf(rough.log10().floor());
    let steps = [1.0, 2.0, 2.5, 5.0, 10.0];
    let step = steps.iter().map(|s| s * power).find(|step| *step >= rough * 0.999);
    let step = step.unwrap_or(10.0 * power);
    let count = (most / step - 1e-9).ceil().max(1.0);
    let ticks = (0..=count as usize).map(|tick| tick as f64 * step);
    Axis {
        label: label.to_owned(),
        range: (0.0, count * step),
        ticks: ticks.map(|tick| (tick, show(tick))).collect(),
    }
}

/// An axis of the logarithms of `least` to `most`, in whole powers of ten.
pub(crate) fn logarithmic(
    label: &str,
    (least, most): (f64, f64),
    show: impl Fn(f64) -> String,
) -> Axis {
    let low = least.max(1e-6).log10().floor();
    let high = most.max(1e-6).log10().ceil().max(low + 1.0);
    let powers = (low as i32)..=(high as i32);
    Axis {
        label: label.to_owned(),
        range: (low, high),
        ticks: powers.map(|power| (f64::from(power), show(10_f64.powi(power)))).collect(),
    }
}

struct Place {
    height: f64,
    x: (f64, f64),
    y: (f64, f64),
}

impl Place {
    fn x(&self, value: f64) -> f64 {
        LEFT + share(value, self.x) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        self.height - BOTTOM - share(value, self.y) * (self.height - TOP - BOTTOM)
    }

    fn pair(&self, (x, y): (f64, f64)) -> String {
        format!("{:.1},{:.1} ", self.x(x), self.y(y))
    }
}

fn share(value: f64, (from, to): (f64, f64)) -> f64 {
    if to > from { ((value - from) / (to - from)).clamp(0.0, 1.0) } else { 0.0 }
}

fn begin(height: f64, description: &str) -> String {
    let description = escape(description);
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{description}\">\
         <title>{description}</title>\n"
    )
}

fn grid(svg: &mut String, place: &Place, x: &Axis, y: &Axis) {
    let (right, low) = (WIDTH - RIGHT, place.height - BOTTOM);
    for (value, text) in &y.ticks {
        let (at, text) = (place.y(*value), escape(text));
        let (end, base) = (LEFT - 8.0, at + 4.0);
        push(
            svg,
            &format!(
                r#"<line class="grid" x1="{LEFT}" x2="{right}" y1="{at:.1}" y2="{at:.1}"/><text class="end" x="{end}" y="{base:.1}">{text}</text>"#
            ),
        );
    }
    for (value, text) in &x.ticks {
        let (at, text) = (place.x(*value), escape(text));
        let base = low + 18.0;
        push(
            svg,
            &format!(
                r#"<line class="grid" x1="{at:.1}" x2="{at:.1}" y1="{TOP}" y2="{low}"/><text class="middle" x="{at:.1}" y="{base}">{text}</text>"#
            ),
        );
    }
    let (middle, base) = ((LEFT + right) / 2.0, place.height - 6.0);
    let (across, along) = (escape(&x.label), escape(&y.label));
    let centre = (TOP + low) / 2.0;
    push(
        svg,
        &format!(
            r#"<text class="middle label" x="{middle}" y="{base}">{across}</text><text class="middle label" transform="translate(13 {centre}) rotate(-90)">{along}</text><line class="axis" x1="{LEFT}" x2="{right}" y1="{low}" y2="{low}"/>"#
        ),
    );
}

fn push(svg: &mut String, element: &str) {
    // A string takes all.
    let _ = writeln!(svg, "{element}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linear_axis_ends_at_a_round_number_that_holds_everything() {
        for (most, end) in [(4.9, 5.0), (5.0, 5.0), (99.0, 100.0), (0.012, 0.0125), (0.0, 1.0)] {
            let axis = linear("x", most, |value| value.to_string());
            assert!((axis.range.1 - end).abs() < 1e-9, "{most}: {}", axis.range.1);
            assert!(axis.ticks.len() <= 7);
        }
    }

    #[test]
    fn points_lie_within_the_plot_and_higher_values_higher() {
        let place = Place { height: 300.0, x: (0.0, 10.0), y: (0.0, 100.0) };
        assert!((place.x(0.0) - LEFT).abs() < 1e-9);
        assert!((place.x(10.0) - (WIDTH - RIGHT)).abs() < 1e-9);
        assert!(place.y(100.0) < place.y(10.0));
        assert!((place.y(1_000.0) - TOP).abs() < 1e-9, "what is above the axis stays in sight");
    }

    #[test]
    fn a_logarithmic_axis_has_a_mark_for_every_power_of_ten() {
        let axis = logarithmic("x", (15.0, 4_200.0), |value| value.to_string());
        assert_eq!(axis.range, (1.0, 4.0));
        let marks: Vec<_> = axis.ticks.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(marks, ["10", "100", "1000", "10000"]);
    }
}
