//! Every kind of finding: its stable name, how grave it is, why it matters and what to write instead. The page
//! `docs/rules-lint.md` is made of this table and of the examples in `tests/lint/`.

use std::fmt;

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// A matter of taste, or of what cannot be known from here: worth a look once.
    Info,
    /// It works until something that will happen happens.
    Warning,
    /// It cannot do what it was written for.
    Error,
}

impl Severity {
    /// As it is written on the command line and in reports.
    pub fn word(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A kind of finding.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// Its name in reports and in `# proofload:ignore`; it never changes.
    pub id: &'static str,
    /// Unless what is known in a case says otherwise.
    pub severity: Severity,
    /// What is wrong, in a line.
    pub title: &'static str,
    /// What it leads to.
    pub why: &'static str,
    /// What to write instead.
    pub instead: &'static str,
}

/// Kinds that belong together, as a reader looks for them.
pub struct Chapter {
    /// A heading.
    pub title: &'static str,
    /// In the order of the page.
    pub kinds: &'static [&'static Kind],
}

/// The kind of this name.
pub fn kind(id: &str) -> Option<&'static Kind> {
    CHAPTERS.iter().flat_map(|chapter| chapter.kinds).find(|kind| kind.id == id).copied()
}

macro_rules! kinds {
    ($($chapter:literal: $($name:ident = $id:literal $severity:ident $title:literal $why:literal $instead:literal;)+)+) => {
        $($(
            #[doc = $title]
            pub const $name: &Kind =
                &Kind { id: $id, severity: Severity::$severity, title: $title, why: $why, instead: $instead };
        )+)+

        /// All of them.
        pub const CHAPTERS: &[Chapter] = &[$(Chapter { title: $chapter, kinds: &[$($name),+] }),+];
    };
}

kinds! {
    "The file and its language":
    RULE_FILE = "rule-file" Error
        "the file is no rule file that Prometheus would load"
        "Prometheus refuses the whole file, or with a reload keeps running on the old one: none of its rules is in force."
        "mend what the message names; `promtool check rules` must be content too";
    NOT_PROMQL = "not-promql" Error
        "the expression is not PromQL"
        "Prometheus refuses the whole file that the rule stands in."
        "mend what the message names";
    NOT_EVALUATED = "not-evaluated" Info
        "the expression is PromQL that is not looked at here"
        "It uses what is experimental, or native histograms: Prometheus may load it, the checks below say nothing of it."
        "look at it by hand";
    LOGQL = "logql" Error
        "LogQL stands where PromQL belongs"
        "The query is one to Loki. Prometheus either refuses it or, where it happens to parse, looks for a metric that does not exist."
        "move the rule to Loki's ruler, or count the event with a metric and write the rule on that";
    NAMELESS = "nameless-selector" Warning
        "the selector names no metric"
        "It selects every series that carries these labels, of whatever metric: slow, and seldom meant. LogQL looks like this."
        "name the metric: `http_requests_total{…}`";
    GRAFANA_VARIABLE = "grafana-variable" Error
        "a dashboard variable stands in a rule"
        "Grafana fills variables in, Prometheus does not: the expression is refused."
        "write the value itself, for `$__rate_interval` a range such as `[5m]`";

    "Selectors":
    UNKNOWN_METRIC = "unknown-metric" Error
        "no such metric is exposed"
        "A selector of a metric that does not exist is empty for ever: an alert on it never fires, a panel stays blank."
        "take the name from the metrics page; if the metric is made by another exporter, name that page with a further `--against`";
    UNKNOWN_LABEL = "unknown-label" Warning
        "the metric has no such label"
        "A matcher on a label that is missing compares with the empty string, and a `by` on it makes one group of everything."
        "use a label that the series carry; if the scrape configuration adds it to the target, this finding does not apply";
    UNKNOWN_VALUE = "unknown-value" Warning
        "no series has such a label value"
        "Either it is a slip, then the selector is empty for ever; or the series is born with its first event, then its first increase is invisible and every expression it stands in is empty until then."
        "mend the value, or make the service expose the series with 0 from its start";
    EQUALS_REGEX = "equals-regex" Error
        "`=` with a value that looks like a regular expression"
        "`=` compares letter by letter: no series has such a value, the selector is empty."
        "write `=~`";
    PLAIN_REGEX = "plain-regex" Info
        "`=~` with a value without any metacharacter"
        "It is the same as `=`, only slower to read."
        "write `=`, or `!=` for `!~`";
    ANCHORED_REGEX = "anchored-regex" Info
        "`^` or `$` around a regular expression that is anchored anyway"
        "PromQL matches whole values: the anchors change nothing and make readers believe that others are not anchored."
        "leave them out";
    MATCH_ALL = "match-all" Info
        "a matcher that matches everything"
        "`=~\".*\"` lets every series through, those without the label too."
        "leave it out, or write `=~\".+\"` if the label must be there";
    MATCH_NONE = "match-none" Error
        "matchers that contradict each other"
        "No series can satisfy both: the selector is empty for ever."
        "keep one of them, or join them in one `=~`";

    "Counters and gauges":
    RAW_COUNTER = "raw-counter" Error
        "a counter is compared with a constant"
        "A counter only rises until its process restarts: the alert fires at the first event after the start and never resolves, or holds only until the first event."
        "compare what it grew by: `increase(x_total[5m]) > 0`";
    LIFETIME_RATIO = "lifetime-ratio" Warning
        "a ratio of counters without a range"
        "It is the ratio since the processes started: after a week an hour's outage hardly moves it, after a restart three events decide it."
        "divide what they grew by: `increase(a_total[1h]) / increase(b_total[1h])`";
    RATE_OF_GAUGE = "rate-of-gauge" Warning
        "`rate`, `increase` or `irate` of a gauge"
        "Every fall of a gauge is taken for a restart of a counter and added: a gauge that falls from 100 to 0 has a positive increase."
        "use `delta` or `deriv` for a gauge, or compare the gauge itself";
    RATE_OF_TIMESTAMP = "rate-of-timestamp" Error
        "the rate of a point in time"
        "A Unix time grows by one second a second: its rate is 1 while it is kept up to date and 0 when it is not, whatever it was meant to count."
        "for age write `time() - x`, for restarts `changes(process_start_time_seconds[15m])`";
    RATE_OF_SUM = "rate-of-sum" Error
        "the rate of a sum"
        "When one of the added counters restarts the sum falls, and the fall of all of them together is taken for a restart: the rate spikes."
        "take the rate first: `sum(rate(x_total[5m]))`";
    DELTA_OF_COUNTER = "delta-of-counter" Warning
        "`delta`, `idelta` or `deriv` of a counter"
        "They know nothing of restarts: after one the result is negative."
        "use `increase` or `rate`";
    SHORT_RANGE = "short-range" Warning
        "a range of less than four scrapes"
        "`rate` needs two samples; with less than four scrapes in the range one that is late or lost leaves a gap, and the alert's `for` starts again."
        "make the range at least four times the scrape interval, or tell the interval with `--scrape`";
    EXACT_INCREASE = "exact-increase" Warning
        "`increase` is compared for equality with a whole number"
        "It is extrapolated to the edges of its range and hardly ever a whole number: one event in 5m reads 1.05 or so."
        "compare with `>` and a bound between two whole numbers: `> 0.5`";
    IRATE_IN_ALERT = "irate-in-alert" Warning
        "`irate` in an alert"
        "It looks at the last two samples alone: one quiet scrape and the `for` starts again."
        "use `rate`";
    RATE_OF_UNTYPED = "counter-name" Info
        "the rate of what does not say that it is a counter"
        "Neither its type nor its name (`_total`, `_count`, `_sum`, `_bucket`) tells whether it only rises."
        "make sure that it is a counter; `--against` a metrics page settles it";

    "Ratios and operators":
    SELF_DIVISION = "self-division" Error
        "series are divided by themselves"
        "Both sides carry the same labels, so each filtered series meets itself on the other side: the ratio is 1 for each of them, however few they are. An alert on it fires at any error at all, and tells of 100 %."
        "sum both sides over the label that the filter is about: `sum by (service) (rate(x{status=~\"5..\"}[5m])) / sum by (service) (rate(x[5m]))`";
    UNMATCHED_LABELS = "unmatched-labels" Error
        "the two sides never carry the same labels"
        "An operator pairs series whose labels are equal. One side has a label that the other has not: nothing pairs, the result is empty for ever."
        "aggregate both sides `by` the same labels, or say `on (…)`, with `group_left` where one side has more series";
    MANY_TO_ONE = "many-to-one" Warning
        "several series may pair with one"
        "As soon as two series of one side share the labels of `on`, the evaluation is an error and the rule is blind."
        "aggregate that side `by` the labels of `on`, or write `group_left` or `group_right`";
    ASSUMED_LABELS = "assumed-labels" Info
        "two metrics are paired by all their labels"
        "The result is empty unless both carry exactly the same labels, now and after the next release."
        "say what they are paired by: `on (instance)`; `--against` a metrics page settles it";
    ABSENT_OPERAND = "absent-operand" Warning
        "one absent operand empties the whole sum"
        "A counter that has not counted yet has no series; `a + b` without `b` is empty, exactly while all is well, and what `a` says is lost with it."
        "give each operand a default: `(sum(rate(b_total[5m])) or vector(0))`";
    SILENT_OUTAGE = "silent-outage" Warning
        "no success at all is no alert"
        "The counter of the good ones has no series until the first of them, and none after a restart: when everything fails the ratio is empty and the alert is silent."
        "give the numerator a default: `(sum(rate(good_total[5m])) or vector(0)) / …`, or alert on the share of the bad ones";
    IDLE_RATIO = "idle-ratio" Info
        "without traffic the ratio is no number"
        "0/0 is NaN, which satisfies no comparison; x/0 is infinite, which satisfies `>`."
        "say what idle means: add `and sum(rate(all[5m])) > 0`";

    "Quantiles":
    QUANTILE_WITHOUT_LE = "quantile-without-le" Error
        "`histogram_quantile` of what has lost its `le`"
        "The buckets are told apart by the label `le`; the aggregation drops it, and the result is empty."
        "keep it: `sum by (le) (rate(x_bucket[5m]))`";
    QUANTILE_WITHOUT_RATE = "quantile-without-rate" Warning
        "a quantile over everything since the start"
        "Buckets are counters: without `rate` the quantile is that of the whole life of the process and hardly moves."
        "write `histogram_quantile(0.95, sum by (le) (rate(x_bucket[5m])))`";
    QUANTILE_OF_OTHER = "quantile-of-other" Warning
        "`histogram_quantile` of what is no bucket"
        "Only the `_bucket` series of a histogram carry `le`; of anything else, a native histogram apart, the result is empty."
        "use the `_bucket` series";
    QUANTILE_RANGE = "quantile-range" Error
        "a quantile outside 0 to 1"
        "Above 1 the answer is +Inf, below 0 it is -Inf."
        "write 0.95 for the 95th percentile";
    AVERAGED_QUANTILE = "averaged-quantile" Error
        "quantiles are added up or averaged"
        "The average of two 95th percentiles is the 95th percentile of nothing; the sum even less."
        "aggregate the buckets and take the quantile last; of a summary take the `max`, which at least is a bound";
    SPLIT_QUANTILE = "split-quantile" Info
        "one quantile for each label set"
        "Without `sum by (le, …)` every route, status and instance has a quantile of its own: a route with three requests a minute decides the alert."
        "write `sum by (le, service) (rate(…))`";

    "Thresholds":
    NEVER_FIRES = "never-fires" Error
        "the condition can never be true"
        "The alert is a comfort and no alarm."
        "choose a threshold that the value can cross";
    ALWAYS_FIRES = "always-fires" Error
        "the condition is always true"
        "The alert fires as soon as there is data, and nobody looks at it any more."
        "choose a threshold that the value can cross";
    UNDECIDED_THRESHOLD = "undecided-threshold" Warning
        "no bucket ends at the threshold"
        "Between two bounds `histogram_quantile` draws a straight line: whether the true quantile is above the threshold cannot be known."
        "add a bucket at the threshold, or move the threshold to a bound";
    WRONG_SCALE = "wrong-scale" Warning
        "the threshold is on another scale than the value"
        "A share lies between 0 and 1, a percentage between 0 and 100, and a name that ends in `_seconds` counts seconds: a threshold of the other kind is crossed always or never."
        "write the threshold in the value's own unit";
    NAN = "nan" Error
        "a comparison with NaN"
        "NaN equals nothing, itself included: `==` is never true and `!=` always."
        "write `x != x` to find NaN";
    HIGH_WATER_MARK = "high-water-mark" Warning
        "an alert on a maximum that does not fall"
        "A gauge of the highest value so far stays where it is: the alert never resolves."
        "alert on the present value, or on its rise: `delta(x[10m]) > …`";
    MILLISECOND_TIME = "millisecond-time" Error
        "`time()` and a time in milliseconds"
        "`time()` counts seconds: the difference is some fifty thousand years in the past."
        "write `time() - x / 1000`";

    "Alerts":
    NO_COMPARISON = "no-comparison" Warning
        "the alert has no condition"
        "An alert fires for every series of its expression, whatever the value, 0 included."
        "compare with a threshold: `> 0`";
    BOOL_IN_ALERT = "bool-in-alert" Error
        "`bool` makes the alert fire always"
        "With `bool` a comparison yields 0 instead of nothing, and an alert on 0 fires like one on 1."
        "leave `bool` out";
    COUNT_IS_NEVER_ZERO = "count-is-never-zero" Error
        "`count` is compared with 0"
        "The count of nothing is nothing, not 0: when the last series goes the alert falls silent."
        "write `absent(x)`, or `(count(x) or vector(0)) == 0`";
    SILENT_WHEN_ABSENT = "silent-when-absent" Info
        "an alert on 0 is silent when the series is gone"
        "A service that died exposes nothing: `== 0` finds no series to compare."
        "add an alert on `absent(x)` or on `up == 0` of the same job";
    ABSENT_REGEX = "absent-regex" Warning
        "`absent` of several series at once"
        "It is true only when all of them are gone, and a regular expression gives the alert no labels."
        "write one `absent` for each, or compare `count` with how many there should be";
    TOPK_IN_ALERT = "topk-in-alert" Warning
        "`topk` or `bottomk` in an alert"
        "Which series are on top changes from one evaluation to the next; each that drops out resolves, and its `for` starts again."
        "compare all of them with the threshold";
    NO_FOR = "no-for" Info
        "the alert fires at the first evaluation"
        "Without `for` a single bad scrape pages somebody."
        "add `for: 2m` or so, unless the expression itself looks back far enough";
    SHORT_FOR = "short-for" Info
        "`for` is shorter than the evaluation interval"
        "The condition is looked at once an interval: it takes a whole one."
        "make it a multiple of the interval";
    NO_SEVERITY = "no-severity" Info
        "the alert has no severity"
        "Routes and dashboards go by the label `severity`."
        "add `labels: { severity: critical }`";
    SEVERITY_COMMENT = "severity-comment" Info
        "the comment tells of another severity than the label"
        "Whoever reads the file believes one of them."
        "make them agree";
    NO_SUMMARY = "no-summary" Info
        "the alert has no text"
        "Whoever is woken sees a name and labels."
        "add the annotation `summary`";
    TEMPLATE_LABEL = "template-label" Warning
        "a text uses a label that the alert does not have"
        "The aggregation drops it: the text has a hole there."
        "keep the label with `by (…)`, or take it out of the text";
    TEMPLATE_SCALE = "template-scale" Warning
        "a text shows the value on the wrong scale"
        "`humanizePercentage` takes a share: of a value that is a percentage already it makes 9000 %; and a share with a `%` behind it reads 0.05 %."
        "use `humanizePercentage` for shares and `printf \"%.1f%%\"` for percentages";
    TEMPLATE_PERIOD = "template-period" Warning
        "a text tells the value of a period that nobody measured"
        "The expression reads the present value; what happened in the last minutes is not in it."
        "write `increase(x_total[5m])`, or take the period out of the text";
    TEMPLATE_TEXT = "template-text" Error
        "a text is no template"
        "Prometheus refuses the whole file that the rule stands in."
        "mend what the message names";
    TEMPLATE_FUNCTION = "template-function" Warning
        "a text calls a function that is not known"
        "A Prometheus that does not have it either refuses the whole file; in a run the text stays as it is written."
        "call one that Prometheus's reference of templates names";

    "Rules together":
    DUPLICATE_RULE = "duplicate-rule" Warning
        "two rules of the same name and labels"
        "Their alerts have the same labels: Alertmanager takes them for one, and each resolves the other's. Two recordings of one name write the same series twice."
        "give them different labels or names";
    RECORD_NAME = "record-name" Info
        "the recording rule's name has no level"
        "By convention it is `level:metric:operations`, so that a reader sees which labels it has left and what was done."
        "name it as in `job:http_requests:rate5m`";

    "Dashboards":
    DASHBOARD_FILE = "dashboard-file" Error
        "the file is no Grafana dashboard"
        "There is nothing to check."
        "export the dashboard as JSON";
    UNKNOWN_VARIABLE = "unknown-variable" Warning
        "the dashboard does not define this variable"
        "Grafana leaves it as it is: the query is refused or matches nothing."
        "add it under the dashboard's variables, or write the value itself";
    INTERVAL_VARIABLE = "interval-variable" Warning
        "a rate over `$__interval`"
        "It is the width of a pixel and can be shorter than a scrape: the panel shows gaps when zoomed in."
        "use `$__rate_interval`";

    "Exceptions":
    IGNORE_COMMENT = "ignore-comment" Warning
        "an exception that excepts nothing, or without a reason"
        "An exception that nobody can explain outlives what it was for."
        "write `# proofload:ignore ID because …` above the rule, with an id of this page, and remove it when nothing is found any more";
}
