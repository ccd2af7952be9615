//! What came out.

use std::time::Duration;

use serde::Serialize;

use super::load::Cost;
use super::refusing::Passes;
use crate::output::{Page, View};

/// Every figure of a run.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Figures {
    figures: Vec<Figure>,
}

/// One figure.
#[derive(Debug, Serialize)]
pub(crate) struct Figure {
    name: String,
    value: f64,
    unit: &'static str,
}

impl Figures {
    pub(super) fn add(&mut self, figure: Figure) {
        self.figures.push(figure);
    }

    /// What a load came to, as two figures.
    pub(super) fn add_load(&mut self, name: &str, cost: &Cost) {
        let rate = format!("{name}, 64 in flight");
        self.figures.push(Figure {
            name: rate,
            value: cost.calls_per_second,
            unit: "calls/s",
        });
        let cpu = format!("{name}, 64 in flight, server CPU a call");
        self.add(Figure::time(&cpu, cost.server_cpu));
    }
}

impl Figures {
    /// How long tokens passed after their ends, as two figures.
    pub(super) fn add_passes(&mut self, name: &str, passes: &Passes) {
        let ends = passes.ends;
        self.add(Figure::time(
            &format!("{name}, {ends} ends, p50"),
            passes.p50,
        ));
        self.add(Figure::time(
            &format!("{name}, {ends} ends, p99"),
            passes.p99,
        ));
    }
}

impl Figure {
    pub(super) fn time(name: &str, value: Duration) -> Self {
        Self {
            name: name.to_owned(),
            value: value.as_secs_f64() * 1e6,
            unit: "µs",
        }
    }

    pub(super) fn ratio(name: &str, value: f64) -> Self {
        Self {
            name: name.to_owned(),
            value,
            unit: "×",
        }
    }

    #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
    pub(super) fn count(name: &str, value: usize) -> Self {
        Self {
            name: name.to_owned(),
            value: value as f64,
            unit: "",
        }
    }

    #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
    pub(super) fn bytes(name: &str, value: usize) -> Self {
        Self {
            name: name.to_owned(),
            value: value as f64 / 1e6,
            unit: "MB",
        }
    }
}

impl View for Figures {
    fn text(&self, page: &mut Page) {
        let width = self
            .figures
            .iter()
            .map(|f| f.name.chars().count())
            .max()
            .unwrap_or_default();
        for Figure { name, value, unit } in &self.figures {
            let digits = if *value < 10.0 { 2 } else { 0 };
            page.line(&format!("{name:width$}  {value:>10.digits$} {unit}"));
        }
    }
}
