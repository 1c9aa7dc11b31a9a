"""The record of a run, read back: whole, killed at any moment, resumed, damaged."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pixsearch.errors import DataError, UsageError
from pixsearch.report.records import read_run
from pixsearch.report.searched import Objective

Write = Callable[..., Path]


def lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def test_a_whole_run_has_all_its_stages(write_run: Write) -> None:
    run = read_run(write_run())
    assert [stage.name for stage in run.stages] == ["search", "train", "prune", "qat", "export", "bench"]
    assert {stage.state for stage in run.stages} == {"done"}
    assert run.task == "sr ×2 on y"
    assert run.search
    assert run.search.objectives[1] == Objective("macs_720p", False, 2.5e9)
    assert run.train
    assert run.train.gain_db == pytest.approx(2.05)
    assert run.prune
    assert run.prune.kept_words == "62.4 % of the multiply-adds kept"
    assert [exported.precision for exported in run.exports] == ["float", "float", "int8"]
    assert run.bench
    assert run.bench.thread_counts == [1, 2]
    assert run.bench.baseline
    assert run.bench.baseline.label == "bicubic"


def test_what_export_found_out(write_run: Write) -> None:
    run = read_run(write_run("export"))
    [costs], [check] = run.layer_costs, run.checks
    assert [layer[0] for layer in costs.layers] == ["body.tail<b>", "body.layers.0.0"]  # costliest first
    assert (costs.loss_db, costs.limit_db, costs.crops) == (0.31, 0.15, 4)
    assert check.words == "3fa9c2d1.int8.onnx: CPU 5, XNNPACK 5, NNAPI 0 of 5 nodes (NNAPI at feature level 29)"
    assert check.operators[0][3:] == ("yes, computed in float", "yes", "signed 8-bit activations; it takes float, u8u8")


def test_the_formats_that_were_tried(write_run: Write) -> None:
    [found] = read_run(write_run("export")).mixtures
    assert [one.formats for one in found.front] == [("float", "int32"), ("int32", "float")]
    assert found.chosen == found.front[1]
    assert (found.int8.loss_db, found.int8.latency_ms, len(found.tried)) == (0.12, 137.4, 4)


def test_formats_without_an_end_are_shown_as_far_as_they_were_tried(write_run: Write) -> None:
    run = write_run("export")
    path = run / "export" / "events.jsonl"
    lines = [line for line in path.read_text().splitlines(keepends=True) if '"mixtures"' not in line]
    path.write_text("".join(lines))
    [found] = read_run(run).mixtures
    assert (found.front, found.chosen, len(found.tried)) == ((), None, 4)


def test_a_file_that_is_written_after_all_has_no_missed_gate(write_run: Write) -> None:
    run = write_run("export")
    missed = read_run(run).layer_costs[0].file
    with (run / "export" / "events.jsonl").open("a") as file:
        file.write(json.dumps({"kind": "exported", "time": 2e9, "label": "x", "file": missed}) + "\n")
    assert read_run(run).layer_costs == ()


def test_stages_that_were_never_begun_are_absent(write_run: Write) -> None:
    run = read_run(write_run("bench"))
    assert [stage.name for stage in run.stages] == ["bench"]
    assert (run.search, run.train, run.prune, run.exports) == (None, None, None, ())


def test_a_front_reads_cheapest_first(write_run: Write) -> None:
    search = read_run(write_run("search")).search
    assert search
    costs = [member.figures["macs_720p"] or 0 for member in search.front]
    assert costs == sorted(costs)
    assert len(costs) > 3


def test_figures_of_a_lower_rung_stand_apart(write_run: Write) -> None:
    """A candidate that climbed is on record once for each rung; only the highest one's figures may be compared."""
    path = write_run("search") / "search" / "events.jsonl"
    events = [json.loads(line) for line in lines(path)]
    tried = [event for event in events if event["kind"] == "candidate"]
    for event in tried:
        event |= {"rung": 2, "rungs": 2}
    low = [{**event, "number": 100 + n, "rung": 1, "figures": {"psnr": 99.0, "macs_720p": 1.0}} for n, event in enumerate(tried)]
    path.write_text(
        "".join(json.dumps(event) + "\n" for event in [*events[:4], *low, {**low[0], "number": 999, "id": "00000000"}, *events[4:]])
    )
    search = read_run(path.parents[1]).search
    assert search
    assert [candidate.number for candidate in search.candidates] == list(range(48))
    assert len(search.lower) == 49
    assert search.tried == "49 candidates tried, 48 of them at the highest rung"
    assert [candidate.number for candidate in search.failed] == [109, 9]


def test_a_search_killed_before_its_front_shows_the_newest_generations(killed_search: Path) -> None:
    run = read_run(killed_search)
    assert run.search
    assert run.stages[0].state == "unfinished"
    assert len(run.search.candidates) == 48
    assert {member.id for member in run.search.front} == set(run.search.generations[-1].front)
    assert run.search.objectives[1] == Objective("macs_720p", False, 2.5e9)
    assert run.search.objectives[2] == Objective("latency@local/1280x720/float/1t", False, 90.0)
    assert run.search.baseline == ("bicubic", 31.07, 0.9021)


def test_a_run_is_readable_after_every_event(write_run: Write) -> None:
    path = write_run("search") / "search" / "events.jsonl"
    (path.parent / "front.json").unlink()
    whole = lines(path)
    for kept in range(0, len(whole), 5):
        path.write_bytes(b"".join(whole[:kept]) + b'{"half')
        run = read_run(path.parents[1])
        assert run.search
        assert len(run.stages[0].events) == kept


def test_steps_that_a_resumed_training_went_through_again_count_once(write_run: Write) -> None:
    path = write_run("train") / "train" / "events.jsonl"
    events = [json.loads(line) for line in lines(path)]
    again = [
        {"kind": "resume", "time": 1.0, "step": 1500},
        *(e for e in events if e["kind"] in ("step", "validation") and e["step"] > 1500),
    ]
    path.write_text("".join(json.dumps(event) + "\n" for event in [*events, *again]))
    train = read_run(path.parents[1]).train
    assert train
    assert [step.step for step in train.steps] == list(range(20, 2001, 20))
    assert [validation.step for validation in train.validations] == list(range(200, 2001, 200))
    assert train.resumed_at == (1500,)


def test_a_stage_that_went_on_after_a_stop_is_not_stopped(write_run: Write) -> None:
    path = write_run("train") / "train" / "events.jsonl"
    whole = lines(path)
    stop = b'{"kind": "stopped", "time": 5, "error": "Interrupted: as asked"}\n'
    path.write_bytes(b"".join(whole[:-1]) + stop)
    assert read_run(path.parents[1]).stages[0].state == "stopped: Interrupted: as asked"
    path.write_bytes(b"".join(whole[:-1]) + stop + whole[5])
    assert read_run(path.parents[1]).stages[0].state == "unfinished"
    path.write_bytes(b"".join(whole[:-1]) + stop + whole[5] + whole[-1])
    assert read_run(path.parents[1]).stages[0].state == "done"


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("search/front.json", b"{"),
        ("search/front.json", b"[1]"),
        ("search/front.json", b'{"objectives": [], "baseline": null}'),
        ("search/events.jsonl", b'{"kind": "start", "time": 1}\nnot json\n{"kind": "done", "time": 2}\n'),
        ("search/events.jsonl", b'{"kind": "candidate", "time": 1}\n'),
        ("search/events.jsonl", b"\xff\xfe\n"),
        ("search/environment.json", b"null"),
        ("search/config.resolved.yaml", b"a: [\n"),
        ("train/events.jsonl", b'{"kind": "step", "time": 1, "step": "many"}\n'),
        ("bench/bench.json", b'{"metric": "PSNR-Y"}'),
        ("bench/bench.json", b'{"metric": "PSNR-Y", "convention": "", "target": "local"}'),
    ],
)
def test_a_damaged_file_is_named(write_run: Write, file: str, content: bytes) -> None:
    path = write_run("search", "train", "bench") / file
    path.write_bytes(content)
    with pytest.raises(DataError, match=path.name):
        read_run(path.parents[1])


def test_a_damaged_line_is_told_by_its_number(write_run: Write) -> None:
    path = write_run("train") / "train" / "events.jsonl"
    whole = lines(path)
    whole[3] = b"{broken\n"
    path.write_bytes(b"".join(whole))
    with pytest.raises(DataError, match="line 4"):
        read_run(path.parents[1])


def test_a_crop_that_is_gone_is_named(write_run: Write) -> None:
    run = write_run("bench")
    gone = next((run / "bench" / "crops").iterdir())
    gone.unlink()
    with pytest.raises(DataError, match=gone.name):
        read_run(run)


def test_nothing_outside_of_the_record_is_read(write_run: Write) -> None:
    run = write_run("bench")
    (run.parent / "secret.png").write_bytes(b"secret")
    path = run / "bench" / "bench.json"
    data = json.loads(path.read_text())
    data["crops"][0]["truth"] = "../../secret.png"
    path.write_text(json.dumps(data))
    with pytest.raises(DataError, match="outside of the record"):
        read_run(run)


def test_no_run_and_an_empty_run_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no run"):
        read_run(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="no record of a stage"):
        read_run(tmp_path)
