import numpy as np
from astropy.io import fits

from rampline.exposure.header import Card
from rampline.files.card_images import card_images, read_card_image
from rampline.files.fits_layout import header_block

CARDS = (
    Card("SIMPLE", True, "conforms to FITS standard"),
    Card("ONE", 1),
    Card("ONE_", 1.0),
    Card("TRUTH", True),
    Card("ZERO", 0.0),
    Card("MINUS", -0.0),
    Card("THIRD", 1 / 3, "more digits than a card holds"),
    Card("NUMPY", np.float64(2.5e-300)),
    Card("NOTHING", None, "undefined"),
    Card("EMPTY", ""),
    Card("QUOTE", "it's / not a comment"),
    Card("LONG", "x" * 200, "goes on"),
    Card("COMMENT", "words " * 30),
    Card("HISTORY", "once"),
    Card("", "blank"),
    Card("HASH", "0" * 64),
)


def test_headers_are_those_of_astropy():
    for cards in (CARDS, CARDS[:1], CARDS * 3):
        header = fits.Header([fits.Card(*card) for card in cards])
        assert header_block(card_images(cards)).decode() == header.tostring()


def test_equal_numbers_of_another_kind_are_other_cards():
    one = [card_images([Card("X", value)]) for value in (1, 1.0, True, 1)]
    zero = [card_images([Card("X", value)]) for value in (0.0, -0.0, False)]
    assert len(set(one)) == 3
    assert one[0] == one[3]
    assert len(set(zero)) == 3


def test_cards_read_back_what_the_file_says():
    (image,) = card_images([Card("THIRD", 1 / 3)])
    ((keyword, value),) = read_card_image(image)
    assert keyword == "THIRD"
    assert value == fits.Header.fromstring(image)["THIRD"]
    (image,) = card_images([Card("LONG", "ab " * 70)])
    assert len(image) > 80
    assert read_card_image(image) == (("LONG", ("ab " * 70).rstrip()),)
