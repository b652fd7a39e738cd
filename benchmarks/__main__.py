"""The command: ``python -m benchmarks quick`` for the main ratios, ``full`` for the page,
``moving`` for a type that gets its own table, and ``host`` for messages to actors.
"""

from __future__ import annotations

import argparse
import json
import sys

from benchmarks.host import measure_host
from benchmarks.moving import measure
from benchmarks.report import write
from benchmarks.suite import full, quick


def main() -> int:
    """Run a suite; print what was reached, a line of JSON for each target."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("suite", choices=["quick", "full", "moving", "host"])
    parser.add_argument("--only", help="quick: names of targets, with commas between them")
    parser.add_argument("--repeat", type=int, default=2, help="how often all take turns")
    parser.add_argument("--seconds", type=float, default=0.4, help="how long a run counts")
    parser.add_argument("--rows", type=int, default=100_000, help="moving: how many rows")
    parser.add_argument("--actors", type=int, default=100_000, help="host: how many actors")
    parser.add_argument("--messages", type=int, default=1_000_000, help="host: to all of them")
    options = parser.parse_args()
    if options.suite in ("moving", "host"):
        host = options.suite == "host"
        for figures in (
            measure_host(options.actors, options.messages) if host else measure(options.rows)
        ):
            print(json.dumps(figures), flush=True)
        return 0
    if options.suite == "quick":
        findings = quick(options.only, options.repeat, options.seconds)
    else:
        results = full(options.repeat, options.seconds)
        write(results)
        findings = results.findings
    for found in findings:
        print(json.dumps(found.record()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
