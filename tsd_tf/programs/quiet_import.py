"""TensorFlow's import, without what it says of the machine."""

import importlib.abc
import importlib.machinery
import importlib.util
import sys
import types
from collections.abc import Sequence

from tsd_tf.contract.native_output import without_chatter


class QuietImport(importlib.abc.MetaPathFinder):
    """Imports a module without the chatter of its libraries, which some write before it can be told not to.

    Put it first into `sys.meta_path`; it takes itself out when the module is imported, which need never happen.

    Args:
        name: of the module; not one inside a package.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._name:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec and spec.loader:
            execute = spec.loader.exec_module

            def execute_quietly(module: types.ModuleType) -> None:
                with without_chatter():
                    execute(module)

            spec.loader.exec_module = execute_quietly  # type: ignore[method-assign]
        return spec
