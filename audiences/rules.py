"""Audiences and rules as documents, and the SQL they mean.

A *conditions group* is {"match": "all" | "any", "rules": [rule | group, …]}; a *rule* is {"field", "op", "value"}. An
*audience* is {"segments": [uuid], "segments_match": "any" | "all", "conditions": group | null, "exclude": [uuid],
"limit": int | null, "control_percent": int, "subscription_group": uuid | ""}; one of a call that says so has
"reaches_unsubscribed": true as well. Documents come from people and may be
anything; `validate` lists what is wrong with one, `compile_audience` refuses it with the first problem. Rooms above add
questions of their own by `register`, such as "got this campaign".
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from django.utils.translation import gettext as _

from audiences import fields as field_lists
from audiences import fragments, groups, mailable, operators
from audiences.fields import FieldInfo, Group, Rule, register
from audiences.fragments import Fragment
from audiences.models import Segment, SegmentKind, SubscriptionGroup
from audiences.wording import describe, describe_group, describe_rule
from lib.errors import DomainError

MAX_DEPTH = 5
MAX_RULES = 100
MAX_SEGMENTS = 50
# How far segments may refer to segments that refer to segments.
MAX_NESTING = 5
MAX_CONTROL_PERCENT = 50

__all__ = [
    "CompiledAudience",
    "FieldInfo",
    "Fragment",
    "Problem",
    "RuleProblem",
    "compile_audience",
    "compile_group",
    "describe",
    "describe_group",
    "describe_rule",
    "fields",
    "register",
    "validate",
    "validate_group",
]


@dataclass(frozen=True)
class Problem:
    """What is wrong and where: `path` like "conditions.rules.0.value"."""

    path: str
    message: str


class RuleProblem(DomainError):
    """An audience or a segment can't be evaluated; `path` says which part."""

    code = "audience_invalid"
    status = 422

    def __init__(self, path: str, message: str) -> None:
        super().__init__(message)
        self.path = path


@dataclass(frozen=True)
class CompiledAudience:
    """`targeted` is TRUE for people the audience names; `left_out` for those of them in a segment to leave out.

    `group` is what it is sent under; None: whoever gets marketing email at all.
    """

    targeted: Fragment
    left_out: Fragment | None
    group: SubscriptionGroup | None = None
    reaches_unsubscribed: bool = False

    @property
    def unmailable(self) -> Fragment:
        """SQL: the first of mailable.REASONS that keeps a person from getting this, else NULL."""
        return mailable.reason(groups.terms(self.group, reaches_unsubscribed=self.reaches_unsubscribed))


def fields() -> list[FieldInfo]:
    """Everything that can be asked about, in the order it is offered; segments with their names to choose from."""
    names = Segment.objects.filter(deleted_at=None).order_by("name").values_list("public_id", "name")
    choices = tuple((str(public_id), name) for public_id, name in names)
    return [replace(info, choices=choices) if info.type == "segment" else info for info in field_lists.every()]


def compile_group(group: Group) -> Fragment:
    """SQL of a conditions group. Raises RuleProblem."""
    return _Compiler.load().group_checked(group, "")


def compile_audience(doc: dict[str, object]) -> CompiledAudience:
    """SQL of an audience. Raises RuleProblem, also for a segment that was deleted."""
    compiler = _Compiler.load()
    for problem in _audience_problems(doc, compiler):
        raise RuleProblem(problem.path, problem.message)
    parts = []
    targets = [compiler.segment(item, f"segments.{i}") for i, item in enumerate(_ids(doc, "segments"))]
    if targets:
        parts.append(fragments.all_of(targets) if doc.get("segments_match") == "all" else fragments.any_of(targets))
    if conditions := doc.get("conditions"):
        parts.append(compiler.group(conditions, "conditions"))  # type: ignore[arg-type]  # checked above
    if narrowed := doc.get("narrowed_by"):
        # Of a request: who is in the audience of its campaign and in this one.
        parts.append(compile_audience(narrowed).targeted)  # type: ignore[arg-type]  # checked there
    left_out = [compiler.segment(item, f"exclude.{i}") for i, item in enumerate(_ids(doc, "exclude"))]
    group = groups.of(doc)
    gone = fragments.any_of(left_out) if left_out else None
    return CompiledAudience(fragments.all_of(parts), gone, group, doc.get("reaches_unsubscribed") is True)


def validate(doc: dict[str, object]) -> list[Problem]:
    """Everything wrong with an audience, in reading order; empty when it can be prepared."""
    compiler = _Compiler.load()
    found = list(_audience_problems(doc, compiler))
    if found:
        return found
    try:
        compile_audience(doc)
    except RuleProblem as problem:
        return [Problem(problem.path, problem.message)]
    return []


def validate_group(group: object) -> list[Problem]:
    """Everything wrong with a conditions group on its own, such as a segment's rule."""
    return list(_group_problems(group, "", _Compiler.load()))


def _ids(doc: dict[str, object], name: str) -> list[str]:
    listed = doc.get(name)
    return [str(item) for item in listed] if isinstance(listed, list) else []


def _group_id(doc: dict[str, object]) -> str:
    return str(doc.get("subscription_group") or "")


def _audience_problems(doc: object, compiler: "_Compiler") -> Iterator[Problem]:
    if not isinstance(doc, dict) or not (_ids(doc, "segments") or doc.get("conditions")):
        yield Problem("segments", _("Choose at least one segment."))
        return
    for name in ("segments", "exclude"):
        if len(_ids(doc, name)) > MAX_SEGMENTS:
            yield Problem(name, _("At most {n} segments fit in one audience.").format(n=MAX_SEGMENTS))
    if conditions := doc.get("conditions"):
        yield from _group_problems(conditions, "conditions", compiler)
    limit = doc.get("limit")
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        yield Problem("limit", _("Enter a number of people from 1, or leave it empty."))
    control = doc.get("control_percent") or 0
    if isinstance(control, bool) or not isinstance(control, int) or not 0 <= control <= MAX_CONTROL_PERCENT:
        yield Problem("control_percent", _("Enter a percentage from 0 to {n}.").format(n=MAX_CONTROL_PERCENT))
    if chosen := _group_id(doc):
        group = groups.find(chosen)
        if group is None:
            yield Problem("subscription_group", _("The subscription group doesn't exist. Choose another one."))
        elif group.archived_at is not None:
            sentence = _("The subscription group “{name}” was archived. Choose another one.")
            yield Problem("subscription_group", sentence.format(name=group.name))


def _group_problems(group: object, path: str, compiler: "_Compiler", depth: int = 1) -> Iterator[Problem]:
    rules = group.get("rules") if isinstance(group, dict) else None
    if not isinstance(group, dict) or group.get("match") not in {"all", "any"} or not isinstance(rules, list):
        yield Problem(path, _("This isn't a group of conditions."))
        return
    if not rules:
        yield Problem(path, _("Add a condition, or remove this group."))
    if depth > MAX_DEPTH:
        yield Problem(path, _("Groups can be at most {n} deep.").format(n=MAX_DEPTH))
        return
    if depth == 1 and _count(group) > MAX_RULES:
        yield Problem(path, _("At most {n} conditions fit in one rule.").format(n=MAX_RULES))
        return
    for i, rule in enumerate(rules):
        here = f"{path}.rules.{i}" if path else f"rules.{i}"
        if isinstance(rule, dict) and "rules" in rule:
            yield from _group_problems(rule, here, compiler, depth + 1)
        else:
            yield from _rule_problems(rule, here, compiler)


def _count(group: object, depth: int = 1) -> int:
    """Conditions in a group; a group nested too deep counts as one and is refused where it stands."""
    rules = group.get("rules") if isinstance(group, dict) else None
    return sum(_count(rule, depth + 1) for rule in rules) if isinstance(rules, list) and depth <= MAX_DEPTH else 1


def _rule_problems(rule: object, path: str, compiler: "_Compiler") -> Iterator[Problem]:
    name = rule.get("field") if isinstance(rule, dict) else None
    if not isinstance(rule, dict) or not isinstance(name, str) or not name:
        yield Problem(f"{path}.field", _("Choose what to ask about."))
        return
    info = compiler.fields.get(name)
    if info is None:
        yield Problem(
            f"{path}.field",
            _("“{name}” doesn't exist any more. Choose another field.").format(name=name.partition(".")[2] or name),
        )
        return
    op = info.op(str(rule.get("op")))
    if op is None:
        yield Problem(f"{path}.op", _("Choose how to compare."))
        return
    sentence = operators.problem(op, rule.get("value"), choices=tuple(value for value, _label in info.choices))
    if sentence:
        yield Problem(f"{path}.value", sentence)


@dataclass(frozen=True)
class _Compiler:
    """One compilation: the fields there are, the segments already looked up, and the chain of segments above."""

    fields: field_lists.Lookup
    segments: dict[str, Segment | None]
    above: tuple[str, ...] = ()

    @classmethod
    def load(cls) -> "_Compiler":
        return cls(field_lists.Lookup(), {})

    def group_checked(self, group: object, path: str) -> Fragment:
        for problem in _group_problems(group, path, self):
            raise RuleProblem(problem.path, problem.message)
        assert isinstance(group, dict)
        return self.group(group, path)

    def group(self, group: Group, path: str) -> Fragment:
        rules: list[Rule] = group["rules"]  # type: ignore[assignment]  # checked before
        join = fragments.all_of if group["match"] == "all" else fragments.any_of
        prefix = f"{path}.rules" if path else "rules"
        return join([self._one(rule, f"{prefix}.{i}") for i, rule in enumerate(rules)])

    def _one(self, rule: Rule, path: str) -> Fragment:
        if "rules" in rule:
            return self.group(rule, path)
        info = self.fields.get(str(rule["field"]))
        assert info is not None, "checked before"
        compiler = field_lists.compiler(info.name)
        if compiler is not None:
            return compiler(rule)
        if info.type == "segment":
            found = fragments.any_of(
                [self.segment(str(item), f"{path}.value") for item in operators.values(rule["value"])]
            )
            return fragments.negate(found) if rule["op"] == "is_not" else found
        return operators.compile_condition(info, str(rule["op"]), rule.get("value"))

    def segment(self, public_id: str, path: str) -> Fragment:
        """Members of a list, or people who match the rule of a segment now."""
        segment = self._find(public_id)
        if segment is None:
            raise RuleProblem(path, _("A segment of this audience doesn't exist."))
        if segment.deleted_at is not None:
            raise RuleProblem(path, _("The segment “{name}” was deleted.").format(name=segment.name))
        if segment.kind == SegmentKind.LIST:
            return Fragment(
                "p.id IN (SELECT m.profile_id FROM audiences_segmentmember m WHERE m.segment_id = %s::bigint)",
                (segment.pk,),
            )
        if public_id in self.above:
            raise RuleProblem(path, _("The segment “{name}” refers to itself.").format(name=segment.name))
        if len(self.above) >= MAX_NESTING:
            raise RuleProblem(path, _("Segments refer to each other more than {n} deep.").format(n=MAX_NESTING))
        try:
            return replace(self, above=(*self.above, public_id)).group_checked(segment.rule, "")
        except RuleProblem as problem:
            if self.above or "“" in problem.message:
                raise RuleProblem(path, problem.message) from problem
            sentence = _("The segment “{name}” has a problem: {problem}").format(
                name=segment.name, problem=problem.message
            )
            raise RuleProblem(path, sentence) from problem

    def _find(self, public_id: str) -> Segment | None:
        if public_id not in self.segments:
            self.segments[public_id] = find_segment(public_id)
        return self.segments[public_id]


def find_segment(public_id: str) -> Segment | None:
    """The segment with this public id, also a deleted one; None for anything else."""
    return Segment.objects.filter(public_id=public_id).first() if field_lists.is_public_id(public_id) else None
