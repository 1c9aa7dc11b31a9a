"""The processes that train one network together: what each does for itself, what only the first does, and how they agree.

torchrun starts them and says by its environment which one is which. Without it there is one process, whose `Ranks` do nothing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from pixsearch.errors import GateError, Interrupted, MachineError, PixsearchError, UsageError

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn
    from torch.distributed import ProcessGroup
    from torch.distributed.distributed_c10d import Store

T = TypeVar("T")

FAILED = "failed"
WAIT = timedelta(hours=2)  # for the first rank, which prepares photos and validates while the others wait
ABORTED = "Aborted; the last saved step can be resumed."
VANISHED = "Another process of this training vanished. Look at what it said, then go on with `--resume`."


class Ranks:
    """The processes of one training as one of them sees them; this form is of a process that trains alone and costs nothing.

    All ranks call the same methods in the same order. `rank` counts from 0 to `size` - 1, `local_rank` those of one machine.
    """

    rank, size = 0, 1
    local_rank, local_size = 0, 1

    @property
    def is_first(self) -> bool:
        """Whether this process writes the record."""
        return self.rank == 0

    def own_device(self, device: torch.device) -> torch.device:
        """The device this process trains on when all were told `device`."""
        return device

    def wrap(self, network: nn.Module, device: torch.device) -> nn.Module:
        """`network` with the first rank's weights, whose gradients become the means over all ranks."""
        del device
        return network

    def average(self, value: Tensor) -> None:
        """Put the mean over all ranks in place of `value`."""

    def agree(self, stop: bool, seconds: float) -> tuple[bool, float]:
        """Whether any rank is to stop, and the first one's clock."""
        return stop, seconds

    def first(self, call: Callable[[], T]) -> T:
        """What `call` gives the first rank, on all of them; the others do not call it."""
        return call()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Within it an error that ends one rank ends all with its message and exit code; `MachineError` when one just vanishes."""
        yield


ALONE = Ranks()


class Joined(Ranks):
    """Several processes, joined over gloo, which carries what they agree on; gradients go over nccl where they are on GPUs."""

    def __init__(self, store: Store) -> None:
        import torch.distributed as dist

        self.rank, self.size = dist.get_rank(), dist.get_world_size()
        self.local_rank = int(os.environ.get("LOCAL_RANK", self.rank))
        self.local_size = int(os.environ.get("LOCAL_WORLD_SIZE", self.size))
        self._store = store
        self._gradients: ProcessGroup | None = None

    def own_device(self, device: torch.device) -> torch.device:
        """A GPU of its own; `UsageError` when one was named for all, `MachineError` when there are too few."""
        import torch

        if device.type != "cuda":
            return device
        if ":" in str(device):
            raise UsageError(f"`--device {device}` would put {self.local_size} processes on one GPU. Leave its number out.")
        if self.local_size > torch.cuda.device_count():
            raise MachineError(
                f"{self.local_size} processes were started on a machine with {torch.cuda.device_count()} GPUs. "
                "Start one a GPU by `--nproc-per-node`, or train on processors by `--device cpu`."
            )
        return torch.device("cuda", self.local_rank)

    def wrap(self, network: nn.Module, device: torch.device) -> nn.Module:
        """torch's own wrapper (Li et al. 2020), which averages gradients while others are still being computed."""
        import torch.distributed as dist
        from torch.nn.parallel import DistributedDataParallel

        on_gpu = device.type == "cuda"
        self._gradients = dist.new_group(backend="nccl") if on_gpu else None
        return DistributedDataParallel(network, device_ids=[device] if on_gpu else None, process_group=self._gradients)

    def average(self, value: Tensor) -> None:
        """Summed where gradients are, then divided."""
        import torch.distributed as dist

        dist.all_reduce(value, group=self._gradients)
        value /= self.size

    def agree(self, stop: bool, seconds: float) -> tuple[bool, float]:
        """One exchange of two numbers."""
        import torch
        import torch.distributed as dist

        both = torch.tensor([float(stop), seconds if self.is_first else 0.0], dtype=torch.float64)
        dist.all_reduce(both, dist.ReduceOp.MAX)
        return bool(both[0]), float(both[1])

    def first(self, call: Callable[[], T]) -> T:
        """Called, then broadcast; what it raises ends all ranks (`joined`)."""
        import torch.distributed as dist

        box = [call() if self.is_first else None]
        dist.broadcast_object_list(box)
        return box[0]  # type: ignore[return-value]

    @contextmanager
    def together(self) -> Iterator[None]:
        """As said; the first rank repeats what another one told the store that all share."""
        try:
            yield
        except (Interrupted, GateError) as error:  # all ranks agreed on it
            error.told = not self.is_first
            raise
        except PixsearchError as error:
            error.told = not self.tell(error.exit_code, str(error)) and not self.is_first
            raise
        except KeyboardInterrupt:
            self.tell(130, ABORTED)
            raise
        except Exception as error:
            heard = self.heard()
            if heard is not None:
                raise heard from error
            if _lost(error):
                raise MachineError(VANISHED) from error
            self.tell(1, f"{type(error).__name__}: {error}")
            raise

    def tell(self, code: int, message: str) -> bool:
        """Leave word for the others of why this one ends; False when one of them did before."""
        mine = json.dumps([self.rank, code, message])
        with suppress(RuntimeError):  # the store went with the process that held it
            return bool(self._store.compare_set(FAILED, "", mine).decode() == mine)
        return True

    def heard(self) -> PixsearchError | None:
        """Why another rank ended, if it left word: an error of the same exit code."""
        with suppress(RuntimeError):
            if self._store.check([FAILED]):
                rank, code, message = json.loads(self._store.get(FAILED))
                kind = next((kind for kind in PixsearchError.__subclasses__() if kind.exit_code == code), PixsearchError)
                error = kind(message if rank == 0 else f"{message} (Process {rank} of {self.size} said so.)")
                error.told = not self.is_first
                return error
        return None


def started_together() -> int:
    """How many processes were started to work together, by torchrun's word."""
    return int(os.environ.get("WORLD_SIZE") or 1)


def speaks() -> bool:
    """Whether this process writes results: of several started together only the first does."""
    return started_together() == 1 or os.environ.get("RANK", "0") == "0"


@contextmanager
def joined() -> Iterator[Ranks]:
    """The ranks of this training, `together` as long as the context lasts; `ALONE` when no others were started."""
    if started_together() == 1:
        yield ALONE
        return
    ranks = _join()
    try:
        with ranks.together():
            yield ranks
    finally:
        _leave()


def _join() -> Joined:
    import torch.distributed as dist
    from torch.distributed.distributed_c10d import PrefixStore
    from torch.distributed.rendezvous import rendezvous

    try:
        store, rank, size = next(iter(rendezvous("env://", timeout=WAIT)))
        dist.init_process_group("gloo", store=PrefixStore("ranks", store), rank=rank, world_size=size, timeout=WAIT)
    except (ValueError, RuntimeError) as error:
        raise MachineError(
            f"The {started_together()} processes of WORLD_SIZE could not be joined ({error}). Start them by torchrun, or unset WORLD_SIZE."
        ) from error
    return Joined(PrefixStore("errors", store))


def _leave() -> None:
    import torch.distributed as dist

    with suppress(RuntimeError):  # of a process whose partner is gone
        dist.destroy_process_group()


def _lost(error: Exception) -> bool:
    """Whether an exchange failed because another process is gone."""
    import torch.distributed as dist

    return isinstance(error, dist.DistError) or (isinstance(error, RuntimeError) and "gloo" in str(error))
