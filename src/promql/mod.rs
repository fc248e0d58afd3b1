//! PromQL over samples in memory, with the semantics of Prometheus 3. Pure: no clock, no sockets.
