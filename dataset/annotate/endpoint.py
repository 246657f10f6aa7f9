"""A vision-language model behind a server with OpenAI's interface (vLLM, SGLang, Ollama, llama.cpp, hosted ones)."""

from __future__ import annotations

import base64
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...control.errors import UserError
from ...control.libraries import opencv
from ...control.media import to_bytes

BUSY = (408, 409, 429, 500, 502, 503, 504)  # answers after which it is worth to ask again


@dataclass(frozen=True)
class Endpoint:
    """url: up to and with /v1. model: its name there. key: the environment variable with the key, where one is needed.

    attempts: how often a busy server is asked, waiting `pause` seconds, then twice as long each time.
    """

    url: str
    model: str
    key: str = "OPENAI_API_KEY"
    timeout: float = 120.0
    attempts: int = 4
    pause: float = 2.0

    def __call__(self, images: Sequence[np.ndarray], prompt: str) -> str:
        """Return the answer to a prompt with images (H, W, 3). Raises UserError where the server gives none."""
        content: list[dict[str, Any]] = [
            {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{_jpeg(image)}"}} for image in images
        ]
        message = {"role": "user", "content": [*content, {"type": "text", "text": prompt}]}
        body = {"model": self.model, "messages": [message], "temperature": 0.2, "max_tokens": 1024}
        answer = self._post(json.dumps(body).encode())
        try:
            text = answer["choices"][0]["message"]["content"]
        except (KeyError, IndexError, TypeError) as error:
            raise UserError(
                f"the server '{self.url}' answered without a message: is it one with OpenAI's API?"
            ) from error
        return str(text)

    def _post(self, body: bytes) -> Any:
        headers = {"Content-Type": "application/json"}
        if os.environ.get(self.key):
            headers["Authorization"] = f"Bearer {os.environ[self.key]}"
        said = ""
        for attempt in range(max(1, self.attempts)):
            if attempt:
                time.sleep(self.pause * 2 ** (attempt - 1))
            request = urllib.request.Request(f"{self.url.rstrip('/')}/chat/completions", body, headers)
            try:
                with urllib.request.urlopen(request, timeout=self.timeout) as response:
                    return json.loads(response.read())
            except urllib.error.HTTPError as error:
                said = f"{error.code} {error.reason}"
                if error.code not in BUSY:
                    break
            except (urllib.error.URLError, TimeoutError, ConnectionError, ValueError) as error:
                said = str(error)
        raise UserError(f"the server '{self.url}' gave no answer ({said[:200]}): check its address, model and key")


def _jpeg(image: np.ndarray) -> str:
    pixels = np.ascontiguousarray(to_bytes(image)[..., ::-1])
    return base64.b64encode(opencv("sending images").imencode(".jpg", pixels)[1].tobytes()).decode()
