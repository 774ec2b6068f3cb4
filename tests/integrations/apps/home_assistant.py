"""The image entity of Home Assistant, on httpx: an integration, or a template, names the picture.

Follows github.com/home-assistant/core, in our own words: homeassistant/helpers/httpx_client.py
`create_async_httpx_client` (commit ded8138b), homeassistant/components/image/__init__.py
`ImageEntity._fetch_url`, `_async_load_image_from_url`, `async_image` (commit 3a2321e0).

The line to change is `client = HassHttpXAsyncClient(...)` in httpx_client.py, or the call of
`create_async_httpx_client`, which hands `transport=` on.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import httpx

from tests.integrations.apps.told import Told

GET_IMAGE_TIMEOUT: Final = 10
KEEP_ALIVE_TIMEOUT: Final = 15
NewClient = Callable[..., httpx.AsyncClient]


class Image(NamedTuple):
    content_type: str
    content: bytes


class ImageContentTypeError(Exception):
    """It is no image."""


def valid_image_content_type(content_type: str | None) -> str:
    """Return the type of an image."""
    if content_type is None or content_type.split("/", 1)[0].lower() != "image":
        raise ImageContentTypeError
    return content_type


class ImageEntity:
    """One picture; what went wrong stands in the log, and the picture is None."""

    def __init__(self, client: httpx.AsyncClient, url: str, seconds: float) -> None:
        self._client, self._url, self._seconds = client, url, seconds
        self._cached_image: Image | None = None
        self.log: list[tuple[str, str]] = []

    async def _fetch_url(self, url: str) -> httpx.Response | None:
        try:
            response = await self._client.get(url, timeout=self._seconds, follow_redirects=True)
            response.raise_for_status()
        except httpx.TimeoutException:
            self.log.append(("TimeoutException", f"no image from {url} in time"))
            return None
        except (httpx.RequestError, httpx.HTTPStatusError) as err:
            self.log.append(("RequestError, HTTPStatusError", f"no image from {url}: {err}"))
            return None
        return response

    async def _async_load_image_from_url(self, url: str) -> Image | None:
        response = await self._fetch_url(url)
        if not response:
            return None
        content_type = response.headers.get("content-type")
        try:
            return Image(valid_image_content_type(content_type), response.content)
        except ImageContentTypeError:
            self.log.append(("ImageContentTypeError", f"{url} is {content_type}"))
            return None

    async def async_image(self) -> bytes | None:
        """Return the picture."""
        if self._cached_image is None:
            self._cached_image = await self._async_load_image_from_url(self._url)
        return None if self._cached_image is None else self._cached_image.content


def ask(
    url: str,
    new_client: NewClient = httpx.AsyncClient,
    *,
    seconds: float = GET_IMAGE_TIMEOUT,
    **options: Any,
) -> Told:
    """Show a picture."""

    async def work() -> Told:
        client = new_client(
            headers={"User-Agent": "HomeAssistant/2025 httpx"},
            limits=httpx.Limits(keepalive_expiry=KEEP_ALIVE_TIMEOUT),
            **options,
        )
        try:
            entity = ImageEntity(client, url, seconds)
            image = await entity.async_image()
        finally:
            await client.aclose()
        return Told(image, *(entity.log[-1] if entity.log else ()))

    return asyncio.run(work())
