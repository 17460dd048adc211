"""Matrix products, generated for their sizes: tiles in registers, panels packed for cache, any epilogue."""

from lamina.compiler.codegen.matmul.emission import column_units, emit_product, scratch_bytes
from lamina.compiler.codegen.matmul.product import Epilogue, Prefetch, Product

__all__ = ["Product", "Epilogue", "Prefetch", "emit_product", "scratch_bytes", "column_units"]
