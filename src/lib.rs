//! Millstream.

pub mod error;
pub mod io;
pub mod model;
pub mod operator;

pub use error::{Error, Result};
