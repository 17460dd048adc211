"""From LLVM IR to a program that runs, and what it runs with.

- Code: `machine_code` by `compilation`, through `llvm_library`; `loading` by `elf` or `linking`; kept in `cache`, in
  a `private_folder`. `processor` says for which machine.
- Runs: `native_program`, with `runtime_block`, `fallback` and `portions`; `interruption` and `signals`.
- Threads: `threads`, `thread_pool` with `thread_pool_code`, `thread_choice`; `once`.
"""
