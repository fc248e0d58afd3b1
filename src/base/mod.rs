//! Small things every room needs and that know nothing of load testing.

pub mod ask;
pub mod cgroup;
pub mod command;
pub mod dial;
pub mod docker;
pub mod httpd;
pub mod law;
pub mod metrics;
pub mod mistake;
pub mod net;
pub mod process;
pub mod procfs;
pub mod reader;
pub mod seed;
pub mod series;
pub mod sleep;
pub mod spots;
pub mod text;
pub mod time;
pub mod timing;
pub mod tls;
pub mod trace;
pub mod units;
pub mod yaml;
