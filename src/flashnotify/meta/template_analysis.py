"""Find the fields that a template cannot render without.

Templates are strict: using an undefined variable raises. A template still renders without an
optional field if it tests for it (`is defined`), gives it a default or assigns another value. The
analysis follows every variable through the template, as the set of fields whose absence can leave
it undefined. Where it cannot tell, it reports a field as needed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple, TypeAlias

from jinja2 import nodes


class Absence(NamedTuple):
    """A field whose absence leaves a value undefined; unless `strict`, the value prints as ''."""

    field: str
    strict: bool


# Why a value may be undefined. Empty for one that is always defined.
Missing: TypeAlias = frozenset[Absence]
# The variables that may be undefined.
Scope: TypeAlias = Mapping[str, Missing]

_DEFINED: Missing = frozenset()
# Tests that do not raise for an undefined value, but are false.
PRESENCE_TESTS = frozenset(
    {
        "boolean",
        "defined",
        "false",
        "float",
        "integer",
        "mapping",
        "none",
        "number",
        "sequence",
        "string",
        "true",
    }
)


def needed_fields(template: nodes.Template, optional: Collection[str]) -> frozenset[str]:
    """Return the fields of `optional` without which rendering `template` may raise."""
    return _Analysis(template, frozenset(optional)).needed


def _reads_itself(block: nodes.AssignBlock) -> bool:
    targets = {name.name for name in block.target.find_all(nodes.Name)}
    targets |= {block.target.name} if isinstance(block.target, nodes.Name) else set()
    body = (name for node in block.body for name in node.find_all(nodes.Name))
    return any(name.name in targets for name in body)


class _Analysis:
    def __init__(self, template: nodes.Template, optional: frozenset[str]) -> None:
        self.needed: frozenset[str] = frozenset()
        self._optional = optional
        assigned = {name.name for name in template.find_all(nodes.Name) if name.ctx != "load"}
        assigned |= {macro.name for macro in template.find_all(nodes.Macro)}
        # Optional fields whose name means the field throughout the template.
        self._unassigned = optional - assigned
        # All values that each variable is ever assigned.
        self._assigned: dict[str, Missing] = {}
        # What may run later or elsewhere, when variables may have other values.
        self._deferred: list[tuple[nodes.Node, Scope]] = []
        self._run(template.body, {field: frozenset({Absence(field, True)}) for field in optional})
        while self._deferred:
            self._run_deferred(*self._deferred.pop())

    def _need(self, missing: Iterable[Absence], *, printed: bool = False) -> None:
        self.needed |= {absence.field for absence in missing if absence.strict or not printed}

    def _assign(self, scope: Scope, target: nodes.Node, missing: Missing) -> Scope:
        if isinstance(target, nodes.Name):
            self._assigned[target.name] = self._assigned.get(target.name, _DEFINED) | missing
            return {**scope, target.name: missing}
        self._need(missing)
        for item in target.iter_child_nodes():
            scope = self._assign(scope, item, _DEFINED)
        return scope

    def _run(self, body: Iterable[nodes.Node], scope: Scope) -> Scope:
        for statement in body:
            scope = self._statement(statement, scope)
        return scope

    def _statement(self, statement: nodes.Node, scope: Scope) -> Scope:
        """Follow a statement, and return the scope after it."""
        match statement:
            case nodes.Output():
                self._use_parts(statement, scope, printed=True)
            case nodes.If():
                return self._if(statement, scope)
            case nodes.For():
                self._for(statement, scope)
            case nodes.With():
                self._with(statement, scope)
            case nodes.Assign():
                return self._assign(scope, statement.target, self._value(statement.node, scope))
            case nodes.AssignBlock():
                if _reads_itself(statement):
                    # In its own block the variable is undefined, whatever it was before.
                    self._deferred.append((statement, scope))
                else:
                    self._filtered(statement, scope)
                return self._assign(scope, statement.target, _DEFINED)
            case nodes.FilterBlock():
                self._filtered(statement, scope)
            case nodes.Macro(name=name):
                self._deferred.append((statement, scope))
                return self._assign(scope, nodes.Name(name, "store"), _DEFINED)
            case _:
                self._deferred.append((statement, scope))
        return scope

    def _if(self, statement: nodes.If, scope: Scope) -> Scope:
        after, otherwise = self._condition(statement.test, scope)
        after = self._run(statement.body, after)
        for branch in statement.elif_:
            then, otherwise = self._condition(branch.test, otherwise)
            after = _either(after, self._run(branch.body, then))
        return _either(after, self._run(statement.else_, otherwise))

    def _for(self, statement: nodes.For, scope: Scope) -> None:
        self._use(statement.iter, scope, printed=True)
        inner = self._assign(scope, statement.target, _DEFINED)
        if statement.test is not None:
            inner, _ = self._condition(statement.test, inner)
        self._run(statement.body, inner)
        self._run(statement.else_, scope)

    def _with(self, statement: nodes.With, scope: Scope) -> None:
        inner = scope
        for target, value in zip(statement.targets, statement.values, strict=True):
            inner = self._assign(inner, target, self._value(value, scope))
        self._run(statement.body, inner)

    def _filtered(self, statement: nodes.AssignBlock | nodes.FilterBlock, scope: Scope) -> None:
        if statement.filter is not None:
            self._use(statement.filter, scope)
        self._run(statement.body, scope)

    def _run_deferred(self, node: nodes.Node, scope: Scope) -> None:
        if not isinstance(node, nodes.Macro | nodes.CallBlock):
            # Blocks and the like: whatever they read is needed.
            for name in node.find_all(nodes.Name):
                self._need(self._assigned.get(name.name, _DEFINED))
                self.needed |= {name.name} & self._optional
            return
        inner = dict(_either(scope, self._assigned))
        if isinstance(node, nodes.CallBlock):
            self._use(node.call, inner)
        for default in node.defaults:
            self._use(default, inner)
        for parameter in node.args:
            inner.pop(parameter.name, None)
        self._run(node.body, inner)

    def _use(self, expression: nodes.Node, scope: Scope, *, printed: bool = False) -> None:
        """Need the fields without which the expression raises when it is used."""
        self._need(self._value(expression, scope), printed=printed)

    def _use_parts(self, node: nodes.Node, scope: Scope, *, printed: bool = False) -> None:
        for part in node.iter_child_nodes():
            self._use(part, scope, printed=printed)

    def _value(self, expression: nodes.Node, scope: Scope) -> Missing:
        """Return why the expression's value may be undefined, and need what computing it needs."""
        match expression:
            case nodes.Name(name=name):
                return scope.get(name, _DEFINED)
            case nodes.CondExpr():
                return self._inline_if(expression, scope)
            case nodes.And(left=left, right=right):
                return self._value(right, self._condition(left, scope)[0])
            case nodes.Or(left=left, right=right):
                return self._value(right, self._condition(left, scope)[1])
            case nodes.Test(node=node, name=test) if test == "undefined" or test in PRESENCE_TESTS:
                self._value(node, scope)
            case nodes.Filter():
                return self._filter(expression, scope)
            case nodes.Not() | nodes.Concat():
                self._use_parts(expression, scope, printed=True)
            case _:
                self._use_parts(expression, scope)
        return _DEFINED

    def _filter(self, expression: nodes.Filter, scope: Scope) -> Missing:
        match expression:
            case nodes.Filter(name="default" | "d", node=nodes.Expr() as node, args=args):
                self._value(node, scope)
                for option in [*args[1:], *expression.kwargs]:
                    self._use(option, scope)
                return self._value(args[0], scope) if args else _DEFINED
            case nodes.Filter(
                name="select", node=nodes.List(items=items), args=[nodes.Const(value="defined")]
            ):
                for item in items:
                    self._value(item, scope)
            case _:
                self._use_parts(expression, scope)
        return _DEFINED

    def _inline_if(self, expression: nodes.CondExpr, scope: Scope) -> Missing:
        then, otherwise = self._condition(expression.test, scope)
        missing = self._value(expression.expr1, then)
        if expression.expr2 is not None:
            return missing | self._value(expression.expr2, otherwise)
        # Without `else` the value is undefined, but lenient, whenever the condition is false.
        test = nodes.Output([expression.test])
        asked = [scope.get(name.name, _DEFINED) for name in test.find_all(nodes.Name)]
        return missing | {Absence(absence.field, False) for each in asked for absence in each}

    def _condition(self, test: nodes.Node, scope: Scope) -> tuple[Scope, Scope]:
        """Return the scopes where `test` is true and where it is false."""
        match test:
            case nodes.Not(node=node):
                true, false = self._condition(node, scope)
                return false, true
            case nodes.And(left=left, right=right):
                true, false = self._condition(left, scope)
                both, not_right = self._condition(right, true)
                return both, _either(false, not_right)
            case nodes.Or(left=left, right=right):
                true, false = self._condition(left, scope)
                right_only, neither = self._condition(right, false)
                return _either(true, right_only), neither
            case nodes.Test(node=nodes.Name(name=name), name="undefined"):
                return scope, self._present(name, scope)
            case nodes.Test(node=nodes.Name(name=name), name=kind) if kind in PRESENCE_TESTS:
                return self._present(name, scope), scope
            case _:
                self._use(test, scope, printed=True)
                return scope, scope

    def _present(self, name: str, scope: Scope) -> Scope:
        """Return the scope where the variable is known to be defined."""
        known = {**scope, name: _DEFINED}
        if name not in self._unassigned:
            return known
        return {
            variable: frozenset(absence for absence in missing if absence.field != name)
            for variable, missing in known.items()
        }


def _either(one: Scope, other: Scope) -> Scope:
    """Return the scope after one of two branches, whichever is taken."""
    names = one.keys() | other.keys()
    return {name: one.get(name, _DEFINED) | other.get(name, _DEFINED) for name in names}
