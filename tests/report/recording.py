"""A small recorded run: written as the stages write, with hostile names among the words."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from pixsearch.config import Config
from pixsearch.rundir import Stage

HOSTILE = '<script>window.hacked=1</script>"><img src=x onerror=window.hacked=1>.jpg'
LATENCY = "latency@local/1280x720/float/1t"
LABELS = ("3fa9c2d1 float", "3fa9c2d1 pruned", "3fa9c2d1 pruned int8")


class AnySettings(Config):
    """Settings of a recorded stage."""

    seed: int = 0
    photos: tuple[str, ...] = ("photos/" + HOSTILE,)


class Clock:
    """Stands in for `time.time` while a record is written, so that events lie as far apart as they say."""

    def __init__(self) -> None:
        self.now = 1_760_000_000.0

    def __call__(self) -> float:
        return self.now


def genotype(width: int, depth: int) -> dict[str, Any]:
    layers = [{"op": "conv3", "width": width, "act": "relu", "hidden": 0, "residual": False}] * depth
    return {"space": "mobile", "layers": layers, "head": "plain", "skip": "bicubic", "tail": 3}


def figures(width: int, depth: int, wobble: float = 0.0) -> dict[str, float]:
    macs = (width * 9 + width * width * 9 * (depth - 1) + width * 36) * 1280 * 720 / 4
    return {
        "psnr": 31.0 + 2.1 * (1 - math.exp(-macs / 0.9e9)) + wobble,
        "ssim": 0.90 + macs / 1e11,
        "macs_720p": macs,
        "params": float(width * 9 + width * width * 9 * (depth - 1) + width * 36),
        "memory": width * 1280 * 720.0,
        LATENCY: 3 + macs / 2.9e7,
    }


def candidate(number: int, rng: np.random.Generator) -> dict[str, Any]:
    width, depth = int(rng.integers(4, 24)), int(rng.integers(1, 6))
    scores = figures(width, depth, float(rng.normal(0, 0.12)))
    broke = ["macs_720p<=2.5G"] if scores["macs_720p"] > 2.5e9 else []
    if broke:
        scores = {name: scores[name] for name in ("macs_720p", "params", "memory")}
    return {
        "number": number,
        "id": f"{int(rng.integers(16**8)):08x}",
        "genotype": genotype(width, depth),
        "description": f"conv3 {width} relu ×{depth}, skip <i>bicubic</i>",
        "figures": scores,
        "fidelity": "400 steps",
        "seconds": 6.0,
        "cpu_s": 6.0,
        "elapsed_s": 7.0 * (number + 1),
        "error": None,
        "feasible": not broke,
        "broke": broke,
    }


def non_dominated(candidates: list[dict[str, Any]]) -> list[dict[str, Any]]:
    costs = ("macs_720p", LATENCY)

    def beats(a: dict[str, Any], b: dict[str, Any]) -> bool:
        fa, fb = a["figures"], b["figures"]
        return a is not b and fa["psnr"] >= fb["psnr"] and all(fa[c] <= fb[c] for c in costs)

    fit = [c for c in candidates if c["feasible"] and not c["error"]]
    return [c for c in fit if not any(beats(other, c) for other in fit)]


def write_search(run: Path, clock: Clock, *, finish: bool = True) -> list[dict[str, Any]]:
    rng = np.random.default_rng(7)
    objectives = ["psnr", "macs_720p<=2.5G", f"{LATENCY}<=90ms"]
    tried: list[dict[str, Any]] = []
    with Stage(run, "search", AnySettings()) as stage:
        stage.note(
            "start", space="mobile", size="1e30", strategy="nsga2", objectives=objectives, seed=0, evaluations=48, proxy=400, threads=2
        )
        rejected = [
            {"path": f"photos/{HOSTILE}", "reason": "cut short after 12 KB"},
            {"path": "photos/a.heic", "reason": "HEIC is not read"},
        ]
        stage.note(
            "photos", role="train", used=9, pixels=8_400_000, rejected=rejected, groups=8, duplicates=1, reduced={"2": 3}, held_out=2
        )
        stage.note("baseline", name="bicubic", psnr_db=31.07, ssim=0.9021)
        stage.note("warning", text=f"`{HOSTILE}` is nearly a photo of val; left out of training.")
        for number in range(48):
            clock.now += 7
            one = candidate(number, rng)
            if number == 9:
                one |= {"error": "RuntimeError: <b>out of memory</b>", "figures": {}, "feasible": False}
            tried.append(one)
            stage.note("candidate", **one)
            if number % 8 == 7:
                front = non_dominated(tried)
                volume = sum(c["figures"]["psnr"] - 31.07 for c in front) / 3
                stage.note(
                    "generation",
                    number=number // 8,
                    evaluated=number + 1,
                    unique=number + 1,
                    hypervolume=volume,
                    front=[c["id"] for c in front],
                    elapsed_s=one["elapsed_s"],
                )
        if finish:
            write_front(stage, non_dominated(tried))
            stage.note("done", evaluated=48, front=len(non_dominated(tried)), elapsed_s=340.0)
    return tried


def write_front(stage: Stage, front: list[dict[str, Any]]) -> None:
    members = [{key: one[key] for key in ("id", "genotype", "description", "figures")} for one in front]
    named = [("psnr", "max", None), ("macs_720p", "min", 2.5e9), (LATENCY, "min", 90.0)]
    stage.write_json(
        "front.json",
        {
            "task": "sr",
            "scale": 2,
            "color": "y",
            "convention": "PSNR on Y of BT.601, 2 pixels shaved",
            "space": "mobile",
            "objectives": [{"name": name, "direction": direction, "bound": bound} for name, direction, bound in named],
            "fidelity": "400 steps",
            "baseline": {"name": "bicubic", "psnr_db": 31.07, "ssim": 0.9021},
            "reference_point": {"psnr": 31.07, "macs_720p": 2.5e9, LATENCY: 90.0},
            "members": members,
            "knee": sorted(members, key=lambda m: m["figures"]["macs_720p"])[len(members) // 2]["id"],
        },
    )


def write_training(run: Path, clock: Clock, name: str, *, steps: int = 2000, macs: float = 2.21e9, finish: bool = True) -> None:
    with Stage(run, name, AnySettings()) as stage:
        if name == "prune":
            before = {
                "macs_720p": 2.21e9,
                "params": 9600,
                "psnr_db": 33.12,
                "ssim": 0.9304,
                "description": "conv3 16 relu ×4, skip bicubic",
            }
            after = {
                "macs_720p": 1.38e9,
                "params": 6000,
                "psnr_db": 32.31,
                "ssim": 0.9201,
                "description": "conv3 11-13 relu ×4, skip bicubic",
            }
            stage.note("pruned", keep_macs=0.65, strategy="importance", before=before, after=after)
        stage.note(
            "start",
            name="3fa9c2d1",
            description="conv3 16 relu ×4, skip bicubic",
            genotype=genotype(16, 4),
            params=9600,
            macs_720p=macs,
            steps=steps,
        )
        for step in range(20, steps + 1, 20):
            clock.now += 0.9
            rate = 2e-3 * math.sin(math.pi * min(1.0, step / steps * 0.5 + 0.5))
            noise = 1 + 0.1 * math.sin(step * 1.7)
            stage.note(
                "step",
                step=step,
                steps=steps,
                progress=step / steps,
                loss=0.05 * noise / (1 + step / 90) + 0.011,
                rate=rate,
                samples_per_s=812.0 + 9 * noise,
                elapsed_s=step * 0.045,
                eta_s=(steps - step) * 0.045,
            )
            if step % 200 == 0:
                psnr = 33.15 - 1.9 * math.exp(-step / 350)
                stage.note(
                    "validation",
                    step=step,
                    progress=step / steps,
                    psnr_db=psnr,
                    ssim=0.93,
                    pictures={},
                    baseline_psnr_db=31.07,
                    seconds=0.4,
                    elapsed_s=step * 0.045,
                )
            if name == "train" and step % 200 == 0:
                share = 0.2 + 0.6 * step / steps
                chances, amounts = {"cutblur": share, HOSTILE: 1 - share}, {"cutblur": 0.3, HOSTILE: None}
                place = {"step": step, "progress": step / steps, "elapsed_s": step * 0.045}
                stage.note("policy", **place, operations=chances, amounts=amounts, clean_loss=0.012, harder=0.1 * share)
        if finish:
            stage.note(
                "done",
                step=steps,
                psnr_db=33.12,
                ssim=0.9304,
                baseline_psnr_db=31.07,
                baseline_ssim=0.9021,
                model="model.safetensors",
                elapsed_s=steps * 0.045,
            )


def write_export(run: Path, clock: Clock) -> None:
    with Stage(run, "export", AnySettings()) as stage:
        for label, size in zip(LABELS, (41_200, 27_100, 14_300), strict=True):
            clock.now += 2
            int8 = label.endswith("int8")
            proof = {"loss_db": 0.08} if int8 else {"max_abs_error": 3.6e-7}
            file = label.replace(" float", "").replace(" pruned", "-pruned").replace(" int8", ".int8") + ".onnx"
            precision = "int8" if int8 else "float"
            stage.note("exported", label=label, file=file, precision=precision, bytes=size, opset=18, sizes=[[64, 64], [63, 97]], **proof)
        missed = {"label": LABELS[2], "file": f"missed-{HOSTILE}.int8.onnx", "limit_db": 0.15, "loss_db": 0.31, "crops": 4}
        layers = [
            {"layer": "body.layers.0.0", "operators": "Conv+PRelu", "alone_db": 0.02, "spared_db": 0.3},
            {"layer": "body.tail<b>", "operators": "Conv", "alone_db": 0.25, "spared_db": 0.04},
        ]
        stage.note("sensitivity", **missed, layers=layers)
        write_mixtures(stage)
        operator = {
            "name": "node_Conv_0<i>",
            "operator": "Conv",
            "form": "s8s8/channel",
            "nodes": 5,
            "remarks": {"cpu": "computed in float"},
        }
        refused = {"nnapi": "signed 8-bit activations; it takes float, u8u8"}
        taken = {"CPU": 5, "XNNPACK": 5, "NNAPI": 0}
        stage.note("checked", file="3fa9c2d1.int8.onnx", level=29, nodes=5, taken=taken, operators=[{**operator, "refused": refused}])
        stage.note("done")


def write_mixtures(stage: Stage) -> None:
    label = "3fa9c2d1 mixed"
    layers = [{"layer": "body.layers.0.0", "operators": "Conv+PRelu"}, {"layer": "body.tail<b>", "operators": "Conv"}]
    tried = [
        (["int8", "int8"], 0.12, 137.4, 14_300, True),
        (["float", "int32"], 0.03, 110.2, 18_400, True),
        (["float", "float"], 0.0, 227.7, 41_200, False),
        (["int32", "float"], 0.02, 140.1, 20_000, True),
    ]
    figures = [dict(zip(("loss_db", "latency_ms", "bytes"), one[1:4], strict=True)) for one in tried]
    target = {"target": "arm64 Cortex-A76 at 2.4 GHz, emulated", "latency": "arm64:a76/1280x720/mixed/1t", "modelled": True, "why": ""}
    asked = {"bound_ms": 151.2, "extra_latency": 0.1, "evaluations": 4, "seed": 0, "crops": 3, "sensitivity": []}
    stage.note("bits", label=label, layers=layers, int8=figures[0], **target, **asked)
    for number, (formats, *_, feasible) in enumerate(tried):
        stage.note("mixture", label=label, number=number + 1, formats=formats, figures=figures[number], feasible=feasible)
    front = [["float", "int32"], ["int32", "float"]]
    stage.note("mixtures", label=label, tried=4, front=front, chosen=["int32", "float"], elapsed_s=60.0)
