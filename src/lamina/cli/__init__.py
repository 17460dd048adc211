"""The command `lamina`: train, evaluate and predict from a terminal."""

from lamina.cli.app import app, main

__all__ = ["app", "main"]
