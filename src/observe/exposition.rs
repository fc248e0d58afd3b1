//! The Prometheus text format and OpenMetrics.
