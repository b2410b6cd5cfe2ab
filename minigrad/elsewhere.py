"""Names that are typed by whoever comes from PyTorch, and what is written for them here.

A table for each package, and one for the methods of tensors. What stands between backticks is code; tests run it.
"""

from __future__ import annotations

import sys

__all__ = ["EQUIVALENTS", "equivalent"]

_LOSS = "A loss is a function here: "
_UNRECORDED = "Nothing is recorded outside of `mg.Tape()`; within, `x.detach()` stops a gradient"
_NO_DEVICE = "There is one device, the processor: leave it out"
_NO_PLACE = "Tensors are not changed in place, for the tape would no longer hold what was computed: "
_WHOLE = "It has no derivative: "

OPS = {
    # Shapes
    "cat": "`ops.concatenate([x, y], axis=0)`", "concat": "`ops.concatenate([x, y], axis=0)`",
    "chunk": "`ops.array_split(x, 2, axis=0)`", "expand": "`ops.broadcast_to(x, shape)`",
    "flatten": "`ops.reshape(x, (len(x), -1))` keeps the batch; `ops.ravel(x)` does not",
    "movedim": "`ops.moveaxis(x, 0, -1)`", "narrow": "`x[:, 0:2]`", "permute": "`ops.transpose(x, (1, 0))`",
    "repeat_interleave": "`ops.repeat(x, 2, axis=0)`", "t": "`x.T`", "unbind": "`list(x)`",
    "unsqueeze": "`ops.expand_dims(x, axis=0)`", "view": "`ops.reshape(x, (-1, 3))`",
    # Positions
    "argmax": _WHOLE + "`x.argmax(axis=-1)`", "argmin": _WHOLE + "`x.argmin(axis=-1)`",
    "argsort": _WHOLE + "`x.argsort(axis=-1)`", "embedding": "`table[indices]`",
    "gather": "`ops.take_along_axis(x, indices, axis=-1)`", "index_select": "`ops.take(x, [0, 1], axis=0)`",
    "masked_fill": "`ops.where(mask, 0.0, x)`", "masked_select": "`x[mask]`", "nonzero": _WHOLE + "`x.nonzero()`",
    "one_hot": "`np.eye(3)[labels]`", "topk": "`ops.sort(x, axis=-1)[..., -2:]`",
    # Arithmetic
    "acos": "`ops.arccos(y)`", "acosh": "`ops.arccosh`", "addmm": "`bias + x @ w`", "amax": "`ops.max(x, axis=-1)`",
    "amin": "`ops.min(x, axis=-1)`", "asin": "`ops.arcsin(y)`", "asinh": "`ops.arcsinh(x)`",
    "atan": "`ops.arctan(x)`", "atan2": "`ops.arctan2(x, y)`", "atanh": "`ops.arctanh(y)`", "bmm": "`x @ w`",
    "clamp": "`ops.clip(x, low, high)`", "div": "`x / y`", "eq": "`x == y`", "fmod": "`ops.remainder(x, y)`",
    "ge": "`x >= y`", "gt": "`x > y`", "inverse": "`ops.inv(square)`", "le": "`x <= y`", "lerp": "`x + 0.5 * (y - x)`",
    "lgamma": "`ops.gammaln(x)`", "lt": "`x < y`", "mm": "`x @ w`", "mul": "`x * y`", "mv": "`x @ w`", "ne": "`x != y`",
    "pow": "`x**2`", "rsqrt": "`1 / ops.sqrt(x)`", "sub": "`x - y`",
    # Activations
    "elu": "`ops.where(x > 0, x, ops.expm1(ops.minimum(x, 0.0)))`", "hardtanh": "`ops.clip(x, -1.0, 1.0)`",
    "leaky_relu": "`ops.where(x > 0, x, 0.01 * x)`", "logsigmoid": "`-ops.softplus(-x)`",
    "relu6": "`ops.clip(x, 0.0, 6.0)`", "swish": "`ops.silu(x)`",
    "scaled_dot_product_attention": "`nn.MultiHeadSelfAttention(8, 2)`",
    # Losses, and what they are made of
    "binary_cross_entropy": "Of logits, not probabilities: `ops.binary_cross_entropy_with_logits(x, y)`",
    "cosine_similarity": "`ops.sum(x * y, axis=-1) / (ops.norm(x, axis=-1) * ops.norm(y, axis=-1))`",
    "kl_div": "`(y * (ops.log(y) - x)).mean()` where x are logarithms", "l1_loss": "`ops.abs(x - y).mean()`",
    "mse_loss": "`ops.mse(x, y)`", "nll_loss": "`ops.cross_entropy(logits, labels)`, of logits",
    "normalize": "`x / ops.norm(x, axis=-1, keepdims=True)`",
    # Layers
    "adaptive_avg_pool2d": "`ops.mean(images, axis=(1, 2))`: channels stand last",
}  # fmt: skip

CREATORS = {
    **dict.fromkeys(
        ("arange", "eye", "full", "linspace", "ones", "zeros"), "NumPy makes arrays: `mg.Tensor(np.ones(3))`"
    ),
    **{f"{name}_like": f"NumPy makes arrays: `np.{name}_like(x.data)`" for name in ("empty", "ones", "zeros")},
    **dict.fromkeys(
        ("rand", "randint", "randn", "randperm", "bernoulli", "multinomial"),
        "NumPy draws: `np.random.default_rng(0).standard_normal(3)`",
    ),
    **{name: f"`np.{name}`" for name in ("bool_", "float16", "float32", "float64", "int32", "int64")},
}

HERE = {
    "Function": "`mg.primitive`", "Module": "`nn.Module`", "as_tensor": "`mg.Tensor(array)`, without a copy",
    "autograd": "`tape.gradients(loss, [w])` for gradients, `mg.primitive` for a rule of one's own",
    "compile": "There is no compiler: leave it out", "cuda": _NO_DEVICE, "custom_vjp": "`mg.primitive`",
    "device": _NO_DEVICE, "enable_grad": _UNRECORDED, "from_numpy": "`mg.Tensor(array)`, without a copy",
    "func": "`mg.grad`, `mg.vjp`, `mg.jvp` and their like stand here", "functional": "`mg.ops`",
    "inference_mode": _UNRECORDED, "is_tensor": "`isinstance(x, mg.Tensor)`",
    "jacfwd": "`mg.jacobian(f, mode='forward')`", "jacrev": "`mg.jacobian(f, mode='reverse')`",
    "jit": "There is no compiler: leave it out", "load": "`np.load` and `model.load_state_dict`",
    "manual_seed": "Whatever draws takes `rng=`: a seed or a NumPy Generator", "no_grad": _UNRECORDED,
    "save": "`training.save_checkpoint`, or `np.savez` of `model.state_dict()`", "set_grad_enabled": _UNRECORDED,
    "stop_gradient": "`x.detach()`", "utils": "`training.Batches` for batches, `optim.clip_grad_norm` for gradients",
    "vmap": "Write for the batch; for slopes at many points `mg.elementwise_grad`", **CREATORS,
}  # fmt: skip

NN = {
    **dict.fromkeys(("AdaptiveAvgPool2d", "AdaptiveAvgPool1d"), "`nn.GlobalAvgPool()`"),
    **dict.fromkeys(("BatchNorm1d", "BatchNorm2d"), "`nn.BatchNorm(3)`: features stand last"),
    **dict.fromkeys(("Dropout1d", "Dropout2d"), "`nn.Dropout(0.5)`"),
    **dict.fromkeys(("GRU", "LSTM", "RNN"), "There are no recurrent layers: a loop over `ops.linear(x, weight)`"),
    "BCELoss": _LOSS + "`ops.binary_cross_entropy_with_logits(x, y)`, of logits",
    "BCEWithLogitsLoss": _LOSS + "`ops.binary_cross_entropy_with_logits(x, y)`",
    "CrossEntropyLoss": _LOSS + "`ops.cross_entropy(logits, labels)`",
    "Embedding": "`table[indices]`, with `mg.Tensor(array, requires_grad=True)` as the table",
    "L1Loss": _LOSS + "`ops.abs(x - y).mean()`", "LeakyReLU": "`ops.where(x > 0, x, 0.01 * x)`",
    "LogSoftmax": "`ops.log_softmax(x, axis=-1)`", "MSELoss": _LOSS + "`ops.mse(x, y)`",
    "ModuleDict": "Assign each module to an attribute of its own",
    "ModuleList": "`nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))`, which can be indexed and looped over",
    "MultiheadAttention": "`nn.MultiHeadSelfAttention(8, 2)`",
    "NLLLoss": _LOSS + "`ops.cross_entropy(logits, labels)`, of logits",
    "Parameter": "`mg.Tensor(array, requires_grad=True)`, assigned to an attribute of a Module",
    "ParameterList": "Assign each parameter to an attribute of its own", "Softmax": "`ops.softmax(x, axis=-1)`",
    "TransformerEncoderLayer": "`nn.TransformerBlock(8, 2)`", "functional": "`mg.ops`",
    "init": "Layers take `nn.he_uniform` or `nn.lecun_uniform`, or a function like them",
    "utils": "`optim.clip_grad_norm`, `optim.clip_grad_value`",
}  # fmt: skip

OPTIM = {
    "Adagrad": "`optim.Adam([w], lr=0.1)`", "RMSprop": "`optim.Adam([w], lr=0.1)`",
    **dict.fromkeys(("LambdaLR", "lr_scheduler"), "`optim.Cosine`, `optim.StepDecay` and `optim.Warmup`"),
    "CosineAnnealingLR": "`optim.Cosine`", "StepLR": "`optim.StepDecay`",
}  # fmt: skip

TENSOR = {
    **{name: text for name, text in OPS.items() if name not in (
        "argmax", "argmin", "argsort", "elu", "embedding", "flatten", "leaky_relu", "nonzero", "one_hot")},
    **{f"{name}_": _NO_PLACE + f"`x {sign} y`" for name, sign in
       {"add": "+", "sub": "-", "mul": "*", "div": "/"}.items()},
    **dict.fromkeys(("copy_", "fill_", "clamp_", "index_fill_"), _NO_PLACE + "`mg.Tensor(array, requires_grad=True)`"),
    **dict.fromkeys(("half", "float", "double"), "`x.astype(np.float32)`"),
    **dict.fromkeys(("int", "long", "bool"), "`x.data.astype(int)`, which has no derivative"),
    **dict.fromkeys(("cpu", "cuda", "device", "pin_memory"), _NO_DEVICE),
    "all": "`x.data.all()`", "any": "`x.data.any()`", "at": _NO_PLACE + "`ops.where(mask, 0.0, x)`",
    "clone": "`x.copy()`", "contiguous": "It is not needed: leave it out", "dim": "`x.ndim`",
    "expand_as": "`x.broadcast_to(y.shape)`", "grad_fn": "`tape.nodes[loss.node]`",
    "is_leaf": "`x.tape is None`", "mT": "`x.swapaxes(-1, -2)`", "numel": "`x.size`",
    "register_hook": "`tape.gradients(loss, [w])` gives the gradient of any tensor",
    "requires_grad_": "`mg.Tensor(array, requires_grad=True)`",
    "retain_grad": "`tape.gradients(loss, [w])` gives the gradient of any tensor", "to": "`x.astype(np.float32)`",
    "type": "`x.astype(np.float32)`", "view_as": "`x.reshape(y.shape)`",
    "zero_": "`w.data[...] = 0`, or `w.grad = None`",
}  # fmt: skip

EQUIVALENTS: dict[str, dict[str, str]] = {
    "minigrad": {**OPS, **HERE}, "minigrad.nn": NN, "minigrad.ops": {**OPS, **CREATORS}, "minigrad.optim": OPTIM,
    "Tensor": TENSOR,
}  # fmt: skip
"""By owner and name: what to write."""

HOMES = ("ops", "nn", "optim", "estimators", "training", "datasets", "inspect", "theory")
"""Packages among whose names one is looked for that was asked of another, if they are imported."""


def equivalent(owner: str, name: str) -> str:
    """The code to write for a name that a package, or a tensor, has not; empty where nothing is known.

    Examples
    --------
    >>> equivalent("minigrad.nn", "ModuleList").partition(",")[0]
    'Write `nn.Sequential(nn.Linear(3'
    >>> equivalent("Tensor", "tan"), equivalent("minigrad.nn", "relu_"), equivalent("Tensor", "nbytes")
    ('Write `ops.tan(x)`', '', 'The values have it: `x.data.nbytes`')
    """
    found = EQUIVALENTS.get(owner, {}).get(name)
    if found is not None:
        return f"Write {found}" if found.startswith("`") else found
    for home in HOMES:
        if name in getattr(sys.modules.get(f"minigrad.{home}"), "__all__", ()):
            if owner == "Tensor":
                return f"Write `ops.{name}(x)`" if home == "ops" else ""
            return f"It is `{home}.{name}`" if owner != f"minigrad.{home}" else ""
    if owner == "Tensor":
        import numpy as np

        return f"The values have it: `x.data.{name}`" if hasattr(np.ndarray, name) else ""
    return ""
