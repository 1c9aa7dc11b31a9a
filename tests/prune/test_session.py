"""The stage as a whole: every strategy, several shares at once, the record, and going on after a kill to the same bits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pixsearch.config import Config
from pixsearch.errors import DataError, InfeasibleError, Interrupted
from pixsearch.events import read_events
from pixsearch.nn.modelfile import load_model
from pixsearch.prune import candidates
from pixsearch.prune.config import PruneConfig
from pixsearch.prune.session import prune_stage
from pixsearch.rundir import Stage, finished
from pixsearch.space.base import read_genotype
from pixsearch.train.config import TrainConfig

EVOLUTION = {"strategy": "evolution", "evaluations": 10, "population": 6, "val_pictures": 2}


class Job(Config):
    prune: PruneConfig
    train: TrainConfig


def run(folder: Path, trained: Any, data: Any, task: Any, *, resume: bool = False, steps: int = 20, **prune: Any) -> Path:
    training = TrainConfig(steps=steps, batch=4, patch=24, precision="float32", threads=1, validations=1, checkpoint_every_s=0)
    job = Job(prune=PruneConfig(**prune), train=training)
    with Stage(folder, "prune", job, resume=resume) as stage:
        return prune_stage(*trained, data, task, job.prune, training, stage)


def events(folder: Path, *kinds: str) -> list[dict[str, Any]]:
    return [event for event in read_events(folder / "prune" / "events.jsonl") if event["kind"] in kinds]


@pytest.fixture(scope="module")
def curve(trained, data, task, tmp_path_factory):
    folder = tmp_path_factory.mktemp("curve")
    run(folder, trained, data, task, keep_macs=(0.5, 0.3, 0.7), steps=30, **EVOLUTION)
    return folder


@pytest.mark.parametrize("strategy", ["importance", "uniform", "evolution"])
def test_every_strategy_leaves_a_model_within_the_bound(strategy, trained, data, task, tmp_path):
    more = EVOLUTION if strategy == "evolution" else {}
    path = run(tmp_path, trained, data, task, **{**more, "strategy": strategy, "keep_macs": 0.5})
    network, card = load_model(path)
    assert (path, card.stage, card.name) == (tmp_path / "prune" / "model.safetensors", "pruned", "net")
    assert card.macs_720p <= 0.5 * trained[1].macs_720p
    space, genotype = read_genotype(card.genotype, network.signature)
    assert space.parse(genotype.genes()) == genotype == network.genotype
    (pruned,) = events(tmp_path, "pruned")
    assert (pruned["strategy"], pruned["keep_macs"]) == (strategy, 0.5)
    assert finished(tmp_path, "prune")


def test_an_evolution_records_its_candidates_and_picks_the_best(trained, data, task, tmp_path):
    run(tmp_path, trained, data, task, keep_macs=0.5, **EVOLUTION)
    tried = events(tmp_path, "candidate")
    assert len({event["id"] for event in tried}) == len(tried) == 10
    assert {event["fidelity"] for event in tried} == {candidates.REFITTED}
    bound = 0.5 * trained[1].macs_720p
    assert all(event["figures"]["macs_720p"] <= bound for event in tried)
    best = max(tried, key=lambda event: event["figures"]["psnr"])
    _, card = load_model(tmp_path / "prune" / "model.safetensors")
    assert card.genotype == best["genotype"]
    front = json.loads((tmp_path / "prune" / "front.json").read_text())
    assert best["id"] in {member["id"] for member in front["members"]}
    (pruned,) = events(tmp_path, "pruned")
    assert pruned["after"]["psnr_db"] == pytest.approx(best["figures"]["psnr"])  # fine-tuning begins with the weights it was judged by


def test_a_candidate_is_better_than_its_bare_slices(trained, data, task, tmp_path):
    run(tmp_path / "evolution", trained, data, task, keep_macs=0.5, **EVOLUTION)
    run(tmp_path / "uniform", trained, data, task, keep_macs=0.5, strategy="uniform")
    found, plain = (events(tmp_path / name, "pruned")[0]["after"] for name in ("evolution", "uniform"))
    assert found["psnr_db"] > plain["psnr_db"] + 0.1


def test_several_shares_give_a_model_each(curve, trained):
    folder = curve / "prune"
    for share in (0.5, 0.3, 0.7):
        network, card = load_model(folder / f"keep-{share:g}.safetensors")
        assert card.macs_720p <= share * trained[1].macs_720p
        assert card.label == f"net-keep{share:g} pruned"
        assert card.training["step"] == 10  # of the 30 steps an even share
        assert network.genotype.to_json() == card.genotype
    assert (folder / "model.safetensors").read_bytes() == (folder / "keep-0.5.safetensors").read_bytes()
    assert [event["keep_macs"] for event in events(curve, "tuned")] == [0.5, 0.3, 0.7]
    (done,) = events(curve, "done")
    assert (done["keep_macs"], done["models"]) == (0.5, [f"keep-{share:g}.safetensors" for share in (0.5, 0.3, 0.7)])
    quality = {event["keep_macs"]: event["after"]["psnr_db"] for event in events(curve, "pruned")}
    assert quality[0.3] < quality[0.7]


@pytest.mark.parametrize("moment", ["candidate", "validation", "tuned"])
def test_what_was_killed_ends_the_same(moment, curve, trained, data, task, tmp_path, monkeypatch):
    """A stop at any event, as a kill would leave the record, then a resume: the same bits as the unbroken run's."""
    number = {"candidate": 4, "validation": 2, "tuned": 2}[moment]
    note, seen = Stage.note, []

    class Killed(BaseException):
        pass

    def dying(self, kind, **fields):
        if len(seen) >= number:
            raise Killed
        note(self, kind, **fields)
        if kind == moment:
            seen.append(kind)

    settings = {"keep_macs": (0.5, 0.3, 0.7), "steps": 30, **EVOLUTION}
    monkeypatch.setattr(Stage, "note", dying)
    with pytest.raises(Killed):
        run(tmp_path, trained, data, task, **settings)
    monkeypatch.setattr(Stage, "note", note)
    assert not finished(tmp_path, "prune")
    run(tmp_path, trained, data, task, resume=True, **settings)
    for name in ("keep-0.5", "keep-0.3", "keep-0.7", "model"):
        ours, theirs = (load_model(folder / "prune" / f"{name}.safetensors")[0].state_dict() for folder in (tmp_path, curve))
        assert all((ours[key] == theirs[key]).all() for key in theirs)
    assert len({event["id"] for event in events(tmp_path, "candidate")}) == 10
    assert (tmp_path / "prune" / "front.json").read_text() == (curve / "prune" / "front.json").read_text()


def test_workers_pick_the_same(trained, data, task, tmp_path):
    fronts = []
    for workers in (None, 2):
        settings = {**EVOLUTION, "evaluations": 6, "population": 4, "workers": workers}
        path = run(tmp_path / str(workers), trained, data, task, keep_macs=0.5, steps=1, **settings)
        figures = {event["id"]: event["figures"] for event in events(tmp_path / str(workers), "candidate")}
        fronts.append((load_model(path)[0].genotype, figures, (path.parent / "front.json").read_text()))
    assert fronts[0] == fronts[1]
    assert len(fronts[0][1]) == 6


def test_a_longer_budget_trains_every_share_on(trained, data, task, tmp_path):
    for steps, resume in ((8, False), (16, True)):
        run(tmp_path, trained, data, task, keep_macs=(0.5, 0.3), steps=steps, resume=resume)
    assert [(event["keep_macs"], event["step"]) for event in events(tmp_path, "tuned")] == [(0.5, 4), (0.3, 4), (0.5, 8), (0.3, 8)]
    assert load_model(tmp_path / "prune" / "keep-0.3.safetensors")[1].training["step"] == 8


def test_another_cost_makes_the_front(trained, data, task, tmp_path):
    settings = {**EVOLUTION, "objectives": ("psnr", "params<=1.6K"), "evaluations": 16}
    run(tmp_path, trained, data, task, **settings)
    front = json.loads((tmp_path / "prune" / "front.json").read_text())
    assert [o["name"] for o in front["objectives"]] == ["psnr", "params"]
    _, card = load_model(tmp_path / "prune" / "model.safetensors")
    assert card.params <= 1600
    params = [member["figures"]["params"] for member in front["members"]]
    assert len(params) > 1
    assert max(params) <= 1600


def test_bounds_that_nothing_keeps_are_refused_at_once(trained, data, task, tmp_path):
    with pytest.raises(InfeasibleError, match="params<=5"):
        run(tmp_path / "a", trained, data, task, **{**EVOLUTION, "objectives": ("psnr", "params<=5")})
    with pytest.raises(InfeasibleError, match="`--keep-macs 0.001`"):
        run(tmp_path / "b", trained, data, task, keep_macs=0.001, **EVOLUTION)
    assert not events(tmp_path / "a", "candidate")


def test_other_photos_are_refused_on_resume(trained, data, task, tmp_path):
    run(tmp_path, trained, data, task, keep_macs=0.5, **EVOLUTION)
    record = tmp_path / "prune" / "events.jsonl"
    other = {**data.summary, "contents": "others", "kind": "photos", "time": 0.0}
    record.write_text(json.dumps(other) + "\n" + record.read_text())
    with pytest.raises(DataError, match="photos"):
        run(tmp_path, trained, data, task, resume=True, keep_macs=0.5, **EVOLUTION)


class TestSettings:
    def test_shares_as_people_type_them(self):
        assert PruneConfig(keep_macs="0.3, 0.5,0.7").shares == (0.3, 0.5, 0.7)
        assert PruneConfig(keep_macs=0.5).shares == PruneConfig(keep_macs="0.5").shares == (0.5,)
        assert PruneConfig().shares == (0.6,)
        assert PruneConfig(strategy="evolution", objectives=("psnr", "params<=9K")).shares == (1.0,)

    @pytest.mark.parametrize(
        ("settings", "said"),
        [
            ({"keep_macs": "1.2"}, "less than 1"),
            ({"keep_macs": "0.5,0.5"}, "once"),
            ({"keep_macs": "half"}, "valid number"),
            ({"evaluations": 5}, "belongs to the strategy `evolution`"),
            ({"workers": 2}, "belongs to the strategy `evolution`"),
            ({"strategy": "evolution", "executor": "inprocess", "workers": 2}, "one worker, not `2`"),
            ({"strategy": "importance", "objectives": ["psnr", "params"]}, "belongs to the strategy `evolution`"),
            ({"strategy": "evolution", "objectives": ["params"]}, "no quality"),
            ({"strategy": "evolve"}, "importance"),
        ],
    )
    def test_faults_are_told(self, settings, said):
        with pytest.raises(ValueError, match=said):
            PruneConfig(**settings)


def test_a_stop_says_how_to_go_on(trained, data, task, tmp_path, monkeypatch):
    def stop(message):
        raise Interrupted(message)

    monkeypatch.setattr("pixsearch.search.engine.check_stop", stop)
    with pytest.raises(Interrupted, match="pixsearch prune --resume"):
        run(tmp_path, trained, data, task, keep_macs=0.5, **EVOLUTION)


def test_a_latency_can_be_the_cost(trained, data, task, tmp_path):
    figure = "latency@local/64x48/float/1t"
    run(tmp_path, trained, data, task, **{**EVOLUTION, "objectives": ("psnr", figure), "evaluations": 7})
    tried = events(tmp_path, "candidate")
    assert all(event["figures"][figure] > 0 for event in tried)
    assert {event["id"] for event in events(tmp_path, "measured")} == {event["id"] for event in tried}


def test_the_whole_network_is_the_teacher(trained, data, task, tmp_path):
    path = run(tmp_path, trained, data, task, keep_macs=0.5)
    (start,) = events(tmp_path, "start")
    assert start["teacher"]["genotype"] == trained[0].genotype.to_json()
    assert load_model(path)[1].training["teacher"]["macs_720p"] == trained[1].macs_720p
