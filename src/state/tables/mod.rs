//! The kinds of tables whose rows have namespaces. One kind per file.

mod list;
mod map;
mod timers;
mod window;
mod window_list;

pub use list::ListTable;
pub use map::MapTable;
pub use timers::Timers;
pub use window::WindowTable;
pub use window_list::WindowListTable;
