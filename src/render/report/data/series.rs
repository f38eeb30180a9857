//! The figures over time.

use serde::Serialize;

use crate::render::report::data::block::{Column, Columns};
use crate::series::{Series, Table};

/// A table in columns.
#[derive(Debug, Serialize)]
pub struct Stored<'a> {
    table: &'a str,
    columns: &'a [String],
    /// When: microseconds since the row before, of the first since time zero.
    at: Column,
    /// One for each column, in their order.
    values: Vec<Column>,
}

/// All tables.
pub fn series<'a>(series: &'a Series, columns: &mut Columns) -> Vec<Stored<'a>> {
    series.0.values().map(|table| stored(table, columns)).collect()
}

fn stored<'a>(table: &'a Table, columns: &mut Columns) -> Stored<'a> {
    let mut rows: Vec<_> = table.rows.iter().collect();
    rows.sort_by_key(|row| row.at_us);
    let before = std::iter::once(0).chain(rows.iter().map(|row| row.at_us));
    let at = columns.varints(rows.iter().zip(before).map(|(row, before_us)| row.at_us - before_us));
    let values = (0..table.columns.len())
        .map(|index| columns.floats(rows.iter().map(|row| row.values.get(index).copied().flatten())))
        .collect();
    Stored { table: &table.name, columns: &table.columns, at, values }
}
