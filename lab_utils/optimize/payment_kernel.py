"""A whole scorer of payments as one GPU kernel, in the Triton language.

Each program scores ROWS payments: it reads their features, keeps everything between the layers in
the processor's own registers, and writes one number for each. PyTorch by itself starts a kernel an
operator, and each one writes its result to the GPU's memory for the next one to read.

Imported only where the kernel is used (`triton_scorer.py`): Triton decides here, once, whether it
compiles for a GPU or interprets (TRITON_INTERPRET=1, on any machine).
"""

# mypy: ignore-errors
# Triton reads this function's text and gives each name a type of its own.

import triton
import triton.language as tl


@triton.jit
def payment_kernel(
    rows,
    scores,
    first,
    first_biases,
    inner,
    inner_biases,
    last,
    last_bias,
    count,
    FEATURES: tl.constexpr,  # noqa: N803
    INPUTS: tl.constexpr,  # noqa: N803
    WIDTH: tl.constexpr,  # noqa: N803
    INNER: tl.constexpr,  # noqa: N803
    ROWS: tl.constexpr,  # noqa: N803
):
    """Pointers, and how many payments there are.

    rows: (count, FEATURES), raw. scores: (count,), written. first: (INPUTS, WIDTH), its rows beyond
    FEATURES zero. inner: INNER matrices (WIDTH, WIDTH). last: (WIDTH,). All float32.
    """
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    column = tl.arange(0, INPUTS)
    unit = tl.arange(0, WIDTH)
    there = row < count
    values = tl.load(
        rows + row[:, None] * FEATURES + column[None, :],
        mask=there[:, None] & (column[None, :] < FEATURES),
        other=0.0,
    )
    values = tl.log(1.0 + tl.maximum(values, 0.0))
    # "ieee": products of 32 bits; by default they are of 19 (TF32), and scores differ.
    hidden = tl.dot(
        values, tl.load(first + column[:, None] * WIDTH + unit[None, :]), input_precision="ieee"
    )
    hidden = tl.maximum(hidden + tl.load(first_biases + unit)[None, :], 0.0)
    for layer in tl.static_range(INNER):
        weights = tl.load(
            inner + layer * WIDTH * WIDTH + unit[:, None] * WIDTH + unit[None, :],
        )
        hidden = tl.dot(hidden, weights, input_precision="ieee")
        hidden = tl.maximum(hidden + tl.load(inner_biases + layer * WIDTH + unit)[None, :], 0.0)
    logits = tl.sum(hidden * tl.load(last + unit)[None, :], axis=1) + tl.load(last_bias)
    tl.store(scores + row, 1.0 / (1.0 + tl.exp(-logits)), mask=there)
