# SPDX-License-Identifier: MIT
"""The small changes that can be made to a C file: where, which, and what the line is then.

No parser: comments, strings and preprocessor lines are blanked, the rest is matched by pattern.
What does not compile is drawn again by mutate.py. In kernel style a statement begins its line,
and that is all that the patterns need.
"""

import re
from typing import NamedTuple

LOCK = r"(?!clock)(?:\w*(?:lock|gate)_\w+|\w+_(?:un)?lock|scope_\w+|signals_\w+|quick_leave|guard_leave)"
CALL = r"\w+\((?:[^;{}]*)\);"
# A statement of its own: the line begins with it.
START = r"(?m)^(\t+)"


def blank(text):
    """The text with what is no code as spaces, at the same length."""
    kinds = r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|^[ \t]*#(?:\\\n|[^\n])*'
    return re.sub(kinds, lambda m: re.sub(r"[^\n]", " ", m.group()), text, flags=re.S | re.M)


def swap(pairs):
    return lambda m: pairs[m.group().strip()]


def spaced(pairs):
    """The same, of operators between spaces."""
    return lambda m: f" {pairs[m.group().strip()]} "


TURNED = {"==": "!=", "!=": "==", "<": "<=", "<=": "<", ">": ">=", ">=": ">"}
REVERSED = {"<": ">=", ">=": "<", ">": "<=", "<=": ">"}


def other_number(change):
    def make(match):
        text, end = re.fullmatch(r"(0x[0-9a-fA-F]+|\d+)([uUlL]*)", match.group()).groups()
        number = int(text, 0 if text.startswith("0x") or text == "0" else 10) + change
        return None if number < 0 else (hex(number) if text[:2] == "0x" else str(number)) + end
    return make


# operator, weight, [(pattern, replacement)]. A match whose replacement is None is none.
OPERATORS = [
    ("compare", 12, [(r" (==|!=|<=|>=|<|>) ", spaced(TURNED)), (r" (<=|>=|<|>) ", spaced(REVERSED))]),
    ("negate", 14, [(r"\b(?:if|while) (?=\()", None), (r"(?<=[(\s])!(?=[\w(*])", lambda m: "")]),
    ("and-or", 6, [(r"&&|\|\|", swap({"&&": "||", "||": "&&"}))]),
    ("lock", 12, [(START + LOCK + r"\([^;{}]*\);", lambda m: m.group(1) + ";")]),
    ("call", 14, [(START + r"(?:\(void\))?" + r"(?!return\b|if\b|while\b|for\b|switch\b|" + LOCK + r"\()" + CALL,
                   lambda m: m.group(1) + ";")]),
    ("swallow", 12, [(r"\breturn -E[A-Z0-9]+;", lambda m: "return 0;"),
                     (r"\breturn (?:error|err|ret|result|status|-errno);", lambda m: "return 0;"),
                     (r"\breturn false;", lambda m: "return true;")]),
    ("return", 10, [(r"(?m)(?<=\n)(\t\t+)(?:return\b[^;]*|continue|break|goto \w+);",
                     lambda m: m.group(1) + ";")]),
    ("constant", 8, [(r"(?<![\w.\[])(?:0x[0-9a-fA-F]+|\d+)[uUlL]*(?![\w.\]])", other_number(1)),
                     (r"(?<![\w.\[])(?:0x[0-9a-fA-F]+|\d+)[uUlL]*(?![\w.\]])", other_number(-1))]),
    ("byte", 6, [(r"\b\w*(?:length|size|bytes|count|got|len)(?=\);)", lambda m: m.group() + " - 1"),
                 (r"\bsizeof\([^()]*\)(?=\);)", lambda m: m.group() + " - 1"),
                 (r" [-+] 1\b", lambda m: "")]),
    ("assign", 8, [(START + r"(?:\*?[\w.>\[\]-]+|\*\w+) (?:[-+|&]=|=) [^;{}]*;", lambda m: m.group(1) + ";"),
                   (START + r"[\w.>\[\]-]+(?:\+\+|--);", lambda m: m.group(1) + ";")]),
    ("arithmetic", 5, [(r" [-+] (?=\w)", spaced({"+": "-", "-": "+"}))]),
    ("flag", 5, [(r" \| [A-Z][A-Z0-9_]+\b", lambda m: "")]),
]


class Mutant(NamedTuple):
    path: str
    line: int  # of the change's first character
    operator: str
    number: int  # of this operator on this line, from 1
    start: int
    end: int
    text: str

    def name(self):
        more = f".{self.number}" if self.number > 1 else ""
        return f"{self.path}:{self.line}:{self.operator}{more}"


def closing(code, at):
    """Where the parenthesis that opens at `at` is closed."""
    depth = 0
    for index in range(at, len(code)):
        depth += {"(": 1, ")": -1}.get(code[index], 0)
        if not depth:
            return index
    return None


def negated(code, match):
    """if (X) to if (!(X))."""
    end = closing(code, match.end())
    return end and (match.end(), end + 1, "(!" + code[match.end():end + 1] + ")")


def mutants(path, text):
    code, counts, seen = blank(text), {}, set()
    body = code.find("\n{")  # nothing before the first function
    for operator, _, rules in OPERATORS:
        for pattern, replacement in rules:
            for match in re.finditer(pattern, code):
                if match.start() < body:
                    continue
                if replacement is None:
                    start, end, new = negated(code, match) or (0, 0, None)
                    new = new and "(!" + text[start:end] + ")"
                else:
                    start, end, new = match.start(), match.end(), replacement(match)
                if new is None or (start, end, new) in seen:
                    continue
                seen.add((start, end, new))
                line = code.count("\n", 0, start + len(code[start:end]) - len(code[start:end].lstrip())) + 1
                counts[line, operator] = counts.get((line, operator), 0) + 1
                yield Mutant(path, line, operator, counts[line, operator], start, end, new)


def weights():
    return {name: weight for name, weight, _ in OPERATORS}
