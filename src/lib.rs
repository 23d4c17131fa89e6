//! Millstream.

pub mod error;
pub mod io;
pub mod model;
pub mod operator;
pub mod state;

pub use error::{Error, Result};
