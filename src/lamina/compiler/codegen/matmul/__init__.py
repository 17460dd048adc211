"""Matrix products, generated for their sizes: tiles in registers, panels packed for cache, any epilogue.

`product` says what is computed, `plan` how, and `emission` writes it: `blocking` with `tiles` over panels (`packing`,
of `cells`), in tile registers by `amx`; or `dots`, `column` and `resident` for what is thin or tiny. `arithmetic` is
shared.
"""

from lamina.compiler.codegen.matmul.emission import column_units, emit_product, scratch_bytes
from lamina.compiler.codegen.matmul.product import Epilogue, Prefetch, Product

__all__ = ["Product", "Epilogue", "Prefetch", "emit_product", "scratch_bytes", "column_units"]
