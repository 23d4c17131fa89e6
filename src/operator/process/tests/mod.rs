//! Functions of users, played through in every mode.

mod broadcast;
mod clerk;
mod handles;
mod operator_states;
mod timers;
