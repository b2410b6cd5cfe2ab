"""Pipelines: a model in stages that run in processes of their own, and what goes over the wire between them."""

from minigrad.experiments.pipeline.frame import FrameError, decode, encode, header_bytes

__all__ = ["FrameError", "decode", "encode", "header_bytes"]
