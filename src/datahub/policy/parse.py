"""Reads a policy from ODRL JSON-LD and names everything that is wrong with it, at once.

ODRL Information Model 2.2; DSP 2025-1 `contract-schema.json` is the strict form, other spellings of the same terms
(prefixes, full IRIs, single values for lists, refinements) are read too. A term the registry cannot place is a fault.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from datahub.policy.bounds import load
from datahub.policy.dialects import TYPE_NAMES
from datahub.policy.model import (
    Atom,
    Constraint,
    Duty,
    Kind,
    Operator,
    Policy,
    PolicyFaults,
    Rule,
    Timing,
    Value,
    atoms,
    conjunction,
)
from datahub.policy.parse_constraints import ConstraintReader
from datahub.policy.registry import Phase, actions, compact, operand
from datahub.policy.values import bucket_steps

_POLICY = frozenset(
    {
        "@id",
        "uid",
        "@type",
        "profile",
        "permission",
        "prohibition",
        "obligation",
        "target",
        "assigner",
        "assignee",
    }
    | {"timestamp", "action", "conflict"}
)
_RULE = frozenset(
    {"@id", "uid", "@type", "action", "constraint", "refinement", "target", "assigner", "assignee"}
)
_PERMISSION = _RULE | {"duty", "preDuty", "postDuty"}
_PROHIBITION = _RULE | {"remedy"}
_DUTY = _RULE | {"consequence", "hasPolicy", "informedParty"}
_COLLECTION = frozenset({"@id", "uid", "@type", "source", "refinement"})


def read_policy(document: object, *, duty_timing: Timing | None = None, foreign: bool = False) -> Policy:
    """Read a policy from JSON text, bytes or decoded JSON-LD.

    `duty_timing` replaces the registry's default timing of duties that state none (public suites differ in it).
    `foreign` imports patterns of others: constants still to be filled in and concepts of other vocabularies are kept as
    they are; they never compare as true, and such a policy cannot be written out for others before it is completed.
    Raises PolicyFaults with every fault: JSON pointer, stable code, message, remedy.
    """
    reader = _PolicyReader(duty_timing, foreign=foreign)
    policy = reader.policy(load(document))
    if reader.faults:
        raise PolicyFaults(tuple(reader.faults))
    return policy


class _PolicyReader(ConstraintReader):
    """Reads policies, rules and duties."""

    def __init__(self, duty_timing: Timing | None, *, foreign: bool) -> None:
        super().__init__(foreign=foreign)
        self.duty_timing = duty_timing

    def policy(self, document: object) -> Policy:
        nothing = Policy("", Kind.SET)
        if not isinstance(document, Mapping):
            self.fault("", "not-a-policy", "A policy is a JSON object.", "Send one ODRL policy.")
            return nothing
        self.context(document.get("@context"))
        found = self.members(document, "", _POLICY)
        kind = self.kind(found)
        uid = self.identifier(found, "@id") or self.identifier(found, "uid")
        if uid is None:
            self.fault(
                "", "no-identifier", "The policy has no @id.", "Give it an @id (DSP 2025-1 §ODRL profile)."
            )
        if all(found.get(name, ("", []))[1] == [] for name in ("permission", "prohibition", "obligation")):
            self.fault(
                "", "no-rule", "The policy states no rule.", "Add at least one permission or prohibition."
            )
        at, conflict = found.get("conflict", ("", "prohibit"))
        if self.term(conflict) != "prohibit":
            message = "Here a prohibition always wins over a permission."
            self.fault(at, "conflict-strategy", message, "Remove “conflict”, or set it to prohibit.")
        shared = found.get("action")
        return _lift(
            Policy(
                uid=uid or "",
                kind=kind,
                permissions=tuple(self.rules(found, "permission", _PERMISSION, shared)),
                prohibitions=tuple(self.rules(found, "prohibition", _PROHIBITION, shared)),
                obligations=tuple(self.duties(found, "obligation", None)),
                target=self.identifier(found, "target"),
                assigner=self.identifier(found, "assigner"),
                assignee=self.identifier(found, "assignee"),
                timestamp=self.instant(*found["timestamp"]) if "timestamp" in found else None,
                profiles=self.profiles(found),
            )
        )

    def kind(self, found: Mapping[str, tuple[str, object]]) -> Kind:
        at, raw = found.get("@type", ("", "Set"))
        names = [self.term(each) for each in (raw if isinstance(raw, list) else [raw])]
        for name in names:
            if name in TYPE_NAMES:
                return TYPE_NAMES[name]
        remedy = "Use Offer, Agreement or Set."
        self.fault(
            at, "unknown-kind", f"“{', '.join(names)}” is no kind of policy the exchange takes.", remedy
        )
        return Kind.SET

    def profiles(self, found: Mapping[str, tuple[str, object]]) -> tuple[str, ...]:
        at, raw = found.get("profile", ("", []))
        several = raw if isinstance(raw, list) else [raw]
        named = tuple(
            each["@id"] if isinstance(each, Mapping) and "@id" in each else each for each in several
        )
        profiles = tuple(each for each in named if isinstance(each, str))
        if len(profiles) == len(named):
            return profiles
        self.fault(at, "wrong-type", "“profile” holds IRIs.", "Write one IRI or a list of IRIs.")
        return ()

    def rules(
        self,
        policy: Mapping[str, tuple[str, object]],
        name: str,
        known: frozenset[str],
        shared: tuple[str, object] | None,
    ) -> Iterator[Rule]:
        for at, node in self.objects(policy, name):
            found = self.members(node, at, known)
            constraint = conjunction(self.conjuncts(found, "constraint", 0, refining=False))
            refinements = (
                *self.conjuncts(found, "constraint", 0, refining=True),
                *self.refinements(found, "target"),
                *self.refinements(found, "assignee"),
                *self.conjuncts(found, "refinement", 0),
            )
            duties = tuple(
                duty
                for member, timing in (
                    ("duty", None),
                    ("preDuty", Timing.PRE),
                    ("postDuty", Timing.POST),
                    ("remedy", None),
                )
                for duty in self.duties(found, member, timing)
            )
            for action, refinement in self.actions(found, at, shared):
                yield Rule(
                    action=action,
                    constraint=constraint,
                    refinement=conjunction((*refinement, *refinements)),
                    duties=duties,
                    target=self.identifier(found, "target"),
                    assigner=self.identifier(found, "assigner"),
                    assignee=self.identifier(found, "assignee"),
                    uid=self.identifier(found, "@id") or self.identifier(found, "uid"),
                )

    def duties(
        self, holder: Mapping[str, tuple[str, object]], name: str, timing: Timing | None
    ) -> Iterator[Duty]:
        for at, node in self.objects(holder, name):
            found = self.members(node, at, _DUTY)
            uid = self.identifier(found, "@id") or self.identifier(found, "uid")
            consequences = tuple(self.duties(found, "consequence", None))
            asked = (*self.conjuncts(found, "refinement", 0), *self.named_parameters(found))
            stated = self.conjuncts(found, "constraint", 0, refining=False)
            marked = self.conjuncts(found, "constraint", 0, refining=True)
            self.unclear(at, (*stated, *marked, *asked))
            for action, refinement in self.actions(found, at, None):
                parameters = (*refinement, *asked, *marked)
                yield _duty(
                    action, parameters, stated, timing or self.duty_timing, consequences=consequences, uid=uid
                )

    def unclear(self, at: str, stated: tuple[Constraint, ...]) -> None:
        """Refuse what a duty says about itself in a way that cannot be carried out as it stands."""
        if len({when for each in stated if (when := _timing(each))}) > 1:
            self.fault(at, "mixed-timing", "The duty states several timings.", "State one, or two duties.")
        said = ((each, atom) for each in stated for atom in atoms(each) if atom.left in _CARRIED_OUT)
        for each, atom in said:
            if each is not atom or atom.operator not in _CARRIED_OUT[atom.left]:
                allowed = ", ".join(sorted(_CARRIED_OUT[atom.left]))
                message = f"“{atom.left}” is carried out as it stands, and says no more than what it is."
                self.fault(at, "operator-not-allowed", message, f"State it by itself, with {allowed}.")
        values = {left: _values(stated, left) for left in ("dh:method", "dh:step")}
        has_steps = values["dh:step"] or "bucket" in values["dh:method"]
        if has_steps and bucket_steps(values["dh:step"]) is None:
            message = "“dh:step” gives the width of the buckets, or their lower bounds."
            remedy = "Write one whole number above zero, or two or more different whole numbers, such as [0, 18, 65]."
            self.fault(at, "no-buckets", message, remedy)

    def named_parameters(self, found: Mapping[str, tuple[str, object]]) -> tuple[Constraint, ...]:
        """Read the two IDS properties of a duty that say more about it as parameters."""
        names = {"hasPolicy": "dh:nextPolicy", "informedParty": "dh:informedParty"}
        values = ((left, self.identifier(found, name)) for name, left in names.items())
        return tuple(Atom(left, Operator.EQ, (value,)) for left, value in values if value)

    def actions(
        self, found: Mapping[str, tuple[str, object]], at: str, shared: tuple[str, object] | None
    ) -> Iterator[tuple[str, tuple[Constraint, ...]]]:
        """Yield each action of a rule with its refinements; several actions make several rules (ODRL 2.2 §2.7)."""
        here, raw = found.get("action") or shared or (at, None)
        if raw is None or raw == []:
            self.fault(here, "no-action", "The rule has no action.", "Add an action such as use.")
            return
        for each in raw if isinstance(raw, list) else [raw]:
            name: object = each
            refinement: tuple[Constraint, ...] = ()
            if isinstance(each, Mapping) and set(each) != {"@id"}:
                inner = self.members(each, here, frozenset({"@id", "value", "refinement", "@type"}))
                name = inner.get("value", inner.get("@id", ("", None)))[1]
                refinement = self.conjuncts(inner, "refinement", 0)
            known, _ = self.placed("action", name)
            if known is None:
                remedy = "Use an action of ODRL 2.2 or of the exchange's profile."
                self.fault(
                    here,
                    "unknown-action",
                    f"The exchange cannot place the action “{self.term(name) or name}”.",
                    remedy,
                )
            else:
                yield known, refinement

    def refinements(self, found: Mapping[str, tuple[str, object]], name: str) -> tuple[Constraint, ...]:
        """Read the refinements of a collection as conditions on this rule."""
        at, node = found.get(name, ("", None))
        if not isinstance(node, Mapping):
            return ()
        return self.conjuncts(self.members(node, at, _COLLECTION), "refinement", 0)


_ONE = frozenset({Operator.EQ})
_LISTED = _ONE | {Operator.IS_ANY_OF, Operator.IS_ALL_OF}
_CARRIED_OUT = {
    "dh:timing": _ONE,
    "dh:maskedColumn": _LISTED,
    "dh:method": _ONE,
    "dh:replaceWith": _ONE,
    "dh:step": _ONE | {Operator.IS_ANY_OF},
    "dh:minimumGroup": _ONE | {Operator.GTEQ},
    "dh:entityKey": _ONE,
    "dh:function": _LISTED,
}
"""What shapes the data or the duty itself: the operators with which it can be done exactly."""
_USE = "policyUsage"
_EVENTS = {Operator.LT: Timing.PRE, Operator.EQ: Timing.DURING, Operator.GT: Timing.POST}
"""ODRL says when a duty is due by comparing the event `policyUsage` (ODRL Vocabulary §3.5)."""


def _values(stated: tuple[Constraint, ...], left: str) -> tuple[Value, ...]:
    return tuple(
        value for each in stated for atom in atoms(each) if atom.left == left for value in atom.right
    )


def _timing(constraint: Constraint) -> Timing | None:
    """Return the timing that a constraint of a duty states, if that is what it does."""
    match constraint:
        case Atom("dh:timing", Operator.EQ, (str(stated),)):
            return Timing(stated)
        case Atom("event", operator, (str(event),)) if compact(event) == _USE:
            return _EVENTS.get(operator)
    return None


def _duty(
    action: str,
    asked: tuple[Constraint, ...],
    stated: tuple[Constraint, ...],
    timing: Timing | None,
    *,
    consequences: tuple[Duty, ...],
    uid: str | None,
) -> Duty:
    """Part what a duty asks for (parameters) from when it exists; a timing it states comes before any default.

    Parameters that could be conditions come first: so they are written, marked, and read again in this order.
    """
    own = next((when for each in stated if (when := _timing(each))), None)
    rest = tuple(each for each in stated if _timing(each) is None)
    parameters = sorted((*asked, *(each for each in rest if _is_parameter(each))), key=_is_parameter)
    return Duty(
        action=action,
        parameters=tuple(parameters),
        constraint=conjunction(tuple(each for each in rest if not _is_parameter(each))),
        timing=own or timing or actions()[action].timing,
        consequences=consequences,
        uid=uid,
    )


def _is_parameter(constraint: Constraint) -> bool:
    row = operand(constraint.left) if isinstance(constraint, Atom) else None
    return row is not None and row.phase in {Phase.PARAMETER, Phase.COLUMN}


def _lift(policy: Policy) -> Policy:
    """Move a target or party that all rules share up to the policy (DSP: rules carry no target)."""
    rules = (*policy.permissions, *policy.prohibitions)
    for name in ("target", "assigner", "assignee"):
        stated = {getattr(rule, name) for rule in rules}
        shared = getattr(policy, name) or next(iter(stated), None)
        if rules and shared and stated <= {shared, None} and (stated == {shared} or getattr(policy, name)):
            drop = {name: None}
            policy = replace(
                policy,
                **{name: shared},
                permissions=tuple(replace(rule, **drop) for rule in policy.permissions),  # type: ignore[arg-type]
                prohibitions=tuple(replace(rule, **drop) for rule in policy.prohibitions),  # type: ignore[arg-type]
            )
    return policy
