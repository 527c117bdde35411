"""runs."""

from multimodal_ser.parallel import preload, warm_up

__all__ = ["warm_up"]

preload("multimodal_ser.training.fit")  # every worker needs it, and it imports torch
