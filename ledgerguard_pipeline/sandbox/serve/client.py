"""Working a running sandbox from outside, over its control endpoint."""

from __future__ import annotations

import contextlib
import http.client
from dataclasses import dataclass
from html.parser import HTMLParser
from urllib.parse import urlencode, urlsplit

import msgspec

from ledgerguard_pipeline.sandbox.api.control import IssuedTokens, TruthLine
from ledgerguard_pipeline.sandbox.api.faults import FaultRule
from ledgerguard_pipeline.sandbox.api.stats import Call
from ledgerguard_pipeline.sandbox.webhooks.delivery import Delivery, WebhookState

_TIMEOUT_SECONDS = 120
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass(frozen=True, slots=True)
class Truth:
    """What one entity of one company really is, for comparison with what was loaded."""

    rows: dict[str, TruthLine]
    graves: dict[str, TruthLine]

    def bodies(self) -> dict[str, bytes]:
        """Exact bytes by id, of live objects."""
        return {id: (line.body or "").encode() for id, line in self.rows.items()}


class SandboxHandle:
    """The controls of a sandbox. Safe to use from several threads."""

    def __init__(
        self, base_url: str, client_id: str, client_secret: str, realms: list[str]
    ) -> None:
        self.base_url = base_url
        self.client_id = client_id
        self.client_secret = client_secret
        self.realms = realms

    @property
    def realm_id(self) -> str:
        """The first company."""
        return self.realms[0]

    def health(self) -> dict[str, object]:
        """``status`` and the sandbox's ``time``."""
        return msgspec.json.decode(self._call("GET", "health"), type=dict[str, object])

    def companies(self) -> list[dict[str, object]]:
        """Realm, name and row counts of every company."""
        return msgspec.json.decode(self._call("GET", "companies"), type=list[dict[str, object]])

    def edit(
        self,
        kind: str,
        entity: str,
        id: str | None = None,
        *,
        realm_id: str | None = None,
        at: int | None = None,
        **more: object,
    ) -> dict[str, object]:
        """Change the books of a company (the first by default) as a user would.

        Raises:
            ValueError: the sandbox refuses the edit; the message says why.
        """
        order = {
            "kind": kind, "entity": entity, "id": id, "realm": realm_id, "at": at, "more": more,
        }  # fmt: skip
        done = msgspec.json.decode(self._call("POST", "edit", [order]), type=list[object])[0]
        return msgspec.convert(done, dict[str, object])

    def post_ledger_only(
        self,
        label: str,
        *,
        date: str,
        amount: str,
        debit: str,
        credit: str,
        memo: str = "",
        realm_id: str | None = None,
    ) -> str:
        """Book a transaction that no entity holds, such as a Payroll Check; returns its id.

        ``debit`` and ``credit`` are ids of accounts, ``amount`` a decimal.

        Raises:
            ValueError: the amount is none, or there is no such account.
        """
        order = {
            "label": label, "date": date, "amount": amount, "debit": debit, "credit": credit,
            "memo": memo, "realm": realm_id,
        }  # fmt: skip
        done = msgspec.json.decode(self._call("POST", "ledger", order), type=dict[str, str])
        return done["id"]

    def remove_ledger_only(self, id: str, realm_id: str | None = None) -> None:
        """Take such a transaction away again, without a trace in any entity.

        Raises:
            ValueError: there is none of that id.
        """
        self._call("POST", "ledger/remove", {"id": id, "realm": realm_id})

    def truth(self, entity: str, realm_id: str | None = None) -> Truth:
        """Every object of an entity, live ones with their exact bytes."""
        said = self._call("GET", f"truth/{realm_id or self.realm_id}/{entity}")
        lines = [msgspec.json.decode(line, type=TruthLine) for line in said.splitlines()]
        return Truth(
            {line.id: line for line in lines if line.body is not None},
            {line.id: line for line in lines if line.body is None},
        )

    def set(self, **switches: object) -> None:
        """Change switches (see ``Switches``).

        Raises:
            ValueError: a name or value is not known; nothing is changed.
        """
        self._call("POST", "switches", switches)

    def switches(self) -> dict[str, object]:
        """Every switch with its current value."""
        return msgspec.json.decode(self._call("GET", "switches"), type=dict[str, object])

    def inject(self, kind: str, **rule: object) -> None:
        """Add a fault (see ``FaultRule``); strikes the next call unless set otherwise."""
        if not rule.keys() & {"next", "probability"}:
            rule["next"] = 1
        self._call("POST", "faults", [msgspec.convert({"kind": kind, **rule}, FaultRule)])

    def clear_faults(self) -> None:
        self._call("POST", "faults/clear")

    def stats(self) -> dict[str, object]:
        """Counts since the start or the last reset."""
        return msgspec.json.decode(self._call("GET", "stats"), type=dict[str, object])

    def reset_stats(self) -> None:
        self._call("POST", "stats/reset")

    def reset_limits(self) -> None:
        """Forget the calls made so far, as if a minute had gone by."""
        self._call("POST", "limits/reset")

    def pop_log(self) -> list[Call]:
        """The requests answered since the last time, oldest first."""
        return msgspec.json.decode(self._call("POST", "log/pop"), type=list[Call])

    def expire_tokens(self, realm_id: str | None = None) -> None:
        """Let every access token (of one company) expire now."""
        self._call("POST", "tokens/expire", {"realm": realm_id})

    def issue_tokens(self, realms: list[str] | None = None) -> list[IssuedTokens]:
        """A grant for each of these companies (all by default) without any consent page."""
        said = self._call("POST", "tokens/issue", {"realms": realms})
        return msgspec.json.decode(said, type=list[IssuedTokens])

    def disconnect(self, realm_id: str | None = None) -> None:
        """End the grants (of one company) as a user does inside QuickBooks."""
        self._call("POST", "tokens/revoke", {"realm": realm_id})

    def consent(
        self, authorize_url: str, realm_id: str | None = None, *, allow: bool = True
    ) -> str:
        """Walk the consent page as a browser would; returns the callback URL, not called.

        Raises:
            ValueError: the page shows a complaint instead of the form.
        """
        url = urlsplit(authorize_url)
        status, _, page = self._http("GET", f"{url.path}?{url.query}")
        form = _Form()
        form.feed(page.decode())
        if status != 200 or "client_id" not in form.values:
            raise ValueError(f"the authorize page answers {status}: {form.text()}")
        chosen = {"realmId": realm_id} if realm_id else {}
        fields = {**form.values, **chosen, "decision": "connect" if allow else "deny"}
        status, location, page = self._http("POST", form.action, urlencode(fields).encode(), _FORM)
        if status != 302:
            raise ValueError(f"the consent was answered with {status}")
        return location

    def send_webhooks(self, url: str, token: str, **switches: object) -> None:
        """Send webhooks to a receiver on this machine from now on (see ``WebhookSwitches``).

        Raises:
            ValueError: the URL is not on this machine, or a switch is not known.
        """
        self.set_webhooks(url=url, token=token, **switches)

    def set_webhooks(self, **switches: object) -> None:
        """Change switches of the webhooks; ``url=None`` makes no further events.

        Raises:
            ValueError: a name or value is not known; nothing is changed.
        """
        self._call("POST", "webhooks", switches)

    def webhook_switches(self) -> dict[str, object]:
        """Every switch of the webhooks; of the token only whether there is one."""
        return msgspec.json.decode(self._call("GET", "webhooks"), type=dict[str, object])

    def webhooks(self) -> WebhookState:
        """Counts of events, deliveries and attempts."""
        return msgspec.json.decode(self._call("GET", "webhooks/state"), type=WebhookState)

    def deliveries(self) -> list[Delivery]:
        """The last deliveries with their events and attempts, oldest first."""
        return msgspec.json.decode(self._call("GET", "webhooks/deliveries"), type=list[Delivery])

    def flush_webhooks(self, seconds: float = 30.0) -> WebhookState:
        """Send all that waits now, each delivery once, and return when that is done.

        With head-of-line blocking a delivery that is refused ends it.
        """
        said = self._call("POST", "webhooks/flush", {"seconds": seconds})
        return msgspec.json.decode(said, type=WebhookState)

    def settle_webhooks(self, seconds: float = 30.0) -> WebhookState:
        """Wait up to that long until everything is acknowledged, and return the state."""
        said = self._call("POST", "webhooks/settle", {"seconds": seconds})
        return msgspec.json.decode(said, type=WebhookState)

    def reset_webhooks(self) -> None:
        """Forget all events and deliveries; numbers, and so everybody's luck, start again."""
        self._call("POST", "webhooks/reset")

    def _call(self, method: str, name: str, body: object = None) -> bytes:
        payload = b"" if body is None else msgspec.json.encode(body)
        status, _, answer = self._http(method, f"/_sandbox/{name}", payload)
        if status == 200:
            return answer
        raise ValueError(f"the sandbox refuses {name}: {_reason(answer)}")

    def _http(
        self, method: str, target: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> tuple[int, str, bytes]:
        """Status, Location and body; redirects are not followed.

        A connection a call: one kept for later may have been closed by then, and nobody could
        tell whether an edit sent over it was made.
        """
        connection = http.client.HTTPConnection(
            urlsplit(self.base_url).netloc, timeout=_TIMEOUT_SECONDS
        )
        with contextlib.closing(connection):
            connection.request(method, target, body or None, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.getheader("Location", ""), answer.read()


class _Refusal(msgspec.Struct):
    error: str


def _reason(answer: bytes) -> str:
    try:
        return msgspec.json.decode(answer, type=_Refusal).error
    except msgspec.DecodeError:
        return answer.decode(errors="replace")[:500]


class _Form(HTMLParser):
    """The fields a browser would send with the consent form, and the page's words."""

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, str] = {}
        self.action = ""
        self._words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.action = given.get("action", "")
        elif tag == "input" and (given.get("type") != "radio" or "checked" in given):
            self.values[given["name"]] = given.get("value", "")

    def handle_data(self, data: str) -> None:
        self._words.append(data.strip())

    def text(self) -> str:
        """The visible text (and the style sheet, which nobody minds in a message)."""
        return " ".join(word for word in self._words if word and "{" not in word)
