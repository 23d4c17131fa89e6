//! The forms of a plan that people and tools read: text, JSON, Mermaid.

use std::fmt;

use super::{Exchange, Node, Plan};

impl Exchange {
    fn word(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Rebalance => "rebalance",
            Self::Rescale => "rescale",
            Self::Shuffle => "shuffle",
            Self::Broadcast => "broadcast",
            Self::Global => "global",
            Self::Custom => "custom",
            Self::KeyGroup => "key group",
        }
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.uid {
            Some(uid) => write!(f, "{} '{uid}'", self.kind),
            None => f.write_str(self.kind),
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "topology '{}', {} key groups", self.name, self.max_parallelism.groups())?;
        for (index, block) in self.blocks.iter().enumerate() {
            let nodes = block.nodes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" → ");
            writeln!(f, "block {index} ×{}: {nodes}", block.parallelism)?;
            for edge in self.edges.iter().filter(|edge| edge.from == index) {
                writeln!(f, "    {} → block {}", edge.exchange.word(), edge.to)?;
            }
        }
        Ok(())
    }
}

impl Plan {
    /// The plan as JSON.
    ///
    /// # Example
    /// ```
    /// use millstream::prelude::*;
    ///
    /// let topology = Topology::new("numbers");
    /// topology.source("one to nine", Collection::of(1..10)).discard("nowhere");
    /// let json = topology.plan()?.to_json();
    /// assert!(json.contains("\"uid\": \"one to nine\""));
    /// # Ok::<(), PlanError>(())
    /// ```
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a plan holds nothing that JSON cannot say")
    }

    /// The plan as a Mermaid flow chart.
    #[must_use]
    pub fn to_mermaid(&self) -> String {
        let mut text = String::from("flowchart LR\n");
        for (index, block) in self.blocks.iter().enumerate() {
            let nodes = block.nodes.iter().map(|node| escape(&node.to_string())).collect::<Vec<_>>().join("<br/>");
            text.push_str(&format!("    b{index}[\"{nodes}<br/>×{}\"]\n", block.parallelism));
        }
        for edge in &self.edges {
            text.push_str(&format!("    b{} -->|{}| b{}\n", edge.from, edge.exchange.word(), edge.to));
        }
        text
    }
}

/// Mermaid's own signs, as entities.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;").replace('>', "&gt;")
}
