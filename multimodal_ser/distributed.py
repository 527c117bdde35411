"""Several processes that train one model: started by `torchrun`, joined through accelerate.

Every process has the whole data and a share of every batch.
"""

from __future__ import annotations

import atexit
import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from multimodal_ser.types import ConfigError


@dataclass(frozen=True)
class World:
    """This process among those that train one model; alone, all of it costs nothing."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """The one that writes files and speaks."""
        return self.rank == 0

    def wrap(self, model: nn.Module) -> nn.Module:
        """The model with gradients that are the mean over the processes."""
        if self.size == 1:
            return model
        if next(model.parameters()).device.type != "cuda":
            refuse_batch_norm(model, "processes on a CPU")
        from torch.nn.parallel import DistributedDataParallel

        idle = _may_idle(model)
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
        return DistributedDataParallel(model, find_unused_parameters=idle)

    def waiting(self, wrapped: nn.Module, last: bool) -> AbstractContextManager[Any]:
        """Gradients are exchanged only for the last piece of a batch."""
        return nullcontext() if self.size == 1 or last else wrapped.no_sync()  # pyright: ignore

    def share(self, rows: Tensor) -> tuple[Tensor, int]:
        """This process's rows, as many as any other's, and how many of them only fill up."""
        if self.size == 1:
            return rows, 0
        fillers = -len(rows) % self.size
        padded = torch.cat([rows, rows[:1].expand(fillers)])
        mine = padded[self.rank :: self.size]
        return mine, int(fillers > 0 and self.rank >= self.size - fillers)

    def gather(self, tensor: Tensor) -> Tensor:
        """Those of all processes `[size · B, …]`, by rank, without gradient."""
        if self.size == 1:
            return tensor
        from accelerate.utils import gather

        return gather(tensor.detach().contiguous())  # pyright: ignore[reportReturnType]

    def wait(self) -> None:
        """For all processes to be here."""
        if self.size > 1:
            from accelerate import PartialState

            PartialState().wait_for_everyone()

    def collect(self, objects: list[Any]) -> list[Any]:
        """The lists of all processes as one."""
        if self.size == 1:
            return objects
        from accelerate.utils import gather_object

        return gather_object(objects)


_FAREWELL = 0.5  # seconds
_PATIENCE = timedelta(days=2)  # while the first one decodes, transcribes and encodes


@lru_cache(maxsize=1)
def world(cpu: bool = False) -> World:
    """The processes that `torchrun` started, or this one alone."""
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        return World()
    from accelerate import PartialState

    state = PartialState(cpu=cpu, timeout=_PATIENCE)
    atexit.register(_leave, state)
    return World(state.process_index, state.num_processes)


def _leave(state: Any) -> None:
    """Not while another process is still in the last exchange, which would end it with an abort."""
    time.sleep(_FAREWELL)
    state.destroy_process_group()


@contextmanager
def first_then_others() -> Iterator[None]:
    """The first process does it and the others after it, who find what it has left on disk."""
    if world().size == 1:
        yield
        return
    from accelerate import PartialState

    with PartialState().main_process_first():
        yield


def _may_idle(model: nn.Module) -> bool:
    """Some parameters are used only in batches in which something lacks, or lacks not."""
    return bool(getattr(model, "absent", None)) or getattr(model, "merge", None) is not None


def refuse_batch_norm(model: nn.Module, cut: str) -> None:
    """Where a batch is cut without its statistics being joined again."""
    norms = [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm)
    ]
    if norms:
        raise ConfigError(
            f"batch norm ({norms[0]}) cannot be shared by {cut}: each would see other statistics. "
            "Train it in one process and whole batches, or by several processes on GPUs"
        )
