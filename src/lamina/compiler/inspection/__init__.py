"""Looking inside a compiled function: what its kernels compute, their code, and how long each takes."""

from lamina.compiler.inspection.explanation import Explanation
from lamina.compiler.inspection.kernels import KernelReport, reports
from lamina.compiler.inspection.profile import KernelTime, Profile

__all__ = ["Explanation", "KernelReport", "KernelTime", "Profile", "reports"]
