"""One file for each way to run a workload; each has ``CONTENDER``, a `benchmarks.contender.Contender`.

A framework is imported when a workload is built, so that the list of contenders can be read without it. A step
returns its loss or output in the framework's own form: reading it is not part of a step.
"""
