"""Calls of compiled functions: one function in machine code that checks, runs the program and returns the results."""
