//! What the practice targets have in common that trade: an exchange that takes orders, a book of them, an account, and
//! prices.

pub mod account;
pub mod book;
pub mod chance;
pub mod exchange;
pub mod market;
pub mod prices;
