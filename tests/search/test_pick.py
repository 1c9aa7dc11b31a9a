"""Choosing a member: by knee, by bound, by id; and what is said when the choice names nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pixsearch.errors import DataError, InfeasibleError, UsageError
from pixsearch.search.pick import pick, pick_from_run

LATENCY = "latency@local/1280x720/float/1t"


def candidate(id: str, psnr: float, macs: float, latency: float, **changes: Any) -> dict[str, Any]:
    figures = {"psnr": psnr, "macs_720p": macs, "params": macs / 1e5, LATENCY: latency}
    base = {"kind": "candidate", "id": id, "genotype": {"space": "toy", "digits": [1]}, "description": f"net {id}"}
    return {**base, "figures": figures, "fidelity": "400x16x32", "error": None, "feasible": True, **changes}


CANDIDATES = [
    candidate("a1b2c3d4", 31.0, 1e8, 10.0),
    candidate("a1ffffff", 32.0, 1e9, 40.0),
    candidate("b0000000", 33.0, 2e9, 95.0),
    candidate("c0000000", 32.5, 1.5e9, 99.0),  # dominated
    candidate("d0000000", 39.0, 1e8, 10.0, fidelity="9x16x32"),
    candidate("e0000000", 0.0, 1e8, 10.0, error="MemoryError", feasible=False, figures={}),
]
MEMBERS = [{k: c[k] for k in ("id", "genotype", "description", "figures")} for c in CANDIDATES[:3]]
FRONT = {"members": MEMBERS, "knee": "a1ffffff", "fidelity": "400x16x32"}


def chosen(choice: str) -> str:
    return str(pick(FRONT, CANDIDATES, choice)["id"])


@pytest.mark.parametrize(
    ("choice", "id"),
    [
        ("knee", "a1ffffff"),
        ("best-under:latency@local<=90ms", "a1ffffff"),
        ("best-under:latency@local/1t<=0.1s", "b0000000"),
        ("best-under:macs_720p<=500M", "a1b2c3d4"),
        ("best-under:params<=16K", "c0000000"),  # not on the front, but the best under this bound
        ("best-under:psnr>=30", "b0000000"),
        ("b0000000", "b0000000"),
        ("b", "b0000000"),
        ("a1b", "a1b2c3d4"),
        ("c0", "c0000000"),
    ],
)
def test_what_a_choice_names(choice: str, id: str) -> None:
    assert chosen(choice) == id


@pytest.mark.parametrize(
    ("choice", "says"),
    [
        ("a1", "beginning of 2 candidates (a1b2c3d4, a1ffffff)"),
        ("b000000f", "Did you mean `b0000000`?"),
        ("kneee", "Did you mean `knee`?"),
        ("zz", "on the front are: a1b2c3d4, a1ffffff, b0000000"),
        ("", "no candidate ``"),
        ("best-under:macs_720p", "has no bound"),
        ("best-under:memory<=1MB", "has no figure `memory`"),
        ("best-under:latency@local/2t<=90ms", f"It has: {LATENCY}"),
        ("best-under:latency@lokal<=90ms", "Did you mean `local`?"),
    ],
)
def test_what_is_wrong_with_a_choice_is_said(choice: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        chosen(choice)
    assert says in str(caught.value)


def test_no_member_under_the_bound_names_the_nearest_miss() -> None:
    with pytest.raises(InfeasibleError, match=r"nearest miss is `a1b2c3d4` \(net a1b2c3d4\) with 10 ms") as caught:
        chosen("best-under:latency@local<=5ms")
    assert caught.value.exit_code == 4


def test_a_run_is_read_from_its_files(tmp_path: Path) -> None:
    folder = tmp_path / "search"
    folder.mkdir()
    with pytest.raises(DataError, match=r"front\.json"):
        pick_from_run(tmp_path, "knee")
    (folder / "front.json").write_text(json.dumps(FRONT))
    (folder / "events.jsonl").write_text("".join(json.dumps(c) + "\n" for c in CANDIDATES) + '{"cut')
    assert pick_from_run(tmp_path, "c0")["figures"]["psnr"] == 32.5
