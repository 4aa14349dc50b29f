"""Kinds of things by name and in a fixed order, so that a new kind is one new file and no change elsewhere."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

Kind = TypeVar("Kind")


class Registry(Generic[Kind]):
    """Classes by name, each with the place in the order that it asks for.

    Example:
        >>> fruit: Registry[object] = Registry()
        >>> @fruit.add("pear", place=2)
        ... class Pear: ...
        >>> @fruit.add("apple", place=1)
        ... class Apple: ...
        >>> list(fruit.in_order())
        ['apple', 'pear']
    """

    def __init__(self) -> None:
        self._places: dict[str, int] = {}
        self._kinds: dict[str, type[Kind]] = {}  # in order

    def add(self, name: str, place: int) -> Callable[[type[Kind]], type[Kind]]:
        """Return a class decorator that enters the class.

        Args:
            name: Its name, the group of its settings.
            place: Lower places come first; those of one place come in the order of their names.

        Raises:
            ValueError: If the name is taken.
        """

        def enter(kind: type[Kind]) -> type[Kind]:
            known = self._kinds.get(name)
            if known is not None and known.__qualname__ != kind.__qualname__:  # else its file was loaded again
                raise ValueError(f"{name!r} is taken by {known.__qualname__}; choose another name")
            self._places[name] = place
            names = sorted(self._places, key=lambda one: (self._places[one], one))
            self._kinds = {one: {**self._kinds, name: kind}[one] for one in names}
            return kind

        return enter

    def remove(self, name: str) -> None:
        """Take a class out again."""
        del self._places[name], self._kinds[name]

    def in_order(self) -> dict[str, type[Kind]]:
        """Return all classes by name, in order."""
        return dict(self._kinds)


def import_all(package: str, path: Iterable[str]) -> None:
    """Import every module of a package, so that what they hold enters its registry."""
    for module in pkgutil.iter_modules(path):
        importlib.import_module(f"{package}.{module.name}")
