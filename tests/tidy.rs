//! Checks the shape of the code base itself: THE place where a new arrow between layers is asked for.

use std::fs;
use std::path::{Path, PathBuf};

use millstream::actors::faults::CrashPoint;
use millstream::actors::protocol::Invariant;

/// The layers of the root crate: `(layer, layers it may name, modules of the actor crate it may name)`. A layer may
/// always name itself, and `error`, which names what its variants wrap.
const LAYERS: &[(&str, &[&str], &[&str])] = &[
    ("model", &[], &["time"]),
    // What is set is a matter of words and numbers, and restart policies are the protocol's.
    ("config", &[], &["protocol"]),
    ("metrics", &[], &["ids"]),
    ("state", &["model"], &["ids", "time"]),
    // Sinks and sources are operators at the ends of a block, and open in a subtask's context (docs/adr/0004).
    // Splits of a source meet in the valve of channels (docs/adr/0007).
    (
        "operator",
        &["metrics", "model", "state", "io"],
        &["ids", "packet", "protocol", "sabotage", "task", "time", "time_view"],
    ),
    ("io", &["metrics", "model", "operator"], &["ids", "time"]),
    // The patterns of edges are the blueprint's.
    ("plan", &["model", "operator", "io"], &["blueprint", "time"]),
    ("runtime", &["config", "metrics", "model", "state", "operator", "io", "plan"], ANY),
    // Factories of tasks are kept until the plan is known.
    ("api", &["metrics", "model", "operator", "io", "plan", "runtime"], &["ids", "task", "time"]),
    ("ops", &["api", "config", "runtime"], &["observe"]),
    ("testing", &["metrics", "model", "state", "operator", "io", "plan", "runtime", "api", "ops"], ANY),
];

/// The modules of the actor crate: `(module, modules it may name)`. A module may always name itself.
const MODULES: &[(&str, &[&str])] = &[
    ("ids", &[]),
    ("time", &[]),
    ("alarms", &["time"]),
    ("fine_timer", &["time"]),
    ("processor_time", &["time"]),
    ("error", &["ids"]),
    ("kill", &["ids"]),
    ("faults", &["ids"]),
    ("sabotage", &[]),
    // What a round fails with.
    ("protocol", &["error", "ids", "time"]),
    // A batch holds its channel's permit, and a channel carries packets.
    ("packet", &["channel", "ids", "time"]),
    ("channel", &["ids", "kill", "packet", "protocol", "time"]),
    ("task", &["channel", "environment", "error", "ids", "packet", "time", "time_view"]),
    ("environment", &["faults", "kill", "observe", "sabotage", "time"]),
    ("time_view", &["ids", "time"]),
    ("explanation", &["ids", "time", "time_view"]),
    ("slice_watch", &["time"]),
    ("standstill", &["blueprint", "explanation", "ids", "time", "time_view"]),
    ("observe", &["error", "explanation", "faults", "ids", "time", "time_view"]),
    ("checkpoints", &["error", "ids", "task"]),
    ("blueprint", &["ids", "task"]),
    ("mail", &["checkpoints", "error", "ids", "kill", "observe", "packet", "task", "time", "subtask", "enumerator"]),
    ("enumerator", ACTOR),
    ("subtask", ACTOR),
    ("subtask_checkpoints", ACTOR),
    ("subtask_reader", ACTOR),
    ("subtask_time", ACTOR),
    ("subtask_turns", ACTOR),
    ("subtask_work", ACTOR),
    ("coordinator", ACTOR),
    ("deployment", ANY),
    ("supervisor", ANY),
    ("simulation", ANY),
    ("job", ANY),
];

/// Everything.
const ANY: &[&str] = &["*"];

/// What an actor may name: the seams, the protocols and the other actors, but neither the job nor its blueprint.
const ACTOR: &[&str] = &[
    "alarms",
    "channel",
    "checkpoints",
    "coordinator",
    "enumerator",
    "environment",
    "error",
    "faults",
    "fine_timer",
    "ids",
    "kill",
    "mail",
    "observe",
    "packet",
    "processor_time",
    "protocol",
    "sabotage",
    "slice_watch",
    "subtask",
    "subtask_reader",
    "subtask_time",
    "subtask_turns",
    "subtask_work",
    "supervisor",
    "task",
    "time",
    "time_view",
];

/// The only files that name `actix` or `actix_rt`.
const ACTORS: &[&str] = &[
    "coordinator.rs",
    "deployment.rs",
    "enumerator.rs",
    "job.rs",
    "mail.rs",
    "simulation.rs",
    "subtask.rs",
    "subtask_reader.rs",
    "subtask_turns.rs",
    "supervisor.rs",
];

/// What code takes from what is handed down to it, never from a global: clocks, threads that block, hash tables whose
/// order differs between two runs.
const AMBIENT: &[&str] = &[
    "Instant::now",
    "SystemTime::now",
    "thread::sleep",
    "park_timeout",
    "spawn_blocking",
    "HashMap::new",
    "HashSet::new",
    "std::collections::HashMap",
    "std::collections::HashSet",
    "std::collections::hash_map",
    "std::collections::hash_set",
];

/// Where something ambient is named all the same: `(file, what, why)`.
const AMBIENT_ALLOWED: &[(&str, &str, &str)] = &[
    ("actors/src/time.rs", "Instant::now", "it is the clock"),
    ("actors/src/time.rs", "SystemTime::now", "it is the clock"),
    ("actors/src/job.rs", "spawn_blocking", "it is the blocking pool"),
    (
        "src/state/courtesy.rs",
        "park_timeout",
        "a thread that writes rests so that others get its core; nobody waits for it",
    ),
    ("src/runtime/deploy.rs", "Instant::now", "the ledger tells people how long they waited; nothing is decided by it"),
    ("src/runtime/checkpoints.rs", "std::collections::hash_map", "a run is named at random, once per state directory"),
];

/// Names that say nothing about what a file decides.
const EMPTY_NAMES: &[&str] = &["util", "utils", "common", "helper", "helpers", "misc"];

/// Folders whose files are Rust of this project.
const CODE: &[&str] = &["src", "actors/src", "tests", "benches", "examples"];

#[test]
fn layers_name_only_what_lies_below() {
    let mut strays = Vec::new();
    for file in rust_files("src") {
        let name = file.strip_prefix("src/").expect("it lies under src");
        let Some((layer, _)) = name.split_once('/') else { continue };
        let known = LAYERS.iter().find(|(known, ..)| *known == layer);
        let Some((_, layers, modules)) = known else {
            strays.push(format!("{file}: '{layer}' is no layer; give it a line in LAYERS"));
            continue;
        };
        let code = code_of(&file);
        // Tests of every layer use the instruments of testing, and nothing else does.
        let tested = if is_test(&file) { "" } else { without_tests(&code) };
        if names_after(tested, "crate::").iter().any(|named| named == "testing") && layer != "testing" {
            strays.push(format!("{file}: {layer} -> testing, outside of tests"));
        }
        if code.contains("super::super::") {
            strays.push(format!("{file}: `super::super::` hides which layer is named; write `crate::`"));
        }
        for named in names_after(&code, "crate::") {
            let is_module = named.starts_with(|first: char| first.is_ascii_lowercase());
            let is_known = ["error", "testing", layer].contains(&named.as_str()) || layers.contains(&named.as_str());
            if is_module && !is_known {
                strays.push(format!("{file}: {layer} -> {named}"));
            } else if !is_module && named != "Error" && named != "Result" {
                strays.push(format!("{file}: `crate::{named}` hides which layer is named"));
            }
        }
        for named in names_after(&code, "millstream_actors::") {
            if *modules != ANY && !modules.contains(&named.as_str()) && named != "error" {
                strays.push(format!("{file}: {layer} -> actors::{named}"));
            }
        }
    }
    assert_none("arrows between layers that are not in LAYERS", &strays);
}

#[test]
fn modules_of_the_actor_crate_name_only_what_lies_below() {
    let mut strays = Vec::new();
    for file in rust_files("actors/src") {
        let name = file.strip_prefix("actors/src/").expect("it lies under actors/src");
        let module = name.split_once('/').map_or(name.trim_end_matches(".rs"), |(folder, _)| folder);
        if module == "lib" {
            continue;
        }
        let Some((_, modules)) = MODULES.iter().find(|(known, _)| *known == module) else {
            strays.push(format!("{file}: '{module}' is not known; give it a line in MODULES"));
            continue;
        };
        for named in names_after(&code_of(&file), "crate::") {
            let is_module = MODULES.iter().any(|(known, _)| *known == named);
            if is_module && *modules != ANY && named != module && !modules.contains(&named.as_str()) {
                strays.push(format!("{file}: {module} -> {named}"));
            }
        }
    }
    assert_none("arrows inside the actor crate that are not in MODULES", &strays);
}

#[test]
fn only_actor_files_name_actix() {
    let allowed = |file: &str| ACTORS.iter().any(|actor| file == format!("actors/src/{actor}"));
    let mut strays = Vec::new();
    for file in all_rust_files().into_iter().filter(|file| !allowed(file)) {
        let code = code_of(&file);
        if ["actix::", "actix_rt::"].iter().any(|name| !names_after(&code, name).is_empty()) {
            strays.push(file);
        }
    }
    assert_none("files that name actix and are no actors", &strays);
}

#[test]
fn protocols_name_no_runtime_and_no_log() {
    let mut strays = Vec::new();
    for file in rust_files("actors/src/protocol") {
        let code = code_of(&file);
        let impure = ["tokio::", "tracing::", "std::thread", "std::fs", "std::io", "async fn"];
        strays.extend(impure.iter().filter(|name| code.contains(*name)).map(|name| format!("{file}: {name}")));
    }
    assert_none("protocols that are not pure", &strays);
}

#[test]
fn only_files_of_state_that_say_so_name_redb() {
    let mut strays = Vec::new();
    for file in all_rust_files() {
        let may = file.starts_with("src/state/") && first_line(&file).contains("`redb`");
        if !may && !names_after(&code_of(&file), "redb::").is_empty() {
            strays.push(file);
        }
    }
    assert_none("files that name redb and do not say so in their first line, or lie outside state", &strays);
}

#[test]
fn clocks_blocking_and_the_order_of_hash_tables_are_handed_down() {
    let mut strays = Vec::new();
    for file in rust_files("src").into_iter().chain(rust_files("actors/src")) {
        let code = code_of(&file);
        for ambient in AMBIENT.iter().filter(|ambient| mentions(&code, ambient)) {
            let allowed = AMBIENT_ALLOWED.iter().any(|(at, what, _)| *at == file && what == ambient);
            if !allowed {
                strays.push(format!("{file}: {ambient}"));
            }
        }
    }
    assert_none("files that take from a global what is handed down", &strays);
}

#[test]
fn every_exception_is_still_needed() {
    let needed =
        |(file, what, _): &&(&str, &str, &str)| Path::new(ROOT).join(file).exists() && mentions(&code_of(file), what);
    let strays =
        AMBIENT_ALLOWED.iter().filter(|exception| !needed(exception)).map(|exception| format!("{exception:?}"));
    assert_none("exceptions that nothing needs any more", &strays.collect::<Vec<_>>());
}

#[test]
fn tests_do_not_sleep_and_nothing_is_left_undone() {
    let unfinished =
        [concat!("todo", "!("), concat!("unimplemented", "!("), concat!("#[", "ignore"), concat!("thread::", "sleep")];
    let mut strays = Vec::new();
    for file in all_rust_files() {
        let code = code_of(&file);
        strays.extend(unfinished.iter().filter(|what| code.contains(*what)).map(|what| format!("{file}: {what}")));
    }
    assert_none("unfinished work, tests that do not run, and sleeping as synchronisation", &strays);
}

#[test]
fn every_test_is_run() {
    let mut strays = Vec::new();
    for folder in ["jobs", "recovery", "model"] {
        let program = text_of(&format!("tests/{folder}.rs"));
        for file in rust_files(&format!("tests/{folder}")) {
            let module = Path::new(&file).file_stem().expect("a file has a name").to_string_lossy().into_owned();
            if !program.contains(&format!("mod {module};")) {
                strays.push(format!("{file}: tests/{folder}.rs does not name it"));
            }
        }
    }
    assert_none("tests that nobody runs", &strays);
}

#[test]
fn no_module_is_taken_from_another_folder() {
    // A file may keep its tests in a file beside it.
    let is_stray = |line: &str| line.trim_start().starts_with("#[path") && line.contains('/');
    let strays = all_rust_files().into_iter().filter(|file| code_of(file).lines().any(is_stray));
    assert_none("files that take a module from another folder", &strays.collect::<Vec<_>>());
}

#[test]
fn every_file_begins_with_what_it_decides() {
    let silent = all_rust_files().into_iter().filter(|file| !first_line(file).starts_with("//! "));
    assert_none("files that do not begin with a line of `//!`", &silent.collect::<Vec<_>>());
}

#[test]
fn every_file_has_a_name_that_says_something() {
    let is_empty = |file: &String| {
        let parts = Path::new(file).with_extension("");
        parts.iter().any(|part| EMPTY_NAMES.iter().any(|name| part == *name))
    };
    let strays = rust_files("src").into_iter().chain(rust_files("actors/src")).filter(is_empty);
    assert_none("files and folders whose names say nothing", &strays.collect::<Vec<_>>());
}

#[test]
fn every_folder_is_on_the_architecture_page() {
    let page = text_of("docs/architecture.md");
    let folders = CODE.iter().chain(&["docs", ".ci", ".github/workflows"]).flat_map(|folder| folders_of(folder));
    let strays = folders.filter(|folder| !page.contains(&format!("`{folder}/`")));
    assert_none("folders that docs/architecture.md does not name", &strays.collect::<Vec<_>>());
}

#[test]
fn every_page_is_compiled() {
    let doctests = text_of("src/doctests.rs");
    let in_root = files_of("", "md", false);
    let in_docs = files_of("docs", "md", false);
    let is_missing = |page: &String| !doctests.contains(&format!("include_str!(\"../{page}\")"));
    let strays = in_root.into_iter().chain(in_docs).filter(is_missing);
    assert_none("pages that src/doctests.rs does not compile", &strays.collect::<Vec<_>>());
    // A decision record shows no code, so it needs no compiling.
    let with_code = files_of("docs/adr", "md", false).into_iter().filter(|page| text_of(page).contains("```rust"));
    assert_none("decision records with code that nobody compiles", &with_code.collect::<Vec<_>>());
}

#[test]
fn every_invariant_is_among_the_laws() {
    let laws = text_of("docs/semantics.md");
    let is_missing = |law: &&Invariant| !laws.contains(&format!("| {} | {} |", law.number(), law.sentence()));
    let strays = Invariant::ALL.iter().filter(is_missing).map(ToString::to_string);
    assert_none("invariants that docs/semantics.md does not state", &strays.collect::<Vec<_>>());
}

#[test]
fn every_crash_point_is_in_the_catalogue() {
    let catalogue = text_of("docs/testing.md");
    let is_missing = |point: &&CrashPoint| !catalogue.contains(&format!("| `{point:?}` |"));
    let strays = CrashPoint::ALL.iter().filter(is_missing).map(|point| format!("{point:?}"));
    assert_none("crash points that docs/testing.md does not describe", &strays.collect::<Vec<_>>());
}

#[test]
fn names_are_found_in_groups_and_not_in_comments() {
    let code = without_comments(
        "use crate::{\n    model::{Key, Record},\n    io,\n}; // crate::api\nlet x = $crate::state::y;",
    );
    assert_eq!(names_after(&code, "crate::"), ["model", "io", "state"]);
    assert_eq!(names_after("use my_actix::System;", "actix::"), [""; 0]);
    assert!(mentions("use std::collections::{BTreeMap, HashMap};", "std::collections::HashMap"));
    assert!(!mentions("use std::collections::BTreeMap;", "std::collections::HashMap"));
}

// ---- reading the code base ----

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn assert_none(what: &str, strays: &[String]) {
    assert!(strays.is_empty(), "{what}:\n{}", strays.join("\n"));
}

fn text_of(file: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn first_line(file: &str) -> String {
    text_of(file).lines().next().unwrap_or_default().to_owned()
}

fn code_of(file: &str) -> String {
    without_comments(&text_of(file))
}

/// The text without what follows `//` in each line. It need not know strings: the names looked for hold no `//`.
fn without_comments(text: &str) -> String {
    let code = |line: &str| line.split("//").next().unwrap_or_default().to_owned();
    text.lines().map(code).collect::<Vec<_>>().join("\n")
}

/// Whether a file under `src` is a module of tests.
fn is_test(file: &str) -> bool {
    file.contains("/tests/") || file.ends_with("tests.rs")
}

/// The code before the tests at the end of a file.
fn without_tests(code: &str) -> &str {
    code.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default()
}

/// What follows `prefix` wherever it occurs: one name, or those of a group in braces, without what is nested in it.
fn names_after(code: &str, prefix: &str) -> Vec<String> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let mut names = Vec::new();
    for (at, _) in code.match_indices(prefix) {
        if code[..at].ends_with(is_name) {
            continue;
        }
        let rest = &code[at + prefix.len()..];
        let Some(group) = rest.strip_prefix('{') else {
            names.push(rest.chars().take_while(|c| is_name(*c)).collect());
            continue;
        };
        let (mut depth, mut name) = (1, String::new());
        for c in group.chars() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 1 && c != '}' && c != ',' {
                name.push(c);
            } else if depth == 0 || (depth == 1 && c == ',') {
                names.push(name.trim_start().chars().take_while(|c| is_name(*c)).collect());
                name.clear();
            }
            if depth == 0 {
                break;
            }
        }
    }
    names.retain(|name: &String| !name.is_empty());
    names
}

/// Whether `code` names `path`, in one piece or as part of a group.
fn mentions(code: &str, path: &str) -> bool {
    let grouped = path
        .rsplit_once("::")
        .is_some_and(|(module, name)| names_after(code, &format!("{module}::")).iter().any(|named| named == name));
    grouped || code.contains(path)
}

fn all_rust_files() -> Vec<String> {
    // This file names what it forbids.
    let own = Path::new(file!()).file_name().expect("a file has a name");
    CODE.iter().flat_map(|folder| rust_files(folder)).filter(|file| !Path::new(file).ends_with(own)).collect()
}

fn rust_files(folder: &str) -> Vec<String> {
    files_of(folder, "rs", true)
}

/// The files under `folder` with this extension, relative to the root, sorted.
fn files_of(folder: &str, extension: &str, and_below: bool) -> Vec<String> {
    let mut files = Vec::new();
    for path in entries_of(folder) {
        let name = path.strip_prefix(ROOT).expect("it lies under the root").to_string_lossy().into_owned();
        if path.is_dir() && and_below {
            files.extend(files_of(&name, extension, true));
        } else if path.is_file() && path.extension().is_some_and(|found| found == extension) {
            files.push(name);
        }
    }
    files
}

/// `folder` and the folders below it, relative to the root.
fn folders_of(folder: &str) -> Vec<String> {
    let below = entries_of(folder)
        .into_iter()
        .filter(|path| path.is_dir())
        .flat_map(|path| folders_of(&path.strip_prefix(ROOT).expect("it lies under the root").to_string_lossy()));
    std::iter::once(folder.to_owned()).chain(below).collect()
}

fn entries_of(folder: &str) -> Vec<PathBuf> {
    let directory = Path::new(ROOT).join(folder);
    let Ok(entries) = fs::read_dir(&directory) else { return Vec::new() };
    let mut paths = entries.map(|entry| entry.expect("a folder can be read").path()).collect::<Vec<_>>();
    paths.sort();
    paths
}
