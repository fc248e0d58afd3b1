//! `samples.chunks`: every scraped series, small.
