//! Ports for what listens where a scenario says, which has to be known before it does.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the ports that the system gives to whoever connects or asks for any, so that nobody is given one of them between the
/// look whether it is free and its use.
const FIRST: u16 = 20_000;
const ROWS: u16 = 500;
const LENGTH: u16 = 20;

/// So many ports that nobody listens on.
pub fn free<const N: usize>() -> [u16; N] {
    let first = row(N as u16);
    std::array::from_fn(|nth| first + nth as u16)
}

/// A host and a port that nobody listens on.
pub fn place() -> String {
    let [port] = free();
    format!("127.0.0.1:{port}")
}

/// The first of several free ports in a row.
pub fn row(length: u16) -> u16 {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    assert!(length <= LENGTH, "a row has {LENGTH} ports");
    let start = (std::process::id() % u32::from(ROWS)) as u16;
    for _ in 0..ROWS {
        let row = (start + TAKEN.fetch_add(1, Ordering::Relaxed)) % ROWS;
        let first = FIRST + row * LENGTH;
        if (0..length).all(|nth| TcpListener::bind((Ipv4Addr::LOCALHOST, first + nth)).is_ok()) {
            return first;
        }
    }
    panic!("no {length} free ports in a row")
}
