"""Pages of measured results: ``python docs/measured_pages.py FOLDER [FOLDER ...]``, for what experiments wrote.

A folder of ``minigrad budgeted``, ``field``, ``precision`` or ``memory`` becomes a page of ``docs/experiments`` with
its picture, and with its tables as the files that the command wrote; the list of experiments finds it there.
"""

from __future__ import annotations

import datetime
import json
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

EXPERIMENTS = Path(__file__).parent / "experiments"
MODELS = {"mlp": "the perceptron", "vit": "the vision transformer", "bagnet_group": "the BagNet"}

PRESETS = {"bagnet_group": "bagnet"}

BUDGETED = """{title}
{line}

{sentence} The design, and what the bands are, is in :doc:`budgeted`.

.. code-block:: console

   $ {command}

.. image:: {name}.png
   :alt: Training loss, test loss and test accuracy against the budget, for {methods}.

.. csv-table:: How many times a method's {unit} exact VJPs need for the same; above 1 it pays
   :file: {name}-needed.csv
   :header-rows: 1

.. csv-table:: Both finalists of every method at every budget; · is the one that does not count, * an end of the grid
   :file: {name}-levels.csv
   :header-rows: 1

All runs of both stages are in :download:`{name}-runs.csv`.
"""

FIELD = """When a sketch pays
==================

{sentence}

What is measured, and what the lines assume, is in :doc:`budgeted`. ``fashion_mnist_one`` is trousers against the nine
other classes.

.. code-block:: console

   $ {command}

.. image:: field.png
   :alt: The cost to a precision against the share of effective samples, for networks at some stages of training, in
         operations with a line of the theory for each architecture, and in seconds.

.. csv-table:: Cost to a precision of samples at the logits at the best budget, over exact VJPs; 1: nothing is left out
   :file: field.csv
   :header-rows: 1
"""

PRECISION = """Cost to a precision along training
==================================

{sentence} What J is, and what each line does, is in :doc:`budgeted`.

.. code-block:: console

   $ {command}

.. image:: precision.png
   :alt: The cost to a precision of each kind of sketch against steps of training, a panel for each network.

.. csv-table:: J and its standard error, the larger of that over seeds and of that over batches
   :file: precision-table.csv
   :header-rows: 1

Budgets, prices and every seed are in :download:`precision.csv`.
"""

MEMORY = """Memory: what networks save in a few bits
========================================

{sentence} What may be saved as a sketch, once or twice, is in :doc:`/guide/memory`.

.. code-block:: console

   $ {command}

.. image:: memory.png
   :alt: The variance that saved sketches add against the bytes of the tape, a panel for each network; rounding falls
         steeply, masks lie far above.

.. csv-table:: Bytes of activations on the tape and processor seconds of a step, over exact ones; V over the minibatch's
   :file: memory-table.csv
   :header-rows: 1

Accuracy is that of networks which were trained so from the start, on test images, which chose nothing; ± is the
standard error over batches and seeds. Micro-batches have no noise, and so no place in the picture. Every seed is in
:download:`memory.csv`.
"""


def versions(data: dict[str, Any]) -> str:
    """The versions that made some results, in words."""
    made = data["versions"]
    return f"minigrad {made['minigrad']}, NumPy {made['numpy']} and Python {made['python']}"


def day(file: Path) -> str:
    """The day on which a file was written."""
    return datetime.date.fromtimestamp(file.stat().st_mtime).isoformat()


def command(benchmark: dict[str, Any]) -> str:
    """What was typed, with every option written out, in lines of a page."""
    c = benchmark["configuration"]
    options = [
        f"--data {c['data']} --train {c['train']}" if c["train"] else f"--data {c['data']}",
        *(["--augment"] if c["augment"] else []),
        f"--unit {benchmark['unit']} --steps {benchmark['steps']} --seeds {benchmark['seeds']}",
        "--batch-sizes " + " ".join(map(str, benchmark["batch_sizes"])),
        "--lrs " + " ".join(f"{lr:g}" for lr in benchmark["lrs"]),
        "--budgets " + " ".join(f"{level:g}" for level in benchmark["budgets"]),
        "--at " + " ".join(f"{level:g}" for level in benchmark["at"]),
        *(f"--vjp {shlex.quote(text)}" for text in benchmark["methods"]),
    ]
    return " \\\n       ".join([f"minigrad budgeted {PRESETS.get(c['model'], c['model'])}", *options])


def budgeted_page(folder: Path, to: Path) -> Path:
    """Write the page of a benchmark of budgeted training."""
    data = json.loads((folder / "budgeted.json").read_text(encoding="utf-8"))
    benchmark, c = data["benchmark"], data["benchmark"]["configuration"]
    name = f"budgeted-{c['model']}-{c['data']}-{benchmark['unit']}".replace("_", "-")
    for file in ("needed.csv", "levels.csv", "runs.csv"):
        shutil.copyfile(folder / file, to / f"{name}-{file}")
    shutil.copyfile(folder / "budgeted.png", to / f"{name}.png")
    title = f"Budgeted training: {MODELS.get(c['model'], c['model'])} on {c['data']}, in {benchmark['unit']}"
    train = f"the first {c['train']:,} training images" if c["train"] else "all training images"
    sentence = (
        f"Measured on {day(folder / 'budgeted.json')} with {versions(data)} on {train}, of which a tenth was held out; "
        f"budget 1 is {benchmark['steps']} exact steps of a batch of 64."
    )
    text = BUDGETED.format(
        title=title,
        line="=" * len(title),
        name=name,
        unit=benchmark["unit"],
        methods=", ".join(["exact VJPs", *dict.fromkeys(each["method"] for each in data["needed"])]),
        sentence=sentence,
        command=command(benchmark),
    )
    path = to / f"{name}.rst"
    path.write_text(text, encoding="utf-8")
    return path


def field_page(folder: Path, to: Path) -> Path:
    """Write the page of when a sketch pays."""
    data = json.loads((folder / "field.json").read_text(encoding="utf-8"))
    for file in ("field.csv", "field.png"):
        shutil.copyfile(folder / file, to / file)
    settings, points = data["configurations"], data["runs"][0]["points"]
    models = list(dict.fromkeys(PRESETS.get(c["model"], c["model"]) for c in settings))
    rates = {MODELS.get(c["model"], c["model"]): f"{c['lr']:g}" for c in settings}
    train = sorted({c["train"] for c in settings if c["train"]})
    images = f" of {train[0]:,} images" if train else ""
    sentence = (
        f"Measured on {day(folder / 'field.json')} with {versions(data)}, on {data['batches']} batches of "
        f"{data['batch_size']} at each stage, seed 0{images}; the networks were trained exactly, at the rates "
        + ", ".join(f"{rate} ({model})" for model, rate in rates.items())
        + "."
    )
    options = [
        f"--models {' '.join(models)} --data {' '.join(dict.fromkeys(c['data'] for c in settings))}",
        f"--stages {' '.join(str(point['steps']) for point in points)} --batches {data['batches']}",
        *(f"--train {number}" for number in train),
    ]
    command = " \\\n       ".join(["minigrad field", *options])
    path = to / "field.rst"
    path.write_text(FIELD.format(sentence=sentence, command=command), encoding="utf-8")
    return path


def precision_page(folder: Path, to: Path) -> Path:
    """Write the page of the cost to a precision along training."""
    data = json.loads((folder / "precision.json").read_text(encoding="utf-8"))
    for file, name in (("table.csv", "precision-table.csv"), ("precision.csv",) * 2, ("precision.png",) * 2):
        shutil.copyfile(folder / file, to / name)
    first, points = data["configurations"][0], data["runs"][0]["points"]
    numbers = {
        "--stages": sorted({point["steps"] for point in points}),
        "--batch-size": [first["batch_size"]],
        "--batches": [data["batches"]],
        "--seeds": [len({run["seed"] for run in data["runs"]})],
        **({"--train": [first["train"]]} if first["train"] else {}),
    }
    models = " ".join(PRESETS.get(c["model"], c["model"]) for c in data["configurations"])
    options = [f"--data {first['data']}", *(f"{name} {' '.join(map(str, of))}" for name, of in numbers.items())]
    sentence = (
        f"Measured on {day(folder / 'precision.json')} with {versions(data)}; the networks were trained with "
        f"{data['trained']} VJPs."
    )
    path = to / "precision.rst"
    command = " ".join([f"minigrad precision --models {models}", "\\\n      ", *options])
    path.write_text(PRECISION.format(sentence=sentence, command=command), encoding="utf-8")
    return path


def memory_page(folder: Path, to: Path) -> Path:
    """Write the page of what networks save in a few bits."""
    data = json.loads((folder / "memory.json").read_text(encoding="utf-8"))
    for file, name in (("table.csv", "memory-table.csv"), ("memory.csv",) * 2, ("memory.png",) * 2):
        shutil.copyfile(folder / file, to / name)
    first = data["configurations"][0]
    numbers = {
        "--batch-size": first["batch_size"],
        "--steps": data["steps"],
        "--batches": data["batches"],
        "--seeds": len({run["seed"] for run in data["runs"]}),
        **({"--train": first["train"]} if first["train"] else {}),
    }
    models = " ".join(PRESETS.get(c["model"], c["model"]) for c in data["configurations"])
    saved = [f"--save {shlex.quote(point['what'])}" for point in data["runs"][0]["points"][1:-1]]
    options = [f"--models {models} --data {first['data']}", *(f"{name} {of}" for name, of in numbers.items())]
    command = " \\\n       ".join(["minigrad memory " + " ".join(options), *saved])
    sentence = f"Measured on {day(folder / 'memory.json')} with {versions(data)}."
    path = to / "memory.rst"
    path.write_text(MEMORY.format(sentence=sentence, command=command), encoding="utf-8")
    return path


PAGES = {
    "budgeted.json": budgeted_page,
    "field.json": field_page,
    "precision.json": precision_page,
    "memory.json": memory_page,
}
"""By the file that a command writes."""


def main(folders: list[str], to: Path = EXPERIMENTS) -> None:
    """Write a page for each folder."""
    for folder in map(Path, folders):
        make = next(make for name, make in PAGES.items() if (folder / name).exists())
        print(make(folder, to))


if __name__ == "__main__":
    main(sys.argv[1:])
