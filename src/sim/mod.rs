//! Practice targets: one file or folder per trading system. They share nothing with what measures them.
