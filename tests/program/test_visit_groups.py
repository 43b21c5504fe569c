from rampline.program.second_round import Member, of_several_visits
from rampline.program.visit_groups import split_epochs, visit_group, wisp_group

from ..pipeline.exposures import make_header


def test_what_lies_within_the_span_is_one_epoch_whatever_the_calendar_says():
    # MJD 59730 is a multiple of 30
    assert split_epochs([59731.0, 59729.5, 59735.0], 30.0) == [59729.5] * 3


def test_a_longer_span_is_parted_at_its_longest_gap():
    times = [100.0, 101.0, 125.0, 140.0, 141.0]
    assert split_epochs(times, 30.0) == [100.0, 100.0, 125.0, 125.0, 125.0]


def test_no_epoch_is_longer_than_asked_for(rng):
    times = list(rng.uniform(0.0, 400.0, 60))
    starts = split_epochs(times, 30.0)
    assert max(t - s for t, s in zip(times, starts, strict=True)) <= 30.0
    assert min(t - s for t, s in zip(times, starts, strict=True)) == 0.0
    assert split_epochs([], 30.0) == []


def test_wisps_are_those_of_a_detector_and_filter_from_visit_to_visit():
    first, second = (make_header(observation=number) for number in ("001", "002"))
    assert visit_group(first) != visit_group(second)
    assert wisp_group(first) == wisp_group(second)
    for other in ({"detector": "NRCB4"}, {"filter": "F150W"}, {"program": "01727"}):
        assert wisp_group(make_header(**other)) != wisp_group(first)


def test_exposures_of_one_visit_make_no_wisps_of_a_programme():
    def members(*observations, detector="NRCB4"):
        headers = [make_header(observation=o, detector=detector) for o in observations]
        return [Member(header=h, rate=None, view=None) for h in headers]

    assert not list(of_several_visits(members("001", "001", "001"), 3))
    assert not list(of_several_visits(members("001", "002"), 3))
    none = members("001", "002", "002", detector="NRCB1")
    assert not list(of_several_visits(none, 3))
    ((key, inside),) = of_several_visits(members("001", "002", "002"), 3)
    assert len(inside) == 3
    assert "001" not in key
    many = members(*["001"] * 40, *["002"] * 40)
    ((_, inside),) = of_several_visits(many, 3)
    assert len(inside) == 27
    assert {m.header.observation for m in inside} == {"001", "002"}
