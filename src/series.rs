//! Figures over time: tables of one row a second, as they are kept, stored and drawn.
//!
//! A column is a figure with its unit in its name. What the kernel counts without end (CPU time, switches) stands in a
//! row as its growth since the row before, so that a sum over rows is a total; everything else is the value at that
//! moment. A figure that could not be read is an empty field, never a zero.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The tables' names.
pub mod table {
    /// Every worker has one, followed by `-PID`.
    pub const WORKER: &str = "worker";
    /// The workers' cgroup.
    pub const CGROUP: &str = "cgroup";
    /// The whole machine.
    pub const HOST: &str = "host";
    /// The workers' network namespace.
    pub const NETWORK: &str = "network";
    /// Answers of `/health/liveliness`.
    pub const LIVELINESS: &str = "liveliness";
    /// Requests in the access log.
    pub const ACCESS_LOG: &str = "access-log";
    /// What LiteLLM's own counters say, one row for each reading of them.
    pub const TRAFFIC: &str = "traffic";
}

/// The columns' names.
pub mod column {
    /// Worker: growth of its user time.
    pub const USER_S: &str = "user_s";
    /// Worker: growth of its system time.
    pub const SYSTEM_S: &str = "system_s";
    /// Worker: growth of the time its threads were runnable without a CPU.
    pub const RUN_QUEUE_WAIT_S: &str = "run_queue_wait_s";
    /// Worker: growth of the number of times a CPU was taken from its threads.
    pub const INVOLUNTARY_SWITCHES: &str = "involuntary_switches";
    /// Worker: resident memory.
    pub const RSS_BYTES: &str = "rss_bytes";
    /// Worker: its threads.
    pub const THREADS: &str = "threads";
    /// Worker: its open files, sockets included.
    pub const OPEN_FILES: &str = "open_files";
    /// Cgroup: growth of the CPU time of all its processes.
    pub const CPU_S: &str = "cpu_s";
    /// Cgroup: growth of the number of quota periods.
    pub const PERIODS: &str = "periods";
    /// Cgroup: growth of the number of periods in which the quota ran out.
    pub const THROTTLED_PERIODS: &str = "throttled_periods";
    /// Cgroup: growth of the time for which it was held.
    pub const THROTTLED_S: &str = "throttled_s";
    /// Cgroup: memory in use.
    pub const MEMORY_BYTES: &str = "memory_bytes";
    /// Cgroup, else host: growth of the time in which some task waited for a CPU.
    pub const CPU_PRESSURE_S: &str = "cpu_pressure_s";
    /// Cgroup, else host: growth of the time in which some task waited for memory.
    pub const MEMORY_PRESSURE_S: &str = "memory_pressure_s";
    /// Cgroup, else host: growth of the time in which some task waited for a disk.
    pub const IO_PRESSURE_S: &str = "io_pressure_s";
    /// Host: load average of the last minute.
    pub const LOAD_1M: &str = "load_1m";
    /// Host: growth of the CPU time of all processes, over all CPUs.
    pub const BUSY_S: &str = "busy_s";
    /// Host: growth of the CPU time that the hypervisor gave to others.
    pub const STEAL_S: &str = "steal_s";
    /// Host: memory that could be had.
    pub const MEMORY_AVAILABLE_BYTES: &str = "memory_available_bytes";
    /// Network: growth of the number of connections accepted.
    pub const CONNECTIONS_ACCEPTED: &str = "connections_accepted";
    /// Liveliness: time to the answer; empty where none came.
    pub const LATENCY_S: &str = "latency_s";
    /// Liveliness: 1 where no good answer came in time, else 0.
    pub const FAILED: &str = "failed";
    /// Access log, traffic: requests answered since the row before.
    pub const REQUESTS: &str = "requests";
    /// Access log, traffic: those of them that failed (status 400 and above).
    pub const ERRORS: &str = "errors";
    /// Traffic: requests in flight.
    pub const IN_FLIGHT: &str = "in_flight";
}

/// One row as it is kept while the capture runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// Of which table.
    pub table: String,
    /// When, in microseconds since the capture began.
    pub at_us: u64,
    /// Figures by column, in the columns' order. A figure that could not be read is none.
    pub values: Vec<(String, Option<f64>)>,
}

/// A row of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// When, in microseconds since the capture began.
    pub at_us: u64,
    /// One figure for each column.
    pub values: Vec<Option<f64>>,
}

/// Figures over time.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// Its name: the file's, without folder and ending.
    pub name: String,
    /// Names of the columns, without that of the time.
    pub columns: Vec<String>,
    /// By time.
    pub rows: Vec<Row>,
}

/// All tables of a capture, by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Series(pub BTreeMap<String, Table>);

impl Series {
    /// Gathers rows into their tables. A column that appears later is empty in the rows before.
    pub fn gather(readings: Vec<Reading>) -> Self {
        let mut tables: BTreeMap<String, Table> = BTreeMap::new();
        for reading in readings {
            let table = tables.entry(reading.table).or_insert_with_key(|name| Table {
                name: name.clone(),
                columns: Vec::new(),
                rows: Vec::new(),
            });
            let mut values = vec![None; table.columns.len()];
            for (column, value) in reading.values {
                let index = table.columns.iter().position(|known| *known == column).unwrap_or_else(|| {
                    table.columns.push(column);
                    values.push(None);
                    table.columns.len() - 1
                });
                values[index] = value;
            }
            table.rows.push(Row { at_us: reading.at_us, values });
        }
        for table in tables.values_mut() {
            table.rows.sort_by_key(|row| row.at_us);
            let width = table.columns.len();
            table.rows.iter_mut().for_each(|row| row.values.resize(width, None));
        }
        Self(tables)
    }

    /// A table by its name.
    pub fn table(&self, name: &str) -> Option<&Table> {
        self.0.get(name)
    }

    /// The tables of all workers, each with its worker's pid.
    pub fn workers(&self) -> impl Iterator<Item = (i32, &Table)> {
        self.0.values().filter_map(|table| {
            let pid = table.name.strip_prefix(table::WORKER)?.strip_prefix('-')?.parse().ok()?;
            Some((pid, table))
        })
    }
}

impl Table {
    /// The figures of a column that could be read, with their times.
    pub fn column(&self, name: &str) -> impl Iterator<Item = (u64, f64)> {
        let index = self.columns.iter().position(|column| column == name);
        self.rows.iter().filter_map(move |row| Some((row.at_us, row.values.get(index?).copied().flatten()?)))
    }

    /// The sum of a column's growth from one time to another: rows after the first and up to the second. None where
    /// nothing was read there.
    pub fn growth(&self, name: &str, from_us: u64, to_us: u64) -> Option<f64> {
        let rows = self.column(name).filter(|(at_us, _)| (from_us + 1..=to_us).contains(at_us));
        rows.map(|(_, value)| value).reduce(|sum, value| sum + value)
    }

    /// The table as CSV; the first column is the time in UTC.
    pub fn to_csv(&self, epoch: Timestamp) -> String {
        let mut text = format!("utc,{}\n", self.columns.join(","));
        for row in &self.rows {
            text += &utc_us(epoch, row.at_us);
            for value in &row.values {
                text.push(',');
                if let Some(value) = value {
                    text += &value.to_string();
                }
            }
            text.push('\n');
        }
        text
    }

    /// Reads what [`Table::to_csv`] wrote; a line that is none of a table's is left out.
    pub fn from_csv(name: &str, text: &str, epoch: Timestamp) -> Self {
        let mut lines = text.lines();
        let columns: Vec<String> = lines.next().unwrap_or_default().split(',').skip(1).map(str::to_owned).collect();
        let row = |line: &str| {
            let mut fields = line.split(',');
            let at: Timestamp = fields.next()?.parse().ok()?;
            let at_us = u64::try_from(at.as_microsecond() - epoch.as_microsecond()).ok()?;
            let values: Vec<Option<f64>> = fields.map(|field| field.parse().ok()).collect();
            (values.len() == columns.len()).then_some(Row { at_us, values })
        };
        let rows = lines.filter_map(row).collect();
        Self { name: name.to_owned(), columns, rows }
    }
}

/// A moment of the capture in UTC, to the microsecond.
pub fn utc_us(epoch: Timestamp, at_us: u64) -> String {
    let micros = epoch.as_microsecond().saturating_add_unsigned(at_us);
    let moment = Timestamp::from_microsecond(micros).unwrap_or(epoch);
    moment.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn reading(table: &str, at_us: u64, values: &[(&str, Option<f64>)]) -> Reading {
        let values = values.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        Reading { table: table.to_owned(), at_us, values }
    }

    #[test]
    fn rows_find_their_tables_and_late_columns_are_empty_before() {
        let series = Series::gather(vec![
            reading("worker-7", 2, &[("user_s", Some(0.5)), ("threads", Some(4.0))]),
            reading("host", 1, &[("load_1m", Some(2.0))]),
            reading("worker-7", 1, &[("user_s", None)]),
        ]);
        let worker = series.table("worker-7").unwrap();
        assert_eq!(worker.columns, ["user_s", "threads"]);
        assert_eq!(worker.rows[0].values, [None, None]);
        assert_eq!(worker.column("threads").collect::<Vec<_>>(), [(2, 4.0)]);
        assert_eq!(series.workers().map(|(pid, _)| pid).collect::<Vec<_>>(), [7]);
    }

    #[test]
    fn growth_is_summed_and_missing_where_nothing_was_read() {
        let series = Series::gather((1..=4).map(|n| reading("host", n * 10, &[("busy_s", Some(n as f64))])).collect());
        let host = series.table("host").unwrap();
        assert_eq!(host.growth("busy_s", 10, 30), Some(5.0));
        assert_eq!(host.growth("busy_s", 40, 90), None);
        assert_eq!(host.growth("steal_s", 0, 90), None);
    }

    proptest! {
        #[test]
        fn a_table_survives_its_csv(
            epoch_us in 1_700_000_000_000_000_i64..1_900_000_000_000_000,
            rows in prop::collection::vec((0_u64..3_600_000_000, prop::option::of(-1e12..1e12_f64), prop::option::of(0.0..1.0_f64)), 0..20),
        ) {
            let epoch = Timestamp::from_microsecond(epoch_us).unwrap();
            let rows = rows.into_iter().map(|(at_us, a, b)| Row { at_us, values: vec![a, b] }).collect();
            let table = Table { name: "t".to_owned(), columns: vec!["a_s".to_owned(), "b_s".to_owned()], rows };
            prop_assert_eq!(Table::from_csv("t", &table.to_csv(epoch), epoch), table);
        }
    }
}
