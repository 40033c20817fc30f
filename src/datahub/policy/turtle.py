"""Reads Turtle into the same plain tree as JSON-LD, so that one reader judges both.

RDF 1.1 Turtle; ODRL 2.2 §2 in RDF. Where RDF leaves the order of values open, they come sorted.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from datahub.policy.dialects import TYPE_NAMES
from datahub.policy.model import Fault, PolicyFaults
from datahub.policy.registry import compact

if TYPE_CHECKING:
    from rdflib import Graph
    from rdflib.term import Node

_TURTLE = re.compile(r"\s*(?:#[^\n]*\n\s*)*(?:@prefix|@base|prefix\b|base\b|<|_:|\[\s*a\s)", re.IGNORECASE)
_FOLLOWED: Final = frozenset(
    {"permission", "prohibition", "obligation", "duty", "remedy", "consequence", "constraint", "refinement"}
    | {"and", "or", "xone", "andSequence", "action", "target", "assignee", "assigner"}
)
_DEEPEST: Final = 40
_ANY_ACTION: Final = ["use", "transfer"]


def is_turtle(text: str) -> bool:
    """Whether a text looks like Turtle rather than JSON."""
    return _TURTLE.match(text) is not None


def load_turtle(text: str) -> Mapping[str, object]:
    """Return the one policy of a Turtle document as a JSON-LD tree. A rule without an action is about any action.

    Raises PolicyFaults (`not-turtle`, `not-a-policy`).
    """
    from rdflib import RDF, Graph  # noqa: PLC0415 (only who reads Turtle pays for loading rdflib)

    graph = Graph()
    try:
        graph.parse(data=text, format="turtle")
    except (ValueError, SyntaxError, RecursionError, AssertionError, IndexError, AttributeError) as broken:
        first = str(broken).strip().split("\n", 1)[0][:200]
        message = f"The document is not Turtle: {first}."
        raise PolicyFaults((Fault("", "not-turtle", message, "Send valid Turtle or JSON."),)) from None
    subjects = [
        each
        for each in set(graph.subjects())
        if any(_is_policy(kind) for kind in graph.objects(each, RDF.type))
    ]
    if len(subjects) != 1:
        message = f"The document holds {len(subjects)} policies."
        raise PolicyFaults((Fault("", "not-a-policy", message, "Send exactly one ODRL policy."),))
    return _node(graph, subjects[0], 0)


def _is_policy(kind: "Node") -> bool:
    return compact(str(kind)) in TYPE_NAMES


def _node(graph: "Graph", subject: "Node", depth: int) -> dict[str, object]:
    from rdflib import RDF, URIRef  # noqa: PLC0415

    tree: dict[str, object] = {}
    if isinstance(subject, URIRef):
        tree["@id"] = str(subject)
    for predicate in sorted(set(graph.predicates(subject)), key=str):
        name = compact(str(predicate))
        key = "@type" if predicate == RDF.type else name
        groups = [list(_value(graph, each, name, depth)) for each in graph.objects(subject, predicate)]
        values = [value for group in sorted(groups, key=_written) for value in group]
        if key == "@type":
            tree[key] = [value["@id"] for value in values if isinstance(value, Mapping)]
        elif key != "uid":
            tree[key] = values[0] if len(values) == 1 and name != "rightOperand" else values
    if isinstance(tree.get("rightOperand"), list) and len(tree["rightOperand"]) == 1:  # type: ignore[arg-type]
        tree["rightOperand"] = tree["rightOperand"][0]  # type: ignore[index]
    return tree


def _written(group: list[object]) -> str:
    """Order by content: the names of blank nodes differ from one reading to the next."""
    return json.dumps(group, sort_keys=True)


def _value(graph: "Graph", value: "Node", name: str, depth: int) -> Iterator[object]:
    """Yield one object of a triple as JSON-LD; a list yields its members."""
    from rdflib import RDF, BNode, Literal  # noqa: PLC0415
    from rdflib.collection import Collection  # noqa: PLC0415

    if isinstance(value, Literal):
        datatype = {"@type": str(value.datatype)} if value.datatype else {}
        yield {"@value": str(value), **datatype}
    elif (value, RDF.first, None) in graph:
        for member in Collection(graph, value):
            yield from _value(graph, member, name, depth)
    elif name in _FOLLOWED and (value, None, None) in graph and depth < _DEEPEST:
        node = _node(graph, value, depth + 1)
        if name in {"permission", "prohibition"}:
            node.setdefault("action", _ANY_ACTION)
        yield node
    elif isinstance(value, BNode):
        yield {"@id": f"_:{value}"}
    else:
        yield {"@id": str(value)}
