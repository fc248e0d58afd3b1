//! Ways in which a page of metrics breaks its contract, for practice. Each changes the honest page as a bug of that kind
//! would; the service behind it stays as it is.

use std::fmt::Write as _;
use std::time::Duration;

/// So many orders are remembered.
const MOST_ORDERS: u64 = 20_000;

/// How a page breaks its contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Twist {
    /// A counter has the id of each order in a label.
    OrderIds,
    /// A counter has no TYPE.
    Untyped,
    /// A bucket counts less than the one below it.
    Crooked,
    /// A counter falls now and then.
    Falling,
    /// A series stands on the page twice.
    Repeated,
    /// It takes more than a second.
    Slow,
}

impl Twist {
    const ALL: [Twist; 6] =
        [Twist::OrderIds, Twist::Untyped, Twist::Crooked, Twist::Falling, Twist::Repeated, Twist::Slow];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Twist::OrderIds => "order_ids",
            Twist::Untyped => "untyped",
            Twist::Crooked => "crooked",
            Twist::Falling => "falling",
            Twist::Repeated => "repeated",
            Twist::Slow => "slow",
        }
    }

    /// The twist of a word.
    pub fn from_word(word: &str) -> Option<Twist> {
        Twist::ALL.into_iter().find(|twist| twist.word() == word)
    }

    /// How long the page is kept back.
    pub fn delay(self) -> Duration {
        if self == Twist::Slow { Duration::from_millis(1_200) } else { Duration::ZERO }
    }

    /// The page as the bug would have it. `nth` counts pages, from 0; `orders` is how many quotes were served so far.
    pub fn apply(self, page: String, nth: u64, orders: u64) -> String {
        let each = |of: &dyn Fn(&str) -> Option<String>| -> String {
            page.lines().filter_map(|line| of(line).map(|line| line + "\n")).collect()
        };
        match self {
            Twist::Slow => page,
            Twist::Untyped => {
                each(&|line| (!line.starts_with("# TYPE quote_requests_total ")).then(|| line.to_owned()))
            }
            Twist::Crooked => each(&|line| {
                let crooked = line.starts_with("quote_calculation_duration_seconds_bucket{le=\"5\"}");
                Some(if crooked { "quote_calculation_duration_seconds_bucket{le=\"5\"} 0".into() } else { line.into() })
            }),
            Twist::Falling => each(&|line| {
                let value = line.strip_prefix("quotes_served_total ").and_then(|v| v.parse::<u64>().ok());
                let fallen = value.filter(|_| nth % 3 == 2).map(|v| format!("quotes_served_total {}", v / 2));
                Some(fallen.unwrap_or_else(|| line.to_owned()))
            }),
            Twist::Repeated => {
                let again = page.lines().find(|line| line.starts_with("quotes_served_total "));
                let again = again.map(|line| format!("{line}\n")).unwrap_or_default();
                page.replacen(&again, &again.repeat(2), 1)
            }
            Twist::OrderIds => {
                let mut page = page;
                page.push_str("# HELP quote_orders_total Orders, by their id\n# TYPE quote_orders_total counter\n");
                for order in 0..orders.min(MOST_ORDERS) {
                    let _ = writeln!(page, "quote_orders_total{{order_id=\"ord-{order:06}\"}} 1");
                }
                page
            }
        }
    }
}

/// What `/ready` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// 503 until the service has warmed up.
    Start,
    /// The same, and while a quoter failed several times in a row.
    Quoters,
    /// 200, whatever is the case: a lie.
    Always,
}

impl Readiness {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Readiness::Start => "start",
            Readiness::Quoters => "quoters",
            Readiness::Always => "always",
        }
    }

    /// What a word means.
    pub fn from_word(word: &str) -> Option<Readiness> {
        [Readiness::Start, Readiness::Quoters, Readiness::Always].into_iter().find(|ready| ready.word() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# TYPE quote_requests_total counter\nquote_requests_total 4\n# TYPE quotes_served_total counter\n\
                        quotes_served_total 10\nquote_calculation_duration_seconds_bucket{le=\"5\"} 7\n";

    #[test]
    fn each_twist_changes_the_page_in_its_way() {
        let twisted = |twist: Twist, nth| twist.apply(PAGE.into(), nth, 2);
        assert_eq!(twisted(Twist::Slow, 0), PAGE);
        assert!(!twisted(Twist::Untyped, 0).contains("TYPE quote_requests_total"));
        assert!(twisted(Twist::Crooked, 0).contains("{le=\"5\"} 0\n"));
        assert_eq!(twisted(Twist::Falling, 1), PAGE);
        assert!(twisted(Twist::Falling, 2).contains("quotes_served_total 5\n"));
        assert_eq!(twisted(Twist::Repeated, 0).matches("quotes_served_total 10\n").count(), 2);
        assert_eq!(twisted(Twist::OrderIds, 0).matches("order_id=").count(), 2);
    }

    #[test]
    fn words_read_back() {
        for twist in Twist::ALL {
            assert_eq!(Twist::from_word(twist.word()), Some(twist));
        }
        assert_eq!(Readiness::from_word("quoters"), Some(Readiness::Quoters));
    }
}
