"""From what a user sends, by form, by query or by the hub's API, to a wish."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from perijove.models import SessionWish
from perijove_hub.spawning.refusals import StartRefused, legible

#: What `user_options` may hold.
KNOWN = tuple(sorted(SessionWish.model_fields))
#: How many faults one sentence names.
FAULTS_NAMED = 3

_YES, _NO = frozenset({"on", "true", "1", "yes"}), frozenset({"off", "false", "0", "no"})


def options_from_form(form: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """The fields of the spawn page, or of a link with ``opt-`` parameters, as ``user_options``.

    Nothing is refused here: the hub has made a server for the request by now, and only a start that fails clears it
    away. What is not known is kept by name, without what it holds, which may be the content of a file.
    """
    options: dict[str, Any] = {}
    for name, values in form.items():
        if name not in KNOWN:
            options[name] = None
        elif name == "datasets":
            options[name] = [value for value in values if value]
        elif (value := _plain(name, values[0] if len(values) == 1 else list(values))) != "":
            options[name] = value
    options.pop("_xsrf", None)
    return options


def _plain(name: str, value: Any) -> Any:
    if name == "without_home":
        return _yes_or_no(value)
    # it is typed or pasted, with what is around it
    return value.strip() if name == "image" and isinstance(value, str) else value


def _yes_or_no(value: Any) -> Any:
    # anything else is left for the start to refuse
    if not isinstance(value, str):
        return value
    return True if value in _YES else False if value in _NO else value


def wish_of(options: Any) -> SessionWish:
    """What a user wants.

    Raises:
        StartRefused: ``user_options`` hold what they may not; the sentence names it.
    """
    if options is None:
        options = {}
    if not isinstance(options, dict):
        raise _refuse("they must be an object with names and values")
    # before the models look at them: a million of them would become a million faults
    if unknown := [name for name in options if name not in KNOWN]:
        names = ", ".join(repr(legible(name)) for name in heapq.nsmallest(FAULTS_NAMED, map(str, unknown)))
        more = " and more" if len(unknown) > FAULTS_NAMED else ""
        raise _refuse(f"there is no {names}{more}; there are {', '.join(KNOWN)}")
    try:
        return SessionWish.model_validate(options, strict=True)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)[:FAULTS_NAMED]
        said = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in faults)
        raise _refuse(said) from error


def _refuse(what: str) -> StartRefused:
    return StartRefused(f"These are no options of a session: {what}.", reason="bad-options", status_code=400)
