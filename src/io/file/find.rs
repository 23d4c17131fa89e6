//! Decides which files a path stands for: one file, the files of a directory, or those that match a pattern.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use glob::{GlobError, MatchOptions, Pattern, glob_with};

use crate::error::{Error, Result};

/// A file as it was when the input was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FoundFile {
    pub(super) path: PathBuf,
    pub(super) size_bytes: u64,
}

/// All files of `paths`, those of each path sorted, each file once.
pub(super) fn find(paths: &[PathBuf]) -> Result<Vec<FoundFile>> {
    let mut seen = BTreeSet::new();
    let mut files = Vec::new();
    for path in paths {
        let found = find_one(path)?;
        files.extend(found.into_iter().filter(|file| seen.insert(file.path.clone())));
    }
    // Positions in a snapshot hold the path as text.
    match files.iter().find(|file| file.path.to_str().is_none()) {
        Some(file) => Err(Error::other(format!("{}: the file's name is not valid UTF-8", file.path.display()))),
        None => Ok(files),
    }
}

fn find_one(path: &Path) -> Result<Vec<FoundFile>> {
    // What exists under the very name is meant, even if the name could be read as a pattern.
    if let Ok(metadata) = path.metadata() {
        if metadata.is_file() {
            return Ok(vec![FoundFile { path: path.to_owned(), size_bytes: metadata.len() }]);
        }
        if metadata.is_dir() {
            return files_of(path);
        }
        return Err(Error::other(format!("{}: neither a file nor a directory", path.display())));
    }
    let pattern = path.to_str().filter(|text| text.contains(['*', '?', '[']));
    let Some(pattern) = pattern else {
        return Err(Error::io(path, path.metadata().err().unwrap_or_else(|| std::io::ErrorKind::NotFound.into())));
    };
    matches_of(pattern)
}

/// The files directly in `directory` that are not hidden.
fn files_of(directory: &Path) -> Result<Vec<FoundFile>> {
    let failed = |error| Error::io(directory, error);
    let mut files = Vec::new();
    for entry in directory.read_dir().map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            files.extend(regular(entry.path())?);
        }
    }
    if files.is_empty() {
        return Err(Error::other(format!("{}: no files in this directory", directory.display())));
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// The files that match `pattern` and are not hidden, unless the pattern says so.
fn matches_of(pattern: &str) -> Result<Vec<FoundFile>> {
    let options = MatchOptions { require_literal_leading_dot: true, ..MatchOptions::new() };
    if let Err(error) = Pattern::new(pattern) {
        return Err(Error::other(format!("{pattern}: not a pattern of file names: {error}")));
    }
    let matches = glob_with(pattern, options).map_err(|error| Error::other(format!("{pattern}: {error}")))?;
    let mut files = Vec::new();
    for found in matches {
        let path = found.map_err(unreadable)?;
        files.extend(regular(path)?);
    }
    if files.is_empty() {
        return Err(Error::other(format!("{pattern}: no file matches this pattern")));
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn unreadable(error: GlobError) -> Error {
    let path = error.path().to_owned();
    Error::io(path, error.into())
}

fn regular(path: PathBuf) -> Result<Option<FoundFile>> {
    let metadata = path.metadata().map_err(|error| Error::io(&path, error))?;
    Ok(metadata.is_file().then_some(FoundFile { size_bytes: metadata.len(), path }))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn names(paths: &[PathBuf]) -> Vec<String> {
        let name = |file: FoundFile| file.path.file_name().unwrap().to_str().unwrap().to_owned();
        find(paths).unwrap().into_iter().map(name).collect()
    }

    #[test]
    fn path_is_a_file_a_directory_or_a_pattern() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        for name in ["b.txt", "a.txt", "c.csv", ".hidden.txt", "odd[1].txt"] {
            fs::write(at(name), name).unwrap();
        }
        fs::create_dir(at("nested.txt")).unwrap();
        fs::write(at("nested.txt/d.txt"), "").unwrap();

        assert_eq!(names(&[at("b.txt")]), ["b.txt"]);
        assert_eq!(names(&[place.path().to_owned()]), ["a.txt", "b.txt", "c.csv", "odd[1].txt"]);
        assert_eq!(names(&[at("*.txt")]), ["a.txt", "b.txt", "odd[1].txt"]);
        assert_eq!(names(&[at("*/d.*")]), ["d.txt"]);
        assert_eq!(names(&[at("odd[1].txt")]), ["odd[1].txt"]);
        assert_eq!(names(&[at("c.csv"), at("*.csv"), at("a.txt")]), ["c.csv", "a.txt"]);
        assert_eq!(find(&[at("b.txt")]).unwrap()[0].size_bytes, 5);
    }

    #[test]
    fn path_without_files_is_an_error_that_names_it() {
        let place = tempfile::tempdir().unwrap();
        for (name, reason) in
            [("none.txt", "No such file"), ("*.txt", "no file matches"), ("", "no files in"), ("[", "")]
        {
            let path = place.path().join(name);
            let error = find(std::slice::from_ref(&path)).unwrap_err().to_string();
            assert!(error.contains(path.to_str().unwrap()) && error.contains(reason), "{error}");
        }
    }
}
