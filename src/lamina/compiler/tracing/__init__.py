"""From a Python function to a graph: it runs once on tensors without values, and what it does to them is noted.

==================  ==================================================================================
`trace`             one run of a function, and the graph that comes of it
`tracer`            what operations do to tensors meanwhile
`backend`           the backend whose arrays are values of the graph
`inputs`            arguments, tensors from outside, arrays of variables
`variables`         what variables hold at each point
`steps`, `loops`    steps of loops, and the operation that they become
`recomputation`     what is computed again on purpose
`environment`       globals, closures, attributes and settings, for which a trace holds
`other_generators`  random numbers of Python and NumPy, of which a user is warned
`location`          the line of the user's program, for messages
==================  ==================================================================================
"""
