"""Forms of the pages: what was sent becomes a request of the API, or faults beside the fields that they belong to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

Request = TypeVar("Request", bound=BaseModel)

#: The field in which a confirmation page says yes or no.
CHOICE = "choice"

#: What pydantic says, in words for somebody in front of a form.
SENTENCES: Mapping[str, str] = {
    "missing": "This is needed.",
    "float_parsing": "Write a number, such as 40 or 2.5.",
    "int_parsing": "Write a whole number, such as 30.",
    "finite_number": "Write a number, such as 40 or 2.5.",
    "string_too_short": "Write at least {min_length} characters.",
    "string_too_long": "Write at most {max_length} characters.",
    "greater_than_equal": "Write {ge:g} or more.",
    "less_than_equal": "Write {le:g} or less.",
    "string_pattern_mismatch": "This name is not one that the platform can have.",
    "literal_error": "Choose one of those offered.",
    "too_long": "Name at most {max_length}.",
}

#: The bounds of the same kinds are numbers in some fields and moments in others.
BOUNDS = frozenset({"greater_than", "greater_than_equal", "less_than", "less_than_equal"})
A_DATE_WITHIN = "Write a date between 1970 and 2199."


class FormFaults(Exception):
    """A form that does not fit: its values, to be shown again, and what is wrong by field; "" is the form itself."""

    def __init__(self, form: Form) -> None:
        super().__init__("; ".join(f"{name}: {fault}" for name, fault in form.faults.items()))
        self.form = form


@dataclass
class Form:
    """The fields of a form, as they were sent or as they are offered, and what is wrong with them."""

    values: dict[str, str] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)

    def __getitem__(self, name: str) -> str:
        """The value of a field, empty when it was not sent."""
        return self.values.get(name, "")

    @classmethod
    def sent(cls, argument: Callable[[str, str], str], *names: str) -> Form:
        """The named fields of a request."""
        return cls({name: argument(name, "") for name in names})

    def fault(self, name: str, sentence: str) -> None:
        """Say what is wrong with a field; the first fault of it counts."""
        self.faults.setdefault(name, sentence)

    def refusal(self, sentence: str, renamed: Mapping[str, str]) -> None:
        """Say why it was refused: beside the field that the sentence begins with, or for the form as a whole."""
        name, _, rest = sentence.partition(": ")
        name = renamed.get(name, name)
        if rest and name in self.values:
            self.fault(name, rest[0].upper() + rest[1:])
        else:
            self.fault("", sentence)

    def moment(self, name: str, zone: ZoneInfo) -> datetime | None:
        """A moment that was written in the platform's time zone; None when the field is empty."""
        text = self[name]
        if not text:
            return None
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            self.fault(name, "Write a date and a time, such as 2026-04-01T12:00.")
            return None
        return moment if moment.tzinfo else moment.replace(tzinfo=zone)

    def model(self, model: type[Request], values: Mapping[str, Any], fields: Mapping[str, str] = {}) -> Request:
        """The request that the form asks for.

        Args:
            model: of the request.
            values: of the request; those that are None or empty count as absent.
            fields: the form's names of fields that the request calls otherwise.

        Raises:
            FormFaults: it does not fit; every fault stands beside its field.
        """
        given = {name: value for name, value in values.items() if value not in (None, "")}
        try:
            request = model.model_validate(given)
        except ValidationError as error:
            for fault in error.errors():
                name = str(fault["loc"][0]) if fault["loc"] else ""
                self.fault(fields.get(name, name), _sentence(fault))
        if self.faults:
            raise FormFaults(self)
        return request


def _sentence(fault: ErrorDetails) -> str:
    context = fault.get("ctx", {})
    if fault["type"] in BOUNDS and not any(isinstance(bound, (int, float)) for bound in context.values()):
        return A_DATE_WITHIN
    sentence = SENTENCES.get(fault["type"])
    try:
        return sentence.format(**context) if sentence else f"{fault['msg']}."
    except (LookupError, TypeError, ValueError):
        # a sentence that does not suit a fault must not cost somebody the form
        return f"{fault['msg']}."
