"""``rampline simulate``: a scene by name or file becomes raw exposures."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ParameterError, RamplineError
from ..files.content import hash_file
from ..files.whole_file import write_text
from .engines.progress import PlainProgress
from .tasks.task_key import make_key

if TYPE_CHECKING:
    from ..simulation.scene import SceneParams

MARK = "scene.key"
"""File that identifies the scene whose exposures are in a folder."""


def run_simulation(
    name: str,
    out: Path,
    workers: int,
    crds_cache: Path | None = None,
    only: Mapping[str, str] | None = None,
) -> int:
    """Simulate a scene and say where everything is.

    Parameters
    ----------
    name : str
        A preset or a TOML file.
    out : Path
    workers : int
        Exposures at once.
    crds_cache : Path, optional
        Folder of a CRDS cache with the reference files, to be written.
    only : mapping of str to str, optional
        Detectors, filters and dithers that are made, each a list with commas; what is
        empty is as the scene has it.

    Returns
    -------
    int
        0.

    Raises
    ------
    RamplineError
        A scene that cannot be simulated, or a folder that cannot be written.
    """
    from ..simulation.simulate import simulate

    shown = PlainProgress()
    scene = restricted(load_scene(name), only or {})
    made = simulate(
        scene,
        out,
        workers,
        lambda what, done, total: shown.say(f"  [{done}/{total}] {what}"),
        crds_cache=crds_cache,
        keep=_goes_on(scene, out),
    )
    shown.say(f"{len(made.raw)} raw exposures in {made.raw[0].parent}")
    shown.say(f"references in {made.references}, truth in {made.truth[0].parent}")
    shown.say(f"true sources in {made.catalog}")
    if crds_cache:
        shown.say(
            f"CRDS cache in {crds_cache}; to use it: . {crds_cache}/environment.sh"
        )
    return 0


def _goes_on(scene: "SceneParams", out: Path) -> bool:
    """Return whether a folder holds exposures of this scene, and mark it as doing so.

    It does not matter which part of the scene they are: a part is simulated exactly as it is
    in the whole.
    """
    from ..simulation.scene import SelectionParams

    files = [Path(picture.file) for picture in scene.light.pictures]
    if scene.field.catalog:
        files.append(Path(scene.field.catalog))
    whole = scene.model_copy(update={"only": SelectionParams()})
    hashes = [hash_file(path) for path in files if path.is_file()]
    key = make_key("simulation.simulate", hashes, whole)
    mark = out / MARK
    if mark.is_file() and mark.read_text(encoding="utf-8").strip() == key:
        return True
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_text(mark, key + "\n")
    except OSError as error:
        raise RamplineError(f"{out}: {error.strerror or error}") from error
    return False


def restricted(scene: "SceneParams", only: Mapping[str, str]) -> "SceneParams":
    """Return the scene with a part of it selected.

    Parameters
    ----------
    scene : SceneParams
    only : mapping of str to str
        Lists with commas by ``detectors``, ``filters``, ``dithers``; dithers are numbers
        from 1 or ranges such as ``2-5``.

    Raises
    ------
    ParameterError
        A list that cannot be understood.
    """
    from ..simulation.scene import SelectionParams

    chosen: dict[str, tuple[str, ...] | tuple[int, ...]] = {}
    for name, words in only.items():
        if words:
            split = [word.strip() for word in words.split(",")]
            chosen[name] = _numbers(split) if name == "dithers" else _upper(split)
    selection = SelectionParams.model_validate(scene.only.model_dump() | chosen)
    return scene.model_copy(update={"only": selection})


def _upper(words: list[str]) -> tuple[str, ...]:
    return tuple(word.upper() for word in words)


def _numbers(words: list[str]) -> tuple[int, ...]:
    numbers: list[int] = []
    for word in words:
        first, _, last = word.partition("-")
        try:
            span = range(int(first), int(last or first) + 1)
        except ValueError:
            span = range(0)
        if not span or span[0] < 1:
            raise ParameterError(f"--dithers: {word!r} is no number from 1 or range")
        numbers += span
    return tuple(numbers)


def load_scene(name: str) -> "SceneParams":
    """Return a scene that rampline brings, or one from a TOML file.

    Raises
    ------
    ParameterError
        Where it is neither, or the file has a wrong entry.
    """
    from ..simulation.presets import (
        artifacts_scene,
        benchmark_scene,
        demo_scene,
        smacs_scene,
    )
    from ..simulation.scene import read_scene
    from ..simulation.scene_check import check_scene

    presets = {
        "demo": demo_scene,
        "demo-full": lambda: demo_scene(full=True),
        "benchmark": benchmark_scene,
        "artifacts": artifacts_scene,
        "smacs0723": smacs_scene,
    }
    if name in presets:
        return presets[name]()
    path = Path(name)
    if not path.is_file():
        known = ", ".join(presets)
        raise ParameterError(f"{name}: neither a TOML file nor one of {known}")
    scene = read_scene(path, presets)
    try:
        check_scene(scene)
    except ParameterError as error:
        raise ParameterError(f"{path}: {error}") from error
    return scene
