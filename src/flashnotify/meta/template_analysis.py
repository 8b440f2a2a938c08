"""Find the fields that a template cannot render without.

Templates are strict: using an undefined variable raises. A template still renders without an
optional field if it tests for it (`is defined`), gives it a default or assigns another value. The
analysis follows every variable through the template, as the set of fields whose absence can leave
it undefined. Where it cannot tell, it reports a field as needed.
"""

from collections.abc import Collection, Iterable, Mapping
from functools import reduce
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
_TYPE_TESTS = {"boolean", "float", "integer", "mapping", "number", "sequence", "string"}
PRESENCE_TESTS = frozenset({"defined", "none", "true", "false", *_TYPE_TESTS})


def needed_fields(template: nodes.Template, optional: Collection[str]) -> frozenset[str]:
    """Return the fields of `optional` without which rendering `template` may raise."""
    return frozenset(_Analysis(template, frozenset(optional)).needed)


class _Analysis:
    def __init__(self, template: nodes.Template, optional: frozenset[str]) -> None:
        self.needed: set[str] = set()
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

    def _use(self, scope: Scope, *expressions: nodes.Node, printed: bool = False) -> None:
        """Need the fields without which the expressions raise when they are used."""
        for expression in expressions:
            self._need(self._value(expression, scope), printed=printed)

    def _assign(self, scope: Scope, target: nodes.Node, missing: Missing = _DEFINED) -> Scope:
        if isinstance(target, nodes.Name):
            self._assigned[target.name] = self._assigned.get(target.name, _DEFINED) | missing
            return {**scope, target.name: missing}
        self._need(missing)
        for item in target.iter_child_nodes():
            scope = self._assign(scope, item)
        return scope

    def _run(self, body: Iterable[nodes.Node], scope: Scope) -> Scope:
        for statement in body:
            scope = self._statement(statement, scope)
        return scope

    def _statement(self, statement: nodes.Node, scope: Scope) -> Scope:
        """Follow a statement, and return the scope after it."""
        match statement:
            case nodes.Output(nodes=shown):
                self._use(scope, *shown, printed=True)
            case nodes.If():
                return self._if(statement, scope)
            case nodes.For():
                self._for(statement, scope)
            case nodes.With(targets=targets, values=values, body=body):
                inner = scope
                for target, value in zip(targets, values, strict=True):
                    inner = self._assign(inner, target, self._value(value, scope))
                self._run(body, inner)
            case nodes.Assign(target=target, node=value):
                return self._assign(scope, target, self._value(value, scope))
            case nodes.AssignBlock(target=target, body=body) if not _names(target) & _names(*body):
                self._filtered(statement, scope)
                return self._assign(scope, target)
            case nodes.FilterBlock():
                self._filtered(statement, scope)
            case _:
                return self._defer(statement, scope)
        return scope

    def _defer(self, statement: nodes.Node, scope: Scope) -> Scope:
        self._deferred.append((statement, scope))
        if isinstance(statement, nodes.AssignBlock):
            # In its own block the variable is undefined, whatever it was before.
            return self._assign(scope, statement.target)
        if isinstance(statement, nodes.Macro):
            return self._assign(scope, nodes.Name(statement.name, "store"))
        return scope

    def _if(self, statement: nodes.If, scope: Scope) -> Scope:
        ends: list[Scope] = []
        for branch in (statement, *statement.elif_):
            then, scope = self._condition(branch.test, scope)
            ends.append(self._run(branch.body, then))
        return reduce(_either, ends, self._run(statement.else_, scope))

    def _for(self, statement: nodes.For, scope: Scope) -> None:
        self._use(scope, statement.iter, printed=True)
        inner = self._assign(scope, statement.target)
        if statement.test is not None:
            inner, _ = self._condition(statement.test, inner)
        self._run(statement.body, inner)
        self._run(statement.else_, scope)

    def _filtered(self, statement: nodes.AssignBlock | nodes.FilterBlock, scope: Scope) -> None:
        if statement.filter is not None:
            self._use(scope, statement.filter)
        self._run(statement.body, scope)

    def _run_deferred(self, node: nodes.Node, scope: Scope) -> None:
        if not isinstance(node, nodes.Macro | nodes.CallBlock):
            # Blocks and the like: whatever they read is needed.
            names = {name.name for name in node.find_all(nodes.Name)}
            self.needed |= names & self._optional
            for name in names:
                self._need(self._assigned.get(name, _DEFINED))
            return
        inner = _either(scope, self._assigned)
        if isinstance(node, nodes.CallBlock):
            self._use(inner, node.call)
        self._use(inner, *node.defaults)
        self._run(node.body, {**inner, **{parameter.name: _DEFINED for parameter in node.args}})

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
            case nodes.Filter(name="default" | "d", node=nodes.Expr() as node, args=args):
                self._value(node, scope)
                self._use(scope, *args[1:], *expression.kwargs)
                return self._value(args[0], scope) if args else _DEFINED
            case nodes.Filter(
                name="select", node=nodes.List(items=items), args=[nodes.Const(value="defined")]
            ):
                for item in items:
                    self._value(item, scope)
            case _:
                shown = isinstance(expression, nodes.Not | nodes.Concat)
                self._use(scope, *expression.iter_child_nodes(), printed=shown)
        return _DEFINED

    def _inline_if(self, expression: nodes.CondExpr, scope: Scope) -> Missing:
        then, otherwise = self._condition(expression.test, scope)
        missing = self._value(expression.expr1, then)
        if expression.expr2 is not None:
            return missing | self._value(expression.expr2, otherwise)
        # Without `else` the value is undefined, but lenient, whenever the condition is false.
        asked = [scope.get(name, _DEFINED) for name in _names(expression.test)]
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
                self._use(scope, test, printed=True)
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


def _names(*found: nodes.Node) -> set[str]:
    return {name.name for name in nodes.Output(list(found)).find_all(nodes.Name)}


def _either(one: Scope, other: Scope) -> Scope:
    """Return the scope after one of two branches, whichever is taken."""
    names = one.keys() | other.keys()
    return {name: one.get(name, _DEFINED) | other.get(name, _DEFINED) for name in names}
