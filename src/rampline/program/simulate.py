"""``rampline simulate``: a scene by name or file becomes raw exposures."""

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ParameterError
from .progress import PlainProgress

if TYPE_CHECKING:
    from ..simulation.scene import SceneParams


def run_simulation(
    name: str, out: Path, workers: int, crds_cache: Path | None = None
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
    made = simulate(
        load_scene(name),
        out,
        workers,
        lambda what, done, total: shown.say(f"  [{done}/{total}] {what}"),
        crds_cache=crds_cache,
    )
    shown.say(f"{len(made.raw)} raw exposures in {made.raw[0].parent}")
    shown.say(f"references in {made.references}, truth in {made.truth[0].parent}")
    shown.say(f"true sources in {made.catalog}")
    if crds_cache:
        shown.say(
            f"CRDS cache in {crds_cache}; to use it: . {crds_cache}/environment.sh"
        )
    return 0


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
    scene = read_scene(path)
    try:
        check_scene(scene)
    except ParameterError as error:
        raise ParameterError(f"{path}: {error}") from error
    return scene
