//! Proofload proves a trading platform before people are let onto it.
//!
//! The flow runs one way:
//!
//! ```text
//!  scenario.yaml ─▶ Scenario ─▶ Plan ─┬▶ traffic ──▶ target ──▶ stage: stub quoters, links
//!    (as written)   (valid)  (what    ├▶ fault   ──────────────────▲
//!                            will     └▶ observe ─▶ /metrics
//!                            happen)       │
//!                                          ▼
//!                                      Evidence  (a folder on disk: what happened)
//!                                          │
//!                                  judge ──┴─▶ Judgement ─▶ report
//! ```
//!
//! `traffic`, `fault` and `observe` never import each other and meet only in the evidence; `judge` and `report` are
//! pure. `tests/layering.rs` holds every room to that.

pub mod base;
pub mod capacity;
pub mod cli;
pub mod command;
pub mod evidence;
pub mod exit;
pub mod fault;
pub mod judge;
pub mod lint;
pub mod observe;
pub mod plan;
pub mod promql;
pub mod report;
pub mod run;
pub mod scenario;
pub mod selftest;
pub mod shrink;
pub mod sim;
pub mod stage;
pub mod suite;
pub mod traffic;
