"""What the command's exit status means."""

DONE, FAILED, DIVERGED = 0, 1, 3
USAGE = 2  # what typer itself leaves with
INTERRUPTED = 130  # 128 and the number of SIGINT, as shells have it

MEANINGS = {
    DONE: "done",
    FAILED: "the data or a file cannot be used",
    USAGE: "an option or a configuration file is wrong",
    DIVERGED: "training diverged; the run folder holds the best weights before",
    INTERRUPTED: "interrupted by Ctrl-C",
}
