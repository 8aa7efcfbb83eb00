"""HTML and SVG as elements, so that no text can become markup by accident.

Everything a page shows goes through `xml.etree`, which escapes it: names of tools and models,
reasons and answers come from endpoints and users. The only text that is written as it is are the
package's own style and script, and data, which `data_block` makes safe itself.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from typing import Any

__all__ = ["Child", "Element", "data_block", "element", "hash_source", "number", "render"]

Element = ET.Element
Child = ET.Element | str | None

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def element(tag: str, *children: Child | Iterable[Child], **attributes: Any) -> Element:
    """Make an element.

    Args:
        tag: Its name.
        children: Elements and text, or iterables of them; `None` is left out.
        attributes: `class_` is `class`, `aria_label` is `aria-label`; `None` and `False` are left
            out, `True` is an attribute without a value.

    Example:
        >>> render(element("p", "a < b", class_="note"))
        '<p class="note">a &lt; b</p>'
    """
    made = ET.Element(tag)
    for name, value in attributes.items():
        if value is not None and value is not False:
            key = name.rstrip("_").replace("_", "-")
            made.set(key, "" if value is True else _clean(str(value)))
    for child in children:
        if child is None or isinstance(child, str | ET.Element):
            _add(made, child)
        else:
            for each in child:
                _add(made, each)
    return made


def render(made: Element) -> str:
    """Write an element as HTML, or an `svg` element as what may stand in HTML or alone."""
    return ET.tostring(made, encoding="unicode", method="html")


def data_block(value: Any, **attributes: Any) -> Element:
    """Make a `script` element that holds data and runs nothing.

    Inside it only `<` could end it or begin a comment, and JSON can write that as an escape.
    """
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    made = element("script", type="application/json", **attributes)
    made.text = text.replace("<", "\\u003c")
    return made


def hash_source(text: str) -> str:
    """Name an inline style or script in a content security policy (CSP level 3, section 2.3.1).

    Example:
        >>> hash_source("")
        "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"
    """
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def number(value: float) -> str:
    """Write a coordinate: two decimals at most.

    Example:
        >>> number(12.0), number(1 / 3)
        ('12', '0.33')
    """
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _add(made: Element, child: Child) -> None:
    if isinstance(child, ET.Element):
        made.append(child)
    elif child:
        text = _clean(child)
        if len(made):
            made[-1].tail = (made[-1].tail or "") + text
        else:
            made.text = (made.text or "") + text


def _clean(text: str) -> str:
    """Replace what HTML and XML have no place for: control characters, and halves of pairs."""
    return _CONTROL.sub("\ufffd", text)
