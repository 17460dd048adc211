"""Checks: conditions on values that a program was traced with, such as labels being classes."""

from __future__ import annotations

from lamina.compiler.codegen.faults import FAULT_CHECK
from lamina.compiler.codegen.special.job import Job
from lamina.compiler.codegen.values import I8


def emit_check(job: Job) -> None:
    """Report a fault unless the condition, a bool in memory, holds."""
    f = job.f
    holds = f.load(I8, job.operands[0])
    job.fail(f.icmp("eq", holds, f.integer(0, I8)), FAULT_CHECK + job.value.params["number"])
