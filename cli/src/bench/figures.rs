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
    /// What it has to stay within, where something is promised of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    at_most: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at_least: Option<f64>,
}

impl Figures {
    pub(super) fn add(&mut self, figure: Figure) {
        self.figures.push(figure);
    }

    /// What a load came to, as two figures.
    pub(super) fn add_load(&mut self, name: &str, cost: &Cost) {
        let rate = format!("{name}, 64 in flight");
        self.add(Figure::of(&rate, cost.calls_per_second, "calls/s"));
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
        Self::of(name, value.as_secs_f64() * 1e6, "µs")
    }

    pub(super) fn seconds(name: &str, value: Duration) -> Self {
        Self::of(name, value.as_secs_f64(), "s")
    }

    pub(super) fn ratio(name: &str, value: f64) -> Self {
        Self::of(name, value, "×")
    }

    pub(super) fn rate(name: &str, value: f64) -> Self {
        Self::of(name, value, "decisions/s")
    }

    #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
    pub(super) fn count(name: &str, value: usize) -> Self {
        Self::of(name, value as f64, "")
    }

    #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
    pub(super) fn bytes(name: &str, value: usize) -> Self {
        Self::of(name, value as f64 / 1e6, "MB")
    }

    /// The same, with what it must not exceed.
    pub(super) fn at_most(self, bound: f64) -> Self {
        Self {
            at_most: Some(bound),
            ..self
        }
    }

    /// The same, with what it must reach.
    pub(super) fn at_least(self, bound: f64) -> Self {
        Self {
            at_least: Some(bound),
            ..self
        }
    }

    fn of(name: &str, value: f64, unit: &'static str) -> Self {
        Self {
            name: name.to_owned(),
            value,
            unit,
            at_most: None,
            at_least: None,
        }
    }

    fn bound(&self) -> String {
        match (self.at_most, self.at_least) {
            (Some(bound), _) => format!("  (at most {bound})"),
            (None, Some(bound)) => format!("  (at least {bound})"),
            (None, None) => String::new(),
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
        for figure in &self.figures {
            let Figure {
                name, value, unit, ..
            } = figure;
            let digits = if *value < 10.0 && !unit.is_empty() {
                2
            } else {
                0
            };
            let line = format!("{name:width$}  {value:>10.digits$} {unit}");
            page.line(&format!("{}{}", line.trim_end(), figure.bound()));
        }
    }
}
