from rampline.exposure.planes import UsedFile
from rampline.params import Params
from rampline.program.tasks.task_key import make_key


class One(Params):
    level: float = 1.0
    """A level."""


def test_everything_that_determines_a_result_changes_the_key():
    used = (UsedFile("flat", "f.fits", "12ab"),)
    key = make_key("flags", ["hash"], One(), used)
    assert key == make_key("flags", ["hash"], One(), used)
    others = [
        make_key("units", ["hash"], One(), used),
        make_key("flags", ["other"], One(), used),
        make_key("flags", ["hash"], One(level=2.0), used),
        make_key("flags", ["hash"], One(), (UsedFile("flat", "f.fits", "12ac"),)),
    ]
    assert len({key, *others}) == 5


def test_the_order_of_reference_files_does_not_matter():
    one, two = UsedFile("a", "a.fits", "1"), UsedFile("b", "b.fits", "2")
    assert make_key("flags", [], One(), [one, two]) == make_key(
        "flags", [], One(), [two, one]
    )
