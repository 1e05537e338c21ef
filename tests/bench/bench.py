#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Measures the rows that are asked for, or all; tests/bench/run calls it."""
import argparse
import sys

import rows_files  # noqa: F401
import rows_size  # noqa: F401
import rows_kube  # noqa: F401
from lab import HERE, Lab
from table import rows, show, write

PAGE = HERE.parents[1] / "docs/performance.md"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--scale", type=float, default=1.0,
                        help="so much of the numbers of replications")
    parser.add_argument("--write-table", action="store_true",
                        help="into docs/performance.md")
    parser.add_argument("rows", nargs="*", metavar="ROW",
                        help=", ".join(r.name for r in rows))
    args = parser.parse_args()
    wanted = [r for r in rows if not args.rows or r.name in args.rows]
    lab = Lab(args.scale)
    try:
        for r in wanted:
            print(f"{r.name}...", end="", file=sys.stderr, flush=True)
            r.run(lab)
            print(f" {r.seconds:.0f} s", file=sys.stderr)
    finally:
        lab.close()
    if args.write_table:
        write(PAGE, wanted, args.scale)
    return show(wanted)


if __name__ == "__main__":
    sys.exit(main())
