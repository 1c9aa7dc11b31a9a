from __future__ import annotations

import os
import sys
import time

import pytest

from pixsearch.bench.targets.child import Child
from pixsearch.errors import MachineError

ECHO = "import sys\nfor line in sys.stdin: print(line.strip(), flush=True)"


@pytest.fixture
def start(tmp_path):
    started = []

    def run(code):
        started.append(Child([sys.executable, "-S", "-c", code], dict(os.environ), tmp_path, "The child"))
        return started[-1]

    yield run
    for child in started:
        child.close()


def test_answers_come_back_one_by_one(start):
    child = start(ECHO)
    assert child.ask({"n": 1}, 20) == {"n": 1}
    assert child.ask({"long": "x" * 300_000}, 20)["long"] == "x" * 300_000


def test_last_words_of_a_child_that_fails(start):
    child = start("import sys; sys.exit('the library is broken')")
    with pytest.raises(MachineError, match=r"The child ended with code 1\. Its last words: `the library is broken`"):
        child.hear(20)


def test_a_killed_child_is_told_from_one_that_failed(start):
    child = start(f"import os, signal\n{ECHO}")
    assert child.ask({}, 20) == {}
    os.kill(child.pid, 9)
    with pytest.raises(MachineError, match=r"ended by SIGKILL.*ran out of memory"):
        child.ask({}, 20)


def test_a_crash_names_its_signal(start):
    with pytest.raises(MachineError, match="SIGSEGV"):
        start("import os; os.kill(os.getpid(), 11)").hear(20)


def test_a_child_that_hangs_is_ended(start):
    child = start("import sys, time; print('half a li', end='', flush=True); time.sleep(600)")
    with pytest.raises(MachineError, match=r"gave no answer within 0\.5 s"):
        child.hear(0.5)
    assert not alive(child.pid)


def test_a_child_that_closes_its_output_but_lives_on_is_ended(start, monkeypatch):
    monkeypatch.setattr("pixsearch.bench.targets.child.PARTING_S", 0.2)
    child = start("import os, time; os.close(1); time.sleep(600)")
    with pytest.raises(MachineError):
        child.hear(20)
    assert not alive(child.pid)


@pytest.mark.parametrize("line", ["no json", "[1]", "\\xff"])
def test_babble_is_quoted(start, line):
    child = start(f"import sys, time; sys.stdout.buffer.write(b'{line}\\n'); sys.stdout.flush(); time.sleep(600)")
    with pytest.raises(MachineError, match="unreadable"):
        child.hear(20)


def test_a_talkative_child_does_not_block(start):
    child = start("import sys; sys.stderr.write('noise ' * 100_000); print('{}', flush=True)")
    assert child.hear(20) == {}


def test_closing_ends_a_busy_child_and_may_be_repeated(start):
    child = start("while True: pass")
    child.close()
    child.close()
    assert not alive(child.pid)


def test_a_program_that_is_not_there(tmp_path):
    with pytest.raises(MachineError, match="could not be started"):
        Child([str(tmp_path / "nothing")], {}, tmp_path, "The child")


def alive(pid):
    for _ in range(50):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        time.sleep(0.02)
    return True
