"""Letting go of modules that have served: what holds no more than the way somewhere need not stay in the heap."""

import sys


def forget(names: "tuple[str, ...]") -> None:
    """Forget modules by their full names, as far as they are loaded; what of them is still in use stays by itself.

    The next import loads them anew. Whoever calls collects afterwards.
    """
    for name in names:
        package, _, module = name.partition(".")
        if sys.modules.pop(name, None) is not None and hasattr(sys.modules[package], module):
            delattr(sys.modules[package], module)
