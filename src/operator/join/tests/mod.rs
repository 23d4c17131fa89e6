//! Joins played through in every mode: named scenarios, and random histories against nested loops.

mod cases;
mod interval;
mod lookup;
mod temporal;
