"""Companies as people know them: by name, with links to their page and to QuickBooks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import dagster as dg

from ledgerguard_pipeline.defs.keys import COMPANY_TAG, REALM_TAG
from ledgerguard_pipeline.defs.site import current_site
from ledgerguard_pipeline.quickbooks_links import list_link
from ledgerguard_pipeline.values import Environment

if TYPE_CHECKING:
    from ledgerguard_pipeline.config.settings import Settings
    from ledgerguard_pipeline.control.company_state.companies import Company
    from ledgerguard_pipeline.control.plane import ControlPlane

NAMED_FIGURES = 20
"""With more companies than these no figure carries a company's name: each would be a plot."""
_LONGEST = 80


@dataclass(frozen=True, slots=True)
class CompanyNames:
    """The names of companies by id; who is not among them goes by the id.

    ``web`` is where people reach the company pages.
    """

    by_realm: Mapping[str, str] = field(default_factory=dict)
    environment: Environment = Environment.SANDBOX
    web: str = ""

    @classmethod
    def read(cls, control: "ControlPlane", settings: "Settings") -> Self:
        """Those of every company that was ever connected, in one statement.

        Raises:
            ControlUnavailable: the control plane cannot be read.
        """
        known = {str(each.realm_id): shown_name(each.name) for each in control.companies.list()}
        return cls(known, settings.intuit_env, settings.web_url)

    def name(self, realm_id: str) -> str:
        """The company's name."""
        return self.by_realm.get(realm_id) or realm_id

    def label(self, realm_id: str) -> str:
        """``Craig's Design (9341453474484455)``: two companies may have one name."""
        return label(self.by_realm.get(realm_id, ""), realm_id)

    def metadata(self, realm_id: str, entity: str | None = None) -> dict[str, dg.MetadataValue]:
        """Whose figures these are, and where to look at the company and at the entity type."""
        found: dict[str, dg.MetadataValue] = {
            "company": dg.MetadataValue.text(self.name(realm_id)),
            "realm": dg.MetadataValue.text(realm_id),
        }
        if self.web:
            found["company_page"] = dg.MetadataValue.url(page_of(self.web, realm_id))
            found["quickbooks"] = dg.MetadataValue.url(
                list_link(self.environment, realm_id, entity)
            )
        return found

    def own_figures(self, realm_id: str, **figures: int) -> dict[str, dg.MetadataValue]:
        """Figures under the company's name, so that Dagster plots each company by itself."""
        if realm_id not in self.by_realm or len(self.by_realm) > NAMED_FIGURES:
            return {}
        name = self.name(realm_id)
        if list(self.by_realm.values()).count(name) > 1:  # two plots, not one of both
            name = self.label(realm_id)
        return {
            f"{what.replace('_', ' ')}, {name}": dg.MetadataValue.int(count)
            for what, count in figures.items()
        }


def label(name: str, realm_id: str) -> str:
    """A company by name and id, or by id alone where it has no name."""
    return f"{name} ({realm_id})" if name and name != realm_id else realm_id


def shown_name(name: str) -> str:
    """A name in one line of bounded length."""
    text = " ".join("".join(each if each.isprintable() else " " for each in name).split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def page_of(web: str, realm_id: str) -> str:
    """The company's page of the web edge; a test holds both together."""
    return f"{web}/companies/{realm_id}"


def company_tags(company: "Company") -> dict[str, str]:
    """What every run of a company carries."""
    return {
        REALM_TAG: company.realm_id,
        COMPANY_TAG: shown_name(company.name),
        **current_site().run_tags,
    }
