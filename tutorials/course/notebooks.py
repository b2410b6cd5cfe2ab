"""An assignment as a notebook, for nbgrader as well; and what was written in a notebook as a script."""

from __future__ import annotations

import ast
import hashlib
import json
import re
from pathlib import Path

CHECK = "from grade import in_notebook\n\nin_notebook({task!r}, In)"
TASK = re.compile(r"Task (\d[a-z]) \((\d+) marks\)")


def code(cells):
    """The code of cells, one after the other, without those that mark it, and what only a notebook understands."""
    kept = []
    for source in cells:
        if "in_notebook(" in source:
            continue
        lines = [line for line in source.splitlines() if not line.lstrip().startswith(("%", "!", "get_ipython("))]
        kept.append("\n".join(lines))
    return "\n\n\n".join(kept) + "\n"


def text_of(path):
    """The code of a script or a notebook; of a notebook that cannot be read, code that says so."""
    path = Path(path)
    if path.suffix.lower() != ".ipynb":
        return path.read_text(encoding="utf-8", errors="replace")
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
        return code(cells)
    except (ValueError, KeyError, TypeError, UnicodeDecodeError) as error:
        return f"raise ValueError({f'this is no notebook: {error}'!r})\n"


def cell(kind, source, name, **grading):
    """A cell with what nbgrader wants to know of it: whether it is to be written, graded, or left as it is."""
    metadata = {
        "schema_version": 3,
        "grade_id": name,
        "grade": False,
        "solution": False,
        "locked": True,
        "task": False,
        **grading,
    }
    identity = hashlib.sha256(name.encode()).hexdigest()[:12]
    made = {"cell_type": kind, "id": identity, "metadata": {"nbgrader": metadata}, "source": source}
    return made if kind == "markdown" else {**made, "execution_count": None, "outputs": []}


def sections(text):
    """The docstring of a script, what stands before its first function or class, and the text of each of these."""
    tree, lines = ast.parse(text), text.splitlines()
    blocks = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    start = tree.body[0].end_lineno
    before = "\n".join(lines[start : blocks[0].lineno - 1]).strip()
    parts = {node.name: "\n".join(lines[node.lineno - 1 : node.end_lineno]) for node in blocks}
    after = "\n".join(lines[blocks[-1].end_lineno :]).strip()
    return ast.get_docstring(tree), before, parts, after


def functions(text):
    """The functions of a task by name, outermost first: itself, or its class and the methods of that."""
    (block,) = ast.parse(text).body
    methods = block.body if isinstance(block, ast.ClassDef) else [block]
    return {node.name: node for node in methods if isinstance(node, ast.FunctionDef)}


def with_solution(skeleton, solution):
    """A task with its answer between the lines by which nbgrader takes it out again.

    Names, signatures and docstrings stand outside of them: they are the task, and students are to see them.
    """
    lines, answer = skeleton.splitlines(), solution.splitlines()
    asked, answered = functions(skeleton), functions(solution)
    if others := sorted(set(answered) - set(asked)):
        raise ValueError(f"the solution defines {', '.join(others)}, which the task does not have")
    for name, node in reversed(asked.items()):
        if not any(isinstance(statement, ast.Raise) for statement in node.body):
            continue  # given, and not asked for
        indent = " " * node.body[-1].col_offset
        body = answered[name].body
        written = answer[body[0].lineno - 1 : body[-1].end_lineno]
        lines[node.body[-1].lineno - 1 : node.end_lineno] = [
            f"{indent}### BEGIN SOLUTION",
            *written,
            f"{indent}### END SOLUTION",
        ]
    return "\n".join(lines)


def notebook(skeleton, solution=None):
    """A notebook with a cell for each task to be written in, and after it one that marks it.

    Parameters
    ----------
    skeleton : str
        The text of the assignment.
    solution : str, optional
        That of its solution: the cells then have it, between the lines by which nbgrader takes it out again.

    Returns
    -------
    dict
        In the format nbformat 4.5.
    """
    title, before, parts, after = sections(skeleton)
    head, _, rest = title.partition("\n")
    rest = re.sub(r"Grade yourself with.*", "The cell after each task marks it.", rest, flags=re.DOTALL)
    answers = {}
    if solution is not None:
        _, before, answers, _ = sections(solution)
        if helpers := sorted(set(answers) - set(parts)):
            raise ValueError(
                f"the solution defines {', '.join(helpers)}: write it within an answer, for a cell has one"
            )
    cells = [
        cell("markdown", f"# {head}\n{rest}", "title"),
        cell("code", before.replace("from __future__ import annotations\n\n", ""), "constants"),
    ]
    for name, source in parts.items():
        task, marks = TASK.search(source).groups()
        if solution is not None:
            source = with_solution(source, answers[name])
        cells.append(cell("markdown", f"## {TASK.search(parts[name])[0]}\n\n{described(parts[name])}", f"task-{task}"))
        cells.append(cell("code", source, f"answer-{task}", solution=True, locked=False))
        cells.append(cell("code", CHECK.format(task=task), f"marks-{task}", grade=True, points=int(marks)))
    for found in TASK.finditer(after):
        text = after.replace("# ", "").replace("\n#", "\n")
        cells.append(cell("markdown", f"## {found[0]}\n\n{text}", f"task-{found[1]}"))
        cells.append(cell("code", CHECK.format(task=found[1]), f"marks-{found[1]}", grade=True, points=int(found[2])))
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def described(source):
    """The first line of a docstring, without what the task is worth."""
    first = ast.get_docstring(ast.parse(source).body[0]).splitlines()[0]
    return first.partition(": ")[2]
