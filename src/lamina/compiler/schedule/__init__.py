"""From a graph to kernels, in an order, with places in memory.

- `fusion` decides which operations are computed together, by `placing` and `joining`; the result is in `fused`, made
  of `kernels` and `views`.
- `order` puts kernels one after the other and shares each out among threads, by what they read (`accesses`) and take
  (`costs`); `phases` says where threads meet, `rounds` which kernels take turns.
- `memory` gives values their places.
"""
