"""Nothing that is text becomes markup."""

from __future__ import annotations

import json
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from agentlanes.latency.report.markup import data_block, element, number, render

HOSTILE = [
    "</script><script>alert(1)</script>",
    "<!--",
    "]]>",
    "\" onload='x' ",
    "&amp;",
    "\x00\x1b",
    "\ud800",
]
TEXT = st.one_of(st.sampled_from(HOSTILE), st.text(st.characters(), max_size=30))


class Reader(HTMLParser):
    """Reads tags, attributes and text back."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@given(TEXT, TEXT, TEXT)
def test_text_stays_text_wherever_it_stands(inside: str, behind: str, attribute: str) -> None:
    made = element("p", "a", element("b", inside), behind, title=attribute, hidden=True)
    read = Reader(render(made))
    assert [tag for tag, _ in read.tags] == ["p", "b"]
    assert set(read.tags[0][1]) == {"title", "hidden"}
    render(made).encode("utf-8")  # halves of surrogate pairs would not go into a file


def test_ordinary_text_comes_back_as_it_was() -> None:
    text = 'x < y && "z" é\n'
    read = Reader(render(element("p", text, title=text)))
    assert "".join(read.text) == text
    assert read.tags[0][1]["title"] == text


@given(st.lists(TEXT))
def test_data_can_neither_end_its_element_nor_begin_a_comment(texts: list[str]) -> None:
    written = render(data_block({"names": texts}))
    inside = written.removeprefix('<script type="application/json">').removesuffix("</script>")
    assert "<" not in inside
    assert json.loads(inside) == {"names": texts}


def test_nothing_given_is_nothing_written() -> None:
    made = element("p", None, "", [None, "x"], class_=None, hidden=False, aria_label="y")
    assert render(made) == '<p aria-label="y">x</p>'


def test_coordinates_are_short() -> None:
    assert [number(value) for value in (0.0, 100.0, 1.005, -2.5)] == ["0", "100", "1", "-2.5"]
