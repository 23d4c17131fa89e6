//! The kinds of tables whose rows have namespaces. One kind per file.

mod list;
mod map;
mod timers;
mod ttl;
mod ttl_list;
mod ttl_map;
mod ttl_table;
mod window;
mod window_list;

pub use list::ListTable;
pub use map::MapTable;
pub use timers::Timers;
pub use ttl::{Ttl, TtlUpdate, TtlVisibility};
pub use ttl_list::TtlListTable;
pub use ttl_map::TtlMapTable;
pub use ttl_table::TtlTable;
pub use window::WindowTable;
pub use window_list::WindowListTable;
