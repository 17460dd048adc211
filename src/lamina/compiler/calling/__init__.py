"""Calls of compiled functions: one function in machine code that checks, runs the program and returns the results.

`hot_path` makes the `plan` of a call, from `arguments` and `records`; `guard` makes a function of it, whose machine
code is written by `call_code` and `checks`, by the words of Python's objects that are in `object_layout`.
"""
