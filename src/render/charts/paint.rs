//! A picture on paper: places, axes, legend.
//!
//! All charts have the same axis of time and the same place for it, so that a reader can hold them against each other.

use std::fmt::Write as _;

use crate::render::charts::picture::{Layer, Panel, Picture, Reach, Slab, Span, Stroke, colour};
use crate::render::charts::scale::{Scale, time_ticks};
use crate::render::charts::scene::Scene;
use crate::render::charts::steps::Step;
use crate::render::charts::svg::{Anchor, Style, Svg, fitted, num, width, wrapped};

const WIDTH: f64 = 800.0;
const HEIGHT: f64 = 350.0;
/// The field that the panels share.
const LEFT: f64 = 66.0;
const RIGHT: f64 = 582.0;
const TOP: f64 = 74.0;
const BOTTOM: f64 = 314.0;
/// Between panels: room for the heading of the lower one.
const BETWEEN: f64 = 30.0;
const STRIP_HEIGHT: f64 = 8.0;
/// Of a note in the legend.
const MOST_NOTE_LINES: usize = 9;
/// However short it was, it is to be seen.
const THINNEST_STRETCH: f64 = 2.0;
/// What lies upon it is to be seen as well.
const STRETCH_OPACITY: &str = "0.3";
/// The legend's column.
const LEGEND_LEFT: f64 = 600.0;
const LEGEND_RIGHT: f64 = 790.0;
const LEGEND_LINE: f64 = 18.0;
const SMALL: f64 = 12.0;
const TITLE: f64 = 16.0;
const INK: &str = "#222222";
const PALE: &str = "#5a5a5a";
/// A level or a thin line this many times above everything else is not drawn, but told in the legend.
const NEAR: f64 = 2.5;

const fn style(size: f64, colour: &'static str, anchor: Anchor) -> Style {
    Style { size, colour, anchor }
}

/// Draws a picture.
pub fn draw(picture: &Picture, scene: &Scene) -> String {
    let mut svg = Svg::new(WIDTH, HEIGHT, &picture.title);
    svg.text((12.0, 23.0), &fitted(&picture.title, TITLE, WIDTH - 24.0), style(TITLE, INK, Anchor::Start));
    svg.text((12.0, 42.0), &fitted(&scene.caption, SMALL, WIDTH - 24.0), style(SMALL, PALE, Anchor::Start));
    let has_data = picture.panels.iter().any(|panel| panel.layers.iter().any(Layer::is_data));
    if !has_data {
        nothing(&mut svg, &picture.notes);
        return svg.done();
    }
    let paper = Paper { scene };
    let panels: Vec<&Panel> = picture.panels.iter().filter(|panel| panel.layers.iter().any(Layer::is_data)).collect();
    let heights: f64 = panels.iter().map(|panel| panel.height).sum();
    let room = BOTTOM - TOP - BETWEEN * (panels.len() - 1) as f64;
    let mut top = TOP;
    let mut legend = Legend { svg: Svg::part(), y: TOP - 8.0, is_beyond: false };
    legend.heading(&picture.figures);
    for panel in panels {
        let bottom = top + room * panel.height / heights;
        let field = Field { top, bottom, scale: scale_of(panel, bottom - top) };
        paper.panel(&mut svg, panel, &field);
        let mut layers: Vec<&Layer> = panel.layers.iter().filter(|layer| !layer.is_empty()).collect();
        layers.sort_by_key(|layer| rank(layer));
        for layer in layers {
            legend.entry(layer, field.has(layer));
        }
        top = bottom + BETWEEN;
    }
    paper.time_axis(&mut svg);
    legend.notes(&picture.notes);
    svg.append(&legend.svg);
    svg.done()
}

/// The legend's order: first what the chart is about, then what it is held against.
fn rank(layer: &Layer) -> u8 {
    match layer {
        Layer::Line(_, _, Stroke::Strong) => 0,
        Layer::Band(..) => 1,
        Layer::Stretch(..) => 2,
        Layer::Crosses(..) => 3,
        Layer::Before(..) => 4,
        Layer::Level(..) => 5,
        Layer::Strip(..) => 6,
        Layer::Line(_, _, Stroke::Thin) => 7,
    }
}

/// Why there is nothing, in the place of it.
fn nothing(svg: &mut Svg, notes: &[String]) {
    svg.rect((LEFT, TOP, WIDTH - 2.0 * LEFT, BOTTOM - TOP), "fill=\"#f4f4f4\"");
    let lines: Vec<String> =
        notes.iter().flat_map(|note| wrapped(note, 14.0, WIDTH - 2.0 * LEFT - 60.0, 4)).take(10).collect();
    let mut y = f64::midpoint(TOP, BOTTOM) - (lines.len() as f64 - 1.0) * 10.0 + 5.0;
    for line in lines {
        svg.text((WIDTH / 2.0, y), &line, style(14.0, INK, Anchor::Middle));
        y += 20.0;
    }
}

fn scale_of(panel: &Panel, height: f64) -> Scale {
    let always: Vec<f64> =
        panel.layers.iter().filter(|layer| layer.reach() == Reach::Always).flat_map(Layer::values).collect();
    let largest = always.iter().copied().fold(0.0, f64::max);
    let near = panel
        .layers
        .iter()
        .filter(|layer| layer.reach() == Reach::IfNear)
        .map(|layer| layer.values().into_iter().fold(0.0, f64::max));
    let top = near.filter(|value| *value <= largest * NEAR).fold(largest, f64::max);
    let ticks = (height / 45.0).round().max(2.0) as u32;
    match panel.span {
        Span::FromNought => Scale::linear(panel.unit, top, ticks),
        Span::Decades => Scale::spanning(panel.unit, always.iter().copied().chain([top]), ticks),
    }
}

/// A panel's place.
struct Field {
    top: f64,
    bottom: f64,
    scale: Scale,
}

impl Field {
    fn y(&self, value: f64) -> f64 {
        self.bottom - (self.bottom - self.top) * self.scale.share(value)
    }

    /// Whether a layer is within the scale.
    fn has(&self, layer: &Layer) -> bool {
        layer.reach() == Reach::Always || layer.values().into_iter().all(|value| self.scale.share(value) < 1.0)
    }
}

/// The axis of time that all panels share.
struct Paper<'a> {
    scene: &'a Scene,
}

impl Paper<'_> {
    fn x(&self, at_us: u64) -> f64 {
        let (from_us, to_us) = self.scene.range_us;
        let share = at_us.saturating_sub(from_us) as f64 / (to_us - from_us).max(1) as f64;
        LEFT + (RIGHT - LEFT) * share.min(1.0)
    }

    fn panel(&self, svg: &mut Svg, panel: &Panel, field: &Field) {
        for tick in field.scale.ticks() {
            let y = field.y(tick);
            svg.line((LEFT, y), (RIGHT, y), "stroke=\"#e3e3e3\"");
            svg.text((LEFT - 7.0, y + 4.0), &panel.unit.tick(tick), style(SMALL, PALE, Anchor::End));
        }
        self.sampled(svg, field);
        for layer in panel.layers.iter().filter(|layer| field.has(layer)) {
            self.layer(svg, layer, field);
        }
        svg.line((LEFT, field.bottom), (RIGHT, field.bottom), "stroke=\"#777\"");
        self.sampled_ends(svg, field);
        svg.text((12.0, field.top - 11.0), &panel.heading, style(SMALL, INK, Anchor::Start));
        for layer in panel.layers.iter().filter(|layer| field.has(layer)) {
            name_of_level(svg, layer, field);
        }
    }

    /// The stretch of the capture.
    fn sampled(&self, svg: &mut Svg, field: &Field) {
        let Some((from_us, to_us)) = self.scene.sampled_us else { return };
        let (left, right) = (self.x(from_us), self.x(to_us));
        svg.rect((left, field.top, right - left, field.bottom - field.top), "fill=\"#56b4e9\" fill-opacity=\"0.13\"");
        svg.rect((left, field.top - 3.0, right - left, 3.0), "fill=\"#56b4e9\"");
        if field.top > TOP {
            return;
        }
        let words = self.scene.stretch;
        let half = width(words, SMALL) / 2.0;
        let middle = f64::midpoint(left, right).clamp(LEFT + half, RIGHT - half);
        svg.text((middle, field.top - 9.0), words, style(SMALL, "#1f6f9c", Anchor::Middle));
    }

    /// Its ends lie on top of everything: bands cover the shade.
    fn sampled_ends(&self, svg: &mut Svg, field: &Field) {
        for at_us in self.scene.sampled_us.into_iter().flat_map(|(from_us, to_us)| [from_us, to_us]) {
            let x = self.x(at_us);
            svg.line((x, field.top), (x, field.bottom), "stroke=\"#1f6f9c\" stroke-dasharray=\"2 2\"");
        }
    }

    fn layer(&self, svg: &mut Svg, layer: &Layer, field: &Field) {
        let colour = layer.key().colour;
        match layer {
            Layer::Band(_, slabs) => {
                let look = format!("fill=\"{colour}\" fill-opacity=\"0.85\" stroke=\"#fff\" stroke-width=\"0.4\"");
                svg.path(&self.band(slabs, field), &look);
            }
            Layer::Line(_, steps, stroke) => {
                let width = if *stroke == Stroke::Strong { 1.6 } else { 1.1 };
                let look = format!(
                    "fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\" stroke-linejoin=\"round\" \
                     stroke-linecap=\"round\""
                );
                svg.path(&self.steps(steps, field), &look);
            }
            Layer::Level(_, value, _) => {
                let y = field.y(*value);
                svg.line((LEFT, y), (RIGHT, y), &format!("stroke=\"{colour}\" stroke-width=\"2\""));
            }
            Layer::Before(_, value) => {
                let y = field.y(*value);
                // Bands of any colour may lie below.
                svg.line((LEFT, y), (RIGHT, y), "stroke=\"#fff\" stroke-width=\"4\" stroke-opacity=\"0.8\"");
                let look = format!("stroke=\"{colour}\" stroke-width=\"1.6\" stroke-dasharray=\"7 5\"");
                svg.line((LEFT, y), (RIGHT, y), &look);
            }
            Layer::Crosses(_, moments) => {
                let mut path = String::new();
                for at_us in moments {
                    let (x, y) = (num(self.x(*at_us) - 4.0), num(field.top + 3.0));
                    // Writing to a string cannot fail, here and below.
                    let _ = write!(path, "M{x} {y}l8 8m0 -8l-8 8");
                }
                svg.path(&path, &format!("fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\""));
            }
            Layer::Stretch(_, (from_us, to_us)) => {
                let left = self.x(*from_us);
                let long = (self.x(*to_us) - left).max(THINNEST_STRETCH);
                let place = (left, field.top, long, field.bottom - field.top);
                svg.rect(place, &format!("fill=\"{colour}\" fill-opacity=\"{STRETCH_OPACITY}\""));
            }
            Layer::Strip(_, shares) => {
                for Step { from_us, to_us, value } in shares {
                    let (left, right) = (self.x(*from_us), self.x(*to_us));
                    // The least is to be seen as well.
                    let opacity = if *value > 0.0 { 0.2 + 0.8 * value.min(1.0) } else { 0.0 };
                    let place = (left, field.bottom + 2.0, right - left, STRIP_HEIGHT);
                    svg.rect(place, "fill=\"#e3e3e3\"");
                    if opacity > 0.0 {
                        svg.rect(place, &format!("fill=\"{colour}\" fill-opacity=\"{opacity:.2}\""));
                    }
                }
            }
        }
    }

    /// A line of steps, broken where time is missing.
    fn steps(&self, steps: &[Step], field: &Field) -> String {
        let mut path = String::new();
        let mut end_us = None;
        // A reading stands for the time before it, and the first one's is outside.
        for step in steps.iter().filter(|step| step.to_us > self.scene.range_us.0) {
            let (left, right, y) = (num(self.x(step.from_us)), num(self.x(step.to_us)), num(field.y(step.value)));
            let _ = if end_us == Some(step.from_us) {
                write!(path, "V{y}H{right}")
            } else {
                write!(path, "M{left} {y}H{right}")
            };
            end_us = Some(step.to_us);
        }
        path
    }

    /// The outline of a band, one closed part for each stretch without a gap.
    fn band(&self, slabs: &[Slab], field: &Field) -> String {
        let mut path = String::new();
        for part in slabs.chunk_by(|before, next| before.step.to_us == next.step.from_us) {
            let Some(first) = part.first() else { continue };
            let _ = write!(path, "M{} {}", num(self.x(first.step.from_us)), num(field.y(first.low)));
            for slab in part {
                let _ = write!(path, "V{}H{}", num(field.y(slab.step.value)), num(self.x(slab.step.to_us)));
            }
            for slab in part.iter().rev() {
                let _ = write!(path, "V{}H{}", num(field.y(slab.low)), num(self.x(slab.step.from_us)));
            }
            path.push('Z');
        }
        path
    }

    fn time_axis(&self, svg: &mut Svg) {
        svg.text((12.0, BOTTOM + 24.0), "UTC", style(SMALL, PALE, Anchor::Start));
        for (at_us, words) in time_ticks(self.scene.epoch, self.scene.range_us, 7) {
            let x = self.x(at_us);
            svg.line((x, BOTTOM), (x, BOTTOM + 10.0), "stroke=\"#777\"");
            let half = width(&words, SMALL) / 2.0;
            svg.text((x.clamp(LEFT, RIGHT - half), BOTTOM + 24.0), &words, style(SMALL, PALE, Anchor::Middle));
        }
    }
}

/// A level carries its name: limits at the right, what was before at the left, so that the two do not meet.
fn name_of_level(svg: &mut Svg, layer: &Layer, field: &Field) {
    let (key, value, x, anchor) = match layer {
        Layer::Level(key, value, _) => (key, *value, RIGHT - 5.0, Anchor::End),
        Layer::Before(key, value) => (key, *value, LEFT + 5.0, Anchor::Start),
        _ => return,
    };
    let y = field.y(value);
    let y = if y - field.top < SMALL + 6.0 { y + SMALL + 3.0 } else { y - 5.0 };
    let words = format!("{} {}", key.name, key.figure.as_deref().unwrap_or_default());
    let words = words.trim_end();
    let long = width(words, SMALL) + 4.0;
    let left = if anchor == Anchor::End { x - long + 2.0 } else { x - 2.0 };
    svg.rect((left, y - SMALL + 1.0, long, SMALL + 2.0), "fill=\"#fff\" fill-opacity=\"0.75\"");
    svg.text((x, y), words, style(SMALL, key.colour, anchor));
}

/// The legend, entry after entry.
struct Legend {
    svg: Svg,
    y: f64,
    /// Whether something stands in it alone, since it is beyond the scale.
    is_beyond: bool,
}

impl Legend {
    fn heading(&mut self, words: &str) {
        self.svg.text((LEGEND_RIGHT, self.y), words, style(SMALL, PALE, Anchor::End));
        self.y += LEGEND_LINE;
    }

    fn entry(&mut self, layer: &Layer, is_drawn: bool) {
        let key = layer.key();
        let figure = match &key.figure {
            Some(figure) if is_drawn => figure.clone(),
            Some(figure) => {
                self.is_beyond = true;
                format!("↑ {figure}")
            }
            None => "–".to_owned(),
        };
        self.swatch(layer);
        let room = LEGEND_RIGHT - LEGEND_LEFT - 22.0 - width(&figure, SMALL) - 8.0;
        let name = fitted(&key.name, SMALL, room);
        self.svg.text((LEGEND_LEFT + 22.0, self.y), &name, style(SMALL, INK, Anchor::Start));
        self.svg.text((LEGEND_RIGHT, self.y), &figure, style(SMALL, INK, Anchor::End));
        self.y += LEGEND_LINE;
    }

    fn swatch(&mut self, layer: &Layer) {
        let (left, middle, colour) = (LEGEND_LEFT, self.y - 4.0, layer.key().colour);
        let right = left + 15.0;
        let line = |look: &str| format!("stroke=\"{colour}\" {look}");
        match layer {
            Layer::Band(..) => self.svg.rect((left + 2.0, middle - 6.0, 12.0, 12.0), &format!("fill=\"{colour}\"")),
            Layer::Stretch(..) => {
                let look = format!("fill=\"{colour}\" fill-opacity=\"{STRETCH_OPACITY}\"");
                self.svg.rect((left + 2.0, middle - 6.0, 12.0, 12.0), &look);
            }
            Layer::Strip(..) => self.svg.rect((left, middle - 3.0, 15.0, 6.0), &format!("fill=\"{colour}\"")),
            Layer::Line(_, _, Stroke::Strong) | Layer::Level(..) => {
                self.svg.line((left, middle), (right, middle), &line("stroke-width=\"2\""));
            }
            Layer::Line(_, _, Stroke::Thin) => {
                self.svg.line((left, middle), (right, middle), &line("stroke-width=\"1.1\""));
            }
            Layer::Before(..) => {
                self.svg.line((left, middle), (right, middle), &line("stroke-width=\"1.6\" stroke-dasharray=\"6 3\""));
            }
            Layer::Crosses(..) => {
                let path = format!("M{} {}l8 8m0 -8l-8 8", num(left + 3.0), num(middle - 4.0));
                self.svg.path(&path, &format!("fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\""));
            }
        }
    }

    /// In what is left of the column.
    fn notes(&mut self, notes: &[String]) {
        if self.is_beyond {
            self.svg.text((LEGEND_RIGHT, self.y), "↑ above the scale", style(SMALL, PALE, Anchor::End));
            self.y += LEGEND_LINE;
        }
        for note in notes {
            self.y += 6.0;
            let room = ((BOTTOM + 24.0 - self.y) / 15.0).max(0.0) as usize;
            for line in wrapped(note, SMALL, LEGEND_RIGHT - LEGEND_LEFT, room.min(MOST_NOTE_LINES)) {
                self.svg.text((LEGEND_LEFT, self.y), &line, style(SMALL, colour::PURPLE, Anchor::Start));
                self.y += 15.0;
            }
        }
    }
}
