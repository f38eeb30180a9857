//! Figures of every worker on one grid, the hottest by themselves and the rest as one.

use crate::analyse::facts::Facts;
use crate::analyse::verdict::Verdict;
use crate::render::charts::picture::{Key, Layer, colour, stacked};
use crate::render::charts::scale::Unit;
use crate::render::charts::scene::{MOST_STEPS, Scene};
use crate::render::charts::steps::{Of, Step, cells, grid, onto, within};
use crate::series::Table;

/// Workers up to here are all shown by themselves.
const ALL_SHOWN: usize = 8;

/// Workers stacked, and their sum.
#[derive(Debug)]
pub struct Stack {
    /// One band for each worker that is shown, the hottest at the bottom.
    pub bands: Vec<Layer>,
    /// Their sum.
    pub total: Vec<Step>,
    /// The sum over the time that the legend tells of.
    pub total_figure: Option<f64>,
    /// How many workers it is of.
    pub workers: usize,
}

/// What is told of a worker.
#[derive(Debug, Clone, Copy)]
pub struct Told {
    /// Of its table.
    pub steps: fn(&Table) -> Vec<Step>,
    /// In this unit.
    pub unit: Unit,
    /// Its figure in the legend.
    pub of: Of,
}

struct Worker {
    pid: i32,
    steps: Vec<Step>,
    lived_us: (u64, u64),
}

/// Stacks the workers' figures.
pub fn stack(facts: &Facts, verdict: &Verdict, scene: &Scene, told: Told) -> Stack {
    let rank = |pid: i32| verdict.workers.iter().position(|worker| worker.pid == pid).unwrap_or(usize::MAX);
    let mut workers: Vec<Worker> = facts
        .series
        .workers()
        .filter_map(|(pid, table)| {
            let steps = (told.steps)(table);
            let lived_us = (steps.first()?.from_us, steps.last()?.to_us);
            Some(Worker { pid, steps, lived_us })
        })
        .collect();
    workers.sort_by_key(|worker| (rank(worker.pid), worker.pid));
    let all: Vec<&[Step]> = workers.iter().map(|worker| worker.steps.as_slice()).collect();
    let grid = grid(&all, MOST_STEPS);
    let values: Vec<Vec<Option<f64>>> = workers.iter().map(|worker| on_grid(worker, &grid)).collect();
    let cell_count = grid.len().saturating_sub(1);
    let total = cells(&summed(&values, cell_count), &grid);

    let shown = if workers.len() > ALL_SHOWN { colour::WORKERS.len() } else { workers.len() };
    let figure = |steps: &[Step]| within(steps, scene.told_us(), told.of).map(|value| told.unit.figure(value));
    let mut bands: Vec<(Key, Vec<Option<f64>>)> = Vec::new();
    for (index, (worker, values)) in workers.iter().zip(&values).take(shown).enumerate() {
        let colour = colour::WORKERS.get(index).copied().unwrap_or(colour::OTHERS);
        let key = Key { name: format!("worker {}", worker.pid), colour, figure: figure(&worker.steps) };
        bands.push((key, values.clone()));
    }
    if shown < workers.len() {
        let rest = summed(&values[shown..], cell_count);
        let figure = figure(&cells(&rest, &grid));
        let name = format!("{} other workers", workers.len() - shown);
        bands.push((Key { name, colour: colour::OTHERS, figure }, rest));
    }
    let total_figure = within(&total, scene.told_us(), told.of);
    Stack { bands: stacked(bands, &grid), total, total_figure, workers: workers.len() }
}

/// A worker that was not there yet, or no more, used nothing; only while it lived can something be unknown.
fn on_grid(worker: &Worker, grid: &[u64]) -> Vec<Option<f64>> {
    let (from_us, to_us) = worker.lived_us;
    let mut values = onto(&worker.steps, grid, Of::Mean);
    for (value, cell) in values.iter_mut().zip(grid.windows(2)) {
        let lived_us = cell[1].min(to_us).saturating_sub(cell[0].max(from_us));
        if value.is_none() && lived_us * 2 < cell[1] - cell[0] {
            *value = Some(0.0);
        }
    }
    values
}

/// The sum of values on a grid; none where one of them is not known.
fn summed(bands: &[Vec<Option<f64>>], cells: usize) -> Vec<Option<f64>> {
    let sum = |cell: usize| bands.iter().try_fold(0.0, |sum, band| Some(sum + band.get(cell).copied().flatten()?));
    (0..cells).map(sum).collect()
}
