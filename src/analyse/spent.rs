//! What the workers spent over any stretch of time, by their tables of one row a second.

use crate::series::{Series, Table};

/// Rows must reach over so much of a stretch to speak for it. The rest is at most one row at each end of a short one.
const LEAST_COVERED: f64 = 0.9;

/// The sum of some columns' growth over all workers, a second: of CPU columns, cores busy on average. A row that
/// reaches beyond the stretch counts with the part inside. None where the tables do not cover the stretch.
pub fn per_second(series: &Series, columns: &[&str], stretch: (u64, u64)) -> Option<f64> {
    let (from_us, to_us) = stretch;
    let mut spent = 0.0;
    let mut covered: Option<(u64, u64)> = None;
    for (_, table) in series.workers() {
        for (begin_us, end_us, value) in growths(table, columns) {
            let (first, last) = (begin_us.max(from_us), end_us.min(to_us));
            if first < last {
                spent += value * (last - first) as f64 / (end_us - begin_us) as f64;
                let (from, to) = covered.unwrap_or((first, last));
                covered = Some((from.min(first), to.max(last)));
            }
        }
    }
    let covered_us = covered.map(|(from, to)| to - from)? as f64;
    let enough = covered_us >= LEAST_COVERED * to_us.saturating_sub(from_us) as f64;
    (enough && spent.is_finite()).then(|| spent / (covered_us / 1e6))
}

/// Beginning, end and growth of each row that has a row before it and all of the columns.
fn growths<'a>(table: &'a Table, columns: &[&str]) -> impl Iterator<Item = (u64, u64, f64)> + use<'a> {
    let indices: Option<Vec<usize>> =
        columns.iter().map(|name| table.columns.iter().position(|column| column == name)).collect();
    table.rows.windows(2).filter_map(move |rows| {
        let value = |index: &usize| rows[1].values.get(*index).copied().flatten();
        let values: Option<Vec<f64>> = indices.as_ref()?.iter().map(value).collect();
        (rows[0].at_us < rows[1].at_us).then_some(())?;
        Some((rows[0].at_us, rows[1].at_us, values?.iter().sum()))
    })
}
