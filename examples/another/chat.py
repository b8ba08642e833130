"""A chat page in NiceGUI: what is typed is said back."""

import os

import nicegui
from nicegui import app, ui


@ui.page("/")
def home() -> None:
    """The page."""
    ui.page_title("Chat")
    messages = ui.column().classes("w-full")

    def send() -> None:
        with messages:
            ui.chat_message(said.value, name="you", sent=True)
            ui.chat_message(f"You said: {said.value}", name="assistant")
        said.value = ""

    said = ui.input("Your message").on("keydown.enter", send)
    ui.label(f"NiceGUI {nicegui.__version__}")


@app.get("/healthz")
def health() -> str:
    """Whether it answers."""
    return "ok"


ui.run(host="127.0.0.1", port=int(os.environ["PORT"]), title="Chat", show=False, reload=False)
