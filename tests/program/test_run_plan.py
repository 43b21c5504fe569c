import pytest
from astropy.io import fits

from rampline.errors import RamplineError
from rampline.program.input.options import ReduceOptions
from rampline.program.reduce import reduce_files
from rampline.program.run_plan import plan_run
from rampline.program.tasks.make_alignment import read_positions

HEADER = "# %ECSV 1.0\n# ---\n# datatype:\n"


def _table(path, columns):
    """Write an ECSV table of strings by name and numbers by name."""
    kinds = {
        name: "float64" if isinstance(v[0], float) else "string"
        for name, v in columns.items()
    }
    head = "".join(
        f"# - {{name: {name}, datatype: {kind}}}\n" for name, kind in kinds.items()
    )
    rows = [" ".join(map(str, row)) for row in zip(*columns.values(), strict=True)]
    path.write_text("\n".join([HEADER + head + " ".join(columns), *rows]) + "\n")
    return path


@pytest.mark.parametrize(
    ("option", "columns", "words"),
    [
        ("stars", {"RA": [1.0], "DEC": [2.0]}, "no magnitudes"),
        ("stars", {"RA": [1.0], "Kmag": [2.0]}, "no column DEC"),
        (
            "stars",
            {"RA": ["a"], "DEC": [2.0], "Kmag": [3.0]},
            "a column without numbers",
        ),
        ("align_to", {"x": [1.0], "y": [2.0]}, "no columns of right ascension"),
        ("align_to", {"RA": ["a"], "DEC": [2.0]}, "could not convert"),
    ],
)
def test_a_table_without_what_it_is_for_is_refused_before_any_work(
    raw, tmp_path, option, columns, words
):
    table = _table(tmp_path / "given.ecsv", columns)
    options = ReduceOptions(**{option: str(table)})
    with pytest.raises(RamplineError, match=words) as told:
        reduce_files([raw], tmp_path / "out", options)
    assert "given.ecsv" in str(told.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("option", ["stars", "align_to"])
def test_a_file_that_is_no_table_is_refused_before_any_work(raw, tmp_path, option):
    path = tmp_path / "given.ecsv"
    path.write_text("these are no stars\n")
    with pytest.raises(RamplineError, match=r"given\.ecsv: no ECSV table"):
        plan_run([raw], ReduceOptions(**{option: str(path)}))


def test_a_grid_that_is_none_is_refused_before_any_work(raw, tmp_path):
    path = tmp_path / "grid.fits"
    fits.ImageHDU([[1.0, 2.0]], name="SCI").writeto(path)
    with pytest.raises(RamplineError, match="no grid to use"):
        plan_run([raw], ReduceOptions(grid=path))
    path.write_text("this is no image")
    with pytest.raises(RamplineError, match=r"grid\.fits"):
        plan_run([raw], ReduceOptions(grid=path))


@pytest.mark.parametrize("name", ["persistence.take_up", "stray_light.templates"])
def test_a_folder_that_is_not_there_is_refused_before_any_work(raw, name):
    options = ReduceOptions(settings=(f"{name}=/nowhere",))
    with pytest.raises(RamplineError, match=f"{name} /nowhere: no such folder"):
        plan_run([raw], options)


def test_what_a_table_of_positions_leaves_out_is_unknown_not_zero(tmp_path):
    path = _table(
        tmp_path / "given.ecsv",
        {
            "RA": [1.0, 2.0],
            "DEC": [0.0, 0.0],
            "mag": [20.0, '""'],
            "ra_err": [1.0, '""'],
            "dec_err": [1.0, 1.0],
        },
    )
    stars = read_positions(path)
    assert stars.ra_deg[0] == pytest.approx(1.0)
    assert stars.error_arcsec[0] > 0
    assert not stars.error_arcsec[1] >= 0
