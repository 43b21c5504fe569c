from rampline.exposure.header import Card, card_values, put_cards

from ..files.making import make_header

CARDS = (Card("FILTER", "F200W", "filter"), Card("NGROUPS", 9), Card("COMMENT", "a"))


def test_a_new_card_takes_the_place_of_its_namesake_and_its_comment():
    put = put_cards(CARDS, (Card("FILTER", "F444W"),))
    assert put == (Card("FILTER", "F444W", "filter"), *CARDS[1:])


def test_a_new_card_with_a_comment_brings_it_along():
    (first, *_) = put_cards(CARDS, (Card("FILTER", "F444W", "its filter"),))
    assert first == Card("FILTER", "F444W", "its filter")


def test_the_root_says_whether_another_instrument_was_prime():
    roots = {
        "jw02736001001_02103_00001_nrcb1": False,
        "jw02736001001_02201_00001_nrcb1": True,
        "jw02736001001_02501_00001_nrcb1-seg001": True,
        "mine": False,
    }
    for root, expected in roots.items():
        assert make_header(root=root).is_parallel == expected


def test_cards_without_a_namesake_come_last_in_their_order():
    new = (Card("B", 2), Card("A", 1))
    assert put_cards(CARDS, new) == (*CARDS, *new)


def test_of_a_repeated_keyword_the_last_value_counts():
    values = card_values((*CARDS, Card("COMMENT", "b")))
    assert values == {"FILTER": "F200W", "NGROUPS": 9, "COMMENT": "b"}
