//! The tables that do not follow from the samples: loads, requests, what changed, what grew.

use serde::Serialize;

use crate::analyse::changes::Change;
use crate::analyse::compare::Comparison;
use crate::analyse::facts::Facts;
use crate::analyse::load::Loads;
use crate::analyse::verdict::{Verdict, Worker};
use crate::redact::Clean;
use crate::workload::{Origin, Shape, When};

/// The tables.
#[derive(Debug, Serialize)]
pub struct Tables<'a> {
    /// What grew against the baseline, by function and by owner, in seconds for each unit; none without a baseline.
    comparison: Option<&'a Comparison>,
    workers: &'a [Worker],
    loads: &'a Loads,
    changes: &'a [Change],
    /// Requests by route, by model, and by all that is known of them.
    routes: Vec<Asked<'a>>,
    models: Vec<Asked<'a>>,
    shapes: &'a [Shape<Clean>],
}

/// Requests for one route or one model, by who tells of them.
#[derive(Debug, Serialize)]
struct Asked<'a> {
    name: &'a str,
    from: Origin,
    /// None where this source tells of no requests before.
    before: Option<f64>,
    /// Requests during the capture, or of which no time is told.
    during: Option<f64>,
    /// Those of them that failed (status 400 and above); none where no status is told.
    failed: Option<f64>,
}

/// The tables of a capture.
pub fn tables<'a>(facts: &'a Facts, verdict: &'a Verdict) -> Tables<'a> {
    Tables {
        comparison: verdict.comparison.as_ref(),
        workers: &verdict.workers,
        loads: &verdict.loads,
        changes: &verdict.changes,
        routes: asked(&facts.shapes, |shape| shape.route.as_ref()),
        models: asked(&facts.shapes, |shape| shape.model.as_ref()),
        shapes: &facts.shapes,
    }
}

fn asked<'a>(shapes: &'a [Shape<Clean>], name: impl Fn(&'a Shape<Clean>) -> Option<&'a Clean>) -> Vec<Asked<'a>> {
    let mut rows: Vec<Asked<'a>> = Vec::new();
    for shape in shapes {
        let Some(name) = name(shape).map(Clean::as_str) else { continue };
        let known = rows.iter().position(|row| row.name == name && row.from == shape.from);
        let index = known.unwrap_or_else(|| {
            rows.push(Asked { name, from: shape.from, before: None, during: None, failed: None });
            rows.len() - 1
        });
        let row = &mut rows[index];
        let side = if shape.when == When::Before { &mut row.before } else { &mut row.during };
        *side = Some(side.unwrap_or(0.0) + shape.requests);
        if let Some(status) = shape.status.filter(|_| shape.when != When::Before) {
            let failed = if status >= 400 { shape.requests } else { 0.0 };
            row.failed = Some(row.failed.unwrap_or(0.0) + failed);
        }
    }
    rows.sort_by(|a, b| b.during.unwrap_or(0.0).total_cmp(&a.during.unwrap_or(0.0)));
    rows
}
