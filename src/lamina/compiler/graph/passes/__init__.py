"""What a graph goes through before it is scheduled; `simplify` has all passes by name.

`rewriting` applies the rules of `folding`, `views`, `operands`, `arithmetic` and `choices` (which know `facts`),
`reductions`, `products` and `convolutions`. Two passes see the whole graph: `loops` before the rules, `splitting`
after.
"""
