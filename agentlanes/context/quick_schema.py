"""Saying quickly that a value fits a JSON schema.

jsonschema walks a schema anew for each value, which takes longer than all else that is done with a
verdict. Nearly every value fits, and jsonschema-rs, which compiles schemas, says so in a hundredth
of the time. Where it does not say yes, the one who asks goes to jsonschema, which also takes what
is no Unicode text or no JSON, and says what is wrong in words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["Fits", "quick_check"]

Fits = Callable[[Any], bool]


def quick_check(schema: Mapping[str, Any]) -> Fits | None:
    r"""Turn a schema (draft 2020-12) into a function that says yes where a value fits.

    Returns:
        The function; `None` for a schema that cannot be compiled. A no means that jsonschema is to
        be asked.

    Example:
        >>> fits = quick_check({"type": "object", "properties": {"n": {"type": "integer"}}})
        >>> fits({"n": 1}), fits({"n": "one"}), fits({"n": "\ud800"})
        (True, False, False)
        >>> quick_check({"$ref": "#/nowhere"}) is None
        True
    """
    import jsonschema_rs  # not needed to import the library

    try:
        validator = jsonschema_rs.Draft202012Validator(dict(schema), retriever=_nothing)
    except ValueError:
        return None

    def fits(value: Any) -> bool:
        try:
            return bool(validator.is_valid(value))
        except ValueError:  # a lone surrogate, a number that JSON does not have
            return False

    return fits


def _nothing(uri: str) -> Any:
    """Fetch nothing: a tool's schema is no reason to speak to anybody."""
    raise ValueError(f"{uri} is not part of the schema")
