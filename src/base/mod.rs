//! Small things every room needs and that know nothing of load testing.

pub mod ask;
pub mod cgroup;
pub mod command;
pub mod docker;
pub mod httpd;
pub mod law;
pub mod metrics;
pub mod net;
pub mod process;
pub mod procfs;
pub mod seed;
pub mod series;
pub mod sleep;
pub mod text;
pub mod time;
pub mod timing;
pub mod trace;
pub mod units;
