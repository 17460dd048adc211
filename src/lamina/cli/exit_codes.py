"""What the command's exit status means."""

DONE = 0
FAILED = 1  # the data or a file cannot be used
USAGE = 2  # an option or a configuration file is wrong; also what typer itself leaves with
DIVERGED = 3  # training diverged; the run folder holds the best weights before
INTERRUPTED = 130  # 128 and the number of SIGINT, as shells have it

MEANINGS = {
    DONE: "done",
    FAILED: "the data or a file cannot be used",
    USAGE: "an option or a configuration file is wrong",
    DIVERGED: "training diverged; the run folder holds the best weights before",
    INTERRUPTED: "interrupted by Ctrl-C",
}
