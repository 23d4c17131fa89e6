# `just check` runs what CI runs. Nothing here is needed to build or test: each line is a command to type.

# Every check of a change.
check:
    .ci/run

# The same checks with larger numbers, then optimised recovery tests, and workloads with known checksums.
check-long:
    MILLSTREAM_LONG=1 .ci/run
    MILLSTREAM_LONG=1 cargo test --release --test model --test recovery --test kill_matrix
    cargo bench --bench suite -- w1 records=20000000 | grep 5d87e1e0ea57cb3c
    cargo bench --bench suite -- w3 records=20000000 keys=1000000 | grep 92fa3c6ad0a42a75
