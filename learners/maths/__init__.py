"""Objectives, advantages and batch geometry: tensors in, tensors out."""
