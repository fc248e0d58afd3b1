//! When things break. What a fault does happens in the stage, which strikes requests as they come; here is who tells
//! it when, and that every fault ends.

pub mod conduct;
pub mod gate;
