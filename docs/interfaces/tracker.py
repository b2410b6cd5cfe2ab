"""A callback that hands each finished epoch of a run to an experiment tracker."""

from dataclasses import asdict


class Tracker:
    """Call ``log(values, step)`` for each epoch, as Weights & Biases, MLflow and TensorBoard have it by some name."""

    def __init__(self, log):
        self.log, self.told = log, 0

    def __call__(self, loop):  # before each step
        self.tell(loop.history)

    def tell(self, history):
        """Hand over what was not yet; after `fit`, once more, for the last epoch."""
        for epoch in history.epochs[self.told :]:
            values = asdict(epoch)
            self.log(values, values.pop("step"))
        self.told = len(history.epochs)

    def state_dict(self):
        return {"told": self.told}

    def load_state_dict(self, state, loop):
        self.told = state["told"]
