//! The pictures that a ticket asks for: CPU, memory, traffic and latency over the time of the capture, as SVG and PNG.
//!
//! Each chart says what it shows as a [`picture`] of layers; [`paint`] puts any picture on paper, and [`raster`] makes
//! the PNG of it. What could not be had is a gap in a line, or words in the place of the chart; nothing is ever drawn
//! as zero that was not zero.

mod cpu;
mod latency;
mod memory;
mod paint;
mod picture;
mod raster;
mod scale;
mod scene;
mod steps;
mod svg;
mod traffic;
mod workers;

pub use raster::png;

use crate::analyse::facts::Facts;
use crate::analyse::verdict::Verdict;
use crate::render::charts::scene::Scene;

/// A chart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chart {
    /// Its name, and that of its files without their ending.
    pub name: &'static str,
    /// The drawing, 800 pixels wide; it refers to nothing outside itself.
    pub svg: String,
}

/// All charts, in the order in which they are shown.
pub fn draw_all(facts: &Facts, verdict: &Verdict) -> Vec<Chart> {
    let scene = Scene::of(facts);
    let pictures = [
        ("cpu", cpu::picture(facts, verdict, &scene)),
        ("memory", memory::picture(facts, verdict, &scene)),
        ("traffic", traffic::picture(facts, verdict, &scene)),
        ("latency", latency::picture(facts, verdict, &scene)),
    ];
    pictures.into_iter().map(|(name, picture)| Chart { name, svg: paint::draw(&picture, &scene) }).collect()
}
