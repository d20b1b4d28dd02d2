"""The peer of `make bench-web`: Gradio's chat, answering with the texts in the file that is named, at once.

Run in an environment of its own, which has gradio and nothing of ours.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import gradio

answer = "\n\n".join(f"> {text}" for text in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))

if __name__ == "__main__":
    chat = gradio.ChatInterface(lambda _question, _history: answer)
    chat.launch(server_name="127.0.0.1", server_port=int(sys.argv[2]), quiet=True)
