"""`Depends`: marks what a handler is given instead of being passed it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from inspect import Parameter
from typing import Annotated, Any, Final, Literal, get_args, get_origin

from asyncq.errors import WrongType, WrongValue

__all__ = ["INJECT", "Dependency", "Depends", "Scope", "is_injected", "marker_of", "written_as_injected"]

Scope = Literal["job", "app"]


class _Inject:
    def __repr__(self) -> str:
        return "INJECT"


INJECT: Final[Any] = _Inject()
"""Default of a function job's parameter that is injected: `ctx: JobContext = INJECT`."""


@dataclass(frozen=True, slots=True)
class Dependency:
    """What `Depends` returns: whom to call for a value, how long the value lives, and whether it is shared."""

    dependency: Callable[..., Any] | None
    scope: Scope = "job"
    use_cache: bool = True

    def __repr__(self) -> str:
        return f"Depends({getattr(self.dependency, '__qualname__', self.dependency)!s})"


def Depends(  # noqa: N802  # read like a type: `Annotated[Mailer, Depends(get_mailer)]`
    dependency: Callable[..., Any] | None = None, /, *, scope: Scope = "job", use_cache: bool = True
) -> Any:
    """Mark a parameter that is injected: `mailer: Annotated[Mailer, Depends(get_mailer)]`.

    `dependency` is a function, a class, or a generator function (sync or async), whose part after the `yield` runs when
    the job has ended; without one the annotated type itself is called. Its own parameters are injected likewise.
    `scope="app"`: made once, at the first use, and cleaned up when the app closes. `use_cache=False`: made anew for
    each parameter that asks for it, and not once for each run of a job.

    Raises:
        WrongType: it cannot be called.
        WrongValue: an unknown scope, or one value for the whole app that is not shared.
    """
    if dependency is not None and not callable(dependency):
        raise WrongType(f"Depends({dependency!r}): it takes a function or a class, without calling it")
    if scope not in {"job", "app"}:
        raise WrongValue(f"Depends(scope={scope!r}): it is 'job' or 'app'")
    if scope == "app" and not use_cache:
        raise WrongValue("Depends(scope='app', use_cache=False): what lives as long as the app is shared")
    return Dependency(dependency, scope, use_cache)


def is_marker(value: object) -> bool:
    """Say whether a value marks a dependency: ours, or any with a `.dependency` that is no class, such as FastAPI's."""
    return not isinstance(value, type) and hasattr(value, "dependency")


def is_injected(parameter: Parameter) -> bool:
    """Say whether a parameter's default asks for injection; of a function job, any other one travels."""
    return parameter.default is INJECT or is_marker(parameter.default)


def marker_of(hint: Any, default: Any) -> Dependency | None:
    """Return the dependency that an annotation or a default asks for; of several the last one."""
    found = [item for item in get_args(hint)[1:] if is_marker(item)] if get_origin(hint) is Annotated else []
    if is_marker(default):
        found.append(default)
    return _ours(found[-1]) if found else None


def _ours(marker: Any) -> Dependency:
    if isinstance(marker, Dependency):
        return marker
    return Dependency(marker.dependency, use_cache=getattr(marker, "use_cache", True))


def written_as_injected(annotation: object) -> bool:
    """Say whether an annotation, resolved or as text, asks for injection: it names the context or a dependency."""
    text = str(annotation)
    return "JobContext" in text or "Depends(" in text
