"""Door one: the page in the browser, its interface under /api, and the guard before both."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from convoscope.server.app import create_app
    from convoscope.server.serving import serve

__all__ = ["create_app", "missing", "serve"]


def missing() -> list[str]:
    """The packages that this room needs and that are not installed."""
    return [name for name in ("fastapi", "uvicorn", "websockets") if find_spec(name) is None]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module's attributes are of every type
    # Loaded when asked for: they bring FastAPI with them, and `create_app` torch.
    if name == "create_app":
        from convoscope.server.app import create_app

        return create_app
    if name == "serve":
        from convoscope.server.serving import serve

        return serve
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
