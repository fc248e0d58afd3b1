#!/usr/bin/env python3
"""Makes `prometheus-2.42.test`: random expressions over random series, answered by `promtool test rules`.

promtool is the oracle, so the answers owe nothing to the evaluator under test. Debian's is 2.42, hence `semantics v2`.
usage: oracle.py SEED COUNT > prometheus-2.42.test
"""

import random
import re
import subprocess
import sys
import tempfile
from pathlib import Path

SECONDS = 900
# promtool loads nothing later than the evaluation, so nothing here may look ahead.
TIMES = [60, 75, 187, 300, 359, 421, 600, 601, 733, 895]


def items(rng, step, jitter, value):
    """One value a second or none: scrapes every `step` seconds, shifted by up to `jitter`, some missed or stale."""
    out, next_at, last = [], rng.randrange(step), -1
    while next_at < SECONDS:
        at = max(last + 1, next_at + rng.randint(-jitter, jitter))
        kind = rng.random()
        if kind > 0.04:
            if at - last > 1:
                out.append(f"_x{at - last - 1}")
            out.append("stale" if kind < 0.07 else value(at))
            last = at
        next_at += step
    return " ".join(out)


def counter(rng, per_second, born=0):
    state = {"v": 0.0, "t": 0}

    def value(at):
        if rng.random() < 0.03:
            state["v"] = 0.0
        state["v"] += max(0, at - state["t"]) * per_second * rng.uniform(0.5, 1.5)
        state["t"] = at
        return str(round(state["v"] + born))

    return value


def gauge(rng, scale):
    def value(_at):
        kind = rng.random()
        if kind < 0.02:
            return "NaN"
        if kind < 0.03:
            return rng.choice(["Inf", "-Inf"])
        return repr(round(rng.gauss(0, scale), 3))

    return value


def world(rng):
    rows = []
    for job in ("api", "worker"):
        for instance in ("a", "b", "c"):
            for code in ("200", "500"):
                labels = f'{{job="{job}",instance="{instance}",code="{code}"}}'
                rows.append((f"requests_total{labels}", items(rng, 15, 2, counter(rng, 40 if code == "200" else 1))))
            labels = f'{{job="{job}",instance="{instance}"}}'
            rows.append((f"load{labels}", items(rng, 10, 1, gauge(rng, 5))))
            rows.append((f"limit{labels}", items(rng, 60, 0, gauge(rng, 8))))
    for job in ("api", "worker"):
        rows.append((f'owner{{job="{job}",team="team-{job}"}}', " ".join(["1"] * SECONDS)))
        shares = [(le, rng.uniform(1, 20)) for le in ("0.1", "0.5", "1", "5")]
        total = 0.0
        for le, share in shares + [("+Inf", 1.0)]:
            total += share
            rows.append((f'took_seconds_bucket{{job="{job}",le="{le}"}}', items(rng, 15, 0, counter(rng, total))))
    return rows


def pick(rng, *options):
    return rng.choice(options)(rng) if callable(options[0]) else rng.choice(options)


def matchers(rng, labels):
    out = []
    for label, values in labels.items():
        if rng.random() < 0.3:
            op = rng.choice(["=", "!=", "=~", "!~"])
            value = rng.choice(values)
            out.append(f'{label}{op}"{value if "~" not in op else rng.choice([value, ".*", value + "|x", "[a-w].*"])}"')
    return "{" + ",".join(out) + "}" if out else ""


JOB = {"job": ["api", "worker"], "instance": ["a", "b", "c"]}
RANGES = ["15s", "30s", "1m", "2m", "5m", "7m13s"]


def modifier(rng):
    if rng.random() < 0.15:
        return f" offset {rng.choice(['30s', '1m', '45s', '2m'])}"
    if rng.random() < 0.1:
        return f" @ {rng.choice(['20', '60', 'end()', 'start()'])}"
    return ""


def selector(rng, kind):
    if kind == "counter":
        return "requests_total" + matchers(rng, {**JOB, "code": ["200", "500"]})
    return rng.choice(["load", "limit"]) + matchers(rng, JOB)


def over_time(rng):
    ranged = lambda kind: f"{selector(rng, kind)}[{rng.choice(RANGES)}]{modifier(rng)}"
    kind = rng.random()
    if kind < 0.4:
        return f"{rng.choice(['rate', 'increase', 'irate', 'resets'])}({ranged('counter')})"
    if kind < 0.5:
        return f"quantile_over_time({rng.choice(['0.5', '0.9', '0', '1.2'])}, {ranged('gauge')})"
    if kind < 0.55:
        return f"predict_linear({ranged('counter')}, {rng.choice(['60', '-30', '600'])})"
    if kind < 0.65:
        inner = rng.choice([vector(rng, 1), f"rate({selector(rng, 'counter')}[1m])"])
        return f"{rng.choice(['max_over_time', 'sum_over_time', 'count_over_time', 'delta'])}(({inner})[{rng.choice(['2m', '5m'])}:{rng.choice(['20s', '30s', '1m'])}]{modifier(rng)})"
    names = ["delta", "idelta", "changes", "deriv", "avg_over_time", "sum_over_time", "min_over_time", "max_over_time",
             "count_over_time", "present_over_time", "stddev_over_time", "stdvar_over_time", "last_over_time"]
    return f"{rng.choice(names)}({ranged('gauge')})"


def grouping(rng):
    labels = rng.sample(["job", "instance", "code"], rng.randint(0, 2))
    return rng.choice(["", f" by ({', '.join(labels)}) ", f" without ({', '.join(labels)}) "])


def aggregate(rng, depth):
    op = rng.choice(["sum", "avg", "min", "max", "count", "group", "stddev", "stdvar", "topk", "bottomk", "quantile"])
    # No ties, which may go either way, and no infinities, of which 2.42 takes the deviation for 0.
    finite = op in ("stddev", "stdvar", "topk", "bottomk")
    arg = f"rate({selector(rng, 'counter')}[2m])" if finite else vector(rng, depth - 1)
    param = {"topk": "2, ", "bottomk": "1, ", "quantile": rng.choice(["0.5, ", "0.25, "])}.get(op, "")
    return f"{op}{grouping(rng)}({param}{arg})"


def call(rng, depth):
    arg = vector(rng, depth - 1)
    return rng.choice([
        lambda: f"{rng.choice(['abs', 'ceil', 'floor', 'exp', 'sqrt', 'ln', 'log2', 'log10', 'sgn', 'sin', 'atan'])}({arg})",
        lambda: f"round({arg}, {rng.choice(['0.5', '2', '0.1'])})",
        lambda: f"clamp({arg}, -1, {rng.choice(['3', '-2', '0.5'])})",
        lambda: f"{rng.choice(['clamp_min', 'clamp_max'])}({arg}, {rng.choice(['1', '-1'])})",
        lambda: f"absent({rng.choice([arg, 'nothing{job=chr}'.replace('chr', chr(34) + 'x' + chr(34))])})",
        lambda: f"timestamp({rng.choice([arg, selector(rng, 'gauge')])})",
        lambda: f"vector(scalar({arg}))",
        lambda: f'label_replace({arg}, "who", "$1-$2", "{rng.choice(["job", "instance", "code"])}", "(.)(.*)")',
        lambda: f'label_join({arg}, "all", "/", "job", "instance")',
        lambda: f"sort({arg})",
        lambda: f"-({arg})",
        lambda: f"histogram_quantile({rng.choice(['0.5', '0.95', '0.99', '1', '0'])}, {rng.choice(['sum by (le) ', 'sum by (job, le) ', ''])}(rate(took_seconds_bucket[{rng.choice(RANGES[2:])}])))",
    ])()


def binary(rng, depth):
    arithmetic, comparison = ["+", "-", "*", "/", "%", "^"], ["==", "!=", ">", "<", ">=", "<="]
    kind = rng.random()
    lhs = vector(rng, depth - 1)
    if kind < 0.4:
        op = rng.choice(arithmetic + comparison)
        if op in comparison and rng.random() < 0.4:
            op += " bool"
        scalar = rng.choice(["2", "0", "-1.5", "time()", "scalar(sum(load))", "1e3"])
        pair = [f"({lhs})", scalar]
        rng.shuffle(pair)
        return f" {op} ".join(pair)
    if kind < 0.6:
        on = rng.choice(["", " on(job)", " ignoring(code)", " on(job, instance)"])
        return f"({lhs}) {rng.choice(['and', 'or', 'unless'])}{on} ({vector(rng, depth - 1)})"
    if kind < 0.8:
        op = rng.choice(arithmetic + ["== bool", "> bool"])
        return f"({lhs}) {op} on(job) group_left({rng.choice(['', 'team'])}) owner"
    op = rng.choice(arithmetic + comparison)
    if rng.random() < 0.5:
        return f"load {op} on(job, instance) limit"
    return f"sum by (job) ({lhs}) {op} avg by (job) ({vector(rng, depth - 1)})"


def vector(rng, depth):
    if depth <= 0:
        return selector(rng, rng.choice(["counter", "gauge"])) + modifier(rng)
    kind = rng.random()
    if kind < 0.3:
        return over_time(rng)
    if kind < 0.55:
        return aggregate(rng, depth)
    if kind < 0.75:
        return call(rng, depth)
    return binary(rng, depth)


def main():
    rng = random.Random(int(sys.argv[1]))
    rows = world(rng)
    cases, seen = [], set()
    while len(cases) < int(sys.argv[2]):
        expr = vector(rng, rng.randint(1, 3))
        if expr not in seen:
            seen.add(expr)
            cases.append((expr, rng.choice(TIMES)))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "test.yml"
        text = ["rule_files: []", "evaluation_interval: 1s", "tests:", "  - interval: 1s", "    input_series:"]
        for name, values in rows:
            text += [f"      - series: '{name}'", f"        values: '{values}'"]
        text.append("    promql_expr_test:")
        for expr, at in cases:
            text.append(f"      - {{expr: '{expr}', eval_time: {at}s, exp_samples: [{{labels: '{{never=\"this\"}}', value: 0}}]}}")
        file.write_text("\n".join(text) + "\n")
        run = subprocess.run(["promtool", "test", "rules", str(file)], capture_output=True, text=True)
    answers = re.split(r"\n    expr: ", run.stderr + run.stdout)[1:]
    if len(answers) != len(cases):
        sys.exit(f"{len(answers)} answers to {len(cases)} cases:\n{run.stderr[:2000]}")
    print(__doc__.splitlines()[0].replace("Makes", "# Made by oracle.py:"), "\n\nload 1s")
    for name, values in rows:
        print(f"  {name} {values}")
    print("\nsemantics v2\n")
    element = re.compile(r"((?:[a-zA-Z_:][\w:]*)?\{[^}]*\}) (\S+?)(?:, |$)")
    for (expr, at), answer in zip(cases, answers):
        print(f"eval instant at {at}s {expr}")
        if ", err: " in answer.splitlines()[0]:
            print("  expect fail")
        got = next((line.strip() for line in answer.splitlines() if line.strip().startswith("got: ")), "got: nil")
        for labels, value in element.findall(got[5:]):
            print(f"  {labels} {float(value)!r}".replace(" inf", " Inf").replace(" -inf", " -Inf").replace(" nan", " NaN"))
        print()


main()
