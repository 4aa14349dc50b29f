"""Templates, text with ``{field}``, and patterns, paths with ``{field}``, ``*`` and ``**/``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from rasd_nnu.errors import ConfigError

FIELD = re.compile(r"\{([A-Za-z_]\w*)\}")


def is_template(text: str) -> bool:
    """Whether a text has a ``{field}``; ``{3}`` of a regular expression is none."""
    return FIELD.search(text) is not None


def fields_of(template: str) -> list[str]:
    """Return the names of the fields in a template.

    Example:
        >>> fields_of("{patient}_{view}")
        ['patient', 'view']
    """
    return FIELD.findall(template)


def fill(template: str, fields: Mapping[str, str]) -> str:
    """Put the values of fields into a template.

    Raises:
        ConfigError: A field is not known.

    Example:
        >>> fill("amos_{n}", {"n": "0507"})
        'amos_0507'
    """

    def value(match: re.Match[str]) -> str:
        if match[1] not in fields:
            raise ConfigError(f"the template {template!r} names {match[1]!r}; known are {', '.join(sorted(fields))}")
        return fields[match[1]]

    return FIELD.sub(value, template)


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """Turn a path pattern into a regular expression for whole relative paths with ``/``.

    Raises:
        ConfigError: A brace is not closed, or what a field must fit is not a regular expression.

    Example:
        >>> compile_pattern("img/img{n:[0-9]+}.nii.gz").fullmatch("img/img0001.nii.gz").groupdict()
        {'n': '0001'}
    """
    seen: set[str] = set()
    text = "".join(_translated(token, seen) for token in _tokens(pattern))
    try:
        return re.compile(text)
    except re.error as error:
        raise ConfigError(f"the pattern {pattern!r} is not usable: {error}") from error


def _tokens(pattern: str) -> Iterator[str]:
    """Cut a pattern into ``{...}`` (nested braces stay inside), ``**/``, ``*`` and single characters."""
    at = 0
    while at < len(pattern):
        if pattern[at] == "{":
            end = _closing_brace(pattern, at)
            yield pattern[at : end + 1]
            at = end + 1
        elif pattern.startswith("**/", at):
            yield "**/"
            at += 3
        else:
            yield pattern[at]
            at += 1


def _closing_brace(pattern: str, start: int) -> int:
    depth = 0
    for at in range(start, len(pattern)):
        depth += (pattern[at] == "{") - (pattern[at] == "}")
        if depth == 0:
            return at
    raise ConfigError(f"the pattern {pattern!r} has a brace that is not closed")


def _translated(token: str, seen: set[str]) -> str:
    if token == "**/":
        return "(?:.*/)?"
    if token == "*":
        return "[^/]*"
    if not token.startswith("{"):
        return re.escape(token)
    name, _, expression = token[1:-1].partition(":")
    if name in seen:
        return f"(?P={name})"
    seen.add(name)
    return f"(?P<{name}>{expression or '[^/]+?'})"
