//! The kinds of tables whose rows have namespaces. One kind per file.

mod window;

pub use window::WindowTable;
