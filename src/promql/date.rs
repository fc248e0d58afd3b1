//! The calendar functions: parts of a Unix time in UTC, proleptic Gregorian.

const DAY: i64 = 86_400;

/// A civil date.
struct Date {
    year: i64,
    month: i64,
    day: i64,
}

/// The date of a day counted from 1970-01-01, by counting 400-year eras that begin on the first of March (the leap day
/// is then the last day of a year).
fn civil(day: i64) -> Date {
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    Date {
        year: year_of_era + era * 400 + i64::from(month <= 2),
        month,
        day: of_year - (153 * march_month + 2) / 5 + 1,
    }
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_of(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(is_leap(year)),
        _ => 31,
    }
}

/// A part of a time given in seconds since the epoch; NaN for what is no time.
fn part(seconds: f64, of: impl Fn(i64) -> i64) -> f64 {
    // Beyond ±292 million years the arithmetic on days would overflow, and nobody means such a time.
    if !seconds.is_finite() || seconds.abs() > 9.2e15 {
        return f64::NAN;
    }
    of(seconds as i64) as f64
}

pub(super) fn minute(seconds: f64) -> f64 {
    part(seconds, |s| s.rem_euclid(3_600) / 60)
}

pub(super) fn hour(seconds: f64) -> f64 {
    part(seconds, |s| s.rem_euclid(DAY) / 3_600)
}

/// Sunday is 0.
pub(super) fn day_of_week(seconds: f64) -> f64 {
    part(seconds, |s| (s.div_euclid(DAY) + 4).rem_euclid(7))
}

pub(super) fn day_of_month(seconds: f64) -> f64 {
    part(seconds, |s| civil(s.div_euclid(DAY)).day)
}

/// The first of January is 1.
pub(super) fn day_of_year(seconds: f64) -> f64 {
    part(seconds, |s| {
        let date = civil(s.div_euclid(DAY));
        (1..date.month).map(|month| days_of(date.year, month)).sum::<i64>() + date.day
    })
}

pub(super) fn days_in_month(seconds: f64) -> f64 {
    part(seconds, |s| {
        let date = civil(s.div_euclid(DAY));
        days_of(date.year, date.month)
    })
}

pub(super) fn month(seconds: f64) -> f64 {
    part(seconds, |s| civil(s.div_euclid(DAY)).month)
}

pub(super) fn year(seconds: f64) -> f64 {
    part(seconds, |s| civil(s.div_euclid(DAY)).year)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_five_centuries_follows_the_one_before() {
        let (mut y, mut m, mut d) = (1700, 1, 1);
        // 1700-01-01 is 98 615 days before the epoch: 270 years of 365 days and 65 leap days.
        let mut weekday = (-98_615i64 + 4).rem_euclid(7);
        for day in -98_615i64..84_000 {
            let at = (day * DAY + 12 * 3_600) as f64;
            assert_eq!((year(at), month(at), day_of_month(at)), (y as f64, m as f64, d as f64), "day {day}");
            assert_eq!(day_of_week(at), weekday as f64);
            weekday = (weekday + 1) % 7;
            d += 1;
            if d > days_of(y, m) {
                (d, m) = (1, m + 1);
            }
            if m > 12 {
                (m, y) = (1, y + 1);
            }
        }
    }

    #[test]
    fn what_is_no_time_has_no_parts() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300] {
            assert!(hour(bad).is_nan() && year(bad).is_nan(), "{bad}");
        }
    }
}
