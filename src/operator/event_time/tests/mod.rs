//! The operator played through by hand: named scenarios, and the law of the lowest split against arbitrary steps.

mod lowest_split;
mod rehearsal;
mod scenarios;
