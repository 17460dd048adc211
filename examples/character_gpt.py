"""A GPT that learns to write, character by character."""

import argparse
from pathlib import Path
from pydoc_data.topics import topics

import lamina as la
from lamina import models, optim
from lamina.text import CharacterTokenizer, TextWindows


def main(path: str | None = None, steps: int = 150, width: int = 64, layers: int = 2) -> float:
    """Train, print what the model writes as it learns, and return its loss on the tenth of the text held out."""
    written = Path(path).read_text(encoding="utf-8") if path else "\n".join(topics[name] for name in sorted(topics))
    tokenizer = CharacterTokenizer(written)
    tokens = tokenizer.encode(written)
    kept = len(tokens) * 9 // 10

    la.random.seed(0)
    context = 64
    model = models.GPT(tokenizer.vocabulary, context, width, heads=4, layers=layers)
    training, held_out = TextWindows(tokens[:kept], context), TextWindows(tokens[kept:], context)
    optimizer = optim.AdamW(model.parameters(), lr=2e-3, betas=(0.9, 0.95))

    @la.compile
    def step():
        inputs, targets = training.batch(16)
        loss = models.next_token_loss(model(inputs), targets)
        optimizer.step(loss.backward())
        return loss

    @la.compile
    def held_out_loss(inputs, targets):
        return models.next_token_loss(model(inputs), targets)

    inputs, targets = (x[:256] for x in held_out.consecutive())
    start = la.asarray(tokenizer.encode("\n"))[None]
    print(f"{len(tokens):,} characters, {tokenizer.vocabulary} of them different")
    for number in range(1, steps + 1):
        loss = step()
        if number % (steps // 5) == 0:
            print(f"\nstep {number}: loss {loss:.3f}, held out {held_out_loss(inputs, targets):.3f}")
            sample = model.generate(start, 160, temperature=0.8, top_k=20, generator=la.random.Generator(number))
            print(tokenizer.decode(sample[0]).strip())
    return held_out_loss(inputs, targets).item()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("text", nargs="?", help="a file in UTF-8; by default the manual of the language inside Python")
    main(parser.parse_args().text, steps=3000, width=128, layers=4)
