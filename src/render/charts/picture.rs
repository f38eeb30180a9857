//! What is in a chart, before anything is said of paper and places.

use crate::render::charts::scale::Unit;
use crate::render::charts::steps::Step;

/// Colours that stay apart for colour-blind eyes: Okabe and Ito's set.
pub mod colour {
    /// Totals.
    pub const BLACK: &str = "#222222";
    /// Whatever is beside the point.
    pub const GREY: &str = "#8c8c8c";
    /// The first of a kind.
    pub const BLUE: &str = "#0072b2";
    /// What hurts: limits, errors, throttling.
    pub const VERMILION: &str = "#d55e00";
    /// The second of a kind.
    pub const ORANGE: &str = "#e69f00";
    /// The third.
    pub const GREEN: &str = "#009e73";
    /// What stood still; Tol's wine.
    pub const WINE: &str = "#882255";
    /// What was before.
    pub const PURPLE: &str = "#7b3294";
    /// One for each worker that is shown by itself. Vermilion is kept for limits.
    pub const WORKERS: [&str; 7] = [BLUE, ORANGE, GREEN, "#cc79a7", "#56b4e9", "#f0e442", WINE];
    /// All other workers together.
    pub const OTHERS: &str = "#bbbbbb";
}

/// A chart.
#[derive(Debug)]
pub struct Picture {
    /// What it shows, and of how much.
    pub title: String,
    /// What the figures in the legend are of.
    pub figures: String,
    /// One above the other, on one axis of time.
    pub panels: Vec<Panel>,
    /// What could not be drawn, and why.
    pub notes: Vec<String>,
}

/// A field with an axis of its own.
#[derive(Debug)]
pub struct Panel {
    /// Above its axis.
    pub heading: String,
    /// Of everything in it.
    pub unit: Unit,
    /// Its part of the height, against those of the other panels.
    pub height: f64,
    /// What its scale is like.
    pub span: Span,
    /// The later cover the earlier.
    pub layers: Vec<Layer>,
}

/// What a panel's scale is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// Heights are to be compared.
    FromNought,
    /// Logarithmic where the figures span more than two decades.
    Decades,
}

/// How a layer is called.
#[derive(Debug, Clone)]
pub struct Key {
    /// Its name in the legend.
    pub name: String,
    /// Its colour.
    pub colour: &'static str,
    /// Its figure in the legend.
    pub figure: Option<String>,
}

/// Whether a layer makes room for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// The scale reaches so far.
    Always,
    /// Only where the others do not become too small to be read for it; else it stands in the legend alone.
    IfNear,
}

/// A stretch of a band.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slab {
    /// Time, and the upper edge.
    pub step: Step,
    /// The lower edge.
    pub low: f64,
}

/// Something that is drawn.
#[derive(Debug)]
pub enum Layer {
    /// A filled band.
    Band(Key, Vec<Slab>),
    /// A line.
    Line(Key, Vec<Step>, Stroke),
    /// A line across everything, with its name on it.
    Level(Key, f64, Reach),
    /// The level before the spike, dashed.
    Before(Key, f64),
    /// Crosses at the upper edge.
    Crosses(Key, Vec<u64>),
    /// A stretch of time from the upper to the lower edge, from and to.
    Stretch(Key, (u64, u64)),
    /// A strip below the axis that is the darker the larger the share, which is from 0 to 1.
    Strip(Key, Vec<Step>),
}

/// What a line looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stroke {
    /// What the chart is about.
    Strong,
    /// What is good to know beside it; it makes no room for itself.
    Thin,
}

impl Layer {
    /// How it is called.
    pub fn key(&self) -> &Key {
        match self {
            Self::Band(key, _)
            | Self::Line(key, _, _)
            | Self::Level(key, _, _)
            | Self::Before(key, _)
            | Self::Crosses(key, _)
            | Self::Stretch(key, _)
            | Self::Strip(key, _) => key,
        }
    }

    /// Whether there is something to be seen of it.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Band(_, slabs) => slabs.is_empty(),
            Self::Line(_, steps, _) | Self::Strip(_, steps) => steps.is_empty(),
            Self::Crosses(_, moments) => moments.is_empty(),
            Self::Level(..) | Self::Before(..) | Self::Stretch(..) => false,
        }
    }

    /// Whether it shows what happened, and not what something is held against.
    pub fn is_data(&self) -> bool {
        !matches!(self, Self::Level(..) | Self::Before(..) | Self::Stretch(..) | Self::Strip(..)) && !self.is_empty()
    }

    /// Its figures.
    pub fn values(&self) -> Vec<f64> {
        match self {
            Self::Band(_, slabs) => slabs.iter().map(|slab| slab.step.value).collect(),
            Self::Line(_, steps, _) => steps.iter().map(|step| step.value).collect(),
            Self::Level(_, value, _) | Self::Before(_, value) => vec![*value],
            Self::Crosses(..) | Self::Stretch(..) | Self::Strip(..) => Vec::new(),
        }
    }

    /// Whether the scale is made for it.
    pub fn reach(&self) -> Reach {
        match self {
            Self::Level(_, _, reach) => *reach,
            Self::Line(_, _, Stroke::Thin) => Reach::IfNear,
            _ => Reach::Always,
        }
    }
}

/// Bands upon each other, the first at the bottom, from values on one grid. A cell in which one of them is not known
/// has none of them, since the others would stand at the wrong height.
pub fn stacked(bands: Vec<(Key, Vec<Option<f64>>)>, grid: &[u64]) -> Vec<Layer> {
    let mut heights: Vec<Option<f64>> = vec![Some(0.0); grid.len().saturating_sub(1)];
    for (_, values) in &bands {
        for (height, value) in heights.iter_mut().zip(values) {
            *height = height.and(*value).map(|_| 0.0);
        }
    }
    let mut layers = Vec::new();
    for (key, values) in bands {
        let mut slabs = Vec::new();
        for ((height, value), cell) in heights.iter_mut().zip(values).zip(grid.windows(2)) {
            let (Some(low), Some(value)) = (*height, value) else { continue };
            slabs.push(Slab { step: Step { from_us: cell[0], to_us: cell[1], value: low + value }, low });
            *height = Some(low + value);
        }
        layers.push(Layer::Band(key, slabs));
    }
    layers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_stand_upon_each_other_and_share_their_gaps() {
        let key = || Key { name: String::new(), colour: colour::BLUE, figure: None };
        let bands = vec![(key(), vec![Some(1.0), Some(2.0), Some(3.0)]), (key(), vec![Some(0.5), None, Some(0.0)])];
        let edges: Vec<Vec<(u64, f64, f64)>> = stacked(bands, &[0, 1, 2, 3])
            .iter()
            .map(|layer| match layer {
                Layer::Band(_, slabs) => {
                    slabs.iter().map(|slab| (slab.step.from_us, slab.low, slab.step.value)).collect()
                }
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(edges, [[(0, 0.0, 1.0), (2, 0.0, 3.0)], [(0, 1.0, 1.5), (2, 3.0, 3.0)]]);
    }
}
