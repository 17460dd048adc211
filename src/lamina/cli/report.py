"""`lamina report`: one page about a run."""

from __future__ import annotations

from lamina.cli.declare import Given
from lamina.cli.exit_codes import DONE
from lamina.cli.output import check_output
from lamina.report import write_report
from lamina.runs.folder import RunFolder
from lamina.runs.reporting import report_content


def report(given: Given) -> int:
    """Write the page."""
    options, screen = given.options, given.screen
    folder, config = RunFolder.open(options.run)
    path = options.output or folder.report
    check_output(path, (".html", ".htm"))
    write_report(path, report_content(folder, config))
    screen.line(f"report written to {path}")
    screen.result({"run": str(options.run), "output": str(path)})
    return DONE
