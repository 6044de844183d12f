"""Several processes, one training: each takes its part of every global batch, and gradients are averaged explicitly.

Started by ``torchrun --nproc-per-node N -m gan_probe train ...``. DistributedDataParallel is not used: it averages
after each backward pass, and the gradient penalty's double backward slips past it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from gan_probe.config import TrainConfig
from gan_probe.errors import ConfigError


@dataclass(frozen=True)
class Ranks:
    """One process's place among those that train together.

    Attributes
    ----------
    rank : int
        From 0. Rank 0 writes files and prints.
    world : int
        How many there are.
    """

    rank: int = 0
    world: int = 1

    def check(self, config: TrainConfig) -> None:
        """Raise unless this training can be shared out.

        Raises
        ------
        ConfigError
            For a global batch that does not divide evenly, or a critic that must see all of it.
        """
        if config.batch_size % self.world:
            raise ConfigError(
                f"batch_size {config.batch_size} is the global batch, and {self.world} processes cannot share it"
                f" evenly. Choose a multiple of {self.world}, or fewer processes."
            )
        for name in ("minibatch_kernels", "feature_matching"):
            if self.world > 1 and getattr(config, name):
                raise ConfigError(f"{name} compares the images of a whole batch; train it on one process.")

    def part(self, batch: Tensor) -> Tensor:
        """Return this rank's rows of a global batch."""
        return batch.chunk(self.world)[self.rank] if self.world > 1 else batch

    def mean(self, tensor: Tensor) -> Tensor:
        """Return the mean of a tensor over the ranks."""
        if self.world > 1:
            tensor = tensor.clone()
            dist.all_reduce(tensor)
            tensor /= self.world
        return tensor

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace every gradient by its mean over the ranks: one flat reduction."""
        if self.world == 1:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = self.mean(torch.cat([g.flatten() for g in gradients]))
        for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(mean.view_as(gradient))

    def share_statistics(self, module: nn.Module) -> nn.Module:
        """Return the module with its batch normalisations looking at the global batch."""
        if self.world > 1:
            for name, layer in module.named_children():
                if isinstance(layer, nn.BatchNorm2d):
                    shared = SharedBatchNorm2d(
                        layer.num_features,
                        eps=layer.eps,
                        momentum=layer.momentum,
                        device=layer.weight.device,
                        dtype=layer.weight.dtype,
                    )
                    shared.load_state_dict(layer.state_dict())
                    setattr(module, name, shared)
                else:
                    self.share_statistics(layer)
        return module

    def first(self, action: Callable[[], None]) -> None:
        """Let rank 0 do something that the others wait for; where it fails, all end.

        Raises
        ------
        Exception
            What the action raised, on rank 0; on the others a ConfigError: the first process stopped.
        """
        failure: Exception | None = None
        if self.rank == 0:
            try:
                action()
            except Exception as error:  # noqa: BLE001 - whatever it is, the others wait
                failure = error
        if self.world > 1:
            verdict = torch.tensor(float(failure is not None))
            dist.all_reduce(verdict.cuda() if dist.get_backend() == "nccl" else verdict)
            if verdict.item() and self.rank:
                raise ConfigError("the first process stopped; its message says why.")
        if failure is not None:
            raise failure

    def wait(self) -> None:
        """Return when all ranks are here."""
        if self.world > 1:
            dist.barrier()


ALONE = Ranks()


def is_shared() -> bool:
    """Return whether torchrun, or what sets its variables, started this process as one of several."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def join(device: torch.device) -> Ranks:
    """Return this process's place among those that torchrun started; alone where it did not start any.

    Raises
    ------
    ConfigError
        After `leave`: the others may have stopped, and would be waited for.
    """
    if not is_shared():
        return ALONE
    if _LEFT:
        raise ConfigError(
            "this process took leave of the others, after the end of the work or because a training failed in it."
            " Start all of them again, with --resume."
        )
    if not dist.is_initialized():
        if device.type == "cuda":
            own = int(os.environ.get("LOCAL_RANK", "0"))
            torch.cuda.set_device(own if device.index is None else device.index)
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return Ranks(dist.get_rank(), dist.get_world_size())


_LEFT: list[int] = []  # this process, once it has left


def leave() -> None:
    """Take leave of the other processes, for good: those that wait for this one fail at once."""
    if dist.is_initialized():
        _LEFT.append(dist.get_rank())
        dist.destroy_process_group()


class _Sum(torch.autograd.Function):
    """Sum over ranks; so is the gradient's way back, as every rank's loss depends on every rank's part."""

    @staticmethod
    def forward(_ctx: Any, x: Tensor) -> Tensor:
        total = x.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(_ctx: Any, gradient: Tensor) -> Tensor:
        total = gradient.clone()
        dist.all_reduce(total)
        return total


class _Gathered(torch.autograd.Function):
    """Rows of all ranks. Each rank has the same loss of all rows, and gradients are averaged over the ranks later."""

    @staticmethod
    def forward(_ctx: Any, rows: Tensor) -> Tensor:
        parts = [torch.empty_like(rows) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, rows.contiguous())
        return torch.cat(parts)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(_ctx: Any, gradient: Tensor) -> Tensor:
        world = dist.get_world_size()
        return world * gradient.chunk(world)[dist.get_rank()]


def gathered(rows: Tensor) -> Tensor:
    """Return the rows of the global batch, where several processes train together; differentiable."""
    if dist.is_initialized() and dist.get_world_size() > 1:
        return _Gathered.apply(rows)
    return rows


class SharedBatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation over the global batch, on any device (torch's own SyncBatchNorm needs CUDA)."""

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` normalised: in training by the statistics of all ranks."""
        if not self.training:
            return super().forward(x)
        wide = x if x.dtype == torch.float64 else x.float()  # never narrower than it came
        n = x.numel() // x.shape[1] * dist.get_world_size()
        mean = _Sum.apply(wide.sum((0, 2, 3))) / n
        centred = wide - mean[:, None, None]
        variance = _Sum.apply(centred.square().sum((0, 2, 3))) / n
        assert self.num_batches_tracked is not None
        assert self.running_mean is not None
        assert self.running_var is not None
        with torch.no_grad():
            self.num_batches_tracked.add_(1)
            momentum = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
            self.running_mean.lerp_(mean, momentum)
            self.running_var.lerp_(variance * n / max(n - 1, 1), momentum)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return (centred * scale[:, None, None] + self.bias[:, None, None]).to(x.dtype)
