//! The account: positions with their average price, what they have earned, and what was lost on the way. Pure.

use super::prices::SYMBOLS;

/// What a fee is, as a share of what was traded.
const MAKER_FEE: f64 = 0.000_005;
const TAKER_FEE: f64 = 0.000_05;

/// What is held of one symbol.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Position {
    /// In units of the symbol; negative when it is owed.
    pub size: f64,
    /// What it cost on average, in dollars; 0 when nothing is held.
    pub entry: f64,
}

/// A part of an order that was filled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fill {
    /// Which of the symbols.
    pub symbol: usize,
    /// In units of the symbol; negative when it was sold.
    pub size: f64,
    /// In dollars.
    pub price: f64,
    /// Whether the order stood in the book.
    pub maker: bool,
}

/// The account.
#[derive(Debug, Clone, PartialEq)]
pub struct Account {
    /// What it began with, in dollars.
    pub start: f64,
    /// By symbol.
    pub positions: [Position; SYMBOLS.len()],
    /// Profits and losses of what was closed, in dollars, without fees.
    pub realized: f64,
    /// What was paid as maker and as taker.
    pub fees: [f64; 2],
    /// How often something was closed.
    pub trades: u64,
    /// How often with a profit.
    pub won: u64,
    /// The deepest fall of the equity from its highest point, in percent.
    pub drawdown: f64,
    peak: f64,
    mean: f64, // of the profits of closed trades, and the sum of squares around it, by Welford's method
    squares: f64,
}

impl Account {
    /// One that holds nothing but dollars.
    pub fn new(start: f64) -> Account {
        Account {
            start,
            positions: [Position::default(); SYMBOLS.len()],
            realized: 0.0,
            fees: [0.0; 2],
            trades: 0,
            won: 0,
            drawdown: 0.0,
            peak: start,
            mean: 0.0,
            squares: 0.0,
        }
    }

    /// Books a fill: what it closes is realized, what it opens has its price.
    pub fn fill(&mut self, fill: Fill) {
        let fee = fill.size.abs() * fill.price * if fill.maker { MAKER_FEE } else { TAKER_FEE };
        self.fees[usize::from(!fill.maker)] += fee;
        let position = &mut self.positions[fill.symbol];
        let closes = if position.size * fill.size < 0.0 { fill.size.abs().min(position.size.abs()) } else { 0.0 };
        let opens = fill.size.abs() - closes;
        if closes > 0.0 {
            let profit = closes * (fill.price - position.entry) * position.size.signum();
            self.realized += profit;
            self.trades += 1;
            self.won += u64::from(profit > 0.0);
            let from = profit - self.mean;
            self.mean += from / self.trades as f64;
            self.squares += from * (profit - self.mean);
        }
        let size = position.size + fill.size;
        if size.abs() < 1e-9 {
            *position = Position::default();
            return;
        }
        if opens > 0.0 {
            // Turned over, it is all new; else the prices mix.
            let kept = if closes > 0.0 { 0.0 } else { position.size.abs() };
            position.entry = (position.entry * kept + fill.price * opens) / (kept + opens);
        }
        position.size = size;
    }

    /// What a position would bring at a price, beyond what it cost.
    pub fn unrealized(&self, symbol: usize, price: f64) -> f64 {
        let Position { size, entry } = self.positions[symbol];
        size * (price - entry)
    }

    /// Dollars that are there.
    pub fn balance(&self) -> f64 {
        self.start + self.realized - self.fees[0] - self.fees[1]
    }

    /// Takes notice of what all is worth at these prices.
    pub fn value(&mut self, prices: &[f64; SYMBOLS.len()]) {
        let open: f64 = prices.iter().enumerate().map(|(symbol, price)| self.unrealized(symbol, *price)).sum();
        let equity = self.balance() + open;
        self.peak = self.peak.max(equity);
        if self.peak > 0.0 {
            self.drawdown = self.drawdown.max((self.peak - equity) / self.peak * 100.0);
        }
    }

    /// The mean profit of a closed trade over its standard deviation; 0 before there are two.
    pub fn sharpe(&self) -> f64 {
        if self.trades < 2 || self.squares <= 0.0 {
            return 0.0;
        }
        self.mean / (self.squares / (self.trades - 1) as f64).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(size: f64, price: f64) -> Fill {
        Fill { symbol: 0, size, price, maker: true }
    }

    #[test]
    fn what_is_closed_is_realized_and_what_is_open_is_not() {
        let mut account = Account::new(1000.0);
        account.fill(fill(2.0, 100.0));
        account.fill(fill(2.0, 110.0));
        assert_eq!(account.positions[0], Position { size: 4.0, entry: 105.0 });
        assert_eq!((account.realized, account.trades), (0.0, 0), "nothing is closed");
        account.fill(fill(-1.0, 115.0));
        assert_eq!((account.realized, account.trades, account.won), (10.0, 1, 1));
        assert_eq!(account.positions[0], Position { size: 3.0, entry: 105.0 });
        account.fill(fill(-5.0, 95.0)); // turns it over
        assert_eq!(account.realized, 10.0 - 30.0);
        assert_eq!(account.positions[0], Position { size: -2.0, entry: 95.0 });
        assert_eq!(account.unrealized(0, 90.0), 10.0);
        account.fill(fill(2.0, 90.0));
        assert_eq!((account.realized, account.positions[0]), (-10.0, Position::default()));
        assert_eq!((account.trades, account.won), (3, 2));
    }

    #[test]
    fn fees_drawdown_and_sharpe() {
        let mut account = Account::new(1000.0);
        account.fill(Fill { maker: false, ..fill(1.0, 1000.0) });
        assert!((account.balance() - 999.95).abs() < 1e-9);
        let at = |price| [price, 0.0, 0.0];
        account.value(&at(1100.0));
        account.value(&at(990.0));
        account.value(&at(1200.0));
        assert!((account.drawdown - 110.0 / 1099.95 * 100.0).abs() < 1e-9, "{}", account.drawdown);
        assert_eq!(account.sharpe(), 0.0);
        account.fill(fill(-0.5, 1010.0)); // + 5
        account.fill(fill(-0.5, 1030.0)); // + 15
        assert!((account.sharpe() - 10.0 / 50f64.sqrt()).abs() < 1e-9);
    }
}
