"""The engine: tensors, what describes an operation, what records it, and the sweep that pulls cotangents back.

One gradient, read from the call on: these files, in this order. Of the second list it needs ``made``, which makes an
output a tensor, and ``index_on``, both in `nesting`.

- `tensor`: an array, and where it stands.
- `estimator`: the contract of what ``vjp=`` takes.
- `primitive` describes an operation: its forward function, and one VJP rule for each input. `define` has the
  decorators that make one.
- `node`: one recorded call of a primitive.
- `record` calls a primitive and appends a node to the tape. It reads the tape of this thread from `context`.
- `tape` holds the nodes. ``gradients`` checks what is wanted (`wanted`), and runs a sweep.
- `sweep` goes through the nodes in reverse: ``advance`` to a node that has an estimator, ``draw`` its cotangent
  (`drawing`), ``apply`` and ``pull`` by the VJP rules, ``accumulate`` at the inputs. `results` checks the rules of
  other people.

For ``linear(x, w, vjp=Mask(0.25))`` the way is: `minigrad.ops.linear` calls ``record``, which calls ``_linear`` and
makes a ``Node``. Later ``Tape.gradients`` makes a ``Sweep``, and ``Tape.run`` drives it. At the node ``draw`` calls
``Mask.sample`` (`minigrad.estimators.selection`), which gives ``Columns``; the rule of w calls ``contract``
(`minigrad.structure.products`), which asks ``Columns.contract``; its ``Rows`` are what arrives at w.

What is built on that:

- `rowwise`: rules for kept rows. `residuals`: ``save=``. `several_outputs`: primitives that return a tuple.
- `nesting`: tapes within tapes, and on which of them a tensor stands. `complete`: what would be lost between them.
- `tangents`: JVPs of primitives, and VJP rules as primitives. `pushforward`: forward mode along a tape.
- `lift`: the saved values of a node as tensors. `again`: a sweep that is recorded, for derivatives of derivatives.
- `tensor_methods` declares the methods of tensors for type checkers; `tape_text` shows a tape.
"""
