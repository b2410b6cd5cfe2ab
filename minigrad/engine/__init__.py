"""The engine: tensors, what describes an operation, what records it, and the sweep that pulls cotangents back.

Read it in this order: `tensor`, `primitive` (describes), `node`, `record` (records), `tape`, `sweep`.
"""
