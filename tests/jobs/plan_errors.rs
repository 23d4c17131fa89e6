//! Every mistake in a topology is found before anything runs, and named with its fix; the plan's printed forms.

use millstream::error::ErrorKind;
use millstream::io::{Collection, Source};
use millstream::operator::{BoxedChain, SideId, SubtaskContext};
use millstream::prelude::*;

fn numbers() -> Collection<u64> {
    Collection::of(0..10)
}

/// A source that says that it fills a side output.
struct Filling(Collection<u64>, SideId);

impl Source for Filling {
    type Out = u64;
    type Split = <Collection<u64> as Source>::Split;
    type Enumerator = <Collection<u64> as Source>::Enumerator;
    type Reader = <Collection<u64> as Source>::Reader;

    fn discover(&self, parallelism: u32) -> Result<Self::Enumerator> {
        self.0.discover(parallelism)
    }

    fn reader(&self, context: &mut SubtaskContext) -> Result<Self::Reader> {
        self.0.reader(context)
    }

    fn side_outputs(&self) -> Vec<SideId> {
        vec![self.1]
    }
}

/// A mistake: what is built, which error it is, and what that says.
struct Mistake {
    build: fn(&Topology),
    error: fn(&PlanError) -> bool,
    says: &'static str,
}

const MISTAKES: &[Mistake] = &[
    Mistake {
        build: |_| {},
        error: |error| matches!(error, PlanError::NoSource { .. }),
        says: "topology 'wrong' has no source: begin a stream with `topology.source(uid, ...)`",
    },
    Mistake {
        build: |topology| topology.source("numbers", numbers()).discard("numbers"),
        error: |error| matches!(error, PlanError::EqualUids { .. }),
        says: "uid 'numbers' is used twice, by a source and a discard: give each its own",
    },
    Mistake {
        build: |topology| {
            let [left, right] = topology.source("numbers", numbers()).split();
            left.key_by(|number| *number).count("counts").discard("left");
            right.key_by(|number| *number).sum("counts", |number| *number).discard("right");
        },
        error: |error| matches!(error, PlanError::EqualUids { .. }),
        says: "uid 'counts' is used twice, by a count and a sum: give each its own",
    },
    Mistake {
        build: |topology| topology.source(" ", numbers()).discard("nowhere"),
        error: |error| matches!(error, PlanError::EmptyUid { .. }),
        says: "a source has an empty uid: give it a stable name of its own",
    },
    Mistake {
        build: |topology| drop(topology.source("numbers", numbers()).map(|number| number + 1)),
        error: |error| matches!(error, PlanError::NoSink { .. }),
        says: "the stream behind 'numbers → map' has no sink: end it with `.sink(uid, ...)`, `.discard(uid)` or the like",
    },
    Mistake {
        build: |topology| drop(topology.source("numbers", numbers()).rebalance()),
        error: |error| matches!(error, PlanError::NoSink { .. }),
        says: "the stream behind 'numbers' has no sink: end it with `.sink(uid, ...)`, `.discard(uid)` or the like",
    },
    Mistake {
        build: |topology| topology.source("numbers", numbers()).parallelism(0).discard("nowhere"),
        error: |error| matches!(error, PlanError::NoSubtasks { .. }),
        says: "'numbers → nowhere' has parallelism 0: it must be at least 1",
    },
    Mistake {
        build: |topology| {
            let topology = topology.clone().max_parallelism(4);
            topology
                .source("numbers", numbers())
                .key_by(|number| *number)
                .parallelism(5)
                .count("counts")
                .discard("nowhere");
        },
        error: |error| matches!(error, PlanError::ParallelismAboveMaximum { parallelism: 5, max: 4, .. }),
        says: "'counts → nowhere' has parallelism 5, above the maximum of 4: lower it, or raise the maximum with \
               `topology.max_parallelism(n)` (at most 32768)",
    },
    Mistake {
        build: |topology| {
            topology.clone().max_parallelism(0).source("numbers", numbers()).discard("nowhere");
        },
        error: |error| matches!(error, PlanError::MaximumOutOfRange { max: 0 }),
        says: "maximum parallelism 0 is not between 1 and 32768",
    },
    Mistake {
        build: |topology| {
            topology.clone().max_parallelism(32_769).source("numbers", numbers()).discard("nowhere");
        },
        error: |error| matches!(error, PlanError::MaximumOutOfRange { max: 32_769 }),
        says: "maximum parallelism 32769 is not between 1 and 32768",
    },
    Mistake {
        build: |topology| {
            topology.source("numbers", numbers()).parallelism(2).forward().parallelism(3).discard("nowhere");
        },
        error: |error| matches!(error, PlanError::ForwardBetweenDifferent { .. }),
        says: "forward from 'numbers' (parallelism 2) to 'nowhere' (parallelism 3): give both the same parallelism, or \
               use `.rebalance()` or `.rescale()`",
    },
    Mistake {
        build: |topology| {
            let rejects = SideOutput::<String>::new("rejects");
            topology.source("numbers", numbers()).discard("nowhere");
            topology.side_output(&rejects).discard("rejected");
        },
        error: |error| matches!(error, PlanError::SideOutputNotFilled { .. }),
        says: "side output 'rejects' is read, but nothing fills it: give it to a source or an operator first",
    },
    Mistake {
        build: |topology| {
            let rejects = SideOutput::<String>::new("rejects");
            topology.side_output(&rejects).discard("rejected");
            topology.source("numbers", Filling(numbers(), rejects.id())).discard("nowhere");
        },
        error: |error| matches!(error, PlanError::SideOutputNotFilled { .. }),
        says: "side output 'rejects' is read, but nothing fills it: give it to a source or an operator first",
    },
    Mistake {
        build: |topology| {
            let rejects = SideOutput::<String>::new("rejects");
            topology.source("left", Filling(numbers(), rejects.id())).discard("nowhere");
            topology.source("right", Filling(numbers(), rejects.id())).discard("elsewhere");
            topology.side_output(&rejects).discard("rejected");
        },
        error: |error| matches!(error, PlanError::SideOutputFilledTwice { .. }),
        says: "side output 'rejects' is filled by 'left → nowhere' and by 'right → elsewhere': give each its own",
    },
    Mistake {
        build: |topology| {
            let rejects = SideOutput::<String>::new("rejects");
            topology.source("numbers", Filling(numbers(), rejects.id())).discard("nowhere");
            topology.side_output(&rejects).discard("once");
            topology.side_output(&rejects).discard("twice");
        },
        error: |error| matches!(error, PlanError::SideOutputReadTwice { .. }),
        says: "side output 'rejects' is read twice: read it once, and use `.split()` on the stream",
    },
];

#[test]
fn each_mistake_is_named_with_its_fix_before_anything_runs() {
    for mistake in MISTAKES {
        let topology = Topology::new("wrong");
        (mistake.build)(&topology);
        let error = topology.plan_with(2).expect_err(mistake.says);
        assert_eq!(error.to_string(), mistake.says);
        assert!((mistake.error)(&error), "{error:?}");
        // A start finds the same, before it touches a state directory.
        let state = tempfile::tempdir().unwrap();
        let options = JobOptions::new().parallelism(2).state_dir(state.path().join("untouched"));
        let refused = topology.start(options).expect_err(mistake.says);
        assert!(matches!(refused.kind(), ErrorKind::Plan(same) if *same == error), "{refused:?}");
        assert!(!state.path().join("untouched").exists(), "{}", mistake.says);
    }
}

#[test]
fn a_uid_may_be_used_again_in_another_topology() {
    for name in ["one", "another"] {
        let topology = Topology::new(name);
        topology.source("numbers", numbers()).discard("nowhere");
        assert!(topology.plan().is_ok());
    }
}

// ---- the printed forms ----

fn word_lengths() -> Topology {
    let topology = Topology::new("word lengths");
    let words = topology.source("words", Collection::of(["a \"quoted\" <word>", "b"])).parallelism(1);
    let [short, long] = words.map(str::len).split();
    short.filter(|length| *length < 5).key_by(|length| *length).count("counts").discard("short ones");
    long.inspect(|_| {}).global().parallelism(1).discard("long & \"rare\"");
    topology
}

#[test]
fn the_text_form_names_blocks_uids_and_edges() {
    let expected = "\
topology 'word lengths', 128 key groups
block 0 ×1: source 'words' → map
    rebalance → block 1
    rebalance → block 2
block 1 ×2: filter → key_by
    key group → block 3
block 2 ×2: inspect
    global → block 4
block 3 ×2: count 'counts' → discard 'short ones'
block 4 ×1: discard 'long & \"rare\"'
";
    assert_eq!(word_lengths().plan_with(2).unwrap().to_string(), expected);
}

#[test]
fn the_json_form_is_stable() {
    let topology = Topology::new("word count");
    topology.source("words", Collection::of(["a", "b"])).key_by(|word| word.len()).count("counts").discard("nowhere");
    let expected = r#"{
  "name": "word count",
  "max_parallelism": 128,
  "blocks": [
    {
      "nodes": [
        {
          "kind": "source",
          "uid": "words"
        },
        {
          "kind": "key_by",
          "uid": null
        }
      ],
      "parallelism": 2
    },
    {
      "nodes": [
        {
          "kind": "count",
          "uid": "counts"
        },
        {
          "kind": "discard",
          "uid": "nowhere"
        }
      ],
      "parallelism": 2
    }
  ],
  "edges": [
    {
      "from": 0,
      "output": 0,
      "to": 1,
      "exchange": "key_group"
    }
  ]
}"#;
    assert_eq!(topology.plan_with(2).unwrap().to_json(), expected);
}

#[test]
fn the_mermaid_form_escapes_what_mermaid_would_read() {
    let topology = Topology::new("signs");
    topology.source("a \"b\" <c>", numbers()).rescale().discard("d & e");
    let expected = "\
flowchart LR
    b0[\"source 'a &quot;b&quot; &lt;c&gt;'<br/>×2\"]
    b1[\"discard 'd &amp; e'<br/>×2\"]
    b0 -->|rescale| b1
";
    assert_eq!(topology.plan_with(2).unwrap().to_mermaid(), expected);
}

#[test]
fn each_exchange_has_a_word_of_its_own() {
    let topology = Topology::new("exchanges");
    topology
        .source("numbers", numbers())
        .forward()
        .rebalance()
        .rescale()
        .shuffle(1)
        .broadcast()
        .global()
        .partition_by(|_, _| 0)
        .key_by(|number| *number)
        .count("counts")
        .discard("nowhere");
    let text = topology.plan_with(2).unwrap().to_string();
    let words = text.lines().filter_map(|line| line.strip_prefix("    ")).map(|line| line.split(" →").next().unwrap());
    let expected = ["forward", "rebalance", "rescale", "shuffle", "broadcast", "global", "custom", "key group"];
    assert_eq!(words.collect::<Vec<_>>(), expected);
}

// ---- types that users can name ----

fn doubled(stream: Stream<impl Chain<Out = u64>>) -> Stream<impl Chain<Out = u64>> {
    stream.map(|number| number * 2)
}

/// A part of a topology with a name of its own.
struct Halves {
    even: Stream<BoxedChain<u64>>,
    odd: Stream<BoxedChain<u64>>,
}

fn halves(stream: Stream<impl Chain<Out = u64>>) -> Halves {
    let [even, odd] = stream.split();
    Halves { even: even.filter(|number| number % 2 == 0).boxed(), odd: odd.filter(|number| number % 2 == 1).boxed() }
}

#[test]
fn streams_can_be_named_in_signatures_and_fields() {
    let topology = Topology::new("named");
    let Halves { even, odd } = halves(topology.source("numbers", numbers()));
    let streams: Vec<Stream<BoxedChain<u64>>> = vec![doubled(even).boxed(), odd];
    let collected = streams
        .into_iter()
        .enumerate()
        .map(|(number, stream)| stream.collect(&format!("results {number}")))
        .collect::<Vec<Collected<u64>>>();
    topology.start(JobOptions::new().parallelism(1)).unwrap().wait().unwrap();
    assert_eq!(collected.iter().map(Collected::take).collect::<Vec<_>>(), [vec![0, 4, 8, 12, 16], vec![1, 3, 5, 7, 9]]);
}

#[test]
fn a_keyed_stream_can_be_named_too() {
    fn by_parity(stream: Stream<impl Chain<Out = u64>>) -> KeyedStream<u64, u64> {
        stream.key_by(|number| number % 2)
    }
    let topology = Topology::new("keyed");
    let counts = by_parity(topology.source("numbers", numbers())).count("counts").collect("results");
    topology.start(JobOptions::new().parallelism(1)).unwrap().wait().unwrap();
    assert_eq!(counts.take().into_iter().max(), Some((1, 5)));
}

#[test]
fn a_block_between_two_exchanges_has_a_name() {
    let topology = Topology::new("handed on");
    topology.source("numbers", Collection::of(0..3)).rebalance().global().discard("nowhere");
    let plan = topology.plan_with(2).expect("the plan has no mistake");
    assert_eq!(plan.block_name(1), "hand on");
}
