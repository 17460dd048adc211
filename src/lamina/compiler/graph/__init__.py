"""The graph of a traced function: `ir` is what it is made of, `printer` shows it, `fingerprint` tells it from others.

`indexing` and `fallbacks` say which operations may fail on their indices, and which are left to Python. `passes`
simplify.
"""
