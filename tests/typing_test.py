"""What is public in the package says what it takes and what it returns."""

import ast
import pathlib

import tsd_tf

_PACKAGE = pathlib.Path(tsd_tf.__file__).parent


def test_signatures_of_everything_public_are_annotated():
    paths = sorted(_PACKAGE.rglob("*.py"))
    assert len(paths) > 100
    missing = [found for path in paths for found in _missing(path.read_text(), str(path.relative_to(_PACKAGE)))]
    assert not missing, "\n".join(missing)


def test_a_missing_annotation_is_found():
    source = (
        "def fine(a: int, *rest: int, **options: str) -> int: ...\n"
        "def bare(a): ...\n"
        "def _private(a): ...\n"
        "class Thing:\n"
        "    def __init__(self, a, *, b=1): ...\n"
        "    def __call__(self) -> None: ...\n"
        "    def _own(self, a): ...\n"
        "    @staticmethod\n"
        "    def static(a): ...\n"
        "    @classmethod\n"
        "    async def of(cls, *rest, **options) -> int: ...\n"
        "    @property\n"
        "    def size(self): ...\n"
        "class _Hidden:\n"
        "    def method(self, a): ...\n"
    )
    assert _missing(source, "thing.py") == [
        "thing.py:2: bare: a, return",
        "thing.py:5: Thing.__init__: a, b, return",
        "thing.py:9: Thing.static: a, return",
        "thing.py:11: Thing.of: rest, options",
        "thing.py:13: Thing.size: return",
    ]


def _missing(source, name):
    """Returns one line for each public function or method in `source` that lacks annotations, and which ones."""
    found = []
    for owner, function in _public_functions(ast.parse(source).body):
        arguments = function.args
        parameters = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        parameters += filter(None, (arguments.vararg, arguments.kwarg))
        lacking = [p.arg for p in parameters if p.annotation is None and p.arg not in ("self", "cls")]
        lacking += ["return"] * (function.returns is None)
        if lacking:
            found.append(f"{name}:{function.lineno}: {owner}{function.name}: {', '.join(lacking)}")
    return found


def _public_functions(body, owner=""):
    for node in body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from _public_functions(node.body, f"{owner}{node.name}.")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (
            not node.name.startswith("_") or node.name in ("__init__", "__call__")
        ):
            yield owner, node
