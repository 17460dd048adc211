"""The entry point of the command `lamina`, beside the package, so that Ctrl-C is handled while that is loaded."""

import signal


def main() -> None:
    """Load the command and run it; Ctrl-C until then ends the process as the system does it, without a traceback."""
    handler = signal.getsignal(signal.SIGINT)
    if handler is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from lamina.cli import main as run

    signal.signal(signal.SIGINT, handler)
    run()
