"""Reads an interval log with HdrHistogram's Python implementation and says what it found, as one JSON object: for each
tag, and for everything together, how many values, every recorded cell, some quantiles, and the span."""

import json
import sys

from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

QUANTILES = [10, 50, 90, 99, 99.9, 100]


def empty():
    return HdrHistogram(100, 3_600_000_000_000, 3)


def said(histogram, start, end):
    return {
        "count": histogram.get_total_count(),
        "cells": [[v.value_iterated_to, v.count_added_in_this_iter_step] for v in histogram.get_recorded_iterator()],
        "quantiles": [[q, histogram.get_value_at_percentile(q)] for q in QUANTILES],
        "start_ms": start,
        "end_ms": end,
    }


tags = {}
spans = {}
everything = empty()
reader = HistogramLogReader(sys.argv[1], empty())
while interval := reader.get_next_interval_histogram():
    tag = interval.get_tag()
    tags.setdefault(tag, empty()).add(interval)
    everything.add(interval)
    start, end = spans.get(tag, (float("inf"), 0))
    spans[tag] = (min(start, interval.get_start_time_stamp()), max(end, interval.get_end_time_stamp()))
found = {tag: said(histogram, *spans[tag]) for tag, histogram in tags.items()}
starts, ends = zip(*spans.values())
found["everything"] = said(everything, min(starts), max(ends))
json.dump(found, sys.stdout)
