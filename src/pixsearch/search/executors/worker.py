"""What runs in a worker process: it serves one call after another until its owner is gone."""

from __future__ import annotations

import os
import pickle
import signal
import threading
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from typing import Any

from pixsearch.search.executors.limits import limit_threads

READY, VALUE, ERROR = "ready", "value", "error"


def serve(pipe: Connection, threads: int) -> None:
    """Answer each call that comes through `pipe`; ends with the owner's end of it, whatever it is doing.

    A call arrives in two messages: the numbers of the shared objects it reads, with those that are new here pickled; then function and
    item. It is answered by `READY` once all of it is unpacked (what was imported for it costs no time of its own), then by its
    value or error.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the owner decides
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):  # numpy's and torch's pools are made on import
        os.environ[name] = str(threads)
    threading.Thread(target=_end_with_the_owner, name="owner", daemon=True).start()
    shared: dict[int, Any] = {}
    while True:
        try:
            numbers, new, (fn, item) = pickle.loads(pipe.recv_bytes())
            shared = {n: pickle.loads(new[n]) if n in new else shared[n] for n in numbers}
            limit_threads(threads)
            pipe.send_bytes(pickle.dumps((READY, None)))
            answer = VALUE, fn(item, *shared.values())
        except EOFError:
            return
        except Exception as error:
            answer = ERROR, error
        pipe.send_bytes(_packed(*answer))


def _end_with_the_owner() -> None:
    owner = parent_process()
    assert owner is not None
    wait([owner.sentinel])
    os._exit(1)


def _packed(kind: str, value: Any) -> bytes:
    try:
        packed = pickle.dumps((kind, value))
        pickle.loads(packed)  # an error with arguments of its own may be packed and yet not unpacked
    except Exception as error:
        packed = pickle.dumps((ERROR, RuntimeError(f"The {kind} `{value!r}` cannot be sent between processes ({error}).")))
    return packed
