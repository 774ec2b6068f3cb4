"""A project of Django's around some routes and a perimeter, served by its own WSGI or ASGI handler."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import count
from types import ModuleType
from typing import Any

from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.test.utils import override_settings

from pratique import Perimeter
from pratique.integrations.django import Elsewhere
from tests import django_site

GUARD = "pratique.integrations.django.Guard"
CSRF = "django.middleware.csrf.CsrfViewMiddleware"
_numbers = count()


class Project:
    """Settings of its own for each request, so that two projects live side by side.

    Args:
        routes: Of its URLconf.
        perimeter: What PRATIQUE names.
        elsewhere: What it says somebody else guards.
        middleware: In place of the guard and Django's CSRF check.
        more: Further settings.
    """

    def __init__(
        self,
        routes: Iterable[Any],
        perimeter: Perimeter | None,
        *,
        elsewhere: Iterable[Elsewhere] = (),
        middleware: Iterable[str] = (GUARD, CSRF),
        **more: Any,
    ) -> None:
        django_site.configure()
        module: Any = ModuleType(f"project_{next(_numbers)}")
        module.urlpatterns, module.perimeter = list(routes), perimeter
        sys.modules[module.__name__] = module
        said = {"PERIMETER": f"{module.__name__}.perimeter", "ELSEWHERE": list(elsewhere)}
        self._settings = {
            "ROOT_URLCONF": module,
            "MIDDLEWARE": list(middleware),
            "PRATIQUE": said if perimeter is not None else None,
            "ALLOWED_HOSTS": ["*"],
            "DEBUG_PROPAGATE_EXCEPTIONS": True,
            **more,
        }

    @contextmanager
    def settings(self) -> Iterator[None]:
        """Let them hold."""
        with override_settings(**self._settings):
            yield

    def wsgi(self) -> "Wsgi":
        """Return the application for a server of WSGI."""
        with self.settings():
            return Wsgi(self, WSGIHandler())

    def asgi(self) -> Any:
        """Return the application for a server of ASGI; it takes a lifespan too."""
        with self.settings():
            handler = ASGIHandler()

        async def serve(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "lifespan":
                for step in ("startup", "shutdown"):
                    await receive()
                    await send({"type": f"lifespan.{step}.complete"})
                return
            with self.settings():
                await handler(scope, receive, send)

        return serve


class Wsgi:
    """An application of a project, under its settings."""

    def __init__(self, project: Project, handler: Any) -> None:
        self._project, self._handler = project, handler

    def __call__(self, environ: Any, start_response: Any) -> Any:
        with self._project.settings():
            response = self._handler(environ, start_response)
            try:
                return [b"".join(response)]
            finally:
                response.close()
