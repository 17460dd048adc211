"""Random bits, as a function of a key and a counter."""

from lamina.primitives import specs
from lamina.primitives.primitive import Domain, Primitive

random_bits: Primitive = Primitive("random_bits", specs.random_bits, None, Domain(("unsigned",)))
