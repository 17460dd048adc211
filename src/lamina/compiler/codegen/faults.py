"""What goes wrong while a program runs: the numbers by which it says so, where 0 says that all is well."""

FAULT_INDEX = -1
"""An index lies outside its axis, in the first of a program's operations at indices; others count down from here.

As unsigned numbers they are the largest, the first above the others: the maximum of several is that of the first.
"""
FAULT_CALLBACK = 2
"""Python raised an exception, which the fallback keeps."""
FAULT_OPERAND = 3
"""An elementwise operation does not have a result for its operands, as a negative power of an integer."""
FAULT_CHECK = 16
"""The first check of the program failed; further ones count up from here."""
