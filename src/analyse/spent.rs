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

/// The same for each stretch of a length within a range, by its beginning: all that the tables cover as a whole. One
/// of which no row speaks is left out.
pub fn by_stretch(series: &Series, columns: &[&str], range: (u64, u64), length_us: u64) -> Vec<(u64, f64)> {
    let rows = || series.workers().flat_map(|(_, table)| table.rows.iter().map(|row| row.at_us));
    let (Some(first_us), Some(last_us)) = (rows().min(), rows().max()) else { return Vec::new() };
    let (from_us, to_us) = (range.0.max(first_us), range.1.min(last_us));
    let count = to_us.saturating_sub(from_us) / length_us;
    let mut spent = vec![(0.0, 0); count as usize];
    for (begin_us, end_us, value) in series.workers().flat_map(|(_, table)| growths(table, columns)) {
        let stretches = begin_us.saturating_sub(from_us) / length_us..=end_us.saturating_sub(from_us) / length_us;
        for index in stretches.take_while(|index| *index < count) {
            let stretch_us = from_us + index * length_us;
            let (first, last) = (begin_us.max(stretch_us), end_us.min(stretch_us + length_us));
            let within_us = last.saturating_sub(first);
            let (spent, covered_us) = &mut spent[index as usize];
            *spent += value * within_us as f64 / (end_us - begin_us) as f64;
            *covered_us += within_us;
        }
    }
    let begins = (from_us..).step_by(length_us as usize);
    let known = begins.zip(spent).filter(|(_, (_, covered_us))| *covered_us as f64 >= LEAST_COVERED * length_us as f64);
    known.map(|(at_us, (spent, _))| (at_us, spent / (length_us as f64 / 1e6))).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::Reading;

    #[test]
    fn stretches_share_what_a_row_counts_and_hold_what_is_spent_as_a_whole() {
        let row = |(at_us, cpu_s): (u64, f64)| reading(at_us, Some(cpu_s));
        // Half a core, a row that came late, and one core; then a rest that fills no stretch.
        let rows = [(500_000, 0.0), (1_500_000, 0.5), (3_500_000, 1.0), (4_500_000, 1.0), (4_900_000, 0.4)];
        let series = Series::gather(rows.map(row).to_vec());
        let stretches = |range| by_stretch(&series, &["cpu_s"], range, 1_000_000);
        assert_eq!(stretches((0, u64::MAX)), [(500_000, 0.5), (1_500_000, 0.5), (2_500_000, 0.5), (3_500_000, 1.0)]);
        assert_eq!(stretches((3_000_000, 4_200_000)), [(3_000_000, 0.75)]);
        assert_eq!(by_stretch(&Series::default(), &["cpu_s"], (0, 1), 1), []);
    }

    #[test]
    fn a_stretch_that_was_not_read_is_none_and_not_without_cpu() {
        let rows = [(0, Some(0.0)), (1_000_000, Some(0.5)), (2_000_000, None), (3_000_000, Some(0.5))];
        let series = Series::gather(rows.map(|(at_us, cpu_s)| reading(at_us, cpu_s)).to_vec());
        let stretches = by_stretch(&series, &["cpu_s"], (0, u64::MAX), 1_000_000);
        assert_eq!(stretches, [(0, 0.5), (2_000_000, 0.5)]);
    }

    fn reading(at_us: u64, cpu_s: Option<f64>) -> Reading {
        Reading { table: "worker-101".to_owned(), at_us, values: vec![("cpu_s".to_owned(), cpu_s)] }
    }
}
