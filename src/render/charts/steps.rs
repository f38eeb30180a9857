//! Tables as stretches of time with a value each, which is what a chart draws.
//!
//! A counter's growth belongs to the time since the row before; a reading stands for the time since the row before, but
//! not for longer than rows usually are apart. Where nothing was read there is no stretch, so that a gap stays one.

use crate::series::Table;

/// A reading stands for this many usual distances between rows at most; what is longer was a gap.
const LONGEST_REACH: u64 = 2;

/// A value over a stretch of time, in microseconds since the capture began.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// Beginning.
    pub from_us: u64,
    /// End.
    pub to_us: u64,
    /// In the chart's unit.
    pub value: f64,
}

impl Step {
    fn overlap_us(&self, from_us: u64, to_us: u64) -> u64 {
        self.to_us.min(to_us).saturating_sub(self.from_us.max(from_us))
    }
}

/// What stands for many values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// Their mean, weighed by time.
    Mean,
    /// The largest: where it is the worst that counts.
    Max,
}

/// A column of growth as rates: growth for each second. The first row has no time that it belongs to.
pub fn rates(table: &Table, column: &str) -> Vec<Step> {
    shares(table, column, |growth, seconds| growth / seconds)
}

/// The growth of one column for each unit that another one grew by.
pub fn ratios(table: &Table, part: &str, whole: &str) -> Vec<Step> {
    let wholes = shares(table, whole, |growth, _| growth);
    let whole_at = |step: &Step| {
        let at = wholes.binary_search_by_key(&step.to_us, |whole| whole.to_us).ok()?;
        Some(wholes[at].value).filter(|whole| *whole > 0.0)
    };
    let parts = shares(table, part, |growth, _| growth);
    parts.iter().filter_map(|step| Some(Step { value: step.value / whole_at(step)?, ..*step })).collect()
}

fn shares(table: &Table, column: &str, value: impl Fn(f64, f64) -> f64) -> Vec<Step> {
    let Some(index) = table.columns.iter().position(|name| name == column) else { return Vec::new() };
    let pairs = table.rows.iter().zip(table.rows.iter().skip(1)).filter(|(before, row)| before.at_us < row.at_us);
    pairs
        .filter_map(|(before, row)| {
            let growth = row.values.get(index).copied().flatten()?;
            let seconds = (row.at_us - before.at_us) as f64 / 1e6;
            Some(Step { from_us: before.at_us, to_us: row.at_us, value: value(growth, seconds) })
        })
        .collect()
}

/// A column of readings.
pub fn readings(table: &Table, column: &str) -> Vec<Step> {
    let reach_us = LONGEST_REACH * usual_distance_us(table.rows.iter().map(|row| row.at_us));
    let mut before_us = None;
    let mut steps = Vec::new();
    for (at_us, value) in table.column(column) {
        let begin_us = at_us.saturating_sub(reach_us);
        steps.push(Step { from_us: before_us.unwrap_or(begin_us).max(begin_us), to_us: at_us, value });
        before_us = Some(at_us);
    }
    steps
}

/// A column of readings of what began with each row, and so stands for the time from there on: until the next row, but
/// not for longer than rows usually are apart.
pub fn onward(table: &Table, column: &str) -> Vec<Step> {
    let reach_us = LONGEST_REACH * usual_distance_us(table.rows.iter().map(|row| row.at_us));
    let next = |at_us: u64| table.rows.get(table.rows.partition_point(|row| row.at_us <= at_us)).map(|row| row.at_us);
    table
        .column(column)
        .map(|(from_us, value)| {
            let end_us = from_us.saturating_add(reach_us);
            let to_us = next(from_us).unwrap_or(from_us.saturating_add(reach_us / LONGEST_REACH)).min(end_us);
            Step { from_us, to_us, value }
        })
        .collect()
}

/// The median distance between neighbours; 0 where there are none.
fn usual_distance_us(times: impl Iterator<Item = u64>) -> u64 {
    let mut times: Vec<u64> = times.collect();
    times.sort_unstable();
    let mut distances: Vec<u64> = times.windows(2).map(|pair| pair[1] - pair[0]).filter(|us| *us > 0).collect();
    distances.sort_unstable();
    distances.get(distances.len() / 2).copied().unwrap_or(0)
}

/// The times at which columns of a chart meet, so that steps of several tables can be put upon each other: where the
/// steps begin and end, but no closer than half of the usual length of a step, and not more than there is room for.
pub fn grid(steps: &[&[Step]], most: usize) -> Vec<u64> {
    let mut times: Vec<u64> =
        steps.iter().flat_map(|steps| steps.iter()).flat_map(|step| [step.from_us, step.to_us]).collect();
    times.sort_unstable();
    let (Some(first), Some(last)) = (times.first().copied(), times.last().copied()) else { return Vec::new() };
    let mut lengths: Vec<u64> =
        steps.iter().flat_map(|steps| steps.iter()).map(|step| step.to_us - step.from_us).collect();
    lengths.sort_unstable();
    let usual_us = lengths[lengths.len() / 2];
    let closest_us = (usual_us / 2).max((last - first) / most.max(1) as u64).max(1);
    let mut grid = vec![first];
    for time in times {
        if grid.last().is_some_and(|known| time >= known + closest_us) {
            grid.push(time);
        }
    }
    // The last stretch would be cut off where it is shorter than the others.
    match grid.last_mut() {
        Some(end) if *end < last && *end > first => *end = last,
        _ => {}
    }
    grid
}

/// Steps on a grid: none for a cell of which less than half is known.
pub fn onto(steps: &[Step], grid: &[u64], of: Of) -> Vec<Option<f64>> {
    let mut first = 0;
    grid.windows(2)
        .map(|cell| {
            let (from_us, to_us) = (cell[0], cell[1]);
            while steps.get(first).is_some_and(|step| step.to_us <= from_us) {
                first += 1;
            }
            let within = steps[first..].iter().take_while(|step| step.from_us < to_us);
            let known_us: u64 = within.clone().map(|step| step.overlap_us(from_us, to_us)).sum();
            let enough = known_us > 0 && known_us * 2 >= to_us - from_us;
            enough.then(|| over(within, from_us, to_us, of)).flatten()
        })
        .collect()
}

/// One value for a stretch of time; none where nothing of it is known.
pub fn within(steps: &[Step], (from_us, to_us): (u64, u64), of: Of) -> Option<f64> {
    over(steps.iter(), from_us, to_us, of)
}

fn over<'a>(steps: impl Iterator<Item = &'a Step>, from_us: u64, to_us: u64, of: Of) -> Option<f64> {
    let parts = steps.map(|step| (step.overlap_us(from_us, to_us) as f64, step.value)).filter(|(us, _)| *us > 0.0);
    match of {
        Of::Max => parts.map(|(_, value)| value).reduce(f64::max),
        Of::Mean => {
            let (us, sum) = parts.fold((0.0, 0.0), |(all, sum), (us, value)| (all + us, sum + us * value));
            (us > 0.0).then(|| sum / us)
        }
    }
}

/// Cells of a grid as steps.
pub fn cells(values: &[Option<f64>], grid: &[u64]) -> Vec<Step> {
    let cells = values.iter().zip(grid.windows(2));
    cells.filter_map(|(value, cell)| Some(Step { from_us: cell[0], to_us: cell[1], value: (*value)? })).collect()
}

/// No more steps than there is room for.
pub fn thinned(steps: Vec<Step>, most: usize, of: Of) -> Vec<Step> {
    if steps.len() <= most {
        return steps;
    }
    let grid = grid(&[&steps], most);
    cells(&onto(&steps, &grid, of), &grid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::Row;
    use proptest::prelude::*;

    const S: u64 = 1_000_000;

    fn table(rows: &[(u64, Option<f64>)]) -> Table {
        let rows = rows.iter().map(|(at, value)| Row { at_us: at * S, values: vec![*value] }).collect();
        Table { name: "t".to_owned(), columns: vec!["a".to_owned()], rows }
    }

    fn step(from: u64, to: u64, value: f64) -> Step {
        Step { from_us: from * S, to_us: to * S, value }
    }

    #[test]
    fn growth_is_a_rate_since_the_row_before_and_a_failed_reading_is_a_gap() {
        let rates = rates(&table(&[(0, Some(9.0)), (1, Some(0.5)), (2, None), (4, Some(3.0))]), "a");
        assert_eq!(rates, [step(0, 1, 0.5), step(2, 4, 1.5)]);
    }

    #[test]
    fn a_reading_does_not_reach_over_a_gap() {
        let readings =
            readings(&table(&[(10, Some(1.0)), (11, Some(2.0)), (12, None), (13, Some(3.0)), (30, Some(4.0))]), "a");
        assert_eq!(readings, [step(8, 10, 1.0), step(10, 11, 2.0), step(11, 13, 3.0), step(28, 30, 4.0)]);
    }

    #[test]
    fn what_begins_with_a_row_stands_from_there_on() {
        let onward =
            onward(&table(&[(10, Some(1.0)), (11, Some(2.0)), (12, None), (13, Some(3.0)), (30, Some(4.0))]), "a");
        assert_eq!(onward, [step(10, 11, 1.0), step(11, 12, 2.0), step(13, 15, 3.0), step(30, 31, 4.0)]);
    }

    #[test]
    fn a_share_needs_both_columns() {
        let row = |at, part, whole| Row { at_us: at * S, values: vec![part, whole] };
        let rows = vec![
            row(0, Some(0.0), Some(10.0)),
            row(1, Some(5.0), Some(10.0)),
            row(2, Some(0.0), Some(0.0)),
            row(3, Some(1.0), None),
        ];
        let table = Table { name: "t".to_owned(), columns: vec!["part".to_owned(), "whole".to_owned()], rows };
        assert_eq!(ratios(&table, "part", "whole"), [step(0, 1, 0.5)]);
    }

    #[test]
    fn workers_that_are_read_one_after_the_other_share_a_grid() {
        let one: Vec<Step> = (0..5).map(|n| Step { from_us: n * S, to_us: (n + 1) * S, value: 1.0 }).collect();
        let other: Vec<Step> =
            one.iter().map(|s| Step { from_us: s.from_us + 900, to_us: s.to_us + 900, ..*s }).collect();
        let grid = grid(&[&one, &other], 100);
        assert_eq!(grid, [0, S, 2 * S, 3 * S, 4 * S, 5 * S + 900]);
        assert_eq!(onto(&other, &grid, Of::Mean), vec![Some(1.0); 5]);
    }

    #[test]
    fn a_cell_that_is_half_unknown_is_a_gap() {
        let grid = [0, 10 * S, 20 * S];
        assert_eq!(onto(&[step(6, 20, 2.0)], &grid, Of::Mean), [None, Some(2.0)]);
        assert_eq!(onto(&[step(0, 4, 2.0), step(4, 8, 4.0)], &grid, Of::Mean), [Some(3.0), None]);
        assert_eq!(onto(&[step(0, 4, 2.0), step(4, 8, 4.0)], &grid, Of::Max), [Some(4.0), None]);
    }

    proptest! {
        #[test]
        fn thinning_keeps_the_total(lengths in prop::collection::vec((1_u64..5 * S, 0.0..100.0_f64), 1..900), most in 1_usize..300) {
            let mut at_us = 7;
            let steps: Vec<Step> = lengths.into_iter().map(|(us, value)| {
                at_us += us;
                Step { from_us: at_us - us, to_us: at_us, value }
            }).collect();
            let total = |steps: &[Step]| steps.iter().map(|s| (s.to_us - s.from_us) as f64 * s.value).sum::<f64>();
            let thin = thinned(steps.clone(), most, Of::Mean);
            prop_assert!(thin.len() <= steps.len() && thin.len() <= most + 1);
            prop_assert!((total(&thin) - total(&steps)).abs() <= total(&steps) * 1e-9 + 1e-3);
            prop_assert!(thin.windows(2).all(|pair| pair[0].to_us == pair[1].from_us));
        }
    }
}
