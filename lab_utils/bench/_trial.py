"""Notebooks in the course's form, for timing the runner while the course itself is short."""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

PARAMETERS = 'scale = "laptop"'
IMPORTS = """
import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import torch
import torchvision
from sklearn.datasets import load_digits
from IPython.display import display
"""
DATA = """
digits = load_digits()
x = torch.tensor(digits.data, dtype=torch.float32) / 16
y = torch.tensor(digits.target)
print(tuple(x.shape), sorted(set(y.tolist())))
"""
STEP = """
torch.manual_seed({seed})
network = torch.nn.Sequential(torch.nn.Linear(64, 128), torch.nn.ReLU(), torch.nn.Linear(128, 10))
optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
losses = []
for _ in range(20):
    loss = torch.nn.functional.cross_entropy(network(x), y)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    losses.append(loss.item())
print("the loss fell:", losses[-1] < losses[0])
"""
CURVE = """
plt.plot(losses)
plt.xlabel("step")
plt.ylabel("loss")
plt.show()
"""
PICTURES = """
figure, axes = plt.subplots(1, 5, figsize=(8, 2))
for axis, picture in zip(axes, digits.images[{seed}:]):
    axis.imshow(picture, cmap="gray")
    axis.axis("off")
plt.show()
"""
WIDGET = "display(ipywidgets.IntSlider(value={seed}, description='batch'))"
CONVOLUTION = """
layer = torchvision.models.resnet18(weights=None).layer1.eval()
with torch.no_grad():
    print(tuple(layer(torch.ones(1, 64, 32, 32)).shape))
"""


def make(folder: Path, count: int) -> list[Path]:
    """Write `count` notebooks: imports, a little training, two plots, a widget, prose."""
    paths = []
    for seed in range(count):
        cells = [
            new_markdown_cell(f"# Trial {seed}\n\nA lesson's form: prose, code, pictures."),
            _code(PARAMETERS, "parameters"),
            _code(IMPORTS),
            new_markdown_cell("## Data\n\nHandwritten digits that scikit-learn carries."),
            _code(DATA, "deterministic"),
            new_markdown_cell("## A few steps of training\n\n*Predict: does the loss fall?*"),
            _code(STEP.format(seed=seed), "deterministic"),
            _code(CURVE),
            new_markdown_cell("## Pictures"),
            _code(PICTURES.format(seed=seed)),
            _code(WIDGET.format(seed=seed)),
            new_markdown_cell("## A convolution"),
            _code(CONVOLUTION, "deterministic"),
        ]
        metadata = {
            "inference_lab": {"kind": "lesson", "timing": "shared"},
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        }
        path = folder / f"trial_{seed:02d}.ipynb"
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(nbformat.writes(new_notebook(cells=cells, metadata=metadata)))
        paths.append(path)
    return paths


def _code(source: str, *tags: str) -> nbformat.NotebookNode:
    cell: nbformat.NotebookNode = new_code_cell(source.strip())
    if tags:
        cell.metadata["tags"] = list(tags)
    return cell
