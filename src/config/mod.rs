//! What a user may set: one list of options, from which code, the command line and the reference page follow.
//!
//! [`FIELDS`] is the list. [`JobOptions`](crate::JobOptions) holds what was set, and `docs/configuration.md` describes
//! every option.

mod error;
mod field;
pub(crate) mod list;
mod reference;
mod restart;
mod settings;
mod value;

pub use error::SettingError;
pub use field::Field;
pub(crate) use field::Kind;
pub use list::FIELDS;
pub use reference::reference;
pub use settings::{Origin, Setting};
pub(crate) use settings::{Settings, named};
pub(crate) use value::Value;
