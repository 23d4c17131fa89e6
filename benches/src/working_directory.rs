//! Decides where relative paths on the command line of a bench begin: at the root of the repository.

use std::path::Path;

/// The folder of this package, in which cargo starts its benches.
const PACKAGE: &str = env!("CARGO_MANIFEST_DIR");

/// Goes to the root of the repository if cargo has started this program in the folder of its package.
///
/// Does nothing in a program that was started by its own path, or by another bench.
///
/// # Errors
/// If the root does not exist any more.
pub fn start_at_root() -> Result<(), String> {
    let package = Path::new(PACKAGE);
    let by_cargo = std::env::var_os("CARGO").is_some();
    match package.parent() {
        Some(root) if by_cargo && std::env::current_dir().is_ok_and(|current| current == package) => {
            std::env::set_current_dir(root).map_err(|error| format!("{}: {error}", root.display()))
        }
        _ => Ok(()),
    }
}
