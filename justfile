# `just check` runs what CI runs. Nothing here is needed to build or test: each line is a command to type.

# Every check of a change.
check:
    .ci/run

# The checks of a change, then the long ones: more random cases, optimised recovery tests, workloads with known checksums.
check-long: check
    PROPTEST_CASES=10000 cargo test --release --workspace
    cargo bench --bench suite -- w1 records=20000000 | grep 5d87e1e0ea57cb3c
    cargo bench --bench suite -- w3 records=20000000 keys=1000000 | grep 92fa3c6ad0a42a75
