//! The kinds of tables whose rows have namespaces. One kind per file.

mod map;
mod timers;
mod window;

pub use map::MapTable;
pub use timers::Timers;
pub use window::WindowTable;
