"""What a claim calls a function: an expression of calls, numbers, +, -, *, / and square roots."""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

OPERATORS: dict[type[ast.AST], Callable[..., float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.USub: operator.neg,
}
FUNCTIONS: dict[str, Callable[[float], float]] = {"sqrt": math.sqrt, "exp": math.exp}
Call = Callable[[str, dict[str, Any]], float]


class NotAnExpression(ValueError):
    """A claim's name cannot be executed as it is written."""


DASHED = re.compile(r"\b([a-z]+)-([a-z]+)\b")  # names of XGBoost, as poisson-nloglik
AT = re.compile(r"@([\d.]+)")  # and numbers behind them, as error@0.3


def parsed(name: str) -> ast.expr:
    """Read the name of a claim."""
    try:
        return ast.parse(AT.sub(r"(at=\1)", DASHED.sub(r"\1_\2", name)), mode="eval").body
    except SyntaxError:
        raise NotAnExpression(f"{name!r} is no expression") from None


def called(name: str) -> set[str]:
    """The functions that a name speaks of."""
    found: set[str] = set()

    def note(function: str, arguments: dict[str, Any]) -> float:
        found.add(function)
        return 1.0

    value(parsed(name), note, _Anything())
    return found


def symbols(name: str) -> set[str]:
    """The arguments that stand for parameters of the loss."""
    calls = [node for node in ast.walk(parsed(name)) if isinstance(node, ast.Call)]
    return {word.value.id for call in calls for word in call.keywords if isinstance(word.value, ast.Name)}


def value(node: ast.expr, call: Call, args: Mapping[str, Any]) -> float:
    """Return the number of an expression; `call` gets each function with its arguments, `args` are the loss's."""
    match node:
        case ast.Constant(value=int() | float() as number):
            return number
        case ast.UnaryOp(op=op, operand=operand) if type(op) in OPERATORS:
            return OPERATORS[type(op)](value(operand, call, args))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
            return OPERATORS[type(op)](value(left, call, args), value(right, call, args))
        case ast.Call(func=ast.Name(id=name), args=[inner], keywords=[]) if name in FUNCTIONS:
            return FUNCTIONS[name](value(inner, call, args))
        case ast.Call(func=ast.Name() | ast.Attribute() as function, args=[], keywords=words):
            return call(ast.unparse(function), {str(word.arg): argument(word.value, args) for word in words})
        case ast.Name() | ast.Attribute():
            return call(ast.unparse(node), {})
    raise NotAnExpression(f"{ast.unparse(node)!r} is none of what {__name__} reads")


def argument(node: ast.expr, args: Mapping[str, Any]) -> Any:
    """The value of an argument: a literal, or a parameter of the loss."""
    if isinstance(node, ast.Name):
        if node.id not in args:
            raise NotAnExpression(f"{node.id!r} is no parameter of the loss")
        return args[node.id]
    try:
        return ast.literal_eval(node)
    except ValueError:
        raise NotAnExpression(f"{ast.unparse(node)!r} is no literal") from None


class _Anything(dict[str, Any]):
    """Parameters that are all there."""

    def __contains__(self, key: object) -> bool:
        return True

    def __missing__(self, key: str) -> float:
        return 1.0
