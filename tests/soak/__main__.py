"""Runs the long tests, or some parts of them, and prints what they have come to.

python -m tests.soak                    everything, about two hours
python -m tests.soak kills faults       two parts
python -m tests.soak --quick            a small share of everything, some minutes
python -m tests.soak memory --minutes 10
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time

PARTS = ("kills", "damage", "fuzz", "coverage", "faults", "streams", "bounds", "memory")


def main() -> int:
    """Run the parts that are named; return how many of them failed."""
    parser = argparse.ArgumentParser("python -m tests.soak", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"some of {', '.join(PARTS)}")
    parser.add_argument("--quick", action="store_true", help="a small share of each part")
    parser.add_argument("--minutes", type=float, default=60.0, help="how long memory is watched (60)")
    given = parser.parse_args()
    unknown = set(given.parts) - set(PARTS)
    if unknown:
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    failed = 0
    print("| test | kept |\n|---|---|", flush=True)
    for name in given.parts or PARTS:
        begin = time.monotonic()
        more = {"minutes": 0.3 if given.quick else given.minutes} if name == "memory" else {}
        broken = 0
        for outcome in importlib.import_module(f"tests.soak.{name}").run(quick=given.quick, **more):
            print(outcome.row(), flush=True)
            broken += len(outcome.failures)
            for failure in outcome.failures[:10]:
                print(f"  FAILED: {failure}", file=sys.stderr)
        failed += broken > 0
        print(f"{name}: {time.monotonic() - begin:.0f} s", file=sys.stderr, flush=True)
    return min(failed, 100)


if __name__ == "__main__":
    sys.exit(main())
