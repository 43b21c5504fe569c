"""One self-contained page of HTML: style, pictures and plots are embedded.

A page is a title, a few figures in words, and sections; a section is a list of blocks. A
block is a table, a gallery of pictures, a drawing or a list of facts. Everything that
comes from files is escaped.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal, TypeAlias

Tone: TypeAlias = Literal["", "good", "weak", "bad"]


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table.

    Attributes
    ----------
    text : str
    tone : str
        ``good``, ``weak``, ``bad`` or none: shown as a colour.
    image : bytes
        JPEG shown in place of the text, which becomes its title.
    link : str
        Relative address behind it.
    """

    text: str
    tone: Tone = ""
    image: bytes = b""
    link: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under headings; a click on a heading sorts."""

    headings: Sequence[str]
    rows: Sequence[Sequence[Cell]]


@dataclass(frozen=True, slots=True)
class Picture:
    """A JPEG with words below; the full picture stands behind the link."""

    image: bytes
    title: str
    words: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True)
class Gallery:
    """Pictures side by side."""

    pictures: Sequence[Picture]


@dataclass(frozen=True, slots=True)
class Drawing:
    """An SVG with words below."""

    svg: str
    words: str


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and their values."""

    pairs: Sequence[tuple[str, str]]


Block: TypeAlias = Table | Gallery | Drawing | Facts


@dataclass(frozen=True, slots=True)
class Section:
    """Blocks under a heading."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A whole page.

    Attributes
    ----------
    title, subtitle : str
    tiles : sequence of (str, str, Tone)
        Numbers in large print: the number, what it counts, its colour.
    sections : sequence of Section
    """

    title: str
    subtitle: str
    tiles: Sequence[tuple[str, str, Tone]]
    sections: Sequence[Section]


def page_html(page: Page) -> str:
    """Return the page as one HTML document."""
    tiles = "".join(
        f'<div class="tile {tone}"><b>{escape(figure)}</b>{escape(what)}</div>'
        for figure, what, tone in page.tiles
    )
    shown = [section for section in page.sections if section.blocks]
    links = "".join(
        f'<a href="#s{k}">{escape(section.title)}</a>'
        for k, section in enumerate(shown)
    )
    body = "".join(
        f'<section id="s{k}"><h2>{escape(section.title)}</h2>'
        f"{''.join(_block(block) for block in section.blocks)}</section>"
        for k, section in enumerate(shown)
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(page.title)}</title><style>{_STYLE}</style></head><body>"
        f"<header><h1>{escape(page.title)}</h1><p>{escape(page.subtitle)}</p>"
        f'<div class="tiles">{tiles}</div><nav>{links}</nav></header>'
        f"<main>{body}</main><script>{_SORT}</script></body></html>\n"
    )


def _block(block: Block) -> str:
    match block:
        case Table():
            return _table(block)
        case Gallery():
            pictures = "".join(_picture(picture) for picture in block.pictures)
            return f'<div class="gallery">{pictures}</div>'
        case Drawing():
            words = escape(block.words)
            return f"<figure>{block.svg}<figcaption>{words}</figcaption></figure>"
        case Facts():
            pairs = "".join(
                f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>"
                for name, value in block.pairs
            )
            return f"<dl>{pairs}</dl>"


def _table(table: Table) -> str:
    heads = "".join(f"<th>{escape(heading)}</th>" for heading in table.headings)
    rows = "".join(
        f"<tr>{''.join(_cell(cell) for cell in row)}</tr>" for row in table.rows
    )
    return (
        f'<div class="wide"><table><thead><tr>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _cell(cell: Cell) -> str:
    text = escape(cell.text)
    if cell.image:
        text = f'<img src="{_data(cell.image)}" alt="{text}" title="{text}">'
    if cell.link:
        text = f'<a href="{escape(cell.link)}">{text}</a>'
    return f'<td class="{cell.tone}">{text}</td>' if cell.tone else f"<td>{text}</td>"


def _picture(picture: Picture) -> str:
    title = escape(picture.title)
    image = f'<img src="{_data(picture.image)}" alt="{title}">'
    if picture.link:
        image = f'<a href="{escape(picture.link)}">{image}</a>'
    words = f"<b>{title}</b> {escape(picture.words)}"
    return f"<figure>{image}<figcaption>{words}</figcaption></figure>"


def _data(jpeg: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")


_STYLE = (
    ":root{--ink:#1c2333;--dim:#5d6880;--line:#dfe4ee;--paper:#f6f7fb;--card:#fff;"
    "--good:#1e8a5a;--weak:#b57b00;--bad:#c0352b;--blue:#2f5fd0}"
    "@media(prefers-color-scheme:dark){:root{--ink:#e8ecf6;--dim:#96a2bd;--line:#2a3350;"
    "--paper:#0f1424;--card:#171e33;--good:#4fc68f;--weak:#e0ad3c;--bad:#f0776d;"
    "--blue:#86a8ff}}"
    "*{box-sizing:border-box}body{margin:0;background:var(--paper);color:var(--ink);"
    "font:15px/1.5 system-ui,sans-serif}header,main{max-width:1440px;margin:auto;"
    "padding:1.2rem 1.6rem}h1{margin:.2rem 0;font-size:1.7rem}h2{font-size:1.15rem;"
    "margin:2rem 0 .7rem}header p{color:var(--dim);margin:.2rem 0 1rem}"
    ".tiles{display:flex;flex-wrap:wrap;gap:.7rem}.tile{background:var(--card);border:1px "
    "solid var(--line);border-radius:10px;padding:.6rem 1rem;color:var(--dim);"
    "font-size:.85rem}.tile b{display:block;font-size:1.4rem;color:var(--ink)}"
    "td.good,.tile.good b{color:var(--good)}td.weak,.tile.weak b{color:var(--weak)}"
    "td.bad,.tile.bad b{color:var(--bad)}nav{margin-top:1rem}nav a{margin-right:1.1rem}"
    "a{color:var(--blue);text-decoration:none}.wide{overflow-x:auto;background:var(--card);"
    "border:1px solid var(--line);border-radius:10px}table{border-collapse:collapse;"
    "width:100%;font-size:.85rem}th{text-align:left;color:var(--dim);font-weight:600;"
    "cursor:pointer;white-space:nowrap}th,td{padding:.35rem .5rem;border-bottom:1px solid "
    "var(--line);vertical-align:middle;font-variant-numeric:tabular-nums}"
    "tr:last-child td{border-bottom:0}td img{display:block;height:64px;border-radius:4px}"
    ".gallery{display:grid;gap:1rem;grid-template-columns:repeat(auto-fit,minmax(320px,"
    "1fr))}figure{margin:0 0 1rem;background:var(--card);border:1px solid var(--line);"
    "border-radius:10px;padding:.8rem}figure img{width:100%;border-radius:6px}"
    "figcaption{color:var(--dim);font-size:.85rem;margin-top:.4rem}svg{width:100%;height:"
    "auto;max-width:640px;display:block;color:var(--dim)}dl{display:grid;"
    "grid-template-columns:max-content 1fr;gap:.2rem 1.2rem;margin:0;background:"
    "var(--card);border:1px solid var(--line);border-radius:10px;padding:.8rem 1rem;"
    "font-size:.88rem}dt{color:var(--dim)}dd{margin:0;overflow-wrap:anywhere}"
)
_SORT = (
    "document.querySelectorAll('th').forEach(h=>h.onclick=()=>{const b=h.closest('table')"
    ".tBodies[0],k=h.cellIndex,s=h.dataset.up=h.dataset.up==1?-1:1,v=r=>{const t="
    "r.cells[k].textContent,n=parseFloat(t);return isNaN(n)?t:n};[...b.rows].sort((x,y)=>{"
    "const p=v(x),q=v(y);return s*(typeof p==typeof q?(p>q)-(p<q):typeof p=='number'?-1:1)"
    "}).forEach(r=>b.append(r))})"
)
