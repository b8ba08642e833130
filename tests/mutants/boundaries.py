"""Where a function decides something, and what it would be with the decision a little wrong."""

import ast
from collections.abc import Iterator

_COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
_CALCULATED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult,
}  # fmt: skip
_CALLED = {"min": "max", "max": "min", "any": "all", "all": "any"}


def variants(node: ast.AST) -> Iterator[ast.AST]:
    """What could stand in the place of an expression or of a statement."""
    match node:
        case ast.Compare(left, ops, comparators):
            for at, op in enumerate(ops):
                yield ast.Compare(left, [*ops[:at], _COMPARED[type(op)](), *ops[at + 1 :]], comparators)
        case ast.BoolOp(op, values):
            yield ast.BoolOp(ast.Or() if isinstance(op, ast.And) else ast.And(), values)
            for at in range(len(values)):  # the value is not asked for
                left = [*values[:at], *values[at + 1 :]]
                yield ast.BoolOp(op, left) if len(left) > 1 else left[0]
        case ast.UnaryOp(ast.Not() | ast.USub(), operand):
            yield operand
        case ast.Constant(bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(int() as value):
            yield from (ast.Constant(value + 1), ast.Constant(value - 1))
        case ast.Constant(float() as value):
            yield from (ast.Constant(value * 2), ast.Constant(value / 2)) if value else [ast.Constant(1.0)]
        case ast.BinOp(left, op, right) if type(op) in _CALCULATED:
            yield ast.BinOp(left, _CALCULATED[type(op)](), right)
        case ast.Call(ast.Name(name), args, keywords) if name in _CALLED:
            yield ast.Call(ast.Name(_CALLED[name], ast.Load()), args, keywords)
        case ast.If(test, body, orelse) if not _has_its_opposite(test):
            yield ast.If(ast.UnaryOp(ast.Not(), test), body, orelse)
        case ast.Expr(ast.Call() as call) if not _pauses(call):
            yield ast.Pass()  # what has an effect is not done
        case ast.IfExp(test, body, orelse) if not _has_its_opposite(test):
            yield ast.IfExp(ast.UnaryOp(ast.Not(), test), body, orelse)


def _pauses(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "time.sleep"


def _has_its_opposite(test: ast.expr) -> bool:
    """Whether the opposite of a condition is among its own variants."""
    same = (ast.Eq, ast.NotEq, ast.Is, ast.IsNot, ast.In, ast.NotIn)
    compared = isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], same)
    return compared or (isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not))


def functions(tree: ast.Module, names: tuple[str, ...]) -> Iterator[ast.AST]:
    """The functions of a module with these names (``Class.method``), or all there are where none is named."""
    found = {}
    for node in tree.body:
        for one, name in [(node, "")] if not isinstance(node, ast.ClassDef) else [(it, node.name) for it in node.body]:
            if isinstance(one, ast.FunctionDef):
                found[f"{name}.{one.name}".lstrip(".")] = one
    yield from (found[name] for name in names or found)


def places(function: ast.AST) -> Iterator[tuple[ast.AST, str, int | None, ast.AST]]:
    """Every expression and statement of a function with the field that holds it.

    No message, annotation or default, nothing that is asserted for the types, and not how long a pause between two
    looks is: these decide nothing.
    """
    if isinstance(function, ast.Assert) or _pauses(function):
        return
    for field, value in ast.iter_fields(function):
        if field in ("annotation", "returns", "args", "decorator_list") and not isinstance(function, ast.Call):
            continue
        for at, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if isinstance(child, ast.AST) and not isinstance(child, ast.JoinedStr):
                yield function, field, at, child
                yield from places(child)


def put(parent: ast.AST, field: str, at: int | None, node: ast.AST) -> None:
    """Let ``node`` stand in that place."""
    if at is None:
        setattr(parent, field, node)
    else:
        getattr(parent, field)[at] = node


def mutants(tree: ast.Module, names: tuple[str, ...]) -> Iterator[tuple[int, str, str]]:
    """Each with its line, what stood there and what does; ``tree`` is the mutant until the next one is asked for."""
    for function in functions(tree, names):
        for parent, field, at, node in list(places(function)):
            for variant in variants(node):
                put(parent, field, at, ast.copy_location(variant, node))
                ast.fix_missing_locations(tree)
                yield node.lineno, _text(node), _text(variant)  # type: ignore[attr-defined]
            put(parent, field, at, node)


def _text(node: ast.AST) -> str:
    """The code of an expression, or of the condition of a statement."""
    return f"if {ast.unparse(node.test)}" if isinstance(node, ast.If) else ast.unparse(node)
