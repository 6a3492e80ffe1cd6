"""Silence for the model libraries in processes whose terminal belongs to somebody else."""

from __future__ import annotations


def quiet_libraries() -> None:
    """Stops progress bars and advice of transformers and diffusers; errors still come through. Call before loading."""
    # In this order: importing diffusers makes transformers give advice about packages that are not needed.
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()

    from diffusers.utils import logging as diffusers_logging

    diffusers_logging.set_verbosity_error()
    diffusers_logging.disable_progress_bar()
