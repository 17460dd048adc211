"""What the command's exit status means, beside 0 for success and 2, typer's own, for wrong usage."""

FAILED = 1
INTERRUPTED = 130  # 128 and the number of SIGINT, as shells have it
