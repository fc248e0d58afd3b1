//! Random expressions over random series, in the language that Prometheus 2.42 and 3 have in common.

use proofload::base::series::{Labels, Sample, Series, stale};

/// A small generator of numbers (Sebastiano Vigna's SplitMix64): the same seed asks the same questions for ever.
pub struct Random(pub u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.bits() % n
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn pick<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len() as u64) as usize]
    }
}

/// The series are sampled from zero until then, in milliseconds.
pub const END: i64 = 900_000;

/// Counters that restart, gauges that are NaN or infinite, histograms whose buckets were scraped apart; scrapes are late,
/// missed, or end a series. Values are multiples of an eighth: their sums are exact in any order.
pub fn world(random: &mut Random) -> Vec<Series> {
    let mut all = Vec::new();
    for job in ["api", "worker"] {
        let mut total = 0;
        for le in ["0.1", "0.5", "1", "5", "+Inf"] {
            total += 1 + random.below(20);
            let labels = Labels::new([("__name__", "took_seconds_bucket"), ("job", job), ("le", le)]);
            all.push(sampled(random, labels, 15_000, Kind::Counter(total)));
        }
        let owner = Labels::new([("__name__", "owner"), ("job", job), ("team", &format!("team-{job}"))]);
        all.push(sampled(random, owner, 5_000, Kind::One));
        for instance in ["a", "b", "c"] {
            let named = |name| Labels::new([("__name__", name), ("job", job), ("instance", instance)]);
            all.push(sampled(random, named("load"), 10_000, Kind::Gauge(40)));
            all.push(sampled(random, named("limit"), 60_000, Kind::Gauge(64)));
            for (code, rate) in [("200", 40), ("500", 1)] {
                let mut labels = named("requests_total");
                labels.set("code", code);
                all.push(sampled(random, labels, 15_000, Kind::Counter(rate)));
            }
        }
    }
    all
}

#[derive(Clone, Copy)]
enum Kind {
    /// About so many more each second.
    Counter(u64),
    /// Eighths up to that, either way.
    Gauge(u64),
    One,
}

fn sampled(random: &mut Random, labels: Labels, every: i64, kind: Kind) -> Series {
    let mut samples: Vec<Sample> = Vec::new();
    let (mut total, mut due) = (0.0, random.below(every as u64) as i64);
    while due < END {
        let at = due + random.below(every as u64 / 4) as i64 - every / 8;
        let (value, missed) = match random.below(100) {
            0..3 => (stale(), false),
            3..7 => (0.0, true),
            luck => match kind {
                Kind::One => (1.0, false),
                Kind::Counter(rate) => {
                    total = if luck < 10 { 0.0 } else { total };
                    total += (rate * every as u64 / 1000 * (50 + random.below(100)) / 100) as f64;
                    (total, false)
                }
                Kind::Gauge(_) if luck < 9 => (f64::NAN, false),
                Kind::Gauge(_) if luck == 9 => {
                    (if random.chance(50) { f64::INFINITY } else { f64::NEG_INFINITY }, false)
                }
                Kind::Gauge(scale) => ((random.below(2 * scale + 1) as f64 - scale as f64) / 8.0, false),
            },
        };
        if !missed && samples.last().map_or(at >= 0, |last| last.at < at) {
            samples.push(Sample { at, value });
        }
        due += every;
    }
    Series { labels, samples }
}

/// An expression and when to evaluate it, in milliseconds.
pub fn question(random: &mut Random) -> (String, i64) {
    let depth = 1 + random.below(3);
    let expr = if random.chance(4) { scalar(random, depth) } else { vector(random, depth) };
    (expr, 30_000 + random.below(END as u64 - 30_000) as i64)
}

const COUNTERS: [&str; 2] = ["requests_total", "took_seconds_bucket"];
const GAUGES: [&str; 2] = ["load", "limit"];
const LABELS: [(&str, &[&str]); 4] = [
    ("job", &["api", "worker"]),
    ("instance", &["a", "b", "c"]),
    ("code", &["200", "500"]),
    ("team", &["", "team-api"]),
];
const RANGES: [&str; 8] = ["15s", "30s", "1m", "2m", "5m", "7m13s", "90s", "1h"];

fn selector(random: &mut Random, name: &str) -> String {
    let mut matchers = Vec::new();
    for (label, values) in LABELS {
        if random.chance(20) {
            let value = random.pick(values);
            matchers.push(match random.below(4) {
                0 => format!("{label}=\"{value}\""),
                1 => format!("{label}!='{value}'"),
                2 => format!("{label}=~`{}`", random.pick(&["", value, ".*", ".+", "a.*|b", "[^a]+", "2.."])),
                _ => format!("{label}!~\"{}\"", random.pick(&["x", value, "5..", "a|b", "work.*"])),
            });
        }
    }
    match (matchers.is_empty(), random.below(10)) {
        (true, 0) => format!("{{__name__=\"{name}\"}}"),
        (false, 0) => format!("{{__name__=~\"{name}|none\",{}}}", matchers.join(", ")),
        (true, _) => name.to_owned(),
        (false, _) => format!("{name}{{{}}}", matchers.join(",")),
    }
}

fn modifier(random: &mut Random) -> String {
    let mut said = String::new();
    if random.chance(15) {
        said.push_str(&format!(" offset {}", random.pick(&["30s", "1m", "-45s", "2m", "-1m30s", "1ms"])));
    }
    if random.chance(10) {
        said.push_str(&format!(" @ {}", random.pick(&["20", "60.5", "end()", "start()", "899", "-1"])));
    }
    said
}

fn range(random: &mut Random, name: &str, depth: u64) -> String {
    let range = random.pick(&RANGES);
    if depth > 0 && random.chance(15) {
        let inner = vector(random, depth - 1);
        let step = random.pick(&["", "10s", "15s", "1m", "7s"]);
        let range = random.pick(&["1m", "2m", "5m"]);
        return format!("({inner})[{range}:{step}]{}", modifier(random));
    }
    format!("{}[{range}]{}", selector(random, name), modifier(random))
}

/// A function of a range; what it makes of exact numbers is as good as exact.
fn over_time(random: &mut Random, depth: u64) -> String {
    let counter = random.pick(&COUNTERS);
    let gauge = random.pick(&GAUGES);
    let any = random.pick(&[counter, gauge]);
    match random.below(12) {
        0..4 => {
            let function = random.pick(&["rate", "increase", "rate", "irate", "resets"]);
            format!("{function}({})", range(random, counter, 0))
        }
        4..9 => {
            let function = random.pick(&[
                "avg_over_time",
                "sum_over_time",
                "min_over_time",
                "max_over_time",
                "count_over_time",
                "last_over_time",
                "present_over_time",
                "stddev_over_time",
                "stdvar_over_time",
                "delta",
                "idelta",
                "deriv",
                "changes",
                "resets",
                "absent_over_time",
            ]);
            format!("{function}({})", range(random, any, depth))
        }
        9 => format!(
            "quantile_over_time({}, {})",
            random.pick(&["0.5", "0.9", "0", "1", "-1", "2"]),
            range(random, any, 0)
        ),
        10 => format!("predict_linear({}, {})", range(random, gauge, 0), random.pick(&["60", "-60", "3600", "0"])),
        _ => format!("holt_winters({}, {}, 0.3)", range(random, gauge, 0), random.pick(&["0.5", "0.1", "0.9"])),
    }
}

fn grouping(random: &mut Random) -> String {
    let word = random.pick(&["by", "by", "without"]);
    let labels = random.pick(&["job", "instance", "job, instance", "code", "", "le", "job,le", "none"]);
    format!("{word} ({labels})")
}

fn aggregation(random: &mut Random, depth: u64) -> String {
    let mut arg = vector(random, depth - 1);
    let (name, param) = match random.below(14) {
        0..4 => ("sum", ""),
        4 => ("avg", ""),
        5 => ("min", ""),
        6 => ("max", ""),
        7 => ("count", ""),
        8 => ("group", ""),
        9 => (random.pick(&["stddev", "stdvar"]), ""),
        10 => ("quantile", random.pick(&["0.5, ", "0.25, ", "1, ", "-0.5, ", "1.5, "])),
        11 => ("count_values", "\"value\", "),
        // Of equal elements the versions keep different ones, so all or one of few.
        12 => (random.pick(&["topk", "bottomk"]), random.pick(&["100, ", "0, ", "50, "])),
        _ => ("sum", ""),
    };
    if name == "count_values" {
        // A text shows the last digit, in which versions differ: of what was sampled there is none too many.
        arg = selector(random, "load") + &modifier(random);
    }
    match random.below(3) {
        0 => format!("{name}({param}{arg})"),
        1 => format!("{name} {} ({param}{arg})", grouping(random)),
        _ => format!("{name}({param}{arg}) {}", grouping(random)),
    }
}

fn call(random: &mut Random, depth: u64) -> String {
    let arg = vector(random, depth - 1);
    match random.below(16) {
        0..3 => {
            let function = random.pick(&[
                "abs", "exp", "ln", "log2", "log10", "sqrt", "sin", "cos", "tan", "asin", "acos", "atan", "sinh",
                "cosh", "tanh", "asinh", "acosh", "atanh", "deg", "rad", "-", "+",
            ]);
            format!("{function}({arg})")
        }
        3 => {
            let gauge = random.pick(&GAUGES);
            let raw = selector(random, gauge);
            format!("{}({raw})", random.pick(&["ceil", "floor", "sgn", "round"]))
        }
        4 => format!("round({}, {})", selector(random, "load"), random.pick(&["0.5", "2", "0.1", "10"])),
        5 => format!("clamp({arg}, {}, {})", random.pick(&["-1", "0", "5"]), random.pick(&["1", "0", "100"])),
        6 => format!("{}({arg}, {})", random.pick(&["clamp_min", "clamp_max"]), random.pick(&["0", "-2", "1e3"])),
        7 => {
            let function = random.pick(&[
                "minute",
                "hour",
                "day_of_week",
                "day_of_month",
                "day_of_year",
                "days_in_month",
                "month",
                "year",
            ]);
            let of =
                random.pick(&["", "vector(time())", "vector(1e9)", "vector(1582930800)", "requests_total * 86400"]);
            format!("{function}({of})")
        }
        // With `@` beside an offset 2.42 answers another question.
        8 => {
            let of = match random.below(3) {
                0 => selector(random, "load") + random.pick(&["", " offset 30s", " offset -45s", " @ 600"]),
                1 => over_time(random, 0),
                _ => aggregation(random, 1),
            };
            format!("timestamp({of})")
        }
        9 => format!(
            "label_replace({arg}, \"{}\", \"$1-x\", \"instance\", \"{}\")",
            random.pick(&["host", "instance"]),
            random.pick(&["(.*)", "(a|b)", "x"])
        ),
        10 => {
            format!("label_join({arg}, \"{}\", \"/\", \"job\", \"none\", \"instance\")", random.pick(&["path", "job"]))
        }
        11 => format!("{}({arg})", random.pick(&["absent", "sort", "sort_desc", "absent"])),
        12 => format!("vector({})", scalar(random, depth - 1)),
        _ => {
            let by = random.pick(&["sum by (le) ", "sum by (job, le) ", "", "sum without (job) "]);
            let buckets = match random.below(3) {
                0 => selector(random, "took_seconds_bucket"),
                _ => format!("rate({}[{}])", selector(random, "took_seconds_bucket"), random.pick(&RANGES[2..])),
            };
            let q = random.pick(&["0.5", "0.95", "0.99", "1", "0", "-1", "1.5", "0.1"]);
            format!("histogram_quantile({q}, {by}({buckets}))")
        }
    }
}

fn scalar(random: &mut Random, depth: u64) -> String {
    if depth == 0 {
        let literals = ["2", "0", "-1.5", "time()", "1e3", "0x1F", "Inf", "NaN", "pi()", ".5", "010", "-Inf"];
        return random.pick(&literals).to_owned();
    }
    match random.below(4) {
        0 => format!("scalar({})", vector(random, depth - 1)),
        1 => format!("-({})", scalar(random, depth - 1)),
        _ => {
            let op = random.pick(&["+", "-", "*", "/", "%", "^", "atan2", "== bool", "< bool", ">= bool"]);
            format!("({} {op} {})", scalar(random, depth - 1), scalar(random, depth - 1))
        }
    }
}

fn binary(random: &mut Random, depth: u64) -> String {
    let arithmetic = ["+", "-", "*", "/", "%", "^", "atan2"];
    let comparison = ["==", "!=", ">", "<", ">=", "<="];
    let operator = |random: &mut Random, exact: bool| -> String {
        // Numbers that were computed are compared with < and >: rounding makes equality a toss.
        match random.below(3) {
            0 if exact => random.pick(&comparison).to_owned(),
            0 => random.pick(&[">", "<"]).to_owned(),
            1 => format!("{} bool", random.pick(if exact { &comparison } else { &comparison[2..4] })),
            _ => random.pick(&arithmetic).to_owned(),
        }
    };
    match random.below(10) {
        0..3 => {
            let op = operator(random, false);
            let number = random.below(2);
            let mut pair = [format!("({})", vector(random, depth - 1)), scalar(random, number)];
            if random.chance(50) {
                pair.swap(0, 1);
            }
            pair.join(&format!(" {op} "))
        }
        3..5 => {
            let op = random.pick(&["and", "or", "unless", "AND", "Or"]);
            let on = random.pick(&[
                "",
                " on(job)",
                " ignoring(code)",
                " on(job, instance)",
                " on()",
                " ignoring(le, instance)",
            ]);
            format!("({}) {op}{on} ({})", vector(random, depth - 1), vector(random, depth - 1))
        }
        5 => {
            let include = random.pick(&["", "()", "(team)", "(team, none)"]);
            let op = operator(random, false);
            format!("({}) {op} on(job) group_left{include} owner", vector(random, depth - 1))
        }
        6 => {
            let op = operator(random, false);
            format!("owner {op} on(job) group_right(team) ({})", vector(random, depth - 1))
        }
        7 => {
            let (on, op) =
                (random.pick(&["", "on(job, instance) ", "ignoring(job) ", "on(job) "]), operator(random, true));
            format!("load {op} {on}limit")
        }
        8 => {
            let op = operator(random, false);
            let ops = [random.pick(&["sum", "max", "count"]), random.pick(&["avg", "min", "sum"])];
            let (a, b) = (vector(random, depth - 1), vector(random, depth - 1));
            format!("{} by (job) ({a}) {op} {} by (job) ({b})", ops[0], ops[1])
        }
        _ => {
            let op = operator(random, false);
            format!("({}) {op} ignoring(code) group_left() ({})", vector(random, depth - 1), vector(random, depth - 1))
        }
    }
}

fn vector(random: &mut Random, depth: u64) -> String {
    if depth == 0 {
        let name = random.pick(&["requests_total", "load", "limit", "took_seconds_bucket", "owner", "none"]);
        return selector(random, name) + &modifier(random);
    }
    match random.below(100) {
        0..30 => over_time(random, depth - 1),
        30..55 => aggregation(random, depth),
        55..75 => call(random, depth),
        _ => binary(random, depth),
    }
}
