//! Whole jobs: what they give, one theme per file, beside what loops give for the same input.

mod rig;

mod jobs {
    mod async_map;
    mod broadcast;
    mod driver;
    mod enumerators;
    mod event_time;
    mod files;
    mod flow_control;
    mod interruptions;
    mod joins;
    mod keyed_functions;
    mod keyed_states;
    mod local_aggregation;
    mod metrics;
    mod operator_states;
    mod operators;
    mod plan_errors;
    mod simulation;
    mod windows;
}
