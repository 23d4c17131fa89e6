//! What jobs give when something dies, ends, or is damaged: one theme per file.

mod rig;

mod recovery {
    mod broken_builds;
    mod end_of_input;
    mod process_kills;
    mod random_kills;
    mod torn_state;
}
