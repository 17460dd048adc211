"""Reports: one self-contained page about a trained model.

`write_report` turns a `ReportContent` into a file that any browser shows and prints, years later and without a
network. Every text in it is escaped, because names come from data files, and the page forbids scripts.
"""

from lamina.report.content import ClassPredictions, ReportContent, ValuePredictions
from lamina.report.machine import describe_machine
from lamina.report.page import write_report

__all__ = ["write_report", "ReportContent", "ClassPredictions", "ValuePredictions", "describe_machine"]
