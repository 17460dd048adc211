"""The peak of one core in float32, as a process: it answers each line of its input with one measurement.

The answer is ``{"gflops": rate}``: chains of multiply-adds in registers, held up by the arithmetic
units alone.
"""

from __future__ import annotations

import json
import sys

from lamina.compiler.inspection.peak import measured_flops


def main() -> None:
    """Answer each line of the input with the peak of one core."""
    for _ in sys.stdin:
        print(json.dumps({"gflops": measured_flops(32) / 1e9}), flush=True)


if __name__ == "__main__":
    main()
