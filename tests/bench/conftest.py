"""Real small models out of the real exporter, and real pictures cut out of the project's photos."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pixsearch.card import KEY, ModelCard
from pixsearch.pixels.files import read_picture, write_picture

from .machines import adbd, arm_sshd, require, sshd

Export = Callable[..., Path]


@pytest.fixture(scope="session")
def export(tmp_path_factory: pytest.TempPathFactory) -> Export:
    """`export("plain-m2c4", scale=2, seed=1, name="a")`: the path of that network's ONNX file; the same call gives the same file."""
    from pixsearch.export.onnx import export_float
    from pixsearch.nn.build import build, deploy
    from pixsearch.nn.modelfile import make_card
    from pixsearch.space.named import named
    from pixsearch.tasks.base import make_task

    folder = tmp_path_factory.mktemp("exported")

    def exported(architecture: str = "plain-m2c4", *, scale: int = 2, color: str = "y", seed: int = 0, name: str = "small") -> Path:
        path = folder / f"{architecture}-x{scale}-{color}-{seed}-{name}.onnx"
        if not path.exists():
            task = make_task("sr", scale, color)
            network = deploy(build(named(architecture, task.signature)[1], task.signature, seed=seed))
            export_float(network, make_card(network, name=name, stage="trained", training={}), path)
        return path

    return exported


@pytest.fixture(scope="session")
def model(export: Export) -> Path:
    """A float ×2 network on luma."""
    return export()


@pytest.fixture(scope="session")
def recarded(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A copy of an exported file whose card says something else."""
    import onnx

    folder = tmp_path_factory.mktemp("recarded")

    def changed(path: Path, file: str, **changes: object) -> Path:
        proto = onnx.load(path)
        card = ModelCard.loads({p.key: p.value for p in proto.metadata_props}[KEY], str(path)).with_(**changes)
        onnx.helper.set_model_props(proto, {KEY: card.dumps()})
        onnx.save(proto, folder / file)
        return folder / file

    return changed


@pytest.fixture(scope="session")
def photos(sample_images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three small cuts out of real photos."""
    folder = tmp_path_factory.mktemp("photos")
    for name, top, left in (("astronaut", 0, 120), ("chelsea", 60, 100), ("coffee", 100, 200)):
        write_picture(folder / f"{name}.png", read_picture(sample_images / f"{name}.png")[top : top + 141, left : left + 197])
    return folder


@pytest.fixture(scope="session")
def ssh_options(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """How ssh reaches a server of this session's own on loopback."""
    with sshd(tmp_path_factory.mktemp("sshd")) as options:
        yield options


@pytest.fixture(scope="session")
def arm_ssh_options(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """How ssh reaches an arm64 machine of this session's own: its files run in qemu-user."""
    require("ssh")
    with arm_sshd(tmp_path_factory.mktemp("arm-sshd")) as options:
        yield options


@pytest.fixture(scope="session")
def adb_program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A program `adb` that reaches a device of this session's own."""
    tools = {"getprop": 'test "$1" = ro.product.model && echo Pretend 1', "dumpsys": "echo '  temperature: 251'"}
    with adbd(tmp_path_factory.mktemp("adbd"), tools) as program:
        yield program
