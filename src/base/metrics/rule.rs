//! Everything that can be found on a page of metrics: one table.

use serde::Serialize;

use Check::{Cardinality, Counters, Format, Histograms, Labels, Metadata, Names, Scrape};
use Gravity::{Error, Warning};

/// What a finding is about. A contract promises each of them by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Check {
    /// What the page is served as, and its lines.
    Format,
    /// `HELP` and `TYPE`.
    Metadata,
    /// How metrics are called.
    Names,
    /// Which labels they carry, and with what in them.
    Labels,
    /// That counters only rise.
    Counters,
    /// That histograms and summaries add up.
    Histograms,
    /// How many series there are.
    Cardinality,
    /// How long a scrape takes, and how large it is.
    Scrape,
}

impl Check {
    /// All of them, in the order of reports.
    pub const ALL: [Check; 8] = [Format, Metadata, Names, Labels, Counters, Histograms, Cardinality, Scrape];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Format => "format",
            Metadata => "metadata",
            Names => "names",
            Labels => "labels",
            Counters => "counters",
            Histograms => "histograms",
            Cardinality => "cardinality",
            Scrape => "scrape",
        }
    }
}

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Gravity {
    /// Queries, alerts or the server itself will go wrong.
    Error,
    /// Whoever reads it will be misled, or pays more than needed.
    Warning,
}

impl Gravity {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Error => "error",
            Warning => "warning",
        }
    }
}

/// One thing that can be found.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name, for exceptions and for machines.
    pub id: &'static str,
    /// What it is about.
    pub check: Check,
    /// How grave it is.
    pub gravity: Gravity,
    /// What to do about it.
    pub remedy: &'static str,
}

/// The rule of a name.
pub fn rule(id: &str) -> Option<&'static Rule> {
    RULES.iter().copied().find(|rule| rule.id == id)
}

macro_rules! rules {
    ($( $(#[doc = $doc:literal])* $name:ident = $id:literal $check:ident $gravity:ident $remedy:literal; )*) => {
        $( $(#[doc = $doc])* pub const $name: &Rule = &Rule { id: $id, check: $check, gravity: $gravity, remedy: $remedy }; )*
        /// All of them.
        pub const RULES: &[&Rule] = &[$($name),*];
    };
}

rules! {
    /// A line cannot be read.
    NOT_METRICS = "not-metrics" Format Error "write `name{label=\"value\"} number`; a server drops the whole page for one such line";
    /// No `Content-Type`.
    MEDIA_MISSING = "media-missing" Format Error "send `Content-Type: text/plain; version=0.0.4`";
    /// A `Content-Type` that is none of the two.
    MEDIA_WRONG = "media-wrong" Format Error "send `Content-Type: text/plain; version=0.0.4`, or `application/openmetrics-text; version=1.0.0`";
    /// A `Content-Type` without its version.
    MEDIA_VERSION = "media-version" Format Warning "name the version: `text/plain; version=0.0.4`, or `application/openmetrics-text; version=1.0.0; charset=utf-8`";
    /// OpenMetrics to somebody who did not ask for it.
    NOT_NEGOTIATED = "not-negotiated" Format Error "serve OpenMetrics only to whom it is acceptable: read the `Accept` header";
    /// A large page that comes uncompressed.
    NOT_COMPRESSED = "not-compressed" Format Warning "compress pages of this size when asked with `Accept-Encoding: gzip`";
    /// The last line does not end.
    LINE_END_MISSING = "line-end-missing" Format Warning "end the last line with a line feed";
    /// Lines end as on Windows.
    CARRIAGE_RETURN = "carriage-return" Format Warning "end lines with a line feed alone";
    /// One series twice on a page.
    SERIES_REPEATED = "series-repeated" Format Error "expose each series once: a server keeps one of them, and nobody knows which";
    /// A sample with a timestamp of its own.
    TIMESTAMPED = "timestamped" Format Warning "leave the timestamp to the server: with one, a series that ends is not marked stale";
    /// OpenMetrics: no `# EOF`.
    END_MISSING = "end-missing" Format Error "end the page with `# EOF`: without it, it counts as torn";
    /// OpenMetrics: a blank line, or a comment that is none of its own.
    LINE_FOREIGN = "line-foreign" Format Error "OpenMetrics knows samples, HELP, TYPE, UNIT and EOF: leave out blank lines and comments";
    /// OpenMetrics: other than one blank between the parts of a line.
    BLANKS = "blanks" Format Error "set the parts of a line apart by exactly one blank";
    /// OpenMetrics: a sample whose suffix its type does not know.
    SUFFIX_WRONG = "suffix-wrong" Format Error "call samples as their type asks: `_total` for counters, `_bucket`, `_sum` and `_count` for histograms, `_info` for info";
    /// OpenMetrics: a value that its type does not allow.
    VALUE_WRONG = "value-wrong" Format Error "info is always 1, a state is 0 or 1";
    /// OpenMetrics: timestamps on some samples of a metric only, or falling.
    TIMESTAMPS_MIXED = "timestamps-mixed" Format Error "give all samples of a metric timestamps that do not fall, or none";
    /// OpenMetrics: an exemplar where there must be none, or one that is too long.
    EXEMPLAR_WRONG = "exemplar-wrong" Format Error "attach exemplars to `_total` and `_bucket` only, with at most 128 characters of labels";
    /// OpenMetrics: the samples of one metric stand apart.
    METRIC_SPLIT = "metric-split" Format Error "write all samples of one set of labels one after the other";

    /// No `# TYPE`.
    TYPE_MISSING = "type-missing" Metadata Error "write `# TYPE name counter` (or gauge, histogram, summary) before its samples";
    /// A type that says nothing.
    TYPE_UNKNOWN = "type-unknown" Metadata Warning "say whether it is a counter or a gauge: nobody can tell whether `rate` makes sense";
    /// Two `# TYPE` for one family.
    TYPE_REPEATED = "type-repeated" Metadata Error "declare the type once: of two, nobody knows which holds";
    /// `# TYPE` after samples.
    TYPE_LATE = "type-late" Metadata Error "declare the type before the first sample: a server takes what came before for untyped";
    /// No `# HELP`.
    HELP_MISSING = "help-missing" Metadata Error "write `# HELP name …`: what is counted, and in which unit";
    /// `# HELP` that says nothing.
    HELP_EMPTY = "help-empty" Metadata Warning "say what is counted, and in which unit";
    /// Two `# HELP` for one family.
    HELP_REPEATED = "help-repeated" Metadata Error "write HELP once: of two, nobody knows which is shown";
    /// `# HELP` after samples.
    HELP_LATE = "help-late" Metadata Error "write HELP before the first sample";
    /// The samples of a family stand in several places.
    FAMILY_SPLIT = "family-split" Metadata Error "write all samples of a metric one after the other, below its HELP and TYPE";
    /// OpenMetrics: the name does not end in the unit that `# UNIT` says.
    UNIT_WRONG = "unit-wrong" Metadata Error "end the name in its unit: `_seconds` for `# UNIT … seconds`";

    /// A name with other than letters, digits and `_`.
    NAME_CHARSET = "name-charset" Names Error "use letters, digits and `_`, beginning with a letter: anything else must be quoted in every query";
    /// A name with a colon.
    NAME_COLON = "name-colon" Names Error "leave colons to recording rules";
    /// A name that is not snake_case.
    NAME_NOT_SNAKE_CASE = "name-not-snake-case" Names Warning "write it in snake_case";
    /// A name in other than the base unit.
    NAME_UNIT_NOT_BASE = "name-unit-not-base" Names Error "measure in base units, and say so in the name: `_seconds`, `_bytes`, `_ratio`";
    /// A name without its unit.
    NAME_UNIT_MISSING = "name-unit-missing" Names Error "end the name in its unit: `_seconds`";
    /// A counter without `_total`.
    COUNTER_WITHOUT_TOTAL = "counter-without-total" Names Error "end the name of a counter in `_total`; OpenMetrics demands it";
    /// `_total` on what is no counter.
    TOTAL_WITHOUT_COUNTER = "total-without-counter" Names Error "end only the names of counters in `_total`, or declare it as one";
    /// A suffix that belongs to histograms and summaries.
    NAME_SUFFIX_RESERVED = "name-suffix-reserved" Names Error "leave `_bucket`, `_sum` and `_count` to histograms and summaries";
    /// A type in the name.
    NAME_HAS_TYPE = "name-has-type" Names Warning "leave the type out of the name: TYPE says it";
    /// A label in the name.
    NAME_HAS_LABEL = "name-has-label" Names Warning "leave the label out of the name: once it is summed away, the name is wrong";
    /// A name that is not as the template says.
    NAME_NOT_AS_TEMPLATE = "name-not-as-template" Names Error "call it as the contract says";

    /// A label that must be there is not.
    LABEL_MISSING = "label-missing" Labels Error "add the label to every series, or as a label of the job";
    /// A label that servers set themselves.
    LABEL_RESERVED = "label-reserved" Labels Error "leave `job`, `instance` and `__…` to the server, `le` to histograms and `quantile` to summaries";
    /// A label with other than letters, digits and `_`.
    LABEL_CHARSET = "label-charset" Labels Error "use letters, digits and `_`, beginning with a letter: anything else must be quoted in every query";
    /// A label that is not snake_case.
    LABEL_NOT_SNAKE_CASE = "label-not-snake-case" Labels Warning "write it in snake_case";
    /// A label with nothing in it.
    LABEL_EMPTY = "label-empty" Labels Warning "leave the label out: an empty one is the same as none";
    /// An e-mail address in a label.
    LABEL_EMAIL = "label-email" Labels Error "keep people out of metrics: they are kept for months, copied everywhere, and not made to be deleted from";
    /// An instant in a label.
    LABEL_TIMESTAMP = "label-timestamp" Labels Error "put instants into values: as a label each one is a new series for ever";
    /// What looks like an id in a label.
    LABEL_ID = "label-id" Labels Warning "if there is one for each request or order, move it to logs or exemplars; if there are few, except it by name";

    /// A counter that fell.
    COUNTER_FELL = "counter-fell" Counters Error "only add to counters: a fall reads as a restart, and `rate` adds all of what is left; one counter for each process needs one series for each";
    /// A counter below zero.
    COUNTER_NEGATIVE = "counter-negative" Counters Error "a counter begins at 0: declare it a gauge if it may be negative";
    /// A counter that is no number.
    COUNTER_NOT_FINITE = "counter-not-finite" Counters Error "guard the addition: NaN and infinity never leave a counter again";
    /// The process began anew.
    RESTARTED = "restarted" Counters Error "find out why the process went down while it was watched";

    /// No bucket `+Inf`.
    INF_MISSING = "inf-missing" Histograms Error "add the bucket `le=\"+Inf\"`: without it every quantile is NaN";
    /// Buckets that are not cumulative.
    BUCKETS_FALL = "buckets-fall" Histograms Error "each bucket counts everything up to its bound, so also what the ones before it count";
    /// `_count` is not what `+Inf` says.
    COUNT_DIFFERS = "count-differs" Histograms Error "take `_count` and the buckets from one consistent reading";
    /// `_sum` cannot be the sum of what the buckets hold.
    SUM_IMPOSSIBLE = "sum-impossible" Histograms Error "observe value and bucket in one unit: a sum in ms beside bounds in s reads a thousandfold";
    /// `_sum` or `_count` is not there.
    SUM_MISSING = "sum-missing" Histograms Error "expose `_sum` and `_count` beside the buckets";
    /// Series of one histogram with different bounds.
    BOUNDS_DIFFER = "bounds-differ" Histograms Error "use the same bounds everywhere: `sum by (le)` over different ones is nonsense";
    /// Bounds out of order on the page.
    BOUNDS_UNSORTED = "bounds-unsorted" Histograms Warning "write buckets by rising bound; OpenMetrics demands it";
    /// A bound that is no number.
    BOUND_UNREADABLE = "bound-unreadable" Histograms Error "write `le` as a number, or `+Inf`";
    /// A quantile that is none.
    QUANTILE_WRONG = "quantile-wrong" Histograms Error "write `quantile` as a number from 0 to 1";
    /// A higher quantile with a lower value.
    QUANTILES_FALL = "quantiles-fall" Histograms Error "take all quantiles from one consistent reading";

    /// More series than allowed.
    SERIES_MANY = "series-many" Cardinality Error "take labels away, or their values together: each series costs memory on the server for hours";
    /// More values of a label than allowed.
    VALUES_MANY = "values-many" Cardinality Error "take the values together, or move them to logs";
    /// A label whose values grow with the traffic.
    LABEL_GROWS = "label-grows" Cardinality Error "take the label away: it has a value for each request, so the series never end; put it into logs or exemplars";

    /// A scrape that takes too long.
    SCRAPE_SLOW = "scrape-slow" Scrape Error "expose less, or write the page beside the work; a server gives up at its timeout, and then there is nothing";
    /// A scrape that takes long.
    SCRAPE_TARDY = "scrape-tardy" Scrape Warning "expose less, or write the page beside the work";
    /// A page that is too large.
    PAGE_LARGE = "page-large" Scrape Error "expose less: every scrape pays for it";
    /// A page that could not be had.
    PAGE_MISSING = "page-missing" Scrape Error "see that the page answers as long as the service lives";
}
