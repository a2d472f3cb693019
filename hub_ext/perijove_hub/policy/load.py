"""Reading a platform file, with errors that name the file, the line and the key."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.constructor import ConstructorError, RoundTripConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError, YAMLWarning
from ruamel.yaml.nodes import Node, ScalarNode

from perijove.models import HubName, ImageRef, Slug
from perijove_hub.policy.limits import WindowText
from perijove_hub.policy.models import Platform
from perijove_hub.policy.sites import KubernetesName, LabelKey

#: A platform file is written by people; a larger one is a mistake.
MAXIMUM_BYTES = 4 * 2**20

#: Aliases are written once and count each time they are used: a small file may unfold into more than memory holds.
MAXIMUM_VALUES = 100_000
MAXIMUM_DEPTH = 50

#: What people read in the place of a regular expression.
IN_WORDS = {
    get_args(kind)[1].pattern: words
    for kind, words in (
        (Slug, "lower-case letters, digits and dashes, such as cloud-eu"),
        (HubName, "a name without control characters"),
        (WindowText, "day, week, month, quarter or year, or a rolling length such as 24h or 7d"),
        (ImageRef, "a container image, such as registry.example/lab:2026-03"),
        (KubernetesName, "a name as Kubernetes has them: lower-case letters, digits and dashes"),
        (LabelKey, "a key of a label of Kubernetes, such as example.org/pool"),
    )
}


class PlatformFileError(Exception):
    """The platform file is wrong. The message has one line per fault: ``FILE:LINE: KEY: what is wrong``."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = list(faults)


class _Constructor(RoundTripConstructor):
    """Tells the line of a value that looks like a date or a number of YAML and is none, as 2026-02-30."""

    def construct_object(self, node: Node, deep: bool = False) -> Any:
        """As the base, with the place of a fault."""
        try:
            return super().construct_object(node, deep)
        except ValueError as error:
            shown = node.value[:40] if isinstance(node, ScalarNode) else "a part"
            raise ConstructorError(None, None, f"{shown}: {error}", node.start_mark) from error


def load_platform(path: Path) -> Platform:
    """Read and check a platform file.

    Raises:
        PlatformFileError: the file cannot be read, is no YAML, or says something it may not.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PlatformFileError([f"{path}: cannot be read: {error.strerror}"]) from error
    if len(data) > MAXIMUM_BYTES:
        raise PlatformFileError([f"{path}: has {len(data)} bytes; a platform file has at most {MAXIMUM_BYTES}"])
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise PlatformFileError([f"{path}: byte {error.start} is not UTF-8"]) from error
    return parse_platform(text, str(path))


def parse_platform(text: str, name: str) -> Platform:
    """Check the text of a platform file; ``name`` stands for the file in messages.

    Raises:
        PlatformFileError: as :func:`load_platform`.
    """
    try:
        with warnings.catch_warnings():
            # an anchor that is written twice is a slip, and a warning would be seen by nobody
            warnings.simplefilter("error", YAMLWarning)
            yaml = YAML(typ="rt")
            yaml.Constructor = _Constructor
            document = yaml.load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        problem = (error.problem or error.context or "is no YAML").split("\n")[0]
        raise PlatformFileError([f"{name}:{line}: {problem}"]) from error
    except (YAMLError, YAMLWarning, ValueError, RecursionError) as error:
        raise PlatformFileError([f"{name}: is no YAML: {str(error).strip().splitlines()[0]}"]) from error
    if not isinstance(document, CommentedMap):
        raise PlatformFileError([f"{name}:1: expected keys such as `sites:` and `profiles:` at the top"])
    _check_unfolded(name, document)
    try:
        return Platform.model_validate(document)
    except ValidationError as error:
        faults = [
            _fault(name, document, _place(fault), message, fault["type"])
            for fault in error.errors()
            for message in _messages(fault)
        ]
        raise PlatformFileError(faults) from error


def _check_unfolded(name: str, document: Any) -> None:
    """Refuse what is no plain data, and what aliases make endless or enormous."""
    values, stack = 0, [(document, 0, 0)]
    while stack:
        node, depth, line = stack.pop()
        values += 1
        if values > MAXIMUM_VALUES or depth > MAXIMUM_DEPTH:
            limits = f"{MAXIMUM_VALUES} values, {MAXIMUM_DEPTH} levels deep"
            raise PlatformFileError([f"{name}:{line + 1}: with its aliases the file is larger than {limits}"])
        if isinstance(node, (CommentedMap, CommentedSeq)):
            children = node.values() if isinstance(node, CommentedMap) else node
            stack.extend((child, depth + 1, node.lc.line) for child in children)
        elif not isinstance(node, (str, int, float, date, type(None))):
            raise PlatformFileError([f"{name}:{line + 1}: a value with a YAML tag; expected plain text or numbers"])


def _messages(fault: ErrorDetails) -> list[str]:
    """What is wrong, in words. A check of the whole file tells all that it found, one in a line."""
    if fault["type"] == "string_pattern_mismatch":
        pattern = fault["ctx"]["pattern"]
        return [f"expected {IN_WORDS[pattern]}"] if pattern in IN_WORDS else [fault["msg"]]
    if fault["type"] == "union_tag_invalid":
        return [f"Input should be {fault['ctx']['expected_tags'].replace(', ', ' or ')}"]
    if fault["type"] == "union_tag_not_found":
        return ["missing"]
    return fault["msg"].removeprefix("Value error, ").split("\n")


def _place(fault: ErrorDetails) -> tuple[int | str, ...]:
    """The key at fault; where a key decides what a part is, and does not fit, pydantic names the part."""
    if fault["type"] in ("union_tag_invalid", "union_tag_not_found"):
        return (*fault["loc"], fault["ctx"]["discriminator"].strip("'"))
    return fault["loc"]


def _fault(name: str, document: Any, loc: tuple[int | str, ...], message: str, kind: str) -> str:
    if kind == "value_error" and (match := re.match(r"([\w.-]+): (.*)", message)):
        # a check over several keys puts the key it is about, below its own place, in front of its message
        loc += tuple(int(part) if part.isdigit() else part for part in match[1].split("."))
        message = match[2]
    line, path = _locate(document, loc)
    if kind == "extra_forbidden":
        message = "unknown key"
    elif kind == "missing":
        message = "missing"
    return f"{name}:{line}: {'.'.join(map(str, path)) or 'file'}: {message}"


def _locate(document: Any, loc: tuple[int | str, ...]) -> tuple[int, list[int | str]]:
    """The 1-based line of the deepest part of ``loc`` that is in the document, and the path without what is not.

    pydantic puts the tag of a union into the location; such a part is no key of the document and is left out.
    """
    line, node, path = 0, document, list[int | str]()
    for index, part in enumerate(loc):
        if isinstance(node, CommentedMap) and part in node:
            # a key that came by a merge (`<<`) has no line of its own
            line, node = (node.lc.key(part)[0] if part in (node.lc.data or ()) else line), node[part]
        elif isinstance(node, CommentedSeq) and isinstance(part, int) and part < len(node):
            line, node = node.lc.item(part)[0], node[part]
        elif index < len(loc) - 1 or part == "[key]" or _is_tag(node, part):
            continue
        path.append(part)
    return line + 1, path


def _is_tag(node: Any, part: int | str) -> bool:
    return isinstance(node, CommentedMap) and node.get("kind") == part
