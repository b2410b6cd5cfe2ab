"""Pipelines: a model in stages that run in processes of their own, and what goes over the wire between them."""

from minigrad.experiments.pipeline.frame import FrameError, decode, encode, header_bytes
from minigrad.experiments.pipeline.measure_wires import measure_pipeline
from minigrad.experiments.pipeline.pipeline_result import PipelineResult

__all__ = ["FrameError", "PipelineResult", "decode", "encode", "header_bytes", "measure_pipeline"]
