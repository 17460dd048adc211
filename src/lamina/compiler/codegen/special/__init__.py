"""Primitives with algorithms of their own: the table is in `kernel`, what each is given in `job`.

`sorting` by `merging`, and `searching`, compare `keys`; `gather` and `scatter` check `indices`; `argmax` and
`cumulative` walk along `lines`. Then there are random bits, in `philox`, and `check`.
"""
