"""How XML of strangers is parsed: no entity is expanded, nothing is fetched, nothing is allowed to grow."""

from __future__ import annotations

from lxml import etree

SAFE = {
    "resolve_entities": False,
    "no_network": True,
    "load_dtd": False,
    "huge_tree": False,
    "remove_comments": True,
    "remove_pis": True,
}
"""Options of each of lxml's parsers."""


def parser(*, recover: bool) -> etree.XMLParser:
    """With `recover` what can be read of broken XML is read."""
    return etree.XMLParser(recover=recover, **SAFE)
