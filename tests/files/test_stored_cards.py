import warnings

import pytest
from astropy.io import fits

from rampline.exposure.header import Card
from rampline.files.stored_cards import read_card, read_cards, spell_card, split_cards

LETTERS = " abcXYZ019/&:.,=-_()" + " " * 6


def _text(rng, length):
    return "".join(rng.choice(list(LETTERS), length))


def _card(rng):
    length = rng.choice([0, 3, 8, 60, 66, 67, 68, 69, 70, 75, 100, 300])
    word, comment = _text(rng, length), _text(rng, rng.choice([0, 5, 47, 64, 65, 130]))
    values = [
        word.replace("&", ""),
        bool(rng.integers(2)),
        int(rng.integers(-(10**15), 10**15)),
        float(rng.normal() * 10.0 ** rng.integers(-300, 300)),
        float(rng.normal()),
        None,
    ]
    if rng.random() < 0.1:
        return Card("HISTORY", word)
    keyword = rng.choice(["A", "KEYWORD8", "X-Y_1"])
    return Card(str(keyword), values[rng.integers(len(values))], comment)


def _by_astropy(card):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            header = fits.Header([fits.Card(*card)])
            return header.tostring(endcard=False, padding=False)
        except (fits.verify.VerifyWarning, UserWarning):
            return None


def _read_by_astropy(image):
    cards = fits.Header.fromstring(image).cards
    plain = (str, int, float, bool)
    return [
        Card(c.keyword, c.value if isinstance(c.value, plain) else None, c.comment)
        for c in cards
    ]


def test_cards_are_spelled_and_read_as_by_astropy(rng):
    compared = 0
    for card in (_card(rng) for _ in range(800)):
        image = _by_astropy(card)
        if image is None:
            # too long even for several cards: astropy would cut the comment off
            continue
        assert spell_card(card) == image
        assert [read_card(one) for one in split_cards(image)] == _read_by_astropy(image)
        compared += 1
    assert compared > 400


def test_a_comment_without_room_is_cut_off_without_a_word():
    name = "crds://jwst_nircam_distortion_nrcblong_f444w_clear.asdf"
    image = spell_card(Card("R_DISTOR", name, "Reference file"))
    assert image == f"R_DISTOR= '{name}' / Reference"[:80].ljust(80)
    assert read_card(image).value == name


@pytest.mark.parametrize(
    ("body", "value"),
    [
        ("'it''s'", "it's"),
        ("'a'' / b'  / said", "a' / b"),
        ("'  kept, not these  '", "  kept, not these"),
        ("''", ""),
        ("-007", -7),
        ("1.5D-3 / old", 0.0015),
        (".5", 0.5),
        ("1E5", 1e5),
        ("T/", True),
        ("      / nothing", None),
    ],
)
def test_values_come_as_the_standard_says(body, value):
    assert read_card(f"KEY     = {body}".ljust(80)).value == value


@pytest.mark.parametrize(
    "image",
    [
        "HIERARCH a long keyword = 3 / known to astropy",
        "DP1     = 'NAXIS: 2'           / record-valued",
        "KEY     = (1.0, 2.0)           / complex",
        "KEY     = 1.5e3                / small letters",
    ],
)
def test_rare_cards_are_left_to_astropy(image):
    image = image.ljust(80)
    assert [read_card(image)] == _read_by_astropy(image)


def test_a_value_that_is_none_is_refused():
    with pytest.raises(ValueError, match="the value of KEY is none that FITS knows"):
        read_card("KEY     = 'no end".ljust(80))


def test_of_repeated_cards_the_first_counts():
    lines = ["A       = 1", "A       = 2", "COMMENT x", "END", "B       = 3"]
    cards = read_cards("".join(line.ljust(80) for line in lines))
    assert dict(cards) == {"A": 1, "COMMENT": "x"}
    assert [card.value for card in cards.cards] == [1, 2, "x"]
