"""What a description of a network may say.

nnU-Net imports whatever a description names and calls it with whatever arguments the description has, so that plans or
a checkpoint from somebody else could run any function. Here every description is checked before anything is built from
it or written with it: names only of networks and of their building blocks, arguments only of the kind and size that
such a network takes.
"""

from __future__ import annotations

import functools
import inspect
import json
import pydoc
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from rasd_nnu.errors import PlansError, did_you_mean, first_problem
from rasd_nnu.nnunet.arguments import KNOWN, check_arguments
from rasd_nnu.nnunet.env import network_packages
from rasd_nnu.reading import check_plain

#: Packages whose networks a description may name.
NETWORKS = ("dynamic_network_architectures", "monai.networks", "torch.nn", "rasd_nnu.networks")

#: Argument -> modules whose classes it may name; other arguments may name any of these and the building blocks.
OPERATORS = {
    "conv_op": ("torch.nn.modules.conv",),
    "norm_op": ("torch.nn.modules.batchnorm", "torch.nn.modules.instancenorm", "torch.nn.modules.normalization"),
    "dropout_op": ("torch.nn.modules.dropout",),
    "nonlin": ("torch.nn.modules.activation",),
    "pool_op": ("torch.nn.modules.pooling",),
}
_BLOCKS = "dynamic_network_architectures.building_blocks"

#: Former and present module of our own networks.
_MOVED = ("rasd_nnu.pretrain.architectures.", "rasd_nnu.networks.bodies.")
_DOTTED = re.compile(r"[A-Za-z]\w*(\.[A-Za-z_]\w*)+", re.ASCII)


class _Description(BaseModel):
    network_class_name: str
    arch_kwargs: dict[str, Any]
    imports: list[str] = Field(alias="_kw_requires_import")


def checked_architecture(architecture: object) -> dict[str, Any]:
    """Return a description of a network as plain values, after checking all that it names.

    Args:
        architecture: ``network_class_name``, ``arch_kwargs`` and ``_kw_requires_import`` as in nnU-Net's plans.

    Raises:
        PlansError: If it names anything but a network of `NETWORKS` (or of ``RASD_NETWORKS``) and operators of
            `OPERATORS`, or has arguments that the network does not take.
    """
    if not isinstance(architecture, Mapping):
        raise PlansError(f"the description of the network is a {type(architecture).__name__}, expected a mapping.")
    try:
        check_plain(dict(architecture), most=10_000, text_keys=True)
    except ValueError as error:
        raise PlansError(f"the description of the network is not usable: {error}.") from None
    content: dict[str, Any] = json.loads(_checked(json.dumps(dict(architecture)), network_packages()))
    return content


@functools.lru_cache(maxsize=64)
def _checked(text: str, own_packages: tuple[str, ...]) -> str:
    """Check a description in JSON; return it with the present names of our networks."""
    try:
        description = _Description.model_validate_json(text)
    except ValidationError as error:
        raise PlansError(f"the description of the network is wrong, {first_problem(error)}.") from None
    name, kwargs, imports = description.network_class_name, description.arch_kwargs, description.imports
    name = name.replace(*_MOVED, 1) if name.startswith(_MOVED[0]) else name
    _check_operators(kwargs, imports)
    if name not in KNOWN:
        _check_signature(_located(name, "network_class_name", (*NETWORKS, *own_packages)), kwargs)
    check_arguments(name, kwargs, imports)
    return json.dumps({"network_class_name": name, "arch_kwargs": kwargs, "_kw_requires_import": imports})


def _located(name: object, what: str, packages: tuple[str, ...]) -> type:
    """Return the class of modules that a dotted name of one of the packages or modules stands for."""
    from torch import nn

    expected = f"expected a class of {', '.join(packages)}"
    if not isinstance(name, str) or not _DOTTED.fullmatch(name) or not _is_within(name, ("torch.nn", *packages)):
        raise PlansError(
            f"the description of the network has {what} {str(name)[:80]!r}, {expected}. It was not imported, as it "
            "could run code; if it is your own network, name its package in RASD_NETWORKS."
        )
    try:
        found = pydoc.locate(name) or _moved_network(name)
    except pydoc.ErrorDuringImport as error:
        raise PlansError(f"cannot import {name}, which {what} names: {error.value}.") from None
    if found is None:
        raise PlansError(f"there is no {name}, which {what} names; {expected}. Is a package missing or too old?")
    if not (isinstance(found, type) and issubclass(found, nn.Module) and _is_within(found.__module__, packages)):
        raise PlansError(f"{name}, which {what} names, is not allowed there; {expected}.")
    return found


def _moved_network(name: str) -> object:
    """Find a network of dynamic_network_architectures that is in another module now, as nnU-Net does."""
    import dynamic_network_architectures
    from nnunetv2.utilities.find_class_by_name import recursive_find_python_class

    package = "dynamic_network_architectures.architectures"
    if not name.startswith(f"{package}."):
        return None
    last = name.rpartition(".")[2]
    folder = Path(dynamic_network_architectures.__path__[0], "architectures")
    # The U-Nets first: the search imports every module, which takes seconds.
    return pydoc.locate(f"{package}.unet.{last}") or recursive_find_python_class(str(folder), last, package)


def _is_within(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def _check_operators(kwargs: Mapping[str, Any], imports: list[str]) -> None:
    """Check what is to be imported, and the keyword arguments ``<operator>_kwargs`` that it is called with."""
    anything = tuple(module for modules in OPERATORS.values() for module in modules)
    if len(set(imports)) < len(imports):
        raise PlansError("_kw_requires_import of the network's description names an argument twice.")
    for key in imports:
        if key not in kwargs:
            raise PlansError(f"_kw_requires_import names {key[:80]!r}, which is not among the network's arguments.")
        if kwargs[key] is None:
            continue
        operator = _located(kwargs[key], key, OPERATORS.get(key, (*anything, _BLOCKS)))
        options = kwargs.get(f"{key}_kwargs")
        if options is None:
            continue
        if not isinstance(options, dict) or not all(_is_number(value) for value in options.values()):
            raise PlansError(f"{key}_kwargs is {str(options)[:80]}, expected numbers and truth values by name.")
        known = inspect.signature(operator).parameters
        for option in options:
            if option not in known:
                raise PlansError(f"{key}_kwargs has {option[:80]!r}, which {operator.__name__} does not take.")


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, bool | int | float) and abs(value) <= 1e4)


def _check_signature(network: type, kwargs: Mapping[str, Any]) -> None:
    """Check that the constructor takes the arguments."""
    signature = inspect.signature(network)
    parameters = signature.parameters
    if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        for key in ("input_channels", "num_classes", *kwargs):
            if key not in parameters:
                raise PlansError(
                    f"{network.__name__} does not take the argument {key[:80]!r}.{did_you_mean(key, parameters)}"
                )
    try:
        signature.bind(input_channels=1, num_classes=2, **kwargs)
    except TypeError as error:
        raise PlansError(f"{network.__name__} cannot be called with the described arguments: {error}.") from None
