from rampline.program.visit_groups import split_epochs


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
