"""How admins change things on the pages: a form, a page that asks whether it is meant, and a word when it is done."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from perijove_hub.admission.models import Refused
from perijove_hub.web.pages_admin import AdminPage
from perijove_hub.web.pages_forms import CHOICE, Form, FormFaults

#: The field in which a name is typed again before something that cannot be undone.
AGAIN = "again"


@dataclass(frozen=True)
class Change:
    """Something an admin is about to do.

    Args:
        question: what will happen, as the heading of the page that asks.
        facts: what it says in particular: names and values.
        button: what it is called on the button that does it.
        act: does it; the answer is what to say afterwards.
        hurts: whether people lose something by it.
        type_again: what must be typed before it is done, where it cannot be undone.
    """

    question: str
    facts: tuple[tuple[str, str], ...]
    button: str
    act: Callable[[], Awaitable[str]]
    hurts: bool = False
    type_again: str = ""


class ChangePage(AdminPage, ABC):
    """A page with a form. A change is asked about once more; what was written is never lost on the way."""

    #: Where the browser goes after the change, below the root.
    back = ""
    #: Fields of requests that the form calls otherwise.
    renamed: Mapping[str, str] = {}

    @abstractmethod
    async def show(self, form: Form, status: int = 200) -> None:
        """Draw the page with the form as it is."""

    async def change(self, form: Form, read: Callable[[], Awaitable[Change]]) -> None:
        """Take a form that was sent: ask about it, do it, or show it again with what is wrong.

        Args:
            form: the fields that were sent.
            read: makes the change of them; it may raise FormFaults or Refused.
        """
        if self.choice == "no":
            await self.show(form)
            return
        try:
            change = await read()
            if self.choice == "yes" and self._is_typed_again(change):
                self.go(self.back, await change.act())
                return
        except FormFaults as faults:
            await self.show(faults.form, 422)
        except Refused as refused:
            form.refusal(refused.problem.detail, self.renamed)
            await self.show(form, refused.problem.status)
        else:
            self._ask(change, form)

    def _is_typed_again(self, change: Change) -> bool:
        return not change.type_again or self.get_body_argument(AGAIN, "") == change.type_again

    def _ask(self, change: Change, form: Form) -> None:
        typed_wrong = self.choice == "yes"
        self.draw(
            "admin/confirm.html",
            422 if typed_wrong else 200,
            change=change,
            typed_wrong=typed_wrong,
            hidden={name: value for name, value in form.values.items() if value},
            action=self.request.path,
            choice_name=CHOICE,
            again_name=AGAIN,
        )

    def sent(self, *names: str) -> Form:
        """The named fields of this request."""
        return Form.sent(self._field, *names)

    def asked(self, *names: str, **defaults: str) -> Form:
        """A form that is filled from the address, for links that offer a change."""
        return Form({name: self.get_query_argument(name, "") for name in names} | defaults)

    def _field(self, name: str, default: str) -> str:
        return str(self.get_body_argument(name, default))
