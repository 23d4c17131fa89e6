//! Compiles every code block of every Markdown page, so that no page shows code that does not exist.

#[doc = include_str!("../README.md")]
struct Readme;

#[doc = include_str!("../CHANGELOG.md")]
struct Changelog;

#[doc = include_str!("../CONTRIBUTING.md")]
struct Contributing;

#[doc = include_str!("../SECURITY.md")]
struct Security;

#[doc = include_str!("../docs/architecture.md")]
struct Architecture;

#[doc = include_str!("../docs/configuration.md")]
struct Configuration;

#[doc = include_str!("../docs/event-time.md")]
struct EventTime;

#[doc = include_str!("../docs/joins.md")]
struct Joins;

#[doc = include_str!("../docs/nexmark.md")]
struct Nexmark;

#[doc = include_str!("../docs/observing.md")]
struct Observing;

#[doc = include_str!("../docs/performance.md")]
struct Performance;

#[doc = include_str!("../docs/semantics.md")]
struct Semantics;

#[doc = include_str!("../docs/state.md")]
struct State;

#[doc = include_str!("../docs/state-format.md")]
struct StateFormat;

#[doc = include_str!("../docs/testing.md")]
struct Testing;

#[doc = include_str!("../docs/windows.md")]
struct Windows;
