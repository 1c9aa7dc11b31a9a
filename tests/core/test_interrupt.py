from __future__ import annotations

import os
import signal
import time

import pytest

from pixsearch.errors import Interrupted
from pixsearch.interrupt import check_stop, graceful_interrupt, stop_asked


def send() -> None:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.01)


def test_the_first_signal_asks_and_the_second_aborts() -> None:
    with graceful_interrupt():
        check_stop("")
        send()
        assert stop_asked()
        with pytest.raises(Interrupted, match="saved. Go on with x"):
            check_stop("Go on with x.")
        with pytest.raises(KeyboardInterrupt):
            send()
    assert not stop_asked()


def test_handlers_are_put_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    with graceful_interrupt():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before
