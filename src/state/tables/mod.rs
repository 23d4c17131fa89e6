//! The kinds of tables whose rows have namespaces. One kind per file.

mod timers;
mod window;

pub use timers::Timers;
pub use window::WindowTable;
