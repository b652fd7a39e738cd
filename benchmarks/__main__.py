"""The command: ``python -m benchmarks quick`` for the main ratios, ``full`` for the page, and
``moving`` for a type that gets its own table.
"""

from __future__ import annotations

import argparse
import json
import sys

from benchmarks.moving import measure
from benchmarks.report import write
from benchmarks.suite import full, quick


def main() -> int:
    """Run a suite; print what was reached, a line of JSON for each target."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("suite", choices=["quick", "full", "moving"])
    parser.add_argument("--only", help="quick: names of targets, with commas between them")
    parser.add_argument("--repeat", type=int, default=2, help="how often all take turns")
    parser.add_argument("--seconds", type=float, default=0.4, help="how long a run counts")
    parser.add_argument("--rows", type=int, default=100_000, help="moving: how many rows")
    options = parser.parse_args()
    if options.suite == "moving":
        for figures in measure(options.rows):
            print(json.dumps(figures))
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
