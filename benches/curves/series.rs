//! What is drawn: which workloads, with which parameters.

use serde_json::{Value, json};

use millstream_benches::micro::Measured;

/// How long the measurement may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effort {
    /// Seconds.
    Quick,
    /// Minutes.
    Usual,
    /// Minutes, and much memory.
    Full,
}

impl Effort {
    /// How often each point is measured.
    fn runs(self) -> usize {
        if self == Self::Quick { 1 } else { 3 }
    }

    fn records(self, records: u64) -> u64 {
        if self == Self::Quick { records / 100 } else { records }
    }
}

/// One drawing: some workloads over one parameter.
pub(crate) struct Drawing {
    /// The name of its file.
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    /// What the parameter means.
    pub(crate) over: &'static str,
    parameter: &'static str,
    pub(crate) values: Vec<u64>,
    workloads: Vec<Workload>,
}

/// A line of a drawing: a workload, and the parameters that do not change.
struct Workload {
    name: &'static str,
    records: u64,
    fixed: &'static [&'static str],
}

/// A line that was measured.
pub(crate) struct Line {
    pub(crate) name: &'static str,
    /// For each value of the parameter the rates of all runs, in ascending order.
    rates: Vec<Vec<f64>>,
}

impl Line {
    /// For each value of the parameter the median of the rates.
    pub(crate) fn medians(&self) -> impl Iterator<Item = f64> {
        self.rates.iter().map(|rates| rates[rates.len() / 2])
    }
}

impl Drawing {
    /// All drawings.
    pub(crate) fn all(effort: Effort) -> Vec<Self> {
        let workload = |name, records, fixed| Workload { name, records, fixed };
        let mut keys = vec![1_000, 10_000, 100_000, 1_000_000, 10_000_000];
        if effort == Effort::Full {
            keys.push(100_000_000);
        }
        let parallelism = Self {
            name: "parallelism",
            title: "Workloads",
            over: "subtasks per operator",
            parameter: "parallelism",
            values: vec![1, 2, 4, 8],
            workloads: vec![
                workload("w1", 20_000_000, &[]),
                workload("w2c", 50_000_000, &[]),
                workload("w3", 20_000_000, &[]),
            ],
        };
        let chain = Self {
            name: "chain",
            title: "A chain of maps on one thread",
            over: "operators",
            parameter: "operators",
            values: vec![1, 4, 16],
            workloads: vec![workload("chain", 50_000_000, &["parallelism=1"])],
        };
        let exchange = Self {
            name: "exchange",
            title: "All to all",
            over: "senders, and as many receivers",
            parameter: "parallelism",
            values: vec![1, 2, 4, 8, 16, 32, 64],
            workloads: vec![workload("exchange", 50_000_000, &[])],
        };
        let state = Self {
            name: "state",
            title: "A running count per key (w3)",
            over: "keys",
            parameter: "keys",
            values: keys,
            workloads: vec![workload("w3", 20_000_000, &["memory=8_000_000_000"])],
        };
        vec![parallelism, chain, exchange, state]
    }

    /// Runs every point. All of them once, then all of them again: what disturbs the machine for a while is not to be the
    /// median of any.
    pub(crate) fn measure(&self, suite: &str, effort: Effort) -> Result<Vec<Line>, String> {
        let empty = |workload: &Workload| Line { name: workload.name, rates: vec![Vec::new(); self.values.len()] };
        let mut lines = self.workloads.iter().map(empty).collect::<Vec<_>>();
        for _ in 0..effort.runs() {
            for (workload, line) in self.workloads.iter().zip(&mut lines) {
                for (value, rates) in self.values.iter().zip(&mut line.rates) {
                    let words = self.words(suite, workload, *value, effort);
                    let measured = Measured::of(&words)?;
                    println!("{:>10.3} M/s  {}", measured.records_per_s / 1e6, words[1..].join(" "));
                    rates.push(measured.records_per_s);
                }
            }
        }
        lines.iter_mut().flat_map(|line| &mut line.rates).for_each(|rates| rates.sort_by(f64::total_cmp));
        Ok(lines)
    }

    fn words(&self, suite: &str, workload: &Workload, value: u64, effort: Effort) -> Vec<String> {
        let fixed = workload.fixed.iter().map(|word| (*word).to_owned());
        // State that is not filled is not large.
        let least = if self.parameter == "keys" { 2 * value } else { 0 };
        let records = effort.records(workload.records.max(least));
        let measured = [format!("records={records}"), format!("{}={value}", self.parameter)];
        [suite.to_owned(), workload.name.to_owned()].into_iter().chain(fixed).chain(measured).collect()
    }

    /// What was measured.
    pub(crate) fn numbers(&self, lines: &[Line]) -> Value {
        let of_line = |line: &Line| {
            let points = self.values.iter().zip(&line.rates);
            let points = points.map(|(value, rates)| json!({ self.parameter: value, "records_per_s": rates }));
            json!({ "workload": line.name, "points": points.collect::<Vec<_>>() })
        };
        json!({ "drawing": self.name, "lines": lines.iter().map(of_line).collect::<Vec<_>>() })
    }
}
