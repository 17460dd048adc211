"""Looking inside a compiled function: what its kernels compute, their code, and how long each takes.

`calls` makes a graph of a call; `explanation` says what became of it, kernel by kernel (`kernels`); `measuring` runs
it, against the `peak` of the machine, for a `profile`, which is printed by `tables` or drawn by `picture`.
"""

from lamina.compiler.inspection.explanation import Explanation
from lamina.compiler.inspection.kernels import KernelReport, reports
from lamina.compiler.inspection.profile import KernelTime, Profile

__all__ = ["Explanation", "KernelReport", "KernelTime", "Profile", "reports"]
