"""LLVM IR, written from a schedule: a function for each kernel, and the main function that calls them.

- The whole: `main_function`, `calls`, `kernel_function`, `kernel_key`, from what is in `schedule`; `later`
  loads what few programs need.
- Kernels: `loops`; `reductions` with `running_totals`; `products` by `matmul`, `convolutions` by `convolution`, and
  what becomes of the sums of both in `contractions`; `scan_loop`; `special`; `fallback`.
- Inside a kernel: `expressions`; `elementwise`, the table of operations, with `floats`, `integers`, `mathematics` and
  `conversion`; `elements` in memory and in registers.
- Threads and callers: `barrier`, `faults`, `program_table`, `clock`.
- Text: `module`, `emitter`, `instructions`, `values`.
"""
