"""A scripted server as the runner sees it: what has it seen, what is it to answer."""

import httpx
import msgspec

from .wire import Script, Seen


class Remote:
    """One `Wire` in another process.

    Args:
        url: Its own; None where it didn't start.
        token: That it was told.
    """

    def __init__(self, url: str | None, token: str) -> None:
        if url is None:
            message = "a party of the demonstration didn't start"
            raise SystemExit(message)
        self.port = int(url.rpartition(":")[2])
        self._url, self._token = url, token
        self._client = httpx.Client(trust_env=False, timeout=20)

    def seen(self) -> list[Seen]:
        """Return what it has seen since it was asked last."""
        answer = self._client.get(f"{self._url}/_seen/{self._token}")
        return msgspec.json.decode(answer.content, type=list[Seen])

    def play(self, script: Script) -> None:
        """Hand it the script of its next answers."""
        self._client.post(f"{self._url}/_script/{self._token}", json=script)

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()
