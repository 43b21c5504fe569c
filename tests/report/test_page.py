from html.parser import HTMLParser

from rampline.report.page import (
    Cell,
    Drawing,
    Facts,
    Gallery,
    Page,
    Picture,
    Section,
    Table,
    page_html,
)

ALONE = {"meta", "img"}


class Balance(HTMLParser):
    """Fails where a tag is closed that was not opened, and lists all addresses."""

    def __init__(self):
        super().__init__()
        self.open, self.addresses, self.text = [], [], []

    def handle_starttag(self, tag, attrs):
        self.addresses += [v for k, v in attrs if k in {"src", "href"}]
        if tag not in ALONE:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def check(html):
    seen = Balance()
    seen.feed(html)
    assert seen.open == []
    for address in seen.addresses:
        assert (
            address.startswith(("data:image/jpeg;base64,", "#")) or ":" not in address
        )
    assert "<script src" not in html
    return "".join(seen.text)


def _page(*blocks):
    sections = [Section("One", blocks), Section("Empty", [])]
    return Page(
        title="t", subtitle="s", tiles=[("3", "stars", "good")], sections=sections
    )


def test_a_page_is_whole_and_needs_nothing_from_elsewhere():
    picture = Picture(b"\xff\xd8", "a", "b", "pictures/a.png")
    table = Table(("n",), [[Cell("1", "bad")], [Cell("i", "", b"\xff", "x.png")]])
    drawing = Drawing('<svg><circle r="1"/></svg>', "words")
    html = page_html(_page(table, Gallery([picture]), drawing, Facts([("k", "v")])))
    assert "stars" in check(html)


def test_what_comes_from_files_cannot_break_the_page():
    evil = '<script>alert("x")</script>&'
    html = page_html(_page(Table((evil,), [[Cell(evil)]]), Facts([(evil, evil)])))
    assert evil in check(html)
    assert evil not in html


def test_a_section_without_blocks_is_left_out():
    assert "Empty" not in page_html(_page(Facts([])))
