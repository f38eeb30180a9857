//! Flamegraphs by inferno, with a palette by whose code a frame is, and a legend that says so.

use std::fmt::Write as _;

use inferno::flamegraph::color::{BackgroundColor, Color, PaletteMap, StrokeColor};
use inferno::flamegraph::{self, Direction, Options, TextTruncateDirection};

use crate::analyse::frames::{Kind, drawn};
use crate::redact::Clean;
use crate::render::folded::{NATIVE, NOT_SAMPLED};
use crate::sample::profile::Profile;

/// The legend's line, in pixels from the top: that of the details of the frame under the pointer, below the subtitle.
const LEGEND_Y: i32 = 64;
/// How inferno asks for the colour of the frame that holds all others, which it calls `all`.
const ROOT: &str = "";
/// The beginnings of inferno's elements for the frame under the pointer and for the share that a search matched.
const DETAILS: &str = "<text id=\"details\"";
const MATCHED: &str = "<text id=\"matched\"";
/// What is better otherwise in what inferno 0.12 writes: its text, and the text in its place. A test holds that each
/// is still found.
const BETTER: [(&str, &str); 6] = [
    // The search hides until the pointer finds it.
    ("opacity:0.1; cursor:pointer;", "opacity:0.7; cursor:pointer;"),
    // Of a short name two dots would be left, or a letter and two dots: noise that looks like text.
    ("if (w < 2 * known_font_width) {", "if (w < 5 * known_font_width) {"),
    // A frame under the pointer has a black edge; its letters had one too and could hardly be read.
    (
        "#frames > *:hover { stroke:black; stroke-width:0.5; cursor:pointer; }",
        "#frames > *:hover { cursor:pointer; }\n#frames > *:hover rect { stroke:black; stroke-width:0.5; }",
    ),
    // The matched share stands at the end of a graph that may be many screens high; its place is beside the search.
    ("matchedtxt.attributes.x.value = svgWidth - xpad;", "matchedtxt.attributes.x.value = svgWidth - xpad - 100;"),
    // What is told of the frame under the pointer covers the legend in a narrow window, rather than mixing with it.
    (
        "#matched { text-anchor:end; }",
        "#matched { text-anchor:end; }\n#details { paint-order:stroke; stroke:white; stroke-width:6px; }",
    ),
    (
        "(regexp \" +\n            \"allowed, eg: ^ext4_)",
        "(regexp \" +\n            \"allowed, e.g. ^async_|token_counter)",
    ),
];
/// Stacks thinner than this share of the width, in percent, cannot be seen and only make the file large.
const THINNEST_PERCENT: f64 = 0.02;

/// What is written above a graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heading {
    /// What is drawn.
    pub title: String,
    /// Duration, CPU-seconds, samples, quality.
    pub subtitle: String,
}

/// Colours for every frame of one profile or more.
#[derive(Debug)]
pub struct Palette {
    map: PaletteMap,
    /// What the legend explains.
    kinds: Vec<Kind>,
}

impl Default for Palette {
    fn default() -> Self {
        let mut palette = Self { map: PaletteMap::default(), kinds: Kind::ALL.to_vec() };
        // Not every engine sees what the interpreter does.
        palette.kinds.retain(|kind| *kind != Kind::Interpreter);
        palette.map.insert(NATIVE, colour_of(Kind::Native));
        for name in [NOT_SAMPLED, ROOT] {
            palette.add_no_code(name);
        }
        palette
    }
}

impl Palette {
    /// Gives each frame of a profile the colour of its kind.
    pub fn of(profile: &Profile<Clean>) -> Self {
        let mut palette = Self::default();
        palette.add(profile);
        palette
    }

    /// The frames of another profile beside those that are there.
    pub fn add(&mut self, profile: &Profile<Clean>) {
        for frame in &profile.frames {
            let name = drawn(frame);
            let kind = Kind::of(frame);
            if !self.kinds.contains(&kind) {
                self.kinds = Kind::ALL.to_vec();
            }
            let colour = shade(colour_of(kind), &name);
            self.map.insert(name, colour);
        }
        for thread in &profile.threads {
            self.add_no_code(thread.name.as_str().replace([';', '\n'], ":"));
            self.add_no_code(format!("worker {}", thread.process.pid));
        }
    }

    /// A frame that is no code, but holds others together.
    pub fn add_no_code(&mut self, name: impl Into<String>) {
        self.map.insert(name.into(), LIGHT);
    }
}

/// Draws folded stacks whose weights are microseconds of CPU.
pub fn draw(folded: &str, heading: &Heading, palette: &Palette) -> std::io::Result<String> {
    if folded.is_empty() {
        return Ok(no_cpu(heading));
    }
    let mut colours = palette.map.clone();
    let mut options = options(heading);
    "CPU-ms".clone_into(&mut options.count_name);
    options.factor = 0.001;
    options.palette_map = Some(&mut colours);
    let entries: Vec<(&str, Color)> = palette.kinds.iter().map(|kind| (kind.label(), colour_of(*kind))).collect();
    drawn_by_inferno(folded, options, &legend(&entries))
}

/// Draws folded stacks with two weights each, before and after, in nanoseconds of CPU for each `unit`. A width is what is
/// after; the colour says how a frame's own CPU changed.
pub fn draw_difference(folded: &str, heading: &Heading, unit: &str) -> std::io::Result<String> {
    // Without anything after there is no width to draw.
    if folded.lines().all(|line| line.ends_with(" 0")) {
        return Ok(no_cpu(heading));
    }
    let mut options = options(heading);
    // inferno forgets the factor where it tells a difference in percent: no other unit than the weights' own.
    options.count_name = format!("CPU-ns {unit}");
    // What did not change is as good as white.
    options.stroke_color = StrokeColor::Color(Color { r: 190, g: 190, b: 190 });
    drawn_by_inferno(folded, options, &legend(&DIFFERENCE))
}

fn options<'a>(heading: &Heading) -> Options<'a> {
    let mut options = Options::default();
    options.title.clone_from(&heading.title);
    options.subtitle = Some(heading.subtitle.clone());
    "Function".clone_into(&mut options.name_type);
    options.min_width = THINNEST_PERCENT;
    // Roots on top: stacks are deep, and what a reader needs first is beside the title.
    options.direction = Direction::Inverted;
    options.text_truncate_direction = TextTruncateDirection::Right;
    options.bgcolors = Some(BackgroundColor::Flat(Color { r: 255, g: 255, b: 255 }));
    options.deterministic = true;
    options
}

fn drawn_by_inferno(folded: &str, mut options: Options<'_>, legend: &str) -> std::io::Result<String> {
    let mut svg = Vec::new();
    flamegraph::from_lines(&mut options, folded.lines(), &mut svg)?;
    let svg = String::from_utf8(svg).map_err(std::io::Error::other)?;
    Ok(furnished(&svg, legend))
}

/// The ends of inferno's scale for differences, and its middle.
const DIFFERENCE: [(&str, Color); 3] = [
    ("own CPU grew", Color { r: 255, g: 100, b: 100 }),
    ("own CPU shrank", Color { r: 100, g: 100, b: 255 }),
    ("unchanged, or only calls others", Color { r: 250, g: 250, b: 250 }),
];

/// Colours that stay apart for colour-blind eyes (Okabe and Ito's set, lightened so that black text reads well).
fn colour_of(kind: Kind) -> Color {
    let (r, g, b) = match kind {
        Kind::LiteLlm => (240, 178, 62),
        Kind::User => (232, 112, 82),
        Kind::Package => (126, 190, 232),
        Kind::Stdlib => (134, 205, 172),
        Kind::Native => (178, 178, 178),
        Kind::Interpreter => (204, 153, 190),
    };
    Color { r, g, b }
}

/// Pods, workers, threads and time of which nothing is known: no code, so no strong colour.
const LIGHT: Color = Color { r: 226, g: 226, b: 226 };

/// The same hue a little lighter or darker, so that neighbours can be told apart; the same name always alike.
fn shade(colour: Color, name: &str) -> Color {
    let sum = name.bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)));
    let change = |channel: u8| channel.saturating_sub((sum % 5 * 5) as u8);
    Color { r: change(colour.r), g: change(colour.g), b: change(colour.b) }
}

/// inferno draws no legend, and some things are better otherwise.
fn furnished(svg: &str, legend: &str) -> String {
    let mut svg = svg.to_owned();
    for (inferno, better) in BETTER {
        svg = svg.replacen(inferno, better, 1);
    }
    // In an SVG the later covers the earlier.
    svg = svg.replacen(DETAILS, &(legend.to_owned() + DETAILS), 1);
    if let Some(at) = svg.find(MATCHED)
        && let Some(y) = svg[at..].find(" y=\"").map(|y| at + y + 4)
        && let Some(end) = svg[y..].find('"').map(|end| y + end)
    {
        svg.replace_range(y..end, "24.00");
    }
    svg.push('\n');
    svg
}

/// Set from the right edge, so that it stays in sight at every width and ends where the frames end.
fn legend(entries: &[(&str, Color)]) -> String {
    const EDGE: i32 = 10;
    const GAP: i32 = 12;
    let mut out = String::from("<svg id=\"legend\" x=\"100%\" overflow=\"visible\">");
    let mut x = GAP - EDGE;
    for (label, colour) in entries.iter().rev() {
        let Color { r, g, b } = colour;
        x -= i32::try_from((73 * label.len()).div_ceil(10)).unwrap_or(0) + GAP;
        let (box_x, box_y) = (x - 17, LEGEND_Y - 10);
        // What is nearly white has an edge.
        let edge = if r.min(g).min(b) > &240 { " stroke=\"rgb(190,190,190)\"" } else { "" };
        // Writing to a string cannot fail.
        let _ = write!(out, "<text x=\"{x}\" y=\"{LEGEND_Y}\">{label}</text>");
        let _ = write!(
            out,
            "<rect x=\"{box_x}\" y=\"{box_y}\" width=\"12\" height=\"12\" fill=\"rgb({r},{g},{b})\"{edge}/>"
        );
        x -= 17;
    }
    out.push_str("</svg>");
    out
}

/// inferno refuses to draw nothing; but that there was nothing is a result.
fn no_cpu(heading: &Heading) -> String {
    let escape = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    format!(
        "<?xml version=\"1.0\" standalone=\"no\"?>\n\
         <svg version=\"1.1\" width=\"1200\" height=\"120\" viewBox=\"0 0 1200 120\" xmlns=\"http://www.w3.org/2000/svg\" \
         font-family=\"monospace\" font-size=\"12\">\
         <rect width=\"100%\" height=\"120\" fill=\"white\"/>\
         <text x=\"600\" y=\"30\" text-anchor=\"middle\" font-size=\"17\">{}</text>\
         <text x=\"600\" y=\"54\" text-anchor=\"middle\">{}</text>\
         <text x=\"600\" y=\"90\" text-anchor=\"middle\">No CPU was used: there is nothing to draw.</text></svg>\n",
        escape(&heading.title),
        escape(&heading.subtitle),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_replaced_in_infernos_svg_is_still_there() {
        let mut svg = Vec::new();
        flamegraph::from_lines(&mut Options::default(), ["a;b 1"], &mut svg).unwrap();
        let svg = String::from_utf8(svg).unwrap();
        for part in BETTER.map(|(inferno, _)| inferno).into_iter().chain([DETAILS, MATCHED]) {
            assert_eq!(svg.matches(part).count(), 1, "{part}");
        }
    }
}
